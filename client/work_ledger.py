"""Which records are in work, in which order they may be, and up to where may be committed. PURE.

    admit ──> waiting ──> ready ──take──> running ──done──>  gone, and the next of its lane is ready
                            ^                │
                            └──── due ── backing off  <──retry

A *lane* is what has to stay in order: the records of one key in one partition; or, `by_partition`,
all records of a partition. The first of a lane is ready, running or backing off; all others wait
behind it. A record without a key has no lane: whoever wrote it asked for no order.

    offset       10   11   12   13   14   15
                done  run done wait done  (not admitted yet)
                       └─ committable: 11, the first unfinished one

Invariants:
- Of a lane at most one record runs, and records of a lane are done in the order of their offsets.
- `committable` never passes a record that was admitted and is not done.
- At most `slots` records run at once, and at most `max_in_flight` are admitted and unfinished.

A partition that is given up is forgotten: what still runs of it holds its slot and its lane until
it ends, so that two records of a key never run at once even when the partition comes back; but it
moves no offset any more.
"""

from collections import deque
from collections.abc import Collection, Iterable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Final

from .metadata import TopicPartition
from .record import ConsumerRecord

MAX_UNCOMMITTED: Final = 10_000
"""A partition waits when it is so far ahead of its oldest unfinished record, since all that lies
between may be done again after a crash."""


class PartitionWork:
    """What is unfinished of one partition."""

    __slots__ = ("committed", "end_offset", "name", "next_offset", "unfinished")

    def __init__(self, name: TopicPartition, offset: int) -> None:
        """Nothing is admitted; the first record will be that at `offset`."""
        self.name = name
        self.end_offset = offset
        """Where the consumer stands: after the last record that it gave."""
        self.next_offset = offset
        """Every record below is done, or among the unfinished; as `end_offset`, until some are
        handed back."""
        self.committed = offset
        self.unfinished: dict[int, Work] = {}

    @property
    def committable(self) -> int:
        """The offset of the first record that is not done, be it handed back."""
        return min(self.next_offset, min(self.unfinished, default=self.next_offset))


class Work:
    """One record, from its admission until it is done."""

    __slots__ = (
        "admitted_s",
        "began_s",
        "failures",
        "is_overdue",
        "is_running",
        "lane",
        "partition",
        "record",
    )

    def __init__(
        self, record: ConsumerRecord, partition: PartitionWork, lane: Any, now_s: float
    ) -> None:
        """Waiting since now."""
        self.record = record
        self.partition = partition
        self.lane = lane
        self.admitted_s = now_s
        self.began_s = 0.0
        """When its handler began, the last time; 0 until then. Whoever runs it says so."""
        self.failures = 0
        self.is_running = False
        """Taken, and neither done nor backing off."""
        self.is_overdue = False
        """It runs for too long, and that was said."""

    def __str__(self) -> str:
        """How sentences name it."""
        topic, partition, offset = self.record[:3]
        return f"{topic}-{partition} offset {offset}"


