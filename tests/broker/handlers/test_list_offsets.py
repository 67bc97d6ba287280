"""ListOffsets: the ends of a log, and records by their time."""

from pathlib import Path

import pytest

from minikafka.protocol.api.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
    ListOffsetsResponsePartition,
)
from minikafka.protocol.batch import CRC_END, CRC_POSITION
from minikafka.protocol.compression import CompressionType
from minikafka.protocol.crc32c import crc32c
from minikafka.protocol.errors import ErrorCode

from ..in_process import Rebooted, ServedNode, as_after_kill, batch_of, serving

LATEST, EARLIEST, MAX, EARLIEST_LOCAL, TIERED, PENDING_UPLOAD = -1, -2, -3, -4, -5, -6


async def offset_at(
    node: ServedNode, timestamp: int, *, version: int = 11, leader_epoch: int = -1, index: int = 0
) -> ListOffsetsResponsePartition:
    """The answer for one partition of `orders`."""
    partition = ListOffsetsRequestPartition(
        partition_index=index, current_leader_epoch=leader_epoch, timestamp=timestamp
    )
    topics = [ListOffsetsRequestTopic(name="orders", partitions=[partition])]
    answer = await node.call(ListOffsetsRequest(topics=topics), version)
    return answer.topics[0].partitions[0]


async def found(node: ServedNode, timestamp: int, version: int = 11) -> tuple[int, int]:
    """Offset and timestamp at a time; no error."""
    answer = await offset_at(node, timestamp, version=version)
    assert answer.error_code == ErrorCode.NONE
    return answer.offset, answer.timestamp


async def with_times(node: ServedNode, *batches: tuple[int, ...], compression: int = 0) -> None:
    """The topic `orders` with batches whose records have these timestamps."""
    await node.create("orders", message_timestamp_after_max_ms=str(2**62))
    for timestamps in batches:
        values = [b"v"] * len(timestamps)
        batch = batch_of(*values, timestamps=timestamps, compression=compression)
        assert (await node.produce("orders", batch)).error_code == ErrorCode.NONE


async def test_an_empty_partition_begins_and_ends_at_0(node: ServedNode) -> None:
    await node.create("orders")
    for sentinel in (LATEST, EARLIEST, EARLIEST_LOCAL):
        assert await found(node, sentinel) == (0, -1)
    for sentinel in (MAX, TIERED, PENDING_UPLOAD, 0, 5):
        assert await found(node, sentinel) == (-1, -1)


@pytest.mark.parametrize("version", range(1, 12))
async def test_every_version_knows_the_ends(node: ServedNode, version: int) -> None:
    await with_times(node, (10,), (20, 30))
    assert await found(node, LATEST, version) == (3, -1)
    assert await found(node, EARLIEST, version) == (0, -1)


async def test_earliest_is_the_log_start(node: ServedNode) -> None:
    await with_times(node, (10,), (20,), (30,))
    node.partition("orders").log.advance_start(2)
    assert await found(node, EARLIEST) == (2, -1)
    assert await found(node, EARLIEST_LOCAL) == (2, -1)
    assert await found(node, 10) == (2, 30)


@pytest.mark.parametrize("sentinel", [TIERED, PENDING_UPLOAD])
async def test_nothing_is_tiered(node: ServedNode, sentinel: int) -> None:
    await with_times(node, (10,))
    assert await found(node, sentinel) == (-1, -1)


@pytest.mark.parametrize("codec", CompressionType)
async def test_a_time_finds_a_record_inside_a_batch(
    node: ServedNode, codec: CompressionType
) -> None:
    await with_times(node, (10, 20, 30), (40, 50), compression=codec)
    expected = {0: (0, 10), 10: (0, 10), 11: (1, 20), 30: (2, 30), 31: (3, 40), 50: (4, 50)}
    for timestamp, answer in expected.items():
        assert await found(node, timestamp) == answer


async def test_a_time_finds_the_first_such_offset_where_times_go_back(node: ServedNode) -> None:
    await with_times(node, (30, 10, 40), (20, 50))
    expected = {10: (0, 30), 31: (2, 40), 41: (4, 50)}
    for timestamp, answer in expected.items():
        assert await found(node, timestamp) == answer


