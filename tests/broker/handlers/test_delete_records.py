"""DeleteRecords: a partition starts later, at once and for good."""

from pathlib import Path

import pytest

from minikafka.broker.log.files import DiskFull, Files
from minikafka.protocol.api.delete_records import (
    DeleteRecordsRequest,
    DeleteRecordsRequestPartition,
    DeleteRecordsRequestTopic,
    DeleteRecordsResponsePartition,
)
from minikafka.protocol.api.delete_topics import DeleteTopicsRequest
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.primitives import Buffer

from ..in_process import ServedNode, as_after_kill, batch_of, fetch_request, serving

LONG_WAIT_MS = 600_000


async def deleted(
    node: ServedNode, offset: int, topic: str = "orders", index: int = 0, version: int = 2
) -> DeleteRecordsResponsePartition:
    """Delete the records below `offset`; the partition's answer."""
    partition = DeleteRecordsRequestPartition(partition_index=index, offset=offset)
    wanted = DeleteRecordsRequestTopic(name=topic, partitions=[partition])
    request = DeleteRecordsRequest(topics=[wanted], timeout_ms=1000)
    return (await node.call(request, version)).topics[0].partitions[0]


async def fill(node: ServedNode, records: int = 6, **configs: str) -> None:
    """A topic with some batches of one record."""
    await node.create("orders", **configs)
    for number in range(records):
        await node.produce("orders", batch_of(b"%d" % number))


@pytest.mark.parametrize("version", range(3))
async def test_the_answer_is_the_new_start(node: ServedNode, version: int) -> None:
    await fill(node)
    answer = await deleted(node, 4, version=version)
    assert (answer.error_code, answer.low_watermark) == (ErrorCode.NONE, 4)
    assert [each.value for each in await node.records("orders", 4)] == [b"4", b"5"]
    below = await node.fetch("orders", 3, max_wait_ms=LONG_WAIT_MS)
    assert (below.error_code, below.log_start_offset) == (ErrorCode.OFFSET_OUT_OF_RANGE, 4)


async def test_minus_one_is_the_high_watermark(node: ServedNode) -> None:
    await fill(node)
    assert (await deleted(node, -1)).low_watermark == 6
    assert await node.records("orders", 6) == []
    assert (await node.produce("orders", batch_of())).base_offset == 6


async def test_an_earlier_offset_changes_nothing(node: ServedNode) -> None:
    await fill(node)
    await deleted(node, 4)
    answer = await deleted(node, 2)
    assert (answer.error_code, answer.low_watermark) == (ErrorCode.NONE, 4)


@pytest.mark.parametrize("offset", [7, 2**63 - 1, -2, -(2**63)])
async def test_an_offset_beyond_the_high_watermark_is_out_of_range(
    node: ServedNode, offset: int
) -> None:
    await fill(node)
    answer = await deleted(node, offset)
    assert (answer.error_code, answer.low_watermark) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)
    assert node.partition("orders").log.log_start_offset == 0


@pytest.mark.parametrize(
    ("topic", "index", "error_code"),
    [
        ("nobody", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("orders", 1, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("__consumer_offsets", 0, ErrorCode.INVALID_TOPIC_EXCEPTION),
    ],
)
async def test_what_is_not_there_or_not_theirs_is_refused(
    node: ServedNode, topic: str, index: int, error_code: ErrorCode
) -> None:
    await fill(node)
    assert (await deleted(node, 0, topic, index)).error_code == error_code


@pytest.mark.parametrize(
    ("policy", "error_code"),
    [("compact", ErrorCode.POLICY_VIOLATION), ("compact,delete", ErrorCode.NONE)],
)
async def test_a_topic_that_is_only_compacted_keeps_its_records(
    node: ServedNode, policy: str, error_code: ErrorCode
) -> None:
    await fill(node, cleanup_policy=policy)
    assert (await deleted(node, 3)).error_code == error_code


@pytest.mark.parametrize("end", ["clean stop", "kill"])
@pytest.mark.parametrize("offset", [4, 6])
async def test_the_start_outlives_a_restart(tmp_path: Path, end: str, offset: int) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        await fill(node)
        await deleted(node, offset)
        if end == "kill":
            data_dir = as_after_kill(data_dir)
    async with serving(data_dir) as node:
        log = node.partition("orders").log
        assert (log.log_start_offset, log.log_end_offset) == (offset, 6)
        assert (await node.fetch("orders", offset - 1)).error_code == ErrorCode.OFFSET_OUT_OF_RANGE


async def test_a_topic_created_again_starts_at_zero(tmp_path: Path) -> None:
    async with serving(tmp_path / "node") as node:
        await fill(node)
        await deleted(node, 4)
        await node.call(DeleteTopicsRequest(timeout_ms=1000, topic_names=["orders"]), 1)
        await fill(node)
        assert node.partition("orders").log.log_start_offset == 0
        data_dir = as_after_kill(tmp_path / "node")
    async with serving(data_dir) as node:
        assert len(await node.records("orders")) == 6


async def test_a_parked_fetch_below_the_new_start_is_answered(node: ServedNode) -> None:
    await fill(node, 3)
    client = await node.connect()
    client.send(fetch_request("orders", 2, max_wait_ms=LONG_WAIT_MS, min_bytes=1 << 20), 12)
    assert await client.is_silent(await node.connect(), fetch_request("orders", 0, max_wait_ms=0))
    await deleted(node, 3)
    answer = await client.receive(type(fetch_request("orders", 2)), 12)
    partition = answer.responses[0].partitions[0]
    assert partition.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert partition.log_start_offset == 3


async def test_a_start_that_cannot_be_saved_is_an_error(tmp_path: Path) -> None:
    class Full(Files):
        """No room for the checkpoint of the log starts."""

        is_full = True

        def write_atomically(self, path: str, data: Buffer) -> None:
            if self.is_full and "log-start" in path:
                raise DiskFull(path)
            super().write_atomically(path, data)

    files = Full()
    async with serving(tmp_path / "node", files=files) as node:
        await fill(node)
        answer = await deleted(node, 3)
        assert (answer.error_code, answer.low_watermark) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
        files.is_full = False


async def test_leader_epochs_begin_at_the_new_start(node: ServedNode) -> None:
    await fill(node)
    await deleted(node, 4)
    assert node.partition("orders").epochs.entries == [(0, 4)]
