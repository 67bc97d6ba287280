"""A round of compaction on a real log: less bytes, the same offsets, and nobody is disturbed."""

from pathlib import Path

import pytest

from minikafka.broker.log.files import DiskFull, File, Files
from minikafka.broker.log.index import Indexes
from minikafka.broker.log.log import Log, LogOptions
from minikafka.broker.log.scan import CorruptLog, scan
from minikafka.protocol.primitives import Buffer
from minikafka.protocol.records import (
    BatchBuilder,
    Record,
    build_batch,
    iterate,
    iterate_batches,
    read_header,
)

from .appending import bases
from .compacting import (
    DAY_MS,
    NOW_MS,
    append_pairs,
    compact,
    dirty_part,
    newest_values,
    records_in,
    round_of,
)

NEWEST = {b"key 0": b"value 18", b"key 1": b"value 19", b"key 2": b"value 17"}
OPTIONS = LogOptions(segment_bytes=400, index_interval_bytes=100)


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "orders-0")


@pytest.fixture
def log(files: Files, directory: str) -> Log:
    """Twenty records of three keys, in segments of five."""
    log = Log.open(files, directory, OPTIONS)
    for number in range(20):
        append_pairs(log, (b"key %d" % (number % 3), b"value %d" % number))
    assert len(log.segments) >= 4
    return log


def walk_through(log: Log, max_bytes: int = 1000) -> list[Record]:
    """What a consumer reads from the start of the log to its end; it must get on with each read."""
    found: list[Record] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        part = log.read(offset, max_bytes, log.log_end_offset)
        assert part is not None, f"a consumer stalls at offset {offset}"
        for batch in iterate_batches(part.read()):
            found += [each for each in iterate(batch) if each.offset >= offset]
            assert read_header(batch).next_offset > offset
            offset = read_header(batch).next_offset
    return found


def test_the_newest_record_of_each_key_is_left_where_it_was(files: Files, log: Log) -> None:
    before, active = records_in(log), log.segments[-1].base_offset
    one_round = compact(files, round_of(files, log))
    assert one_round.cleaned_offset == active
    after = records_in(log)
    assert newest_values(after) == newest_values(before)
    assert [each for each in before if each in after] == after
    closed = [each for each in after if each.offset < active]
    assert [each.offset for each in closed] == [active - 3, active - 2, active - 1]
    assert [each for each in after if each.offset >= active] == [
        each for each in before if each.offset >= active
    ]
    assert one_round.removed_bytes > 0
    assert (log.log_start_offset, log.log_end_offset) == (0, 20)


def test_small_segments_become_one(files: Files, log: Log) -> None:
    count = len(log.segments)
    sizes = [each.size_bytes for each in log.segments[:-1]]
    compact(files, round_of(files, log))
    first_bases = bases(log)
    compact(files, round_of(files, log))
    assert len(bases(log)) < len(first_bases) <= count
    assert bases(log)[0] == 0
    assert all(each.size_bytes <= max(OPTIONS.segment_bytes, *sizes) for each in log.segments)


@pytest.mark.parametrize("max_bytes", [1, 200, 100_000])
def test_a_consumer_gets_through_and_reads_what_is_left(
    files: Files, log: Log, max_bytes: int
) -> None:
    compact(files, round_of(files, log))
    left = records_in(log)
    assert walk_through(log, max_bytes) == left
    for start in range(20):
        log.advance_start(start)
        assert walk_through(log, max_bytes) == [each for each in left if each.offset >= start]


def test_times_are_found_among_what_is_left(files: Files, log: Log) -> None:
    compact(files, round_of(files, log))
    left = records_in(log)
    for timestamp in range(990, 1025):
        expected = next(((o, t) for o, t, *_ in left if t >= timestamp), None)
        found = log.offset_for_time(timestamp, 20)
        assert (found[:2] if found else None) == expected
    assert log.max_timestamp(20) == (19, 1019, 0)
    for end in range(20):
        below = [(o, t) for o, t, *_ in left if o < end]
        found = log.max_timestamp(end)
        assert (found[:2] if found else None) == max(below, key=lambda one: one[1], default=None)