async def test_a_time_after_every_record_is_no_error(node: ServedNode) -> None:
    await with_times(node, (10,))
    assert await found(node, 11) == (-1, -1)
    assert await found(node, 2**63 - 1) == (-1, -1)


@pytest.mark.parametrize("codec", [CompressionType.none, CompressionType.lz4])
async def test_the_largest_time_is_that_of_a_record(
    node: ServedNode, codec: CompressionType
) -> None:
    await with_times(node, (10, 90, 20), (30, 90), compression=codec)
    assert await found(node, MAX) == (1, 90)


async def test_records_under_log_append_time_are_found_by_it(node: ServedNode) -> None:
    await node.create("orders", message_timestamp_type="LogAppendTime")
    await node.produce("orders", batch_of(b"a", b"b", timestamps=(1, 2)))
    now_ms = node.node._clock.now_ms()
    assert await found(node, 1) == (0, now_ms)
    assert await found(node, now_ms + 1) == (-1, -1)


@pytest.mark.parametrize(
    ("sentinel", "first_version"),
    [(MAX, 7), (EARLIEST_LOCAL, 8), (TIERED, 9), (PENDING_UPLOAD, 11), (-7, 12), (-(2**63), 12)],
)
async def test_a_sentinel_is_refused_before_its_version(
    node: ServedNode, sentinel: int, first_version: int
) -> None:
    await with_times(node, (10,))
    for version in range(1, 12):
        answer = await offset_at(node, sentinel, version=version)
        known = version >= first_version
        expected = ErrorCode.NONE if known else ErrorCode.UNSUPPORTED_VERSION
        assert ErrorCode(answer.error_code) is expected


async def test_the_answer_tells_the_leader_epoch_of_the_record(tmp_path: Path) -> None:
    async with serving(tmp_path / "node", flush="os") as node:
        await with_times(node, (10,))
        killed = as_after_kill(tmp_path / "node")
    async with serving(killed, files=Rebooted()) as node:
        await node.produce("orders", batch_of(timestamps=(20,)))
        epochs = [(await offset_at(node, at)).leader_epoch for at in (10, 20, LATEST, EARLIEST)]
        assert epochs == [0, 1, 1, 0]
        for epoch, error_code in ((0, ErrorCode.FENCED_LEADER_EPOCH), (1, ErrorCode.NONE)):
            answer = await offset_at(node, LATEST, leader_epoch=epoch)
            assert ErrorCode(answer.error_code) is error_code
        assert (await offset_at(node, 10, version=3)).leader_epoch == -1


async def test_an_unknown_partition_is_an_error_of_its_own(node: ServedNode) -> None:
    await with_times(node, (10,))
    answer = await offset_at(node, LATEST, index=1)
    assert answer.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert answer.offset == -1


async def test_a_batch_that_cannot_be_opened_is_answered_for_as_a_whole(
    node: ServedNode,
) -> None:
    await with_times(node, (10,))
    batch = batch_of(b"x", b"y", timestamps=(20, 30), compression=CompressionType.gzip)
    batch[70:74] = b"\xff" * 4
    batch[CRC_POSITION:CRC_END] = crc32c(memoryview(batch)[CRC_END:]).to_bytes(4, "big")
    assert (await node.produce("orders", batch)).base_offset == 1
    assert await found(node, 15) == (1, 30)


async def test_a_partition_named_twice_is_refused_and_others_are_answered(
    node: ServedNode,
) -> None:
    await node.create("orders", partitions=2)
    partitions = [
        ListOffsetsRequestPartition(partition_index=index, timestamp=LATEST) for index in (0, 1, 0)
    ]
    topics = [ListOffsetsRequestTopic(name="orders", partitions=partitions)]
    answer = await node.call(ListOffsetsRequest(topics=topics), 11)
    errors = [each.error_code for each in answer.topics[0].partitions]
    assert errors == [ErrorCode.INVALID_REQUEST, ErrorCode.NONE, ErrorCode.INVALID_REQUEST]
