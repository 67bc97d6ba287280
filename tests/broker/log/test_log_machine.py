"""A log against a list: whatever is done to it, it holds and finds what the list does."""

import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from minikafka.broker.log.files import Files
from minikafka.broker.log.index import Indexes
from minikafka.broker.log.log import Log, LogOptions, OffsetOutOfRange
from minikafka.broker.log.retention import Retention, count_deletable
from minikafka.broker.log.scan import scan
from minikafka.protocol.primitives import Buffer
from minikafka.protocol.records import (
    Record,
    assign_offset,
    build_batch,
    iterate,
    iterate_batches,
    read_header,
)

from .compacting import DAY_MS, NOW_MS, dirty_part, round_of

OPTIONS = LogOptions(segment_bytes=700, segment_ms=5000, index_interval_bytes=150)
DAYS = st.integers(0, 3)
KEYS = [b"a", b"b", b"c", None, b"d" * 20]
SHARED_MEMORY = Path("/dev/shm")


class Batch(NamedTuple):
    """A batch as the model keeps it."""

    base_offset: int
    next_offset: int
    records: list[Record]
    data: bytes

    @staticmethod
    def of(data: Buffer) -> "Batch":
        """From its bytes."""
        header = read_header(data)
        return Batch(header.base_offset, header.next_offset, list(iterate(data)), bytes(data))


def values_of(records: list[Record]) -> dict[bytes | None, bytes]:
    """What a reader of keys makes of it: a tombstone deletes its key."""
    newest = {record.key: record.value for record in records if record.key is not None}
    return {key: value for key, value in newest.items() if value is not None}