class WorkLedger:
    """The books of one worker. Times are in seconds, of any clock that only rises."""

    def __init__(self, slots: int, max_in_flight: int, *, by_partition: bool = False) -> None:
        """Nothing is in work."""
        self.slots = slots
        self.max_in_flight = max_in_flight
        self.partitions: dict[TopicPartition, PartitionWork] = {}
        self.running: set[Work] = set()
        """Those that hold a slot."""
        self.in_flight = 0
        """How many records are admitted and not done, those of forgotten partitions included."""
        self._by_partition = by_partition
        self._ready: deque[Work] = deque()
        self._first: dict[Any, Work] = {}
        """Of each lane: what is ready, running or backing off; of a forgotten partition, maybe."""
        self._waiting: dict[Any, deque[Work]] = {}
        """Of the lanes that have more: what waits behind the first."""
        self._backing_off: list[tuple[float, int, Work]] = []
        self._sequence = count()

    @property
    def room(self) -> int:
        """How many more records may be admitted."""
        return self.max_in_flight - self.in_flight

    def admit(
        self, name: TopicPartition, records: Collection[ConsumerRecord], now_s: float
    ) -> None:
        """Take records of one partition into the books, as they come from the consumer.

        A record that is in work already (somebody sought back) is not taken twice.
        """
        partition = self.partitions.get(name)
        for record in records:
            if partition is None:
                partition = self.partitions[name] = PartitionWork(name, record.offset)
            partition.next_offset = partition.end_offset = record.offset + 1
            if record.offset in partition.unfinished:
                continue
            lane = name if self._by_partition else _lane(name, record.key)
            work = Work(record, partition, lane, now_s)
            partition.unfinished[record.offset] = work
            self.in_flight += 1
            self._line_up(work)

    def take(self) -> Work | None:
        """The next record to work on, if one is ready and a slot is free."""
        if not self._ready or len(self.running) >= self.slots:
            return None
        work = self._ready.popleft()
        work.is_running, work.is_overdue = True, False
        work.began_s = 0.0
        self.running.add(work)
        return work

    def put_back(self, works: Iterable[Work]) -> None:
        """These were taken, in this order, and not begun; those given up are forgotten."""
        for work in reversed(list(works)):
            if not self.owns(work):
                self.done(work)
                continue
            self.running.discard(work)
            work.is_running = False
            self._ready.appendleft(work)

    def leave_slot(self, work: Work) -> None:
        """The handler has come back; the record itself may have to wait for something else."""
        self.running.discard(work)

    def done(self, work: Work) -> None:
        """Nothing is left to do for this record; the next one of its lane is ready."""
        self.running.discard(work)
        del work.partition.unfinished[work.record.offset]
        self.in_flight -= 1
        lane = work.lane
        waiting = self._waiting.get(lane)
        if waiting is not None:
            self._first[lane] = waiting.popleft()
            self._ready.append(self._first[lane])
            if not waiting:
                del self._waiting[lane]
        elif lane is not None:
            del self._first[lane]

    def retry(self, work: Work, at_s: float) -> None:
        """The handler failed: the record is to be taken again from `at_s` on.

        That of a forgotten partition is somebody else's now.
        """
        self.running.discard(work)
        if not self.owns(work):
            self.done(work)
            return
        work.is_running = False
        work.failures += 1
        heappush(self._backing_off, (at_s, next(self._sequence), work))

    def make_due(self, now_s: float) -> float | None:
        """Make ready what has backed off for long enough; the time when the next one will have."""
        while self._backing_off and self._backing_off[0][0] <= now_s:
            self._ready.appendleft(heappop(self._backing_off)[2])
        return self._backing_off[0][0] if self._backing_off else None

    def committable(self) -> dict[TopicPartition, int]:
        """Where each partition may be gone on from, where that is news."""
        return {
            partition.name: offset
            for partition in self.partitions.values()
            if (offset := partition.committable) != partition.committed
        }

    def committed(self, offsets: dict[TopicPartition, int]) -> None:
        """The group knows these offsets now."""
        for name, offset in offsets.items():
            partition = self.partitions.get(name)
            if partition is not None:
                partition.committed = offset

    def crowded(self, partition_count: int) -> set[TopicPartition]:
        """Those of so many partitions that have enough in work: more of them is not to be read.

        Each may have its share of the room, so that one with a slow key does not starve the others.
        """
        share = max(self.max_in_flight // max(partition_count, 1), self.slots)
        return {
            each.name
            for each in self.partitions.values()
            if len(each.unfinished) >= share
            or each.next_offset - each.committable >= MAX_UNCOMMITTED
        }

    def hand_back(self, names: Iterable[TopicPartition]) -> None:
        """Take out of the books what does not run: who reads on has to read it again."""
        partitions = [self.partitions[name] for name in names if name in self.partitions]
        back = [
            work
            for partition in partitions
            for work in partition.unfinished.values()
            if not work.is_running
        ]
        for work in back:
            partition = work.partition
            del partition.unfinished[work.record.offset]
            partition.next_offset = min(partition.next_offset, work.record.offset)
            self._waiting.pop(work.lane, None)
            if self._first.get(work.lane) is work:
                del self._first[work.lane]
        self.in_flight -= len(back)
        gone = set(back)
        self._ready = deque(work for work in self._ready if work not in gone)
        self._backing_off = [each for each in self._backing_off if each[2] not in gone]
        heapify(self._backing_off)

    def forget(self, names: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Hand back, and have nothing to do with these partitions any more.

        Returns where each begins that has to be read again, since not all of it was done.
        """
        names = [name for name in names if name in self.partitions]
        self.hand_back(names)
        gone = [self.partitions.pop(name) for name in names]
        return {each.name: each.committable for each in gone if each.committable != each.end_offset}

    def owns(self, work: Work) -> bool:
        """Whether the record's partition has not been given up since it was admitted."""
        return self.partitions.get(work.partition.name) is work.partition

    def unfinished(self, names: Iterable[TopicPartition]) -> list[Work]:
        """What is admitted and not done of these partitions."""
        return [
            work
            for name in names
            if name in self.partitions
            for work in self.partitions[name].unfinished.values()
        ]

    def _line_up(self, work: Work) -> None:
        """Behind those of its lane, or ready."""
        lane = work.lane
        if lane is not None:
            if lane in self._first:
                waiting = self._waiting.get(lane)
                if waiting is None:
                    waiting = self._waiting[lane] = deque()
                waiting.append(work)
                return
            self._first[lane] = work
        self._ready.append(work)


def _lane(name: TopicPartition, key: Any) -> Any:
    """What a record has to stay in order with; a deserializer may have made anything of the key."""
    if key is None:
        return None
    try:
        hash(key)
    except TypeError:
        key = repr(key)
    return name, key
