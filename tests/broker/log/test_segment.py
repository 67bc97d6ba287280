"""One segment: which bytes a read finds, what its index files say, what it lets go."""

import os
import struct
from pathlib import Path

import pytest

from minikafka.broker.log.files import DiskFull, File, Files
from minikafka.broker.log.log import MAX_WARM_SEGMENTS, Log, LogOptions, OffsetOutOfRange
from minikafka.broker.log.segment import MAX_CURSORS

from .appending import SMALL, append, bases


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "orders-0")


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
    ends = {next_offset for _, next_offset, _ in batches}
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
                expected, is_cut = b"", False
                for base_offset, next_offset, data in batches:
                    if next_offset <= offset:
                        continue
                    if next_offset > end_offset:
                        break
                    too_large = len(expected) + len(data) > max_bytes
                    is_cut = bool(expected) and (too_large or base_offset in segment_bases)
                    if is_cut:
                        break
                    expected += data
                found = log.read(offset, max_bytes, end_offset)
                assert (found.read() if found else b"") == expected
                if found and end_offset in ends:
                    assert (found.end_offset < end_offset) == is_cut
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


def test_a_slice_outlives_its_segment(directory: str) -> None:
    log = Log.open(Files(), directory, SMALL)
    first = [append(log, 1000) for _ in range(4)]
    append(log, 1000)
    found = log.read(0, 1000, 5)
    assert found is not None
    log.advance_start(5)
    log.delete_oldest()
    assert (bases(log), log.log_start_offset) == ([4], 5)
    assert not Path(directory, f"{0:020d}.log").exists()
    assert found.read() == b"".join(first)
    with pytest.raises(OffsetOutOfRange):
        log.read(4, 1000, 5)
    assert log.read(5, 1000, 5) is None


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
