"""What a partition remembers of its idempotent producers: the last five batches of each. PURE.

A producer numbers its records per partition. A batch is told by its first and last sequence:

    the batch                                               the answer
    is one of the last five, to the letter, same epoch      a duplicate: its original offset
    has an older epoch                                      INVALID_PRODUCER_EPOCH
    has a newer epoch and begins at sequence 0              accepted, the window starts anew
    follows the last sequence (2^31 - 1 is followed by 0)   accepted
    comes from a producer nobody remembers                  accepted: its state may have expired
    anything else                                           OUT_OF_ORDER_SEQUENCE_NUMBER

Five, because a producer has at most five batches on the way to a partition (KIP-98), and a retry
may come after a restart: `snapshot` and `replay` rebuild this table from disk. Who is silent for
long is forgotten, by our clock: Kafka goes by the records' own timestamps, and forgets at once who
writes old records (KAFKA-9144). So is who was silent for longest, when there are too many: anybody
can make up producer ids, and memory has a bound (Kafka has none here). A failed write
takes its changes back with `rollback`; entries are never changed in place, so the old ones suffice.
"""

from collections.abc import Iterable
from typing import NamedTuple

from ...protocol.batch import MAX_SEQUENCE, BatchHeader
from ...protocol.errors import ErrorCode

WINDOW = 5
MAX_PRODUCERS = 10_000
"""Remembered in one partition: some 4 MiB."""
NO_SEQUENCE = -1


class SentBatch(NamedTuple):
    """One batch as the log holds it."""

    first_sequence: int
    last_sequence: int
    base_offset: int
    last_offset: int
    seen_ms: int


class Producer(NamedTuple):
    """One producer id: its epoch, and its last batches, oldest first."""

    epoch: int
    batches: tuple[SentBatch, ...]


class Producers:
    """The producers of one partition, by producer id."""

    def __init__(self) -> None:
        self._producers: dict[int, Producer] = {}
        self._before: dict[int, Producer | None] = {}

    def check(self, header: BatchHeader) -> SentBatch | ErrorCode:
        """The batch this one repeats, or NONE to append it, or the error that refuses it."""
        known = self._producers.get(header.producer_id)
        if known is None:
            return ErrorCode.NONE
        epoch = header.producer_epoch
        if epoch == known.epoch:
            return _check_sequence(known, header)
        if epoch < known.epoch:
            return ErrorCode.INVALID_PRODUCER_EPOCH
        if header.base_sequence == 0:
            return ErrorCode.NONE
        return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER

    def append(self, header: BatchHeader, base_offset: int, now_ms: int) -> None:
        """Remember a checked batch that is being written; `rollback` can still forget it."""
        producer_id = header.producer_id
        self._before.setdefault(producer_id, self._producers.get(producer_id))
        self._remember(header, base_offset, now_ms)

    def commit(self) -> None:
        """The batches appended since the last call are in the log."""
        self._before.clear()
        self._forget_the_most_silent()

    def rollback(self) -> None:
        """The batches appended since the last `commit` are not in the log."""
        for producer_id, before in self._before.items():
            if before is None:
                del self._producers[producer_id]
            else:
                self._producers[producer_id] = before
        self._before.clear()

    def replay(self, header: BatchHeader, now_ms: int) -> None:
        """Remember a batch that is in the log; nothing is checked."""
        self._remember(header, header.base_offset, now_ms)
        self._forget_the_most_silent()

    def expire(self, before_ms: int) -> None:
        """Forget producers that were last heard of before `before_ms`."""
        old = [
            producer_id
            for producer_id, producer in self._producers.items()
            if producer.batches[-1].seen_ms < before_ms
        ]
        for producer_id in old:
            del self._producers[producer_id]

    def last_offsets(self) -> dict[int, int]:
        """Producer id to the last offset of its last batch, which compaction must keep."""
        return {
            producer_id: producer.batches[-1].last_offset
            for producer_id, producer in self._producers.items()
        }

    def snapshot(self, end_offset: int) -> list[tuple[int, int, SentBatch]]:
        """(producer id, epoch, batch) of all batches below `end_offset`, oldest first.

        That is what was known when the log ended there: what was appended since the last `commit`
        may be above it, and must not push out what it follows.
        """
        found: list[tuple[int, int, SentBatch]] = []
        for producer_id, producer in sorted(self._producers.items()):
            before = self._before.get(producer_id) or producer
            known = [(before.epoch, batch) for batch in before.batches]
            known += [(producer.epoch, batch) for batch in producer.batches]
            below = [each for each in dict.fromkeys(known) if each[1].last_offset < end_offset]
            found += [(producer_id, *each) for each in below if each[0] == below[-1][0]][-WINDOW:]
        return found

    def load(self, entries: list[tuple[int, int, SentBatch]]) -> None:
        """Start from a snapshot."""
        self._producers.clear()
        for producer_id, epoch, batch in entries:
            self._add(producer_id, epoch, batch)

    def items(self) -> Iterable[tuple[int, Producer]]:
        """Every producer that is remembered, with its id."""
        return self._producers.items()

    def __len__(self) -> int:
        return len(self._producers)

    def _remember(self, header: BatchHeader, base_offset: int, now_ms: int) -> None:
        last_offset = base_offset + header.last_offset_delta
        batch = SentBatch(
            header.base_sequence,
            header.last_sequence,
            base_offset,
            last_offset,
            now_ms,
        )
        self._add(header.producer_id, header.producer_epoch, batch)

    def _add(self, producer_id: int, epoch: int, batch: SentBatch) -> None:
        known = self._producers.pop(producer_id, None)  # who is heard of moves to the end
        earlier = known.batches if known is not None and known.epoch == epoch else ()
        self._producers[producer_id] = Producer(epoch, (*earlier[1 - WINDOW :], batch))

    def _forget_the_most_silent(self) -> None:
        while len(self._producers) > MAX_PRODUCERS:
            del self._producers[next(iter(self._producers))]


def _check_sequence(known: Producer, header: BatchHeader) -> SentBatch | ErrorCode:
    first, last = header.base_sequence, header.last_sequence
    for batch in known.batches:
        if batch.first_sequence == first and batch.last_sequence == last:
            return batch
    if first == (known.batches[-1].last_sequence + 1) & MAX_SEQUENCE:
        return ErrorCode.NONE
    return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
