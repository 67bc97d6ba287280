"""Records waiting to be sent: a queue of batches per partition, in order. PURE.

    append ──> topic-0: [in flight][in flight][waiting][open]      take from the left
               topic-1: [open]                                     append at the right

A batch is *ready* when it is full, when its linger time is over, or when somebody flushes. Without
idempotence one batch of a partition is on the way at a time, and the order is kept by waiting.

Sequence numbers (KIP-98). A batch gets the next number of its partition when it is first taken and
keeps it for every retry. Two rules keep that safe with a broker that remembers five batches, and
that takes any number from a producer which it does not know:

- no batch gets a number while it would be more than MAX_IN_FLIGHT - 1 behind the oldest that is not
  acknowledged: that one could be written already, and the broker must still know it;
- until a partition has acknowledged a batch, it gets one at a time.

When a numbered batch is dropped (refused for good, or too old), its partition has a gap, and the
broker refuses all that comes behind it. Then the producer starts anew:

    1. no batch gets a number; those which have one are retried until their fate is known: written,
       refused as out of order (surely not written: it gives its number up), or too old;
    2. when none has a number, `needs_producer_id` turns true: a new id, and all count from 0.

So no record is written twice, unless it was reported as failed and sent again by the user. The cost
is that a partition without a leader can hold up the others, for as long as a new start is pending.

Invariants: a partition's batches leave in the order of their records; `append` never waits, it says
that there is no room; the records held take no more than `buffer_memory_bytes` as encoded. Beside
them are eight bytes a record, and an eighth of all for growth.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ..protocol.batch import MAX_SEQUENCE
from ..protocol.records import RecordHeader
from .metadata import TopicPartition
from .producer_batch import BatchState, ProducerBatch

MAX_IN_FLIGHT: Final = 5  # as many as a broker remembers per producer and partition
RECORD_OVERHEAD_BYTES: Final = 25  # lengths, deltas, attributes and header count at their longest
HEADER_OVERHEAD_BYTES: Final = 10

# To read a member of an enum takes as long as to call a function.
OPEN: Final = BatchState.OPEN
WAITING: Final = BatchState.WAITING
IN_FLIGHT: Final = BatchState.IN_FLIGHT

NO_ROOM: Final = 0
ADDED: Final = 1
BATCH_OPENED: Final = 2
BATCH_FULL: Final = 3
TOO_LARGE: Final = 4


@dataclass(frozen=True, slots=True)
class AccumulatorSettings:
    """What a producer's user may say about batches."""

    batch_size_bytes: int
    max_record_bytes: int
    buffer_memory_bytes: int
    linger_ms: int
    delivery_timeout_ms: int
    compression: int
    is_idempotent: bool


class _Queue:
    """The batches of one partition, oldest first."""

    __slots__ = ("batches", "has_gap", "in_flight", "is_known", "next_sequence", "numbered")

    def __init__(self) -> None:
        self.batches: deque[ProducerBatch] = deque()
        self.in_flight = 0
        self.next_sequence = 0
        self.numbered = 0
        self.is_known = False
        """Whether the broker has acknowledged a batch of this producer id."""
        self.has_gap = False