def test_an_emptied_batch_has_no_time(files: Files, directory: str) -> None:
    """Its header has that of a record which is gone."""
    log = Log.open(files, directory, LogOptions(index_interval_bytes=0))

    def append(key: bytes, timestamp: int, producer_id: int = -1) -> None:
        builder = BatchBuilder()
        builder.append(timestamp, key, b"v")
        batch = builder.build(log.log_end_offset, producer_id, 0, 0, 0)
        log.stage(memoryview(batch), read_header(batch))
        log.write()

    append(b"a", 5000)
    append(b"gone", 9000, producer_id=7)
    append(b"b", 7000)
    append(b"gone", 9500)
    log.roll()
    append(b"gone", 1000)
    log.roll()
    compact(files, round_of(files, log, last_offsets={7: 1}))
    assert [each.record_count for each in log.headers(0)] == [1, 0, 1, 1]
    for again in (log, Log.open(files, directory, log.options, recovery_point=5)):
        assert again.max_timestamp(5) == (2, 7000, 0)
        assert again.max_timestamp(2) == (0, 5000, 0)
        assert again.offset_for_time(6000, 5) == (2, 7000, 0)
        assert again.offset_for_time(8000, 5) is None
        assert again.segments[0].largest.timestamp == 7000


def test_a_gap_before_the_next_segment_is_clean_as_well(files: Files, tmp_path: Path) -> None:
    """Kafka may leave one."""
    for base_offset in (0, 50, 60):
        batch = build_batch([Record(0, 0, b"k", b"v")], base_offset=base_offset, leader_epoch=0)
        (tmp_path / f"{base_offset:020d}.log").write_bytes(batch)
    log = Log.open(files, str(tmp_path), LogOptions(segment_bytes=1), clean=True)
    one_round = compact(files, round_of(files, log))
    assert one_round.cleaned_offset == 60
    assert dirty_part(log, one_round.cleaned_offset).dirty_bytes == 0


def test_the_indexes_are_those_of_the_new_segment(files: Files, log: Log, directory: str) -> None:
    compact(files, round_of(files, log))
    for segment in log.segments[:-1]:
        made_anew = Indexes(segment.base_offset, OPTIONS.index_interval_bytes)
        for position, header in scan(segment.file, segment.base_offset, -1):
            made_anew.note(position, header.size_bytes, header)
        made_anew.finish()
        assert Path(segment.path("index")).read_bytes() == bytes(made_anew.offsets)
        assert Path(segment.path("timeindex")).read_bytes() == bytes(made_anew.times)
    names = {path.suffix for path in Path(directory).iterdir()}
    assert names <= {".log", ".index", ".timeindex"}


def test_what_is_above_the_high_watermark_stays(files: Files, log: Log) -> None:
    before = records_in(log)
    part = dirty_part(log, high_watermark=bases(log)[2] - 1)
    assert part.end_offset == bases(log)[1]
    compact(files, round_of(files, log, part))
    assert [each for each in records_in(log) if each.offset >= part.end_offset] == [
        each for each in before if each.offset >= part.end_offset
    ]


def test_rounds_with_little_memory_come_to_the_same_end(files: Files, directory: str) -> None:
    log = Log.open(files, directory, OPTIONS)
    for number in range(60):
        append_pairs(log, (b"key %d" % (number % 7), b"value %d" % number))
    before, cleaned, rounds = records_in(log), 0, 0
    active = log.segments[-1].base_offset
    while (part := dirty_part(log, cleaned)).dirty_bytes:
        cleaned = compact(files, round_of(files, log, part, max_keys=3)).cleaned_offset
        assert cleaned > part.start_offset
        rounds += 1
    assert rounds > 3
    after = records_in(log)
    assert newest_values(after) == newest_values(before)
    closed = [each.key for each in after if each.offset < active]
    assert len(closed) == len(set(closed)) == 7


def test_tombstones_go_after_their_time(files: Files, directory: str) -> None:
    log = Log.open(files, directory, OPTIONS)
    append_pairs(log, (b"a", b"1"), (b"b", b"1"))
    append_pairs(log, (b"a", None))
    log.roll()
    append_pairs(log, (b"c", b"1"))
    compact(files, round_of(files, log))
    assert newest_values(records_in(log)) == {b"a": None, b"b": b"1", b"c": b"1"}
    compact(files, round_of(files, log, now_ms=NOW_MS + DAY_MS - 1))
    assert newest_values(records_in(log)) == {b"a": None, b"b": b"1", b"c": b"1"}
    compact(files, round_of(files, log, now_ms=NOW_MS + DAY_MS))
    assert newest_values(records_in(log)) == {b"b": b"1", b"c": b"1"}
    assert len(walk_through(log)) == 2


def test_the_last_batch_of_a_producer_keeps_its_sequence(files: Files, directory: str) -> None:
    log = Log.open(files, directory, OPTIONS)
    for sequence in range(3):
        append_pairs(log, (b"a", b"1"), producer=(7, sequence))
    append_pairs(log, (b"a", b"2"))
    append_pairs(log, (b"a", b"2"))
    log.roll()
    compact(files, round_of(files, log, last_offsets={7: 2}))
    headers = list(log.headers(0))
    assert [(each.producer_id, each.base_sequence, each.record_count) for each in headers] == [
        (7, 2, 0),
        (-1, -1, 1),
    ]


