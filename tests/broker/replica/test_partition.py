"""A partition on its leader: what may be appended, and up to where it may be read."""

from pathlib import Path

import pytest

from minikafka.broker.config import TopicConfig
from minikafka.broker.log.files import Files, StorageError, StorageFailed
from minikafka.broker.log.log import OffsetOutOfRange
from minikafka.broker.replica.partition import Appended, Partition
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import iterate_batches, read_header

from ..in_process import batch_of
from .unreliable_files import BROKEN, FULL, SHORTAGE, UnreliableFiles, open_partition

NOW_MS = 1_700_000_000_000


def append(partition: Partition, *values: bytes, **options: object) -> Appended:
    """Stage one batch."""
    batch = batch_of(*values, **options)  # type: ignore[arg-type] # keywords of batch_of
    return partition.append(memoryview(batch), NOW_MS)


def flush(partition: Partition) -> None:
    """Confirm what is written."""
    point = partition.log.begin_flush()
    partition.flushed(point)
    partition.advance_high_watermark()


@pytest.fixture
def partition(tmp_path: Path) -> Partition:
    """A new partition."""
    return open_partition(Files(), tmp_path)


def test_offsets_are_given_when_a_batch_is_staged(partition: Partition) -> None:
    first, second = append(partition, b"a", b"b"), append(partition, b"c")
    assert (first.base_offset, first.next_offset) == (0, 2)
    assert (second.base_offset, second.next_offset) == (2, 3)
    assert partition.log.written_offset == 0
    partition.write()
    assert partition.log.written_offset == 3


def test_the_high_watermark_follows_the_flush_and_not_the_write(partition: Partition) -> None:
    append(partition, b"a")
    partition.write()
    assert not partition.advance_high_watermark()
    assert partition.read(0, 1 << 20, True) is None
    point = partition.log.begin_flush()
    append(partition, b"b")
    partition.write()
    partition.flushed(point)
    assert partition.advance_high_watermark()
    assert (partition.high_watermark, partition.last_stable_offset) == (1, 1)
    assert not partition.advance_high_watermark()


def test_nothing_above_the_high_watermark_is_read(partition: Partition) -> None:
    for value in (b"a", b"b"):
        append(partition, value)
        partition.write()
        flush(partition)
    append(partition, b"c")
    partition.write()
    found = partition.read(0, 1 << 20, True)
    assert found is not None
    batches = [read_header(batch) for batch in iterate_batches(found.read())]
    assert [header.base_offset for header in batches] == [0, 1]
    assert partition.read(2, 1 << 20, True) is None
    assert partition.read(3, 1 << 20, True) is None
    with pytest.raises(OffsetOutOfRange):
        partition.read(4, 1 << 20, True)


def test_the_batch_is_patched_with_offset_and_leader_epoch(partition: Partition) -> None:
    partition.leader_epoch = 7
    append(partition, b"a")
    batch = batch_of(b"b")
    partition.append(memoryview(batch), NOW_MS)
    header = read_header(batch)
    assert (header.base_offset, header.partition_leader_epoch) == (1, 7)


@pytest.mark.parametrize("error", [FULL, SHORTAGE], ids=["disk full", "no descriptors"])
def test_a_shortage_fails_what_is_staged_and_the_next_append_works(
    tmp_path: Path, error: StorageError
) -> None:
    files = UnreliableFiles()
    partition = open_partition(files, tmp_path)
    append(partition, b"before", producer=(1, 0, 0))
    partition.write()
    files.append_error = error
    failed = [append(partition, b"x", producer=(1, 0, 1)), append(partition, b"y")]
    partition.write()
    for each in failed:
        assert each.error_code is ErrorCode.KAFKA_STORAGE_ERROR
        assert (each.base_offset, each.next_offset) == (-1, -1)
        assert str(error) in (each.error_message or "")
    files.append_error = None
    again = append(partition, b"x", producer=(1, 0, 1))
    assert (again.error_code, again.base_offset) == (ErrorCode.NONE, 1)
    partition.write()
    flush(partition)
    assert partition.high_watermark == 2


def test_a_duplicate_of_a_batch_that_is_not_written_fails_with_it(tmp_path: Path) -> None:
    files = UnreliableFiles()
    partition = open_partition(files, tmp_path)
    files.append_error = FULL
    original = append(partition, b"x", producer=(1, 0, 0))
    duplicate = append(partition, b"x", producer=(1, 0, 0))
    assert duplicate.base_offset == original.base_offset == 0
    partition.write()
    assert duplicate.error_code is ErrorCode.KAFKA_STORAGE_ERROR
    files.append_error = None
    append(partition, b"someone else's")
    partition.write()
    assert append(partition, b"x", producer=(1, 0, 0)).base_offset == 1


def test_a_duplicate_of_a_written_batch_is_not_written_again(partition: Partition) -> None:
    append(partition, b"x", b"y", producer=(1, 0, 0))
    partition.write()
    duplicate = append(partition, b"x", b"y", producer=(1, 0, 0))
    assert (duplicate.base_offset, duplicate.next_offset) == (0, 2)
    partition.write()
    assert partition.log.written_offset == 2


def test_a_broken_disk_fails_what_is_staged_and_stops_the_node(tmp_path: Path) -> None:
    files = UnreliableFiles()
    partition = open_partition(files, tmp_path)
    files.append_error = BROKEN
    failed = append(partition, b"x")
    with pytest.raises(StorageFailed):
        partition.write()
    assert failed.error_code is ErrorCode.KAFKA_STORAGE_ERROR


@pytest.mark.parametrize(
    ("known", "error_code"),
    [
        (-1, ErrorCode.NONE),
        (4, ErrorCode.FENCED_LEADER_EPOCH),
        (5, ErrorCode.NONE),
        (6, ErrorCode.UNKNOWN_LEADER_EPOCH),
    ],
)
def test_a_peer_in_another_epoch_is_fenced(
    partition: Partition, known: int, error_code: ErrorCode
) -> None:
    partition.leader_epoch = 5
    assert partition.check_leader_epoch(known) is error_code


def test_log_append_time_is_the_brokers(tmp_path: Path) -> None:
    config = TopicConfig(message_timestamp_type="LogAppendTime")
    partition = open_partition(Files(), tmp_path, config=config)
    batch = batch_of(b"a", timestamps=(5,))
    assert partition.append(memoryview(batch), NOW_MS).log_append_time_ms == NOW_MS
    assert read_header(batch).max_timestamp == NOW_MS


def test_a_refused_batch_changes_nothing(partition: Partition) -> None:
    append(partition, b"a", producer=(1, 0, 0))
    refused = [
        append(partition, b"x", producer=(1, 0, 5)),
        append(partition, b"x", control=True),
        partition.append(memoryview(b"nonsense"), NOW_MS),
        append(partition, b"x" * 2_000_000, producer=(1, 0, 1)),
    ]
    assert all(each.error_code and each.base_offset == -1 for each in refused)
    assert partition.log.log_end_offset == 1
    assert append(partition, b"b", producer=(1, 0, 1)).base_offset == 1


def test_a_partition_is_called_as_its_directory(partition: Partition) -> None:
    assert str(partition) == "orders-0"
    assert "orders-0" in (append(partition, b"a", producer=(1, 0, 0)).error_message or "orders-0")
