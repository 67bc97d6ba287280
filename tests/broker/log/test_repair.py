"""A repair sets aside what is damaged, keeps all of it, and leaves a log that a start serves."""

from pathlib import Path

import pytest

from minikafka.broker.log import checkpoints, last_run
from minikafka.broker.log.files import Files
from minikafka.broker.log.log import Log, LogOptions
from minikafka.broker.log.offset_checkpoints import OffsetCheckpoints
from minikafka.broker.log.recovery import Confirmed
from minikafka.broker.log.repair import LogRepair
from minikafka.broker.log.scan import CorruptLog
from minikafka.protocol.records import read_header

from .test_recovery import LOG, SOUND, batch_of

ORDERS = ("orders", 0)
OPTIONS = LogOptions(segment_bytes=300)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A node that was stopped cleanly, with ten batches of two records in some segments."""
    log = Log.open(Files(), str(tmp_path / "orders-0"), OPTIONS)
    for offset in range(0, 20, 2):
        log.stage(memoryview(batch_of(offset)), read_header(batch_of(offset)))
        log.write()
    log.close(sync=True)
    assert len(log.segments) > 3
    offsets = OffsetCheckpoints(Files(), str(tmp_path))
    offsets.save_now({ORDERS: Confirmed(20, 18), ("other", 1): Confirmed(5, 5)}, [])
    last_run.save(Files(), str(tmp_path), last_run.LastRun("fsync", "boot"))
    (tmp_path / checkpoints.CLEAN_SHUTDOWN).write_bytes(checkpoints.encode_clean_shutdown(1))
    return tmp_path


def content(data_dir: Path) -> dict[str, bytes]:
    """Every file below the data directory."""
    files = [path for path in data_dir.rglob("*") if path.is_file()]
    return {str(path.relative_to(data_dir)): path.read_bytes() for path in files}


def look(data_dir: Path) -> LogRepair:
    """What a repair finds."""
    return LogRepair(Files(), str(data_dir), ORDERS)


def open_log(data_dir: Path) -> Log:
    """What a start that is not clean does."""
    confirmed = OffsetCheckpoints(Files(), str(data_dir)).find(ORDERS)
    return Log.open(
        Files(),
        str(data_dir / "orders-0"),
        OPTIONS,
        recovery_point=confirmed.recovery_point,
        high_watermark=confirmed.high_watermark,
    )


def test_a_sound_log_has_nothing_to_mend(data_dir: Path) -> None:
    before = content(data_dir)
    found = look(data_dir)
    assert (found.findings(), found.end_offset) == ([], 20)
    assert content(data_dir) == before


@pytest.mark.parametrize("damaged_batch", range(10))
def test_from_the_first_damage_on_all_is_kept_and_the_rest_is_served(
    data_dir: Path, damaged_batch: int
) -> None:
    names = sorted((data_dir / "orders-0").glob("*.log"))
    whole = b"".join(path.read_bytes() for path in names)
    target, index = damaged_batch, 0
    while target * len(batch_of(0)) >= names[index].stat().st_size:
        target -= names[index].stat().st_size // len(batch_of(0))
        index += 1
    data = bytearray(names[index].read_bytes())
    data[target * len(batch_of(0)) + 70] ^= 1
    names[index].write_bytes(data)

    before = content(data_dir)
    found = look(data_dir)
    problems = [finding.path for finding in found.findings()]
    assert problems == [str(names[index]), str(data_dir / "orders-0")]
    assert content(data_dir) == before
    kept = found.mend()

    log = open_log(data_dir)
    assert (log.log_end_offset, log.was_cut) == (damaged_batch * 2, False)
    assert OffsetCheckpoints(Files(), str(data_dir)).find(("other", 1)) == Confirmed(5, 5)
    served = b"".join(Path(one.path("log")).read_bytes() for one in log.segments)
    set_aside = b"".join(Path(path).read_bytes() for path in sorted(kept))
    flipped = bytearray(whole)
    flipped[damaged_batch * len(batch_of(0)) + 70] ^= 1
    assert served + set_aside == flipped


def test_a_start_after_it_is_not_lossless(data_dir: Path) -> None:
    (data_dir / "orders-0" / LOG).write_bytes(b"")
    look(data_dir).mend()
    assert not (data_dir / checkpoints.CLEAN_SHUTDOWN).exists()
    assert not last_run.load(Files(), str(data_dir)).is_lossless("boot")


def test_a_log_that_is_gone_begins_anew(data_dir: Path) -> None:
    for path in (data_dir / "orders-0").iterdir():
        path.unlink()
    [finding] = look(data_dir).findings()
    assert finding.problem == "offsets 0 to 19 were confirmed and are gone"
    assert look(data_dir).mend() == []
    assert open_log(data_dir).log_end_offset == 0


def test_small_files_that_cannot_be_read_are_kept_under_another_name(data_dir: Path) -> None:
    names = (checkpoints.LEADER_EPOCHS, checkpoints.PARTITION_METADATA)
    for name in names:
        (data_dir / "orders-0" / name).write_bytes(b"nonsense")
    assert [finding.path for finding in look(data_dir).findings()] == [
        str(data_dir / "orders-0" / name) for name in names
    ]
    look(data_dir).mend()
    for name in names:
        assert not (data_dir / "orders-0" / name).exists()
        assert (data_dir / "orders-0" / f"{name}.cut").read_bytes() == b"nonsense"
    assert look(data_dir).findings() == []


def test_an_interrupted_repair_leaves_the_log_as_refused_as_it_was(data_dir: Path) -> None:
    """So that no start can take the damage for a torn write."""
    path = data_dir / "orders-0" / LOG
    path.write_bytes(SOUND[:-1] + b"?")

    class Interrupted(Files):
        def write_atomically(self, path: str, data: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LogRepair(Interrupted(), str(data_dir), ORDERS).mend()
    with pytest.raises(CorruptLog, match="below 20"):
        open_log(data_dir)
    look(data_dir).mend()
    assert open_log(data_dir).log_end_offset == 4
