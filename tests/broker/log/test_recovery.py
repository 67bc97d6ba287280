"""A start after a crash: a torn end is cut, confirmed bytes never are."""

import logging
import shutil
from pathlib import Path

import pytest

from minikafka.broker.log.files import Files
from minikafka.broker.log.log import Log, LogOptions
from minikafka.broker.log.scan import CorruptLog
from minikafka.protocol.records import Record, assign_offset, build_batch, read_header

OPTIONS = LogOptions(segment_bytes=600, index_interval_bytes=100)
LOG = f"{0:020d}.log"


def batch_of(offset: int, epoch: int = 0, value: bytes = b"value") -> bytes:
    """A batch of two records."""
    batch = build_batch([Record(0, 1000 + offset, b"key", value)] * 2)
    assign_offset(batch, offset, epoch)
    return bytes(batch)


def write(directory: Path, *segments: tuple[int, bytes]) -> str:
    """Lay down the files of a log that nobody closed; return the directory."""
    directory.mkdir(exist_ok=True)
    for base_offset, data in segments:
        (directory / f"{base_offset:020d}.log").write_bytes(data)
    return str(directory)


def content(directory: Path) -> dict[str, bytes]:
    """What each file holds."""
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def recover(directory: Path, recovery_point: int = 0, high_watermark: int = 0) -> Log:
    """Open after a crash."""
    return Log.open(
        Files(),
        str(directory),
        OPTIONS,
        recovery_point=recovery_point,
        high_watermark=high_watermark,
    )


SOUND = batch_of(0) + batch_of(2) + batch_of(4)


def test_a_sound_log_is_untouched_and_trusted(tmp_path: Path) -> None:
    write(tmp_path, (0, SOUND), (6, batch_of(6)))
    log = recover(tmp_path, 6)
    assert (log.log_end_offset, log.flushed_offset, log.was_cut) == (8, 8, False)
    assert content(tmp_path)[LOG] == SOUND


def test_a_torn_tail_is_cut_at_every_byte(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = len(SOUND) - len(batch_of(4))
    for size_bytes in range(kept + 1, len(SOUND)):
        write(tmp_path, (0, SOUND[:size_bytes]))
        log = recover(tmp_path, 4)
        assert (log.log_end_offset, log.was_cut) == (4, True)
        assert content(tmp_path)[LOG] == SOUND[:kept]
        log.stage(memoryview(batch_of(4)), read_header(batch_of(4)))
        log.write()
        assert recover(tmp_path, 4).log_end_offset == 6
        assert content(tmp_path)[LOG] == SOUND
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_a_last_batch_with_a_bad_byte_is_cut_wherever_it_is(tmp_path: Path) -> None:
    """From the length on: a changed base offset looks like the gap that compaction leaves."""
    kept = len(SOUND) - len(batch_of(4))
    for position in [*range(kept + 8, kept + 12), *range(kept + 16, len(SOUND))]:
        damaged = bytearray(SOUND)
        damaged[position] ^= 0x40
        write(tmp_path, (0, bytes(damaged)))
        assert recover(tmp_path, 4).log_end_offset == 4
        assert content(tmp_path) == {LOG: SOUND[:kept]}


@pytest.mark.parametrize("tail", [bytes(3), bytes(5000), b"\x02" * 5000, b"x" * 100])
def test_zeros_and_noise_behind_the_end_are_cut(tmp_path: Path, tail: bytes) -> None:
    write(tmp_path, (0, SOUND + tail))
    assert recover(tmp_path, 6).log_end_offset == 6
    assert content(tmp_path) == {LOG: SOUND}


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (batch_of(1), "base offset 1 after offset 1"),
        (batch_of(2, epoch=4), "leader epoch 4 after 5"),
        (batch_of(2**31, epoch=5), "too far"),
    ],
)
def test_what_the_crc_does_not_cover_is_checked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, second: bytes, reason: str
) -> None:
    write(tmp_path, (0, batch_of(0, epoch=5) + second))
    assert recover(tmp_path).log_end_offset == 2
    assert reason in caplog.text


def test_valid_batches_behind_damage_are_kept_beside_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = len(batch_of(0))
    damaged = bytearray(SOUND)
    damaged[first + 70] ^= 1
    kept: dict[str, bytes] = {}
    for name in (f"{0:020d}.cut", f"{0:020d}.cut.cut"):
        write(tmp_path, (0, bytes(damaged)))
        log = recover(tmp_path, 2)
        kept[name] = bytes(damaged[first:])
        assert (log.log_end_offset, log.was_cut) == (2, True)
        assert content(tmp_path) == {LOG: SOUND[:first], **kept}
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    assert "0.cut" in caplog.text


def test_damage_below_the_recovery_point_changes_nothing(tmp_path: Path) -> None:
    damaged = bytearray(SOUND)
    damaged[len(batch_of(0)) + 70] ^= 1
    write(tmp_path, (0, bytes(damaged)))
    before = content(tmp_path)
    with pytest.raises(CorruptLog) as caught:
        recover(tmp_path, 3)
    assert caught.value.path == str(tmp_path / LOG)
    assert caught.value.position == len(batch_of(0))
    assert caught.value.reason == "the CRC does not match"
    assert content(tmp_path) == before