class Accumulator:
    """The queues and their rules; times are the loop's, in ms."""

    def __init__(self, settings: AccumulatorSettings) -> None:
        """Empty; an idempotent producer needs an id before anything can be taken."""
        self.settings = settings
        self.buffered_bytes = 0
        self._queues: dict[tuple[str, int], _Queue] = {}
        self._producer_id = -1
        self._producer_epoch = -1
        self._starts_anew = settings.is_idempotent

    def append(
        self,
        topic: str,
        partition: int,
        timestamp: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[RecordHeader],
        now_ms: Callable[[], int],
    ) -> tuple[int, ProducerBatch | None]:
        """Add a record to the end of the batch that is returned, and say what came of it:

        ADDED, BATCH_OPENED or BATCH_FULL; without a batch NO_ROOM or TOO_LARGE. This is called for
        every record and is kept flat; the clock is looked at when a batch is opened. Raises
        TypeError for a key, value or headers of the wrong type, OverflowError for a timestamp
        of more than 64 bits; nothing is added then.
        """
        room = RECORD_OVERHEAD_BYTES + (len(key) if key else 0) + (len(value) if value else 0)
        if headers:
            room += _headers_bytes(headers)
        settings = self.settings
        if room > settings.max_record_bytes:
            return TOO_LARGE, None
        if self.buffered_bytes + room > settings.buffer_memory_bytes and self.buffered_bytes:
            self.close_open()
            return NO_ROOM, None
        queue = self._queues.get((topic, partition))
        if queue is None:
            queue = self._queues[topic, partition] = _Queue()
        result = ADDED
        batches = queue.batches
        if not batches or (batch := batches[-1]).state is not OPEN:
            batch = self._open(queue, topic, partition, now_ms())
            result = BATCH_OPENED
        elif batch.size_bytes + room > settings.batch_size_bytes:
            batch.state = WAITING
            batch = self._open(queue, topic, partition, now_ms())
            result = BATCH_FULL
        timestamps = batch.delivery.timestamps
        try:
            timestamps.append(timestamp)
            size_bytes = batch.builder.append(timestamp, key, value, headers)
        except BaseException:
            del timestamps[batch.record_count :]
            if not timestamps:
                batches.pop()
            raise
        self.buffered_bytes += size_bytes - batch.size_bytes
        batch.size_bytes = size_bytes
        if size_bytes >= settings.batch_size_bytes:
            batch.state = WAITING
            result = BATCH_FULL
        return result, batch

    def close_open(self) -> None:
        """Make every open batch ready: somebody flushes, or waits for room."""
        for queue in self._queues.values():
            if queue.batches and queue.batches[-1].state is OPEN:
                queue.batches[-1].state = WAITING

    def batches(self) -> Iterable[ProducerBatch]:
        """Every batch that is not delivered."""
        return (batch for queue in self._queues.values() for batch in queue.batches)

    def ready(self, now_ms: int) -> list[TopicPartition]:
        """The partitions from which a batch can be taken."""
        return [
            TopicPartition(*name)
            for name, queue in self._queues.items()
            if queue.batches and self._ready_at_ms(queue) <= now_ms
        ]

    def next_ms(self, now_ms: int) -> int | None:
        """When to look again if nothing else happens: a batch gets ready, or too old.

        What is ready now and was not taken waits for something else, such as a connection.
        """
        next_ms = NEVER_MS
        for queue in self._queues.values():
            batch = _first_at_rest(queue)
            if batch is not None:  # those behind it are younger
                ready_at_ms = self._ready_at_ms(queue)
                next_ms = min(next_ms, batch.deadline_ms)
                next_ms = min(next_ms, ready_at_ms) if ready_at_ms > now_ms else next_ms
        return None if next_ms == NEVER_MS else next_ms

    def next_batch(self, partition: TopicPartition) -> ProducerBatch | None:
        """The batch that `take` would take next, whether or not it is ready."""
        queue = self._queues.get(partition)
        return self._next_batch(queue) if queue else None

    def take(self, partition: TopicPartition) -> ProducerBatch:
        """Put the partition's next batch, which must be ready, in flight; encoded and numbered."""
        queue = self._queues[partition]
        batch = self._next_batch(queue)
        if batch is None:
            raise LookupError(f"no batch of {partition} is ready")
        if not self.settings.is_idempotent:
            if not batch.encoded:
                batch.encode(-1, -1, -1)
        elif not batch.has_number:
            batch.encode(self._producer_id, self._producer_epoch, queue.next_sequence)
            queue.next_sequence = (queue.next_sequence + batch.record_count) & MAX_SEQUENCE
            batch.ordinal = queue.numbered
            queue.numbered += 1
        batch.state = IN_FLIGHT
        batch.attempts += 1
        queue.in_flight += 1
        return batch

    def acknowledge(self, batch: ProducerBatch) -> None:
        """The broker has it."""
        self._queues[batch.topic, batch.partition].is_known = True
        self._remove(batch)

    def retry(self, batch: ProducerBatch, at_ms: int, *, in_doubt: bool) -> None:
        """Send it again, not before `at_ms`; `in_doubt` unless the broker surely refused it."""
        self._land(batch)
        batch.retry_at_ms = at_ms
        batch.is_in_doubt |= in_doubt

    def out_of_order(self, batch: ProducerBatch, at_ms: int) -> None:
        """The broker has not written it, since it misses a batch before it.

        If that one is still with us, both go again. Otherwise the producer has to start anew.
        """
        queue = self._land(batch)
        batch.retry_at_ms = at_ms
        batch.is_in_doubt = False
        is_first = next(each for each in queue.batches if each.has_number) is batch
        if is_first or queue.has_gap:
            batch.give_up_number()
            self._starts_anew = True

    def fail(self, batch: ProducerBatch) -> None:
        """It is given up: refused for good, or too old."""
        queue = self._queues[batch.topic, batch.partition]
        if batch.has_number:
            queue.has_gap = self._starts_anew = True
        self._remove(batch)

    def expire(self, now_ms: int) -> list[ProducerBatch]:
        """Give up and return the batches that are too old; one in flight waits for its answer."""
        expired: list[ProducerBatch] = []
        for queue in self._queues.values():
            while (batch := _first_at_rest(queue)) and batch.deadline_ms <= now_ms:
                self.fail(batch)
                expired.append(batch)
        return expired

    @property
    def needs_producer_id(self) -> bool:
        """Whether the producer must get a (new) id before batches can get numbers."""
        return self._starts_anew and not any(batch.has_number for batch in self.batches())

    def set_producer(self, producer_id: int, producer_epoch: int) -> None:
        """Number batches from 0 on under this id."""
        self._producer_id, self._producer_epoch = producer_id, producer_epoch
        self._starts_anew = False
        for queue in self._queues.values():
            queue.next_sequence = queue.numbered = 0
            queue.is_known = queue.has_gap = False

    def _open(self, queue: _Queue, topic: str, partition: int, now_ms: int) -> ProducerBatch:
        settings = self.settings
        deadline_ms = now_ms + settings.delivery_timeout_ms
        batch = ProducerBatch(topic, partition, settings.compression, now_ms, deadline_ms)
        queue.batches.append(batch)
        return batch

    def _ready_at_ms(self, queue: _Queue) -> int:
        """When the next batch of the queue can be taken; NEVER_MS if that hangs on an answer."""
        batch = self._next_batch(queue)
        if batch is None or not self._may_leave(queue, batch):
            return NEVER_MS
        if batch.state is OPEN:
            return batch.created_ms + self.settings.linger_ms
        return batch.retry_at_ms

    def _next_batch(self, queue: _Queue) -> ProducerBatch | None:
        """The oldest batch that is not in flight; on a new start, of those with a number."""
        if not self._starts_anew:
            return _first_at_rest(queue)
        numbered = (each for each in queue.batches if each.has_number)
        return next((each for each in numbered if each.state is not IN_FLIGHT), None)

    def _may_leave(self, queue: _Queue, batch: ProducerBatch) -> bool:
        """Whether the order of the partition, and the broker's memory, allow it to leave now."""
        if not self.settings.is_idempotent:
            return queue.in_flight == 0
        if batch.has_number:
            return True
        oldest = queue.batches[0]
        window = MAX_IN_FLIGHT if queue.is_known else 1
        return not oldest.has_number or queue.numbered - oldest.ordinal < window

    def _land(self, batch: ProducerBatch) -> _Queue:
        """The batch is no longer in flight."""
        queue = self._queues[batch.topic, batch.partition]
        if batch.state is IN_FLIGHT:
            queue.in_flight -= 1
        batch.state = WAITING
        return queue

    def _remove(self, batch: ProducerBatch) -> None:
        queue = self._land(batch)
        batch.state = BatchState.GONE
        queue.batches.remove(batch)
        self.buffered_bytes -= batch.size_bytes


NEVER_MS: Final = 2**63


def _first_at_rest(queue: _Queue) -> ProducerBatch | None:
    """The oldest batch that is not in flight."""
    return next((batch for batch in queue.batches if batch.state is not IN_FLIGHT), None)


def _headers_bytes(headers: Sequence[RecordHeader]) -> int:
    """No less than these headers take."""
    return sum(
        HEADER_OVERHEAD_BYTES + 4 * len(name) + (len(value) if value else 0)
        for name, value in headers
    )
