"""One batch of records on its way from `send` to its offsets. PURE.

    open ──full, lingered, flushed──> waiting ──take──> in flight ──acknowledged──> gone
                                         ↑                  │
                                         └──────retry───────┘──refused, expired──> gone

Its bytes are made once, when it is first taken, and a retry sends the same bytes with the same
producer id, epoch and sequence: that is how a broker knows a batch which it has already. Only a
batch that the broker has surely not written may `give_up_number` and get another.
"""

from enum import Enum, auto
from typing import Final

from ..protocol.batch import BatchHeader, read_header, write_header
from ..protocol.records import BatchBuilder
from .batch_delivery import BatchDelivery

NO_SEQUENCE: Final = -1


class BatchState(Enum):
    """Where the batch is, see the picture above."""

    OPEN = auto()
    WAITING = auto()
    IN_FLIGHT = auto()
    GONE = auto()


class ProducerBatch:
    """Records of one partition that travel together."""

    __slots__ = (
        "attempts",
        "base_sequence",
        "builder",
        "created_ms",
        "deadline_ms",
        "delivery",
        "encoded",
        "is_in_doubt",
        "last_error",
        "leader",
        "ordinal",
        "partition",
        "retry_at_ms",
        "size_bytes",
        "state",
        "topic",
    )

    def __init__(
        self, topic: str, partition: int, compression: int, now_ms: int, deadline_ms: int
    ) -> None:
        """Open a batch at `now_ms` that has to be delivered by `deadline_ms`."""
        self.topic = topic
        self.partition = partition
        self.created_ms = now_ms
        self.deadline_ms = deadline_ms
        self.builder = BatchBuilder(compression)
        self.delivery = BatchDelivery(topic, partition)
        self.encoded = bytearray()
        self.size_bytes = 0
        self.state = BatchState.OPEN
        self.base_sequence = NO_SEQUENCE
        self.ordinal = 0
        """The how-manieth numbered batch of its partition it is, while it has a number."""
        self.attempts = 0
        self.retry_at_ms = now_ms
        self.leader: int | None = None
        """Whom it was sent to last."""
        self.last_error: str | None = None
        """Why it has to be sent again."""
        self.is_in_doubt = False
        """Whether it was sent and nobody knows if the broker has written it."""

    @property
    def record_count(self) -> int:
        """How many records it holds."""
        return self.builder.record_count

    @property
    def has_number(self) -> bool:
        """Whether it has its place in the sequence of the producer."""
        return self.base_sequence != NO_SEQUENCE

    def encode(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        """Make its bytes, or make them again with other numbers."""
        self.base_sequence = base_sequence
        if not self.encoded:
            self.encoded = self.builder.build(
                producer_id=producer_id, producer_epoch=producer_epoch, base_sequence=base_sequence
            )
            return
        # A copy: the old bytes may still lie in the queue of a dying connection.
        self.encoded = bytearray(self.encoded)
        header: BatchHeader = read_header(self.encoded)
        write_header(
            self.encoded,
            header._replace(
                producer_id=producer_id, producer_epoch=producer_epoch, base_sequence=base_sequence
            ),
        )

    def give_up_number(self) -> None:
        """The broker has surely not written it: it may get another place."""
        self.base_sequence = NO_SEQUENCE
        self.is_in_doubt = False