def test_a_slice_that_was_read_before_outlives_the_round(files: Files, log: Log) -> None:
    before = log.read(0, 1000, 20)
    assert before is not None
    data = before.read()
    compact(files, round_of(files, log))
    assert before.read() == data


def test_readers_see_old_or_new_at_each_step(files: Files, log: Log) -> None:
    whole = newest_values(records_in(log))
    steps = 0

    def read_on() -> None:
        nonlocal steps
        steps += 1
        assert newest_values(walk_through(log)) == whole
        for offset in (0, 7, 19):
            assert log.read(offset, 100, 20) is not None
        assert log.max_timestamp(20) == (19, 1019, 0)
        log._rest_cold()

    compact(files, round_of(files, log), read_on)
    assert steps > 20


def test_appends_go_on_during_a_round(files: Files, log: Log) -> None:
    def append_more() -> None:
        append_pairs(log, (b"key 0", b"more"))

    compact(files, round_of(files, log), append_more)
    assert log.log_end_offset > 40
    assert newest_values(walk_through(log))[b"key 0"] == b"more"


@pytest.mark.parametrize("stop_at", range(60))
def test_segments_that_are_deleted_meanwhile_end_the_round(
    files: Files, log: Log, directory: str, stop_at: int
) -> None:
    steps = 0

    def delete_oldest() -> None:
        nonlocal steps
        steps += 1
        if steps == stop_at and len(log.segments) > 1:
            log.delete_oldest()

    one_round = compact(files, round_of(files, log), delete_oldest)
    left = records_in(log)
    assert [each.offset for each in left] == sorted({each.offset for each in left})
    assert newest_values(left) == {
        b"key 0": b"value 18",
        b"key 1": b"value 19",
        b"key 2": b"value 17",
    }
    assert one_round.cleaned_offset in (0, log.segments[-1].base_offset)
    names = {path.name for path in Path(directory).iterdir()}
    assert not [name for name in names if name.endswith((".cleaned", ".swap"))]
    assert {name for name in names if name.endswith(".log")} == {
        f"{base:020d}.log" for base in bases(log)
    }


def test_a_log_that_is_dropped_meanwhile_ends_the_round(files: Files, log: Log) -> None:
    steps = round_of(files, log).steps()
    next(steps)
    log.restart_at(50)
    for step in steps:
        files.flush_now(step)
    assert bases(log) == [50]


@pytest.mark.parametrize("stop_at", range(0, 60, 3))
def test_a_round_that_is_given_up_leaves_a_whole_log(
    files: Files, log: Log, directory: str, stop_at: int
) -> None:
    whole = newest_values(records_in(log))
    steps = round_of(files, log).steps()
    for _, step in zip(range(stop_at), steps, strict=False):
        files.flush_now(step)
    steps.close()
    assert newest_values(walk_through(log)) == whole
    assert not list(Path(directory).glob("*.cleaned"))
    log.close(sync=True)
    again = Log.open(files, directory, OPTIONS, recovery_point=20, clean=True)
    assert newest_values(walk_through(again)) == whole
    compact(files, round_of(files, again))
    assert newest_values(walk_through(again)) == whole


@pytest.mark.parametrize("position", [0, 3, 7, 9, 16, 20, 30, 60, 70])
def test_a_flipped_bit_decides_nothing(files: Files, log: Log, position: int) -> None:
    """Neither in what the checksum covers, nor in the offset, length and magic before it."""
    path = Path(log.segments[1].path("log"))
    data = bytearray(path.read_bytes())
    data[position] ^= 4
    path.write_bytes(data)
    log.segments[1].rest()
    before = bases(log)
    with pytest.raises(CorruptLog):
        compact(files, round_of(files, log))
    assert bases(log) == before
    assert not list(path.parent.glob("*.cleaned"))


def test_a_full_disk_changes_nothing(log: Log, directory: str) -> None:
    class Full(File):
        """Takes no byte more."""

        __slots__ = ()

        def append(self, chunks: list[Buffer]) -> None:  # type: ignore[override]
            raise DiskFull(self.path)

    class FullFiles(Files):
        """Every .cleaned file is one of those."""

        def open(self, path: str, *, create: bool = False) -> File:
            opened = super().open(path, create=create)
            if path.endswith(".cleaned"):
                opened.__class__ = Full
            return opened

    before = bases(log)
    with pytest.raises(DiskFull):
        compact(Files(), round_of(FullFiles(), log))
    assert bases(log) == before
    assert not list(Path(directory).glob("*.cleaned"))
