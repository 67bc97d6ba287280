"""What a consumer reads: its partitions, where it is in each, and what lies ready. PURE.

    position      the offset of the next record to hand out      moves with each record, and seek
    fetch offset  the offset to ask the leader for next          moves with each answer
    between them  the batches that were fetched and not decoded yet, and the one being decoded

Invariants: records of a partition are handed out in rising order of offset, none twice, unless
somebody seeks. A seek, a pause or a new assignment raises `epoch`, by which whoever is in the
middle of a batch sees that it must look again.
"""

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..protocol.batch import BatchHeader
from ..protocol.errors import KafkaError
from .metadata import TopicPartition

if TYPE_CHECKING:
    from .record_decoder import RecordDecoder


class PartitionState:
    """One assigned partition."""

    __slots__ = (
        "batches",
        "buffered_bytes",
        "committed",
        "decoding",
        "error",
        "fetch_offset",
        "high_watermark",
        "is_in_flight",
        "is_paused",
        "log_start_offset",
        "name",
        "position",
        "reset_to",
        "rest_until_ms",
        "retry_at_ms",
        "seeks",
        "wants_committed",
    )

    def __init__(self, name: TopicPartition) -> None:
        """Without a position: it comes from `seek`, or from a reset."""
        self.name = name
        self.position: int | None = None
        self.fetch_offset = -1
        self.reset_to: int | None = None
        """The time (see offsets) whose offset becomes the position; None if there is one."""
        self.wants_committed = False
        """Whether the position is to be what the group has committed, if it has."""
        self.committed: int | None = None
        """What the group has committed, as far as this consumer knows."""
        self.batches: deque[tuple[memoryview, BatchHeader, bool]] = deque()
        """What was fetched; with True what nobody is to see, control batches and aborted ones."""
        self.buffered_bytes = 0
        self.decoding: RecordDecoder | None = None
        self.error: KafkaError | None = None
        """What the user has to hear before this partition goes on; a seek forgets it."""
        self.is_paused = False
        self.is_in_flight = False
        self.retry_at_ms = 0
        self.rest_until_ms = 0
        """Its log had nothing new: others that have no room now go before it until then."""
        self.seeks = 0
        """How often the position was set: an answer to an older question does not count."""
        self.high_watermark: int | None = None
        self.log_start_offset: int | None = None

    @property
    def has_records(self) -> bool:
        """Whether something lies ready and may be handed out."""
        return not self.is_paused and (self.decoding is not None or bool(self.batches))

    def set_position(self, offset: int) -> None:
        """Go on from this offset, whatever was fetched."""
        self.forget()
        self.position = self.fetch_offset = offset
        self.reset_to = None
        self.wants_committed = False

    def reset(self, time: int) -> None:
        """Go on from the offset of this time, once it is known."""
        self.forget()
        self.position = None
        self.reset_to = time
        self.wants_committed = False

    def forget(self) -> None:
        """Drop what was fetched, and whatever may still come."""
        self.seeks += 1
        self.batches.clear()
        self.buffered_bytes = 0
        self.decoding = None
        self.error = None
        self.retry_at_ms = self.rest_until_ms = 0


class Subscription:
    """The assigned partitions."""

    def __init__(self) -> None:
        """Nothing is assigned."""
        self.partitions: dict[TopicPartition, PartitionState] = {}
        self.epoch = 0
        """Rises with every change but the passing of records."""

    def assign(self, names: Iterable[TopicPartition]) -> list[PartitionState]:
        """Read these and no others; the states of those that are new, which lack a position."""
        wanted = dict.fromkeys(names)
        new = [PartitionState(name) for name in wanted if name not in self.partitions]
        for name in [name for name in self.partitions if name not in wanted]:
            self.partitions.pop(name).forget()
        self.partitions |= {state.name: state for state in new}
        self.epoch += 1
        return new

    def interrupt(self) -> None:
        """Let whoever is in the middle of a batch look again."""
        self.epoch += 1

    def seek(self, name: TopicPartition, offset: int) -> None:
        """Set the position; raises ValueError for a partition that is not assigned."""
        if offset < 0:
            raise ValueError(f"offset {offset} is below 0: see seek_to_beginning, seek_to_end")
        self.state(name).set_position(offset)
        self.epoch += 1

    def pause(self, names: Iterable[TopicPartition]) -> None:
        """Hand out nothing of these, keeping what was fetched."""
        for name in names:
            self.state(name).is_paused = True
        self.epoch += 1

    def resume(self, names: Iterable[TopicPartition]) -> None:
        """Hand out again."""
        for name in names:
            self.state(name).is_paused = False
        self.epoch += 1

    def state(self, name: TopicPartition) -> PartitionState:
        """The state; raises ValueError for a partition that is not assigned."""
        state = self.partitions.get(name)
        if state is None:
            raise ValueError(f"partition {name[0]}-{name[1]} is not assigned to this consumer")
        return state

    def buffered_bytes(self) -> int:
        """What lies ready, in all partitions."""
        return sum(state.buffered_bytes for state in self.partitions.values())
