"""Partitions on disk: what is kept beside a log, and what becomes of what is left over."""

from dataclasses import replace
from pathlib import Path

import pytest

from minikafka.broker.clock import WallClock
from minikafka.broker.config import TopicConfig
from minikafka.broker.controller.image import PartitionImage
from minikafka.broker.log import checkpoints
from minikafka.broker.log.deletion import MAX_NAME_BYTES
from minikafka.broker.log.files import DiskFull, File, Files, StorageError
from minikafka.broker.log.offset_checkpoints import OffsetCheckpoints
from minikafka.broker.log.producer_snapshot import decode_snapshot, snapshot_name
from minikafka.broker.log.scan import CorruptLog
from minikafka.broker.replica.partition import Partition
from minikafka.broker.replica.store import KEPT_SNAPSHOTS, PartitionIdentity, PartitionStore
from minikafka.protocol.errors import ErrorCode

from ..in_process import as_after_kill, batch_of

ORDERS = PartitionIdentity("orders", b"\x01" * 16, 0)
CONFIG = TopicConfig()
SMALL_SEGMENTS = TopicConfig(segment_bytes=250)
NOW_MS = 1_700_000_000_000


def store_of(data_dir: Path, *, is_clean: bool = False) -> PartitionStore:
    """The store of a data directory."""
    data_dir.mkdir(exist_ok=True)
    files, path = Files(), str(data_dir)
    offset_checkpoints = OffsetCheckpoints(files, path)
    return PartitionStore(
        files, path, WallClock(), offset_checkpoints, flush="fsync", is_clean=is_clean
    )


def lead(partition: Partition, leader_epoch: int = 0) -> Partition:
    """The partition, led alone."""
    partition.lead(PartitionImage(0, (1,), (1,), 1, leader_epoch, leader_epoch), {}, 0)
    return partition


def checkpoint(store: PartitionStore, partition: Partition) -> None:
    """Write the checkpoints of a node that has this partition."""
    store._checkpoints.save_now({partition.log_name: partition.confirmed}, [])


def send(partition: Partition, sequence: int, epoch: int = 0) -> tuple[ErrorCode, int]:
    """Append one record of producer 9, durably."""
    batch = batch_of(b"v", producer=(9, epoch, sequence))
    appended = partition.append(memoryview(batch), NOW_MS)
    partition.write()
    partition.flushed(partition.log.begin_flush())
    partition.advance_high_watermark()
    return appended.error_code, appended.base_offset


def snapshots_in(data_dir: Path) -> list[str]:
    """The names of the producer snapshots of orders-0."""
    return sorted(path.name for path in (data_dir / "orders-0").glob("*.snapshot"))


def test_a_new_partition_is_laid_out_as_kafkas(tmp_path: Path) -> None:
    partition = lead(store_of(tmp_path).open(ORDERS, CONFIG))
    directory = tmp_path / "orders-0"
    assert (directory / "00000000000000000000.log").exists()
    metadata = checkpoints.decode_partition_metadata(
        (directory / "partition.metadata").read_bytes()
    )
    assert metadata == ORDERS.topic_id
    epochs = (directory / "leader-epoch-checkpoint").read_bytes()
    assert checkpoints.decode_leader_epochs(epochs) == [(0, 0)]
    assert partition.leader_epoch == 0
    assert partition.high_watermark == 0