class LogMachine(RuleBasedStateMachine):
    """Rules do the same to the log and to the list; the invariant compares the two."""

    @initialize()
    def start(self) -> None:
        parent = str(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None
        self.parent = tempfile.mkdtemp(dir=parent)
        self.files = Files()
        self.directory = f"{self.parent}/orders-0"
        self.batches: list[Batch] = []
        self.cleaned_offset = 0
        self.start_offset = self.end_offset = self.flushed = 0
        self.epoch = 0
        self.log = Log.open(self.files, self.directory, OPTIONS)

    def teardown(self) -> None:
        self.files.close()
        shutil.rmtree(self.parent)

    @rule(
        sizes=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 120)), min_size=1, max_size=6),
        gap=st.sampled_from([0, 0, 0, 1, 50]),
        time=st.integers(0, 12_000),
        falling=st.booleans(),
    )
    def append(self, sizes: list[tuple[int, int]], gap: int, time: int, falling: bool) -> None:
        for count, value_bytes in sizes:
            times = [time + (-index if falling else index) * 7 for index in range(count)]
            times = [max(one, 0) for one in times]
            values = [b"v" * value_bytes, None] if value_bytes % 7 == 0 else [b"v" * value_bytes]
            data = build_batch(
                [Record(0, one, KEYS[one % len(KEYS)], values[one % len(values)]) for one in times]
            )
            assign_offset(data, self.log.log_end_offset + gap, self.epoch)
            self.log.stage(memoryview(data), read_header(data))
            self.batches.append(Batch.of(data))
            time, gap = time + 10, 0
        self.end_offset = self.batches[-1].next_offset
        assert self.log.log_end_offset == self.end_offset
        self.log.write()

    @rule()
    def flush(self) -> None:
        point = self.log.begin_flush()
        self.files.flush_now(point.files)
        self.log.flushed(point)
        self.flushed = self.end_offset
        assert self.log.unflushed_bytes == 0

    @rule()
    def roll(self) -> None:
        rolled: list[int] = []
        empty = not self.log.segments[-1].size_bytes
        self.log.on_roll = rolled.append
        self.log.roll()
        assert rolled == ([] if empty else [self.end_offset])

    @rule()
    def new_epoch(self) -> None:
        self.epoch += 1

    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        offset = data.draw(st.integers(self.log.segments[0].base_offset, self.end_offset + 1))
        self.log.truncate_to(offset)
        if offset < self.end_offset:
            self.batches = [one for one in self.batches if one.next_offset <= offset]
            kept = self.batches[-1].next_offset if self.batches else 0
            self.end_offset = max(kept, self.log.segments[-1].base_offset)
            assert self.end_offset <= offset
        self.flushed = min(self.flushed, self.end_offset)
        self.start_offset = min(self.start_offset, self.end_offset)

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def advance_start(self, data: st.DataObject) -> None:
        self.start_offset = data.draw(st.integers(self.start_offset, self.end_offset))
        self.log.advance_start(self.start_offset)

    @rule()
    def delete_oldest(self) -> None:
        """Below the log start, or not: then the log starts behind it."""
        if len(self.log.segments) == 1:
            return
        self.log.delete_oldest()
        first = self.log.segments[0].base_offset
        self.start_offset = max(self.start_offset, first)
        self.batches = [one for one in self.batches if one.base_offset >= first]

    @rule(age_ms=st.integers(0, 12_000), size=st.integers(-1, 2000))
    def delete_old(self, age_ms: int, size: int) -> None:
        """Retention: what is left is what comes behind the first segment that stays."""
        segments = self.log.segments
        count = count_deletable(
            segments, Retention(age_ms, size), self.start_offset, self.end_offset, NOW_MS
        )
        if count == len(segments):
            self.log.roll()
        for _ in range(count):
            self.log.delete_oldest()
        first = self.log.segments[0].base_offset
        self.start_offset = max(self.start_offset, first)
        self.batches = [one for one in self.batches if one.base_offset >= first]

    @rule(max_keys=st.integers(4, 20), give_up=st.none() | st.integers(0, 60), day=DAYS)
    def compact(self, max_keys: int, give_up: int | None, day: int) -> None:
        """Compaction, or half of it: the newest value of each key stays, all else where it was."""
        before = [record for one in self.batches for record in one.records]
        part = dirty_part(self.log, min(self.cleaned_offset, self.end_offset))
        one_round = round_of(
            self.files, self.log, part, max_keys=max_keys, now_ms=NOW_MS + day * DAY_MS
        )
        with closing(one_round.steps()) as steps:
            for number, step in enumerate(steps):
                self.files.flush_now(step)
                if number == give_up:
                    break
        self.cleaned_offset = one_round.cleaned_offset
        data = b"".join(Path(one.path("log")).read_bytes() for one in self.log.segments)
        self.batches = [Batch.of(one) for one in iterate_batches(data)]
        after = [record for one in self.batches for record in one.records]
        assert [record for record in before if record in after] == after
        assert values_of(after) == values_of(before)

    @rule(distance=st.integers(-5, 50))
    def restart(self, distance: int) -> None:
        offset = max(self.end_offset + distance, 0)
        self.log.restart_at(offset)
        self.batches = []
        self.start_offset = self.end_offset = self.flushed = offset

    @rule(clean=st.booleans(), sync=st.booleans())
    def reopen(self, clean: bool, sync: bool) -> None:
        """Stop in order, or be killed: what was written is in the files all the same."""
        if clean:
            self.log.close(sync=sync)
        self.log = Log.open(
            self.files,
            self.directory,
            OPTIONS,
            recovery_point=self.flushed,
            clean=clean,
            log_start_offset=self.start_offset,
        )
        self.flushed = self.end_offset
        assert not self.log.was_cut

    @rule(data=st.data())
    def remove_an_index(self, data: st.DataObject) -> None:
        """Closed segments' indexes are made anew when they are missing or of odd size."""
        closed = self.log.segments[:-1]
        if closed:
            segment = data.draw(st.sampled_from(closed))
            segment.rest()
            path = Path(segment.path(data.draw(st.sampled_from(["index", "timeindex"]))))
            path.write_bytes(b"odd") if data.draw(st.booleans()) else path.unlink(missing_ok=True)

    @rule(data=st.data(), max_bytes=st.integers(0, 1500), at_least_one=st.booleans())
    def read(self, data: st.DataObject, max_bytes: int, at_least_one: bool) -> None:
        offset = data.draw(st.integers(self.start_offset, self.end_offset))
        limit = data.draw(st.integers(0, self.end_offset + 5) | st.just(self.end_offset))
        found = self.log.read(offset, max_bytes, limit, at_least_one)
        wanted = [one for one in self.batches if one.next_offset > offset]
        count = 0
        while count < len(wanted) and wanted[count].next_offset <= limit:
            count += 1
        wanted = wanted[:count]
        if not wanted or offset >= limit:
            assert found is None
        elif len(wanted[0].data) > max_bytes:
            assert (found.read() if found else None) == (wanted[0].data if at_least_one else None)
        else:
            assert found is not None
            self._check_slice(found.read(), len(found), wanted, max_bytes)

    def _check_slice(self, got: bytes, length: int, wanted: list[Batch], max_bytes: int) -> None:
        """Whole batches, as many as fit, up to the end of the segment."""
        assert len(got) == length
        assert b"".join(one.data for one in wanted).startswith(got)
        sizes, count = 0, 0
        while sizes < len(got):
            sizes += len(wanted[count].data)
            count += 1
        assert sizes == len(got) <= max_bytes
        if count < len(wanted) and sizes + len(wanted[count].data) <= max_bytes:
            bases = [segment.base_offset for segment in self.log.segments]
            before, after = wanted[count - 1].base_offset, wanted[count].base_offset
            assert any(before < base <= after for base in bases)

    @rule(distance=st.integers(1, 10))
    def read_outside(self, distance: int) -> None:
        for offset in (self.start_offset - distance, self.end_offset + distance):
            with pytest.raises(OffsetOutOfRange):
                self.log.read(offset, 1000, self.end_offset)

    @rule(timestamp=st.integers(0, 13_000), data=st.data())
    def find_by_time(self, timestamp: int, data: st.DataObject) -> None:
        limit = data.draw(st.integers(0, self.end_offset) | st.just(self.end_offset))
        records = [
            (record.offset, record.timestamp)
            for batch in self.batches
            for record in batch.records
            if self.start_offset <= record.offset < limit
        ]
        found = self.log.offset_for_time(timestamp, limit)
        expected = next((one for one in records if one[1] >= timestamp), None)
        assert (found[:2] if found else None) == expected
        latest = self.log.max_timestamp(limit)
        expected = max(records, key=lambda one: one[1], default=None)
        assert (latest[:2] if latest else None) == expected

    @rule(data=st.data())
    def replay_headers(self, data: st.DataObject) -> None:
        offset = data.draw(st.integers(self.start_offset, self.end_offset))
        found = [header.base_offset for header in self.log.headers(offset)]
        assert found == [one.base_offset for one in self.batches if one.next_offset > offset]

    @invariant()
    def the_log_holds_what_the_list_does(self) -> None:
        log = self.log
        assert log.log_start_offset == self.start_offset
        assert log.log_end_offset == log.written_offset == self.end_offset
        assert log.flushed_offset == log.recovery_point == self.flushed
        data = b"".join(one.data for one in self.batches)
        assert b"".join(Path(one.path("log")).read_bytes() for one in log.segments) == data
        assert log.size_bytes == len(data)
        bases = [segment.base_offset for segment in log.segments]
        assert bases == sorted(set(bases))
        assert len(log._warm) <= 4
        active = log.segments[-1]
        made_anew = Indexes(active.base_offset, OPTIONS.index_interval_bytes)
        for position, header in scan(active.file, active.base_offset, -1):
            made_anew.note(position, header.size_bytes, header)
        assert bytes(active.indexes.offsets) == bytes(made_anew.offsets)
        assert active.indexes.largest == made_anew.largest


def test_a_log_does_what_a_list_does() -> None:
    run_state_machine_as_test(
        LogMachine,
        settings=settings(
            max_examples=120,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
