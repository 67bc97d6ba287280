"""OffsetForLeaderEpoch: where an epoch ends (KIP-320)."""

from pathlib import Path

import pytest

from minikafka.protocol.api.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochRequestPartition,
    OffsetForLeaderEpochRequestTopic,
)
from minikafka.protocol.errors import ErrorCode

from ..in_process import Rebooted, ServedNode, as_after_kill, batch_of, serving


async def end_of(
    node: ServedNode, epoch: int, *, version: int = 4, current: int = -1, topic: str = "orders"
) -> tuple[ErrorCode, int, int]:
    """Error, epoch and end offset for one epoch of partition 0."""
    partition = OffsetForLeaderEpochRequestPartition(
        partition=0, current_leader_epoch=current, leader_epoch=epoch
    )
    topics = [OffsetForLeaderEpochRequestTopic(topic=topic, partitions=[partition])]
    answer = await node.call(OffsetForLeaderEpochRequest(topics=topics), version)
    found = answer.topics[0].partitions[0]
    return ErrorCode(found.error_code), found.leader_epoch, found.end_offset


@pytest.mark.parametrize("version", [2, 3, 4])
async def test_the_current_epoch_ends_at_the_log_end(node: ServedNode, version: int) -> None:
    await node.create("orders")
    await node.produce("orders", batch_of(b"a", b"b"))
    assert await end_of(node, 0, version=version) == (ErrorCode.NONE, 0, 2)


async def test_an_epoch_ends_where_the_next_begins(tmp_path: Path) -> None:
    data_dir = tmp_path / "node"
    for count in (2, 0, 3):  # epochs 0, 1 and 2; nothing is written in epoch 1
        async with serving(data_dir, files=Rebooted(f"boot {count}"), flush="os") as node:
            if count == 2:
                await node.create("orders")
            for _ in range(count):
                await node.produce("orders", batch_of())
            killed = as_after_kill(data_dir)
        data_dir = killed
    async with serving(data_dir, files=Rebooted()) as node:
        none = ErrorCode.NONE
        assert [await end_of(node, epoch) for epoch in range(-1, 5)] == [
            (none, -1, -1),
            (none, 0, 2),
            (none, 0, 2),  # epoch 1 is empty, so nobody can have read in it
            (none, 2, 5),
            (none, 3, 5),
            (none, -1, -1),
        ]


async def test_who_is_in_another_epoch_is_fenced(node: ServedNode) -> None:
    await node.create("orders")
    assert (await end_of(node, 0, current=1))[0] is ErrorCode.UNKNOWN_LEADER_EPOCH
    assert (await end_of(node, 0, current=0))[0] is ErrorCode.NONE


async def test_an_unknown_topic_is_an_error(node: ServedNode) -> None:
    expected = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1)
    assert await end_of(node, 0, topic="gone") == expected