def test_a_torn_segment_before_one_with_data_is_cut_and_all_behind_it_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Power loss may tear an unflushed segment while the next one has its bytes already."""
    kept = len(SOUND) - len(batch_of(4))
    for torn in (SOUND[:-1], SOUND[:kept], SOUND[:-1] + b"?"):
        shutil.rmtree(tmp_path)
        write(tmp_path, (0, torn), (6, batch_of(6)), (8, batch_of(8)[:-1]), (10, b""))
        (tmp_path / f"{6:020d}.index").write_bytes(bytes(8))
        log = recover(tmp_path, 4)
        assert (log.log_end_offset, log.was_cut, len(log.segments)) == (4, True, 1)
        expected = {LOG: SOUND[:kept], f"{6:020d}.cut": batch_of(6)}
        expected[f"{8:020d}.cut"] = batch_of(8)[:-1]
        if torn[kept:]:
            expected[f"{0:020d}.cut"] = torn[kept:]
        assert content(tmp_path) == expected
        assert recover(tmp_path, 4).log_end_offset == 4
        assert content(tmp_path) == expected
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


def test_noise_in_later_segments_is_a_torn_write_as_well(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, (0, SOUND[:-1]), (6, bytes(4096)), (8, b"x" * 100))
    assert recover(tmp_path, 4).log_end_offset == 4
    assert list(content(tmp_path)) == [LOG]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


@pytest.mark.parametrize(("recovery_point", "high_watermark"), [(5, 0), (0, 5), (5, 5)])
def test_damage_below_either_checkpoint_changes_nothing(
    tmp_path: Path, recovery_point: int, high_watermark: int
) -> None:
    for torn in (SOUND[:-1], SOUND[:-1] + b"?"):
        write(tmp_path, (0, torn), (6, batch_of(6)), (8, batch_of(8)[:-1]))
        (tmp_path / "half.tmp").write_bytes(b"x")
        before = content(tmp_path)
        with pytest.raises(CorruptLog, match=LOG):
            recover(tmp_path, recovery_point, high_watermark)
        assert content(tmp_path) == before


def test_the_scan_begins_at_the_recovery_point_even_below_the_high_watermark(
    tmp_path: Path,
) -> None:
    """A high watermark says that nothing may be missing, not that the disk was asked."""
    damaged = SOUND[:-1] + b"?"
    write(tmp_path, (0, damaged), (6, batch_of(6)), (8, batch_of(8)))
    with pytest.raises(CorruptLog, match="CRC"):
        recover(tmp_path, 0, 8)
    assert recover(tmp_path, 8, 8).log_end_offset == 10


def test_who_asks_is_told_before_records_are_set_aside(tmp_path: Path) -> None:
    write(tmp_path, (0, SOUND[:-1]))
    told: list[list[str]] = []

    def tell(damage: CorruptLog) -> None:
        assert damage.path == str(tmp_path / LOG)
        told.append([path.name for path in tmp_path.iterdir()])

    Log.open(Files(), str(tmp_path), OPTIONS, before_keeping=tell)
    assert told == []  # a torn write alone is nothing that anybody can have seen
    write(tmp_path, (0, SOUND[:-1] + b"?" + batch_of(6)))
    Log.open(Files(), str(tmp_path), OPTIONS, before_keeping=tell)
    assert told == [[LOG]]


def test_a_torn_segment_with_only_empty_ones_behind_it_is_the_last(tmp_path: Path) -> None:
    write(tmp_path, (0, SOUND[:-1]), (6, b""))
    log = recover(tmp_path, 0)
    assert log.log_end_offset == 4
    assert list(content(tmp_path)) == [LOG]


def test_closed_segments_below_the_recovery_point_are_not_read(tmp_path: Path) -> None:
    write(tmp_path, (0, SOUND[:-1] + b"?"), (6, batch_of(6)), (8, batch_of(8)))
    log = recover(tmp_path, 8)
    assert log.log_end_offset == 10
    with pytest.raises(CorruptLog, match=LOG):
        log.offset_for_time(0, 10)


def test_a_segment_that_reaches_into_the_next_is_corrupt_if_that_was_confirmed(
    tmp_path: Path,
) -> None:
    write(tmp_path, (0, SOUND), (4, batch_of(4)))
    with pytest.raises(CorruptLog, match="ends at offset 6, and the next segment begins at 4"):
        recover(tmp_path, 0, 5)
    assert recover(tmp_path, 3, 4).log_end_offset == 6
    assert content(tmp_path) == {LOG: SOUND, f"{4:020d}.cut": batch_of(4)}


def test_a_log_file_that_ends_within_a_batch_after_a_clean_stop_is_corrupt(tmp_path: Path) -> None:
    log = recover(tmp_path / "log")
    for offset in range(0, 20, 2):
        log.stage(memoryview(batch_of(offset)), read_header(batch_of(offset)))
        log.write()
    log.close()
    closed, active = (Path(log.segments[index].path("log")) for index in (0, -1))
    active.write_bytes(active.read_bytes()[:-5])
    closed.write_bytes(closed.read_bytes()[:-5])
    before = content(tmp_path / "log")
    with pytest.raises(CorruptLog, match=active.name):
        Log.open(Files(), str(tmp_path / "log"), OPTIONS, clean=True)
    assert content(tmp_path / "log") == before
    active.write_bytes(b"")
    log = Log.open(Files(), str(tmp_path / "log"), OPTIONS, clean=True)
    with pytest.raises(CorruptLog, match=closed.name):
        log.read(0, 1000, 18)


@pytest.mark.parametrize("clean", [False, True])
def test_a_log_that_ends_below_the_recovery_point_is_corrupt(tmp_path: Path, clean: bool) -> None:
    for segments in ([(0, SOUND)], [(0, b"")], []):
        shutil.rmtree(tmp_path)
        write(tmp_path, *segments)
        with pytest.raises(CorruptLog, match="7"):
            Log.open(Files(), str(tmp_path), OPTIONS, recovery_point=7, clean=clean)
        with pytest.raises(CorruptLog, match="7"):
            Log.open(Files(), str(tmp_path), OPTIONS, high_watermark=7, clean=clean)


def test_a_log_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(CorruptLog, match="no segment"):
        recover(tmp_path / "gone", 7)
    assert not (tmp_path / "gone").exists()


def test_recovery_makes_the_index_files_of_closed_segments_anew(tmp_path: Path) -> None:
    write(tmp_path, (0, SOUND), (6, batch_of(6)))
    (tmp_path / f"{0:020d}.index").write_bytes(bytes(16))
    (tmp_path / f"{6:020d}.timeindex").write_bytes(b"stale")
    recover(tmp_path, 0).close()
    log = Log.open(Files(), str(tmp_path), OPTIONS, recovery_point=8, clean=True)
    for offset in range(8):
        found = log.read(offset, 1, 8)
        assert found is not None
        assert read_header(found.read()).base_offset == offset // 2 * 2
    assert content(tmp_path)[f"{0:020d}.index"] != bytes(16)
    assert log.max_timestamp(8) == (6, 1006, 0)


def test_leftovers_of_an_interrupted_job_are_removed(tmp_path: Path) -> None:
    write(tmp_path, (0, SOUND))
    for name in ("partition.metadata.tmp", f"{9:020d}.log.deleted", f"{3:020d}.index"):
        (tmp_path / name).write_bytes(b"x")
    for name in ("leader-epoch-checkpoint", f"{0:020d}.cut", f"{6:020d}.snapshot"):
        (tmp_path / name).write_bytes(b"kept")
    recover(tmp_path, 0)
    names = {LOG, "leader-epoch-checkpoint", f"{0:020d}.cut", f"{6:020d}.snapshot"}
    assert set(content(tmp_path)) == names


def test_a_foreign_file_is_named_and_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, (0, SOUND))
    names = ["7.log", f"{0:020d}.log.bak", f"{0:021d}.log", "thesis.tmp", "notes"]
    for name in names:
        (tmp_path / name).write_bytes(b"whose?")
    assert recover(tmp_path, 0).log_end_offset == 6
    assert set(content(tmp_path)) == {LOG, *names}
    assert sorted(caplog.messages) == sorted(
        f"{tmp_path}/{name} is no file of a log: it is left alone" for name in names
    )


def test_batches_larger_than_a_window_are_checked_whole(tmp_path: Path) -> None:
    large = batch_of(0, value=bytes(range(256)) * 6000)
    write(tmp_path, (0, large + batch_of(2)))
    assert recover(tmp_path, 4).log_end_offset == 4
    damaged = bytearray(large)
    damaged[-1000] ^= 1
    write(tmp_path, (0, bytes(damaged)))
    assert recover(tmp_path, 0).log_end_offset == 0


@pytest.mark.parametrize("ending", ["index", "timeindex"])
@pytest.mark.parametrize("left", [b"", bytes(24)])
def test_the_indexes_of_a_segment_that_ends_at_the_recovery_point_are_made_anew(
    tmp_path: Path, ending: str, left: bytes
) -> None:
    """The log was confirmed to its last byte, then closed, and its indexes were lost."""
    write(tmp_path, (0, SOUND), (6, b""))
    recover(tmp_path).close()
    (tmp_path / f"{0:020d}.{ending}").write_bytes(left)
    log = recover(tmp_path, recovery_point=6)
    assert log.offset_for_time(1004, 6) == (4, 1004, 0)
    assert log.max_timestamp(6) == (4, 1004, 0)
    assert content(tmp_path)[f"{0:020d}.timeindex"] not in (b"", left)


def test_segments_below_the_log_start_may_be_gone_in_any_order(tmp_path: Path) -> None:
    """A retention that the power has interrupted: the middle one is gone, the first is there."""
    write(tmp_path, (0, batch_of(0)), (4, batch_of(4)), (6, batch_of(6)))
    log = Log.open(Files(), str(tmp_path), OPTIONS, log_start_offset=5, recovery_point=1)
    assert (log.log_start_offset, log.log_end_offset, log.was_cut) == (5, 8, False)