def test_what_was_closed_is_there_again(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    partition = lead(store.open(ORDERS, CONFIG))
    for sequence in range(7):
        send(partition, sequence)
    store.close(partition)
    checkpoint(store, partition)
    partition = lead(store_of(tmp_path, is_clean=True).open(ORDERS, CONFIG))
    assert (partition.high_watermark, partition.log.log_end_offset) == (7, 7)
    assert send(partition, 3) == (ErrorCode.NONE, 3)
    assert send(partition, 1)[0] is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send(partition, 7) == (ErrorCode.NONE, 7)


def test_a_snapshot_at_the_end_saves_reading_even_without_producers(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    partition = lead(store.open(ORDERS, CONFIG))
    partition.append(memoryview(batch_of()), NOW_MS)
    partition.write()
    store.close(partition)
    assert snapshots_in(tmp_path) == [snapshot_name(1)]
    assert decode_snapshot((tmp_path / "orders-0" / snapshot_name(1)).read_bytes()) == []


def test_an_empty_partition_has_no_snapshot(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    store.close(lead(store.open(ORDERS, CONFIG)))
    assert snapshots_in(tmp_path) == []


def test_each_roll_takes_a_snapshot_and_few_are_kept(tmp_path: Path) -> None:
    partition = lead(store_of(tmp_path).open(ORDERS, SMALL_SEGMENTS))
    for sequence in range(20):
        send(partition, sequence)
    bases = [segment.base_offset for segment in partition.log.segments]
    assert len(bases) > KEPT_SNAPSHOTS + 1
    assert snapshots_in(tmp_path) == [snapshot_name(base) for base in bases[-KEPT_SNAPSHOTS:]]


def test_a_snapshot_is_flushed_with_the_roll_and_a_confirmed_one_is_kept(tmp_path: Path) -> None:
    """The event loop does not wait for the disk, which may lose all that came since a flush."""
    partition = lead(store_of(tmp_path).open(ORDERS, SMALL_SEGMENTS))
    for sequence in range(8):
        send(partition, sequence)
    confirmed = snapshots_in(tmp_path)[-1]
    for sequence in range(8, 20):
        partition.append(memoryview(batch_of(b"v", producer=(9, 0, sequence))), NOW_MS)
        partition.write()
    names = snapshots_in(tmp_path)
    assert (len(names), names[0]) == (KEPT_SNAPSHOTS + 1, confirmed)
    to_flush = partition.log.begin_flush().files
    assert {str(tmp_path / "orders-0" / name) for name in names[1:]} <= set(to_flush)


def test_a_snapshot_that_finds_no_room_fails_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class NoSnapshots(Files):
        def open(self, path: str, *, create: bool = False) -> File:
            if path.endswith(".snapshot"):
                raise DiskFull(path)
            return super().open(path, create=create)

    store = store_of(tmp_path)
    store._files = NoSnapshots()
    partition = lead(store.open(ORDERS, SMALL_SEGMENTS))
    assert [send(partition, sequence)[0] for sequence in range(8)] == [ErrorCode.NONE] * 8
    assert snapshots_in(tmp_path) == []
    assert "no producer snapshot" in caplog.text


def test_old_snapshots_that_cannot_be_listed_refuse_no_batch(tmp_path: Path) -> None:
    """The batch is in the log: refused, it would be sent again and be there twice."""

    class Unlistable(Files):
        def list_directory(self, path: str) -> list[str]:
            raise StorageError("too many open files")

    store = store_of(tmp_path)
    partition = lead(store.open(ORDERS, SMALL_SEGMENTS))
    store._files = Unlistable()
    assert [send(partition, sequence) for sequence in range(9)] == [
        (ErrorCode.NONE, sequence) for sequence in range(9)
    ]
    assert len(partition.log.segments) > 2


@pytest.mark.parametrize("damage", ["newest", "all"])
def test_a_damaged_snapshot_is_passed_over_and_the_producers_come_from_elsewhere(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    data_dir = tmp_path / "data"
    partition = lead(store_of(data_dir).open(ORDERS, SMALL_SEGMENTS))
    for sequence in range(20):
        send(partition, sequence)
    killed = as_after_kill(data_dir)
    names = snapshots_in(killed)
    for name in names[-1:] if damage == "newest" else names:
        path = killed / "orders-0" / name
        content = bytearray(path.read_bytes())
        content[20] ^= 1
        path.write_bytes(content)
    partition = lead(store_of(killed).open(ORDERS, SMALL_SEGMENTS))
    assert snapshots_in(killed) == names
    assert names[-1] in caplog.text
    assert [send(partition, sequence)[1] for sequence in range(15, 21)] == [*range(15, 21)]


def test_a_snapshot_beyond_the_end_of_the_log_is_not_believed(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    store = store_of(data_dir)
    partition = lead(store.open(ORDERS, CONFIG))
    for sequence in range(5):
        send(partition, sequence)
    store.close(partition)
    size = partition.log.size_bytes
    with (data_dir / "orders-0" / "00000000000000000000.log").open("r+b") as log:
        log.truncate(size * 4 // 5)  # as if the power had failed
    partition = lead(store_of(data_dir).open(ORDERS, CONFIG))
    assert snapshots_in(data_dir) == []  # other batches will take those offsets
    assert send(partition, 4) == (ErrorCode.NONE, 4)


def test_the_checkpoint_tells_what_is_on_disk_and_no_more(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    partition = lead(store.open(ORDERS, CONFIG))
    send(partition, 0)
    partition.append(memoryview(batch_of(producer=(9, 0, 1))), NOW_MS)
    partition.write()
    checkpoint(store, partition)
    for name in (checkpoints.RECOVERY_POINT, checkpoints.HIGH_WATERMARK):
        saved = checkpoints.decode_offsets((tmp_path / name).read_bytes())
        assert saved == {("orders", 0): 1}


def test_a_log_that_ends_below_its_recovery_point_is_not_opened(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    partition = lead(store.open(ORDERS, CONFIG))
    for sequence in range(3):
        send(partition, sequence)
    checkpoint(store, partition)
    (tmp_path / "orders-0" / "00000000000000000000.log").write_bytes(b"")
    with pytest.raises(CorruptLog):
        lead(store_of(tmp_path).open(ORDERS, CONFIG))


def test_a_directory_of_another_topic_is_kept_under_another_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = store_of(tmp_path)
    partition = lead(store.open(ORDERS, CONFIG))
    for sequence in range(3):
        send(partition, sequence)
    checkpoint(store, partition)
    recreated = replace(ORDERS, topic_id=b"\x02" * 16)
    partition = lead(store_of(tmp_path).open(recreated, CONFIG))
    assert partition.log.log_end_offset == 0
    (stray,) = tmp_path.glob("*-stray")
    assert (stray / "00000000000000000000.log").stat().st_size > 0
    assert checkpoints.encode_uuid(ORDERS.topic_id) in stray.name
    assert stray.name in caplog.text
    # What was confirmed of the old one is not asked of the new one, not even after a crash.
    send(partition, 0)
    assert store_of(tmp_path).open(recreated, CONFIG).log.log_end_offset == 1


def test_the_longest_names_can_be_set_aside_and_deleted(tmp_path: Path) -> None:
    longest = PartitionIdentity("x" * 249, b"\x01" * 16, 9999)
    store = store_of(tmp_path)
    store.open(longest, CONFIG)
    store = store_of(tmp_path)
    partition = store.open(replace(longest, topic_id=b"\x02" * 16), CONFIG)
    (stray,) = tmp_path.glob("*-stray")
    assert len(stray.name) == MAX_NAME_BYTES
    store.delete([partition.log_name])
    assert list(tmp_path.glob("x*")) == [stray]


def test_a_deleted_partition_is_forgotten_by_the_checkpoint(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    partition = lead(store.open(ORDERS, CONFIG))
    send(partition, 0)
    checkpoint(store, partition)
    store.delete([partition.log_name])
    assert not (tmp_path / "orders-0").exists()
    saved = (tmp_path / checkpoints.RECOVERY_POINT).read_bytes()
    assert checkpoints.decode_offsets(saved) == {}
    assert store.open(replace(ORDERS, topic_id=b"\x02" * 16), CONFIG).log.log_end_offset == 0


def test_an_interrupted_deletion_is_finished_at_the_start(tmp_path: Path) -> None:
    doomed = tmp_path / "orders-0-delete"
    doomed.mkdir()
    (doomed / "00000000000000000000.log").write_bytes(b"x" * 100)
    store_of(tmp_path)
    assert not doomed.exists()


def test_a_restart_that_may_have_lost_something_begins_an_epoch_at_the_end(
    tmp_path: Path,
) -> None:
    store = store_of(tmp_path)
    partition = lead(store.open(ORDERS, CONFIG))
    send(partition, 0)
    send(partition, 1)
    partition = lead(store_of(tmp_path).open(ORDERS, CONFIG), 4)
    assert partition.leader_epoch == 4
    assert partition.epochs.entries == [(0, 0), (4, 2)]
    partition = lead(store_of(tmp_path).open(ORDERS, CONFIG), 4)
    assert partition.epochs.entries == [(0, 0), (4, 2)]


def test_epochs_are_rebuilt_from_the_log_when_their_file_is_gone(tmp_path: Path) -> None:
    send(lead(store_of(tmp_path).open(ORDERS, CONFIG)), 0)
    send(lead(store_of(tmp_path).open(ORDERS, CONFIG), 3), 1)
    (tmp_path / "orders-0" / "leader-epoch-checkpoint").unlink()
    partition = lead(store_of(tmp_path).open(ORDERS, CONFIG), 3)
    assert partition.epochs.entries == [(0, 0), (3, 1)]


@pytest.mark.parametrize("left", [b"0\n1\n0 0\n", b"", b"0\n2\n0 0\n3 "])
def test_epochs_that_were_not_flushed_are_read_from_the_log(tmp_path: Path, left: bytes) -> None:
    send(lead(store_of(tmp_path).open(ORDERS, CONFIG)), 0)
    send(lead(store_of(tmp_path).open(ORDERS, CONFIG), 3), 1)
    (tmp_path / "orders-0" / "leader-epoch-checkpoint").write_bytes(left)
    partition = store_of(tmp_path).open(ORDERS, CONFIG)
    assert partition.epochs.entries == [(0, 0), (3, 1)]


def test_after_a_clean_stop_damaged_epochs_are_an_error(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    partition = lead(store.open(ORDERS, CONFIG))
    send(partition, 0)
    store.close(partition)
    (tmp_path / "orders-0" / "leader-epoch-checkpoint").write_bytes(b"0\n1\n0 ")
    with pytest.raises(checkpoints.CorruptCheckpoint):
        store_of(tmp_path, is_clean=True).open(ORDERS, CONFIG)


def test_a_new_epoch_is_flushed_with_what_is_flushed_next(tmp_path: Path) -> None:
    partition = lead(store_of(tmp_path).open(ORDERS, CONFIG), 3)
    directory = str(tmp_path / "orders-0")
    assert [f"{directory}/leader-epoch-checkpoint", directory] == [
        each for each in partition.log.begin_flush().files if isinstance(each, str)
    ]


def test_epochs_of_a_torn_end_are_forgotten(tmp_path: Path) -> None:
    send(lead(store_of(tmp_path).open(ORDERS, CONFIG)), 0)
    partition = lead(store_of(tmp_path).open(ORDERS, CONFIG), 3)
    send(partition, 1)
    with (tmp_path / "orders-0" / "00000000000000000000.log").open("r+b") as log:
        log.truncate(partition.log.size_bytes - 80)
    partition = lead(store_of(tmp_path).open(ORDERS, CONFIG), 5)
    assert partition.log.was_cut
    assert partition.epochs.entries[-1] == (5, partition.log.log_end_offset)


def test_a_checkpoint_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / checkpoints.RECOVERY_POINT).write_bytes(b"nonsense")
    with pytest.raises(checkpoints.CorruptCheckpoint):
        store_of(tmp_path)
