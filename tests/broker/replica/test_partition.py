"""A partition on its leader: what may be appended, and up to where it may be read."""

from pathlib import Path

import pytest

from minikafka.broker.config import TopicConfig
from minikafka.broker.log.files import Files, StorageError, StorageFailed
from minikafka.broker.log.log import OffsetOutOfRange
from minikafka.broker.replica.partition import Appended, Partition
from minikafka.protocol.batch import write_header
from minikafka.protocol.compression import CompressionType
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import crc_matches, iterate, iterate_batches, read_header

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
    assert partition.refuse_as_leader(known) is error_code


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


@pytest.mark.parametrize("wanted", ["uncompressed", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("sent", list(CompressionType))
def test_a_topic_keeps_batches_in_its_own_codec(
    tmp_path: Path, wanted: str, sent: CompressionType
) -> None:
    config = TopicConfig(compression_type=wanted)
    partition = open_partition(Files(), tmp_path, config=config)
    append(partition, b"before")
    batch = batch_of(b"a" * 100, b"b", compression=sent, producer=(5, 1, 8), timestamps=(3, 7))
    records = list(iterate(batch))
    appended = partition.append(memoryview(batch), NOW_MS)
    assert (appended.error_code, appended.base_offset) == (ErrorCode.NONE, 1)
    partition.write()
    flush(partition)
    found = partition.read(1, 1 << 20, True)
    assert found is not None
    kept = found.read()
    header = read_header(kept)
    assert header.compression == (config.codec or 0)
    assert crc_matches(kept, header)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (5, 1, 8)
    assert list(iterate(kept)) == [each._replace(offset=each.offset + 1) for each in records]
    if header.compression == sent:
        assert bytes(kept[12 + 4 :]) == bytes(batch[12 + 4 :])


def test_a_duplicate_is_recognised_in_another_codec(tmp_path: Path) -> None:
    partition = open_partition(Files(), tmp_path, config=TopicConfig(compression_type="zstd"))
    for _ in range(2):
        assert append(partition, b"x", producer=(5, 0, 0)).base_offset == 0
    assert partition.log.log_end_offset == 1


def test_a_batch_that_its_topics_codec_makes_too_large_is_refused(tmp_path: Path) -> None:
    config = TopicConfig(compression_type="uncompressed", max_message_bytes=1000)
    partition = open_partition(Files(), tmp_path, config=config)
    assert append(partition, b"x" * 500, compression=4).error_code is ErrorCode.NONE
    refused = append(partition, b"x" * 2000, compression=4)
    assert refused.error_code is ErrorCode.MESSAGE_TOO_LARGE
    assert partition.log.log_end_offset == 1


def test_a_batch_that_is_too_large_as_it_comes_is_refused_in_any_codec(tmp_path: Path) -> None:
    """As in Kafka: what comes is measured, and then what is kept."""
    config = TopicConfig(compression_type="zstd", max_message_bytes=1000)
    partition = open_partition(Files(), tmp_path, config=config)
    assert append(partition, b"x" * 2000).error_code is ErrorCode.MESSAGE_TOO_LARGE


def test_a_batch_that_cannot_be_unpacked_is_refused_where_it_must_be(tmp_path: Path) -> None:
    batch = batch_of(b"x" * 100, compression=4)
    batch[61:] = b"\xff" * (len(batch) - 61)
    write_header(batch, read_header(batch))
    partition = open_partition(Files(), tmp_path, config=TopicConfig(compression_type="lz4"))
    assert partition.append(memoryview(batch), NOW_MS).error_code is ErrorCode.INVALID_RECORD
    assert partition.log.log_end_offset == 0


def test_log_append_time_is_stamped_on_what_was_packed_anew(tmp_path: Path) -> None:
    config = TopicConfig(compression_type="gzip", message_timestamp_type="LogAppendTime")
    partition = open_partition(Files(), tmp_path, config=config)
    assert append(partition, b"a", timestamps=(5,)).log_append_time_ms == NOW_MS
    partition.write()
    flush(partition)
    found = partition.read(0, 1 << 20, True)
    assert found is not None
    kept = found.read()
    assert [each.timestamp for each in iterate(kept)] == [NOW_MS]
    assert crc_matches(kept, read_header(kept))


@pytest.mark.parametrize(
    ("behind_ms", "ahead_ms", "timestamps", "error_code"),
    [
        (100, 100, (NOW_MS - 100, NOW_MS + 100), ErrorCode.NONE),
        (100, 100, (NOW_MS - 101,), ErrorCode.INVALID_TIMESTAMP),
        (100, 100, (NOW_MS, NOW_MS + 101), ErrorCode.INVALID_TIMESTAMP),
        (100, 100, (-1,), ErrorCode.NONE),
        (0, 0, (NOW_MS,), ErrorCode.NONE),
    ],
)
@pytest.mark.parametrize("timestamp_type", ["CreateTime", "LogAppendTime"])
def test_times_too_far_from_ours_are_refused_unless_ours_is_taken(
    tmp_path: Path,
    timestamp_type: str,
    behind_ms: int,
    ahead_ms: int,
    timestamps: tuple[int, ...],
    error_code: ErrorCode,
) -> None:
    config = TopicConfig(
        message_timestamp_type=timestamp_type,
        message_timestamp_before_max_ms=behind_ms,
        message_timestamp_after_max_ms=ahead_ms,
    )
    partition = open_partition(Files(), tmp_path, config=config)
    appended = append(partition, *([b"x"] * len(timestamps)), timestamps=timestamps)
    expected = ErrorCode.NONE if timestamp_type == "LogAppendTime" else error_code
    assert appended.error_code is expected
