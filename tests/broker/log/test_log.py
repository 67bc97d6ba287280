"""One partition's log: appends that are all or nothing, rolls as Kafka's, flushes that confirm."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from minikafka.broker.log.files import DiskFull, File, Files, StorageError
from minikafka.broker.log.log import MAX_WARM_SEGMENTS, Log, LogOptions, OffsetOutOfRange
from minikafka.broker.log.segment import MAX_CURSORS
from minikafka.protocol.batch import MAX_BATCH_OFFSETS
from minikafka.protocol.records import (
    BatchBuilder,
    Record,
    assign_offset,
    build_batch,
    read_header,
    stamp_log_append_time,
)

SMALL = LogOptions(segment_bytes=300, index_interval_bytes=100)


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "orders-0")


def stage(log: Log, *timestamps: int, value: bytes = b"value", offset: int | None = None) -> bytes:
    """Stage a batch of a record for each timestamp; return its bytes."""
    batch = build_batch([Record(0, time, None, value) for time in timestamps])
    assign_offset(batch, log.log_end_offset if offset is None else offset, 0)
    log.stage(memoryview(batch), read_header(batch))
    return bytes(batch)


def append(log: Log, *timestamps: int, value: bytes = b"value", offset: int | None = None) -> bytes:
    """Stage and write one batch; return its bytes."""
    batch = stage(log, *timestamps, value=value, offset=offset)
    log.write()
    return batch


def flush(log: Log, files: Files) -> None:
    """One round of flushing."""
    point = log.begin_flush()
    files.flush_now(point.files)
    log.flushed(point)


def bases(log: Log) -> list[int]:
    """The base offsets of the segments."""
    return [segment.base_offset for segment in log.segments]


def test_staged_batches_are_read_only_after_write(directory: str) -> None:
    log = Log.open(Files(), directory, LogOptions())
    batches = [stage(log, 1000, 1001), stage(log, 1002)]
    assert (log.log_end_offset, log.written_offset) == (3, 0)
    assert log.read(0, 1000, 3) is None
    log.write()
    assert log.written_offset == 3
    found = log.read(1, 1000, 3)
    assert found is not None
    assert found.read() == b"".join(batches)
    assert Path(directory, f"{0:020d}.log").read_bytes() == found.read()


def test_a_batch_below_the_log_end_is_a_broken_invariant(directory: str) -> None:
    log = Log.open(Files(), directory, LogOptions())
    append(log, 1000)
    with pytest.raises(ValueError, match="log end 1"):
        stage(log, 1000, offset=0)


def test_a_full_disk_forgets_what_was_staged_and_takes_it_later(directory: str) -> None:
    """The limit on the size of files falls in the second of three segments of one write."""
    code = f"""if True:
        import resource, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_log import append, bases, stage
        from minikafka.broker.log.files import DiskFull, Files
        from minikafka.broker.log.log import Log, LogOptions
        options = LogOptions(segment_bytes=400, index_interval_bytes=100)
        log = Log.open(Files(), {directory!r}, options)
        first = append(log, 1000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        for step in range(2):
            stage(log, 1001); stage(log, 1002, value=b"x" * 300); stage(log, 1003, value=b"y" * 450)
            assert log.log_end_offset == 4
            try:
                log.write()
            except DiskFull:
                print(log.log_end_offset, log.written_offset, bases(log), log.size_bytes)
        second = append(log, 1001)
        assert log.read(0, 1000, 2).read() == first + second
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["1 1 [0] 73", "1 1 [0] 73"]
    reopened = Log.open(Files(), directory, LogOptions())
    assert reopened.log_end_offset == 2


def test_rolls_when_the_segment_would_grow_too_large(directory: str) -> None:
    log = Log.open(Files(), directory, SMALL)
    sizes = [len(append(log, 1000)) for _ in range(9)]
    assert sizes == [73] * 9
    assert bases(log) == [0, 4, 8]
    append(log, 1000, value=b"larger than a segment" * 20)
    append(log, 1000)
    assert bases(log) == [0, 4, 8, 9, 10]


def test_rolls_when_record_time_has_passed_the_first_batch_by_segment_ms(directory: str) -> None:
    log = Log.open(Files(), directory, LogOptions(segment_ms=1000))
    for time in (5000, 5500, 6000, 3000, 6001, 6100):
        append(log, time)
    assert bases(log) == [0, 4]
    reopened = Log.open(Files(), directory, LogOptions(segment_ms=1000))
    append(reopened, 7002)
    assert bases(reopened) == [0, 4, 6]


def test_a_log_without_timestamps_does_not_roll_by_time(directory: str) -> None:
    log = Log.open(Files(), directory, LogOptions(segment_ms=1000))
    for time in (-1, 5000, 9000):
        append(log, time)
    assert bases(log) == [0]


def test_rolls_when_an_offset_is_too_far_from_the_base(directory: str) -> None:
    log = Log.open(Files(), directory, LogOptions())
    append(log, 1000)
    append(log, 1000, offset=MAX_BATCH_OFFSETS - 1)
    append(log, 1000)
    append(log, 1000, offset=5 * MAX_BATCH_OFFSETS)
    assert bases(log) == [0, MAX_BATCH_OFFSETS, 4 * MAX_BATCH_OFFSETS + 1]
    found = log.read(MAX_BATCH_OFFSETS + 1, 1000, log.log_end_offset)
    assert found is not None
    assert read_header(found.read()).base_offset == 5 * MAX_BATCH_OFFSETS
    reopened = Log.open(Files(), directory, LogOptions())
    assert bases(reopened) == bases(log)


def test_one_write_fills_several_segments_and_tells_of_each_roll(directory: str) -> None:
    log = Log.open(Files(), directory, SMALL)
    rolls: list[tuple[int, int]] = []
    log.on_roll = lambda base_offset: rolls.append((base_offset, log.segments[-2].size_bytes))
    batches = [stage(log, 1000) for _ in range(10)]
    log.write()
    assert rolls == [(4, 292), (8, 292)]
    assert b"".join(Path(one.path("log")).read_bytes() for one in log.segments) == b"".join(batches)


def test_rolling_onto_an_empty_segment_does_nothing(directory: str) -> None:
    log = Log.open(Files(), directory, SMALL)
    log.roll()
    assert bases(log) == [0]
    append(log, 1000)
    log.roll()
    log.roll()
    assert bases(log) == [0, 1]
    append(log, 1000)
    assert bases(Log.open(Files(), directory, SMALL)) == [0, 1]


def test_closed_segments_have_kafkas_index_files(directory: str) -> None:
    """An entry for the first batch after more than the interval, of its last offset and place."""
    log = Log.open(Files(), directory, LogOptions(index_interval_bytes=150))
    for time in (5000, 7000, 6000, 6500, 6600, 8000, 8500):
        assert len(append(log, time, time - 1, value=b"")) == 75
    assert not Path(directory, f"{0:020d}.index").exists()
    log.roll()
    assert Path(directory, f"{0:020d}.index").read_bytes() == struct.pack(
        ">iiii", 7, 3 * 75, 13, 6 * 75
    )
    assert Path(directory, f"{0:020d}.timeindex").read_bytes() == struct.pack(
        ">qiqi", 7000, 3, 8500, 13
    )


def test_flushed_follows_the_disk_and_not_the_write(directory: str) -> None:
    files = Files()
    log = Log.open(files, directory, SMALL)
    for _ in range(5):
        append(log, 1000)
    assert (log.written_offset, log.flushed_offset, log.unflushed_bytes) == (5, 0, 5 * 73)
    point = log.begin_flush()
    names = [os.path.basename(one if isinstance(one, str) else one.path) for one in point.files]
    assert set(names) == {
        "orders-0",
        f"{0:020d}.log",
        f"{0:020d}.index",
        f"{0:020d}.timeindex",
        f"{4:020d}.log",
    }
    append(log, 1000)
    log.flushed(point)
    assert (log.flushed_offset, log.recovery_point, log.unflushed_bytes) == (5, 5, 73)
    second = log.begin_flush()
    assert [one for one in second.files if isinstance(one, str)] == []
    log.flushed(second)
    assert (log.flushed_offset, log.begin_flush().files) == (6, [])


def test_flush_mode_os_takes_written_for_flushed_but_not_for_confirmed(directory: str) -> None:
    files = Files()
    log = Log.open(files, directory, LogOptions(segment_bytes=300, flush_on_write="os"))
    for _ in range(5):
        append(log, 1000)
    assert (log.flushed_offset, log.recovery_point, log.unflushed_bytes) == (5, 0, 0)
    flush(log, files)
    assert log.recovery_point == 5


def test_overlapping_flushes_confirm_each_their_own(directory: str) -> None:
    log = Log.open(Files(), directory, SMALL)
    for _ in range(5):
        append(log, 1000)
    first = log.begin_flush()
    for _ in range(4):
        append(log, 1000)
    second = log.begin_flush()
    log.flushed(second)
    assert (log.flushed_offset, log.unflushed_bytes, log.begin_flush().files) == (9, 0, [])
    log.roll()
    log.flushed(first)
    assert (log.flushed_offset, log.unflushed_bytes) == (9, 0)
    assert len(log.begin_flush().files) == 4


def test_a_flush_overtaken_by_a_truncation_confirms_nothing(directory: str) -> None:
    files = Files()
    log = Log.open(files, directory, SMALL)
    append(log, 1000)
    flush(log, files)
    append(log, 1000)
    point = log.begin_flush()
    log.truncate_to(1)
    append(log, 2000)
    log.flushed(point)
    assert (log.written_offset, log.flushed_offset) == (2, 1)
    flush(log, files)
    assert log.flushed_offset == 2


def test_a_roll_that_finds_the_disk_full_leaves_the_log_as_it_was(directory: str) -> None:
    class FullOnce(Files):
        full = False

        def open(self, path: str, *, create: bool = False) -> File:
            if self.full and create:
                raise DiskFull(path)
            return super().open(path, create=create)

    files = FullOnce()
    log = Log.open(files, directory, SMALL)
    for _ in range(4):
        append(log, 1000)
    files.full = True
    with pytest.raises(DiskFull):
        append(log, 1000)
    assert (bases(log), log.log_end_offset) == ([0], 4)
    files.full = False
    append(log, 1000)
    assert (bases(log), log.log_end_offset) == ([0, 4], 5)


def test_a_failing_snapshot_at_a_roll_fails_the_write(directory: str) -> None:
    log = Log.open(Files(), directory, SMALL)
    for _ in range(4):
        append(log, 1000)

    def fail(base_offset: int) -> None:
        raise StorageError(f"no snapshot of {base_offset}")

    log.on_roll = fail
    with pytest.raises(StorageError, match="no snapshot of 4"):
        append(log, 1000)
    assert log.log_end_offset == log.written_offset == 4
    append(log, 1000)
    assert bases(log) == [0, 4]


def test_a_tailing_consumer_costs_no_system_call(directory: str) -> None:
    class Counted(File):
        reads = 0

        def pread_into(self, buffer: bytearray | memoryview, position: int) -> int:
            Counted.reads += 1
            return super().pread_into(buffer, position)

    class CountedFiles(Files):
        def open(self, path: str, *, create: bool = False) -> File:
            plain = super().open(path, create=create)
            return Counted(path, os.dup(plain.fileno()))

    log = Log.open(CountedFiles(), directory, LogOptions())
    append(log, 1000)
    Counted.reads = 0
    assert log.read(1, 1000, 1) is None
    for offset in range(1, 100):
        batch = append(log, 1000)
        found = log.read(offset, 1000, offset + 1)
        assert found is not None
        assert found.read() == batch
    assert Counted.reads == 0
    assert len(log.segments[-1]._cursors) <= MAX_CURSORS


def test_few_closed_segments_stay_open(directory: str) -> None:
    log = Log.open(Files(), directory, SMALL)
    batches = [append(log, 1000 + index) for index in range(80)]
    assert len(log.segments) == 20
    held = log.read(0, 1000, 80)
    assert held is not None
    for offset in range(80):
        assert log.read(offset, 73, 80) is not None
    assert sum(segment.is_open for segment in log.segments[:-1]) == MAX_WARM_SEGMENTS
    assert log.offset_for_time(1001, 80) == (1, 1001, 0)
    assert log.max_timestamp(80) == (79, 1079, 0)
    assert len(list(log.headers(0))) == 80
    assert sum(segment.is_open for segment in log.segments[:-1]) == MAX_WARM_SEGMENTS
    assert held.read() == b"".join(batches[:4])


def test_every_read_of_a_small_log(directory: str) -> None:
    """All offsets, ends and sizes: the batches that fit, up to the end of a segment."""
    options = LogOptions(segment_bytes=500, index_interval_bytes=250)
    log = Log.open(Files(), directory, options)
    batches = [
        (log.written_offset, log.written_offset + count, append(log, *[1000] * count))
        for count in (1, 3, 1, 1, 2, 5, 1, 1, 1, 2, 1)
    ]
    segment_bases = bases(log)[1:]
    assert len(segment_bases) == 1
    sizes = {0, 1, 5000} | {
        sum(len(data) for *_, data in batches[:count]) + more
        for count in range(1, 7)
        for more in (-1, 0, 1)
    }
    for offset in range(batches[-1][1]):
        for end_offset in range(offset, batches[-1][1] + 2):
            for max_bytes in sizes:
                expected = b""
                for base_offset, next_offset, data in batches:
                    if next_offset <= offset:
                        continue
                    too_large = len(expected) + len(data) > max_bytes and expected
                    if next_offset > end_offset or too_large:
                        break
                    if base_offset in segment_bases and expected:
                        break
                    expected += data
                found = log.read(offset, max_bytes, end_offset)
                assert (found.read() if found else b"") == expected
                found = log.read(offset, max_bytes, end_offset, at_least_one=False)
                small_enough = expected if len(expected) <= max_bytes else b""
                assert (found.read() if found else b"") == small_enough


def test_a_batch_that_does_not_fit_is_not_skipped_for_one_that_does(directory: str) -> None:
    log = Log.open(Files(), directory, SMALL)
    append(log, 1000, value=b"x" * 200)
    log.roll()
    append(log, 1000)
    assert log.read(0, 100, 2, at_least_one=False) is None


def test_a_read_after_a_truncation_forgets_where_reads_ended(directory: str) -> None:
    log = Log.open(Files(), directory, LogOptions())
    for _ in range(3):
        append(log, 1000)
        assert log.read(0, 1000, log.log_end_offset) is not None
    log.truncate_to(1)
    append(log, 1000, value=b"longer than before")
    third = append(log, 1000)
    found = log.read(2, 1000, 3)
    assert found is not None
    assert found.read() == third


def test_a_closed_segment_that_a_truncation_makes_active_stays_so(directory: str) -> None:
    log = Log.open(Files(), directory, SMALL)
    for _ in range(7 * 4):
        append(log, 1000)
    assert log.read(20, 1000, 28) is not None
    log.truncate_to(21)
    batches = [append(log, 2000) for _ in range(3)]
    for offset in (0, 4, 8, 12, 16):
        assert log.read(offset, 1000, 24) is not None
    found = log.read(21, 1000, 24)
    assert found is not None
    assert found.read() == b"".join(batches)
    assert log.max_timestamp(24) == (21, 2000, 0)


def test_a_gap_at_the_end_of_a_closed_segment_leads_to_the_next(directory: str) -> None:
    """Compaction leaves such gaps; here the segment in the middle has lost its end."""
    log = Log.open(Files(), directory, SMALL)
    for _ in range(9):
        append(log, 1000)
    batch = Path(directory, f"{8:020d}.log").read_bytes()
    log.close()
    closed = Path(directory, f"{4:020d}.log")
    closed.write_bytes(closed.read_bytes()[:73])
    for suffix in ("index", "timeindex"):
        Path(directory, f"{4:020d}.{suffix}").unlink()
    log = Log.open(Files(), directory, SMALL, clean=True)
    for offset in (5, 6, 7, 8):
        found = log.read(offset, 1000, 9)
        assert found is not None
        assert found.read() == batch
    assert log.read(5, 10, 9, at_least_one=False) is None


def test_a_slice_outlives_its_segment(directory: str) -> None:
    log = Log.open(Files(), directory, SMALL)
    first = [append(log, 1000) for _ in range(4)]
    append(log, 1000)
    found = log.read(0, 1000, 5)
    assert found is not None
    log.advance_start(5)
    assert bases(log) == [4]
    assert not Path(directory, f"{0:020d}.log").exists()
    assert found.read() == b"".join(first)
    with pytest.raises(OffsetOutOfRange):
        log.read(4, 1000, 5)
    assert log.read(5, 1000, 5) is None


def test_a_deleted_log_leaves_nothing(directory: str) -> None:
    log = Log.open(Files(), directory, SMALL)
    batch = append(log, 1000)
    found = log.read(0, 1000, 1)
    log.delete()
    assert os.listdir(os.path.dirname(directory)) == []
    assert found is not None
    assert found.read() == batch
    assert Log.open(Files(), directory, SMALL).log_end_offset == 0


def test_a_clean_start_opens_only_the_last_segment(directory: str) -> None:
    class Watched(Files):
        opened: list[str] = []

        def open(self, path: str, *, create: bool = False) -> File:
            self.opened.append(os.path.basename(path))
            return super().open(path, create=create)

    log = Log.open(Files(), directory, SMALL)
    for index in range(50):
        append(log, 1000 + index)
    log.close(sync=True)
    files = Watched()
    reopened = Log.open(files, directory, SMALL, recovery_point=50, clean=True)
    assert reopened.log_end_offset == 50
    assert {name[:20] for name in files.opened} == {f"{48:020d}"}


def test_index_files_of_a_full_disk_are_not_believed(directory: str) -> None:
    class Full(Files):
        full = False

        def open(self, path: str, *, create: bool = False) -> File:
            if self.full and path.endswith(".timeindex"):
                raise DiskFull(path)
            return super().open(path, create=create)

    files = Full()
    log = Log.open(files, directory, LogOptions(index_interval_bytes=100))
    for index in range(5):
        append(log, 1000 + index)
    files.full = True
    log.close()
    assert os.listdir(directory) == [f"{0:020d}.log"]
    files.full = False
    again = Log.open(files, directory, LogOptions(index_interval_bytes=100), clean=True)
    assert again.max_timestamp(5) == (4, 1004, 0)


def test_a_high_watermark_within_a_batch_leaves_the_batch_out(directory: str) -> None:
    log = Log.open(Files(), directory, LogOptions())
    first = append(log, 1000)
    append(log, 1000, 1001, 1002)
    for end_offset in (1, 2, 3):
        found = log.read(0, 1000, end_offset)
        assert found is not None
        assert found.read() == first
        assert log.read(2, 1000, end_offset) is None


def test_time_look_ups_see_append_time_compressed_and_unreadable_batches(directory: str) -> None:
    log = Log.open(Files(), directory, LogOptions())

    def add(batch: bytearray) -> None:
        assign_offset(batch, log.log_end_offset, 7)
        log.stage(memoryview(batch), read_header(batch))
        log.write()

    stamped = build_batch([Record(0, 1, None, b"v")] * 3)
    stamp_log_append_time(stamped, 1000)
    add(stamped)
    add(build_batch([Record(0, time, None, b"v") for time in (1100, 1300, 1200, 1300)], 4))
    unreadable = BatchBuilder(4)
    unreadable.append(2000, None, b"v")
    damaged = unreadable.build()
    damaged[61:] = bytes(len(damaged) - 61)
    add(damaged)
    assert log.offset_for_time(500, 8) == (0, 1000, 7)
    assert log.offset_for_time(1250, 8) == (4, 1300, 7)
    assert log.offset_for_time(1301, 8) == (7, 2000, 7)
    assert log.offset_for_time(1301, 7) is None
    assert log.offset_for_time(1250, 4) is None
    assert log.offset_for_time(2001, 8) is None
    assert log.max_timestamp(8) == (7, 2000, 7)
    assert log.max_timestamp(7) == (4, 1300, 7)
    assert log.max_timestamp(4) == (3, 1100, 7)
    assert log.max_timestamp(0) is None


def test_a_lying_max_timestamp_is_passed_over(directory: str) -> None:
    """A producer's header may promise a time that none of its records has."""
    log = Log.open(Files(), directory, LogOptions())
    batch = build_batch([Record(0, 1000, None, b"v")])
    struct.pack_into(">q", batch, 35, 9999)
    log.stage(memoryview(batch), read_header(batch))
    log.write()
    append(log, 5000)
    assert log.offset_for_time(2000, 2) == (1, 5000, 0)
    assert log.offset_for_time(6000, 2) is None


def test_a_log_that_starts_above_its_end_begins_anew_there(directory: str) -> None:
    log = Log.open(Files(), directory, SMALL)
    append(log, 1000)
    log.close()
    log = Log.open(Files(), directory, SMALL, clean=True, log_start_offset=100)
    assert (log.log_start_offset, log.log_end_offset, bases(log)) == (100, 100, [100])
