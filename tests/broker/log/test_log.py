"""One partition's log: appends that are all or nothing, rolls as Kafka's, flushes that confirm."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from minikafka.broker.log.files import DiskFull, File, Files, StorageFailed
from minikafka.broker.log.log import Log, LogOptions
from minikafka.protocol.batch import MAX_BATCH_OFFSETS
from minikafka.protocol.primitives import Buffer
from minikafka.protocol.records import read_header

from .appending import SMALL, append, bases, flush, stage


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "orders-0")


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


def test_nothing_is_written_behind_a_failure_of_the_disk(directory: str) -> None:
    """KAFKA-10778: what failed may be there in half, and who reads on would find its end."""

    class Broken(File):
        def append(self, chunks: Sequence[Buffer]) -> None:
            super().append([b"half"])
            raise StorageFailed("input/output error")

    log = Log.open(Files(), directory, LogOptions())
    batch = append(log, 1000)
    segment = log.segments[0]
    segment._file = Broken(segment.path("log"), os.dup(segment.file.fileno()))
    for _ in range(2):
        with pytest.raises(StorageFailed):
            append(log, 1001)
        segment._file = None  # From now on it would take them.
    assert Path(directory, f"{0:020d}.log").read_bytes() == batch + b"half"
    assert Log.open(Files(), directory, LogOptions()).log_end_offset == 1


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
        from appending import append, bases, stage
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


def test_a_roll_that_is_rolled_back_tells_nobody(directory: str) -> None:
    """A snapshot taken by then would tell of batches that are not in the log."""

    class FullAfter(Files):
        writes_left = 100

        def open(self, path: str, *, create: bool = False) -> File:
            file = super().open(path, create=create)
            return LimitedFile(file, self) if path.endswith(".log") else file

    class LimitedFile(File):
        def __init__(self, file: File, files: FullAfter) -> None:
            super().__init__(file.path, os.dup(file.fileno()))
            self._files = files

        def append(self, chunks: Sequence[Buffer]) -> None:
            self._files.writes_left -= 1
            if self._files.writes_left < 0:
                raise DiskFull(self.path)
            super().append(chunks)

    files = FullAfter()
    log = Log.open(files, directory, SMALL)
    rolls: list[int] = []
    log.on_roll = rolls.append
    for _ in range(3):
        append(log, 1000)
    stage(log, 1000)
    stage(log, 1000)
    files.writes_left = 1  # the last batch of the old segment fits, the first of the new does not
    with pytest.raises(DiskFull):
        log.write()
    assert (log.log_end_offset, bases(log), rolls) == (3, [0], [])
    files.writes_left = 100
    for _ in range(2):
        append(log, 1000)
    assert (log.log_end_offset, bases(log), rolls) == (5, [0, 4], [4])


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


def test_a_log_that_starts_above_its_end_begins_anew_there(directory: str) -> None:
    log = Log.open(Files(), directory, SMALL)
    append(log, 1000)
    log.close()
    log = Log.open(Files(), directory, SMALL, clean=True, log_start_offset=100)
    assert (log.log_start_offset, log.log_end_offset, bases(log)) == (100, 100, [100])
