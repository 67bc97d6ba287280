"""OffsetCommit over a real connection: who may, what is refused, what survives."""

import asyncio
from pathlib import Path

import pytest

from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, as_after_kill, serving
from .group_member import RawMember, committed


@pytest.mark.parametrize("version", range(2, 10))
async def test_a_member_commits_in_every_version(node: ServedNode, version: int) -> None:
    await node.create("orders")
    member = await RawMember.of(node)
    await member.settle()
    assert await member.commit(7, version) == ErrorCode.NONE
    assert await committed(node) == 7


async def test_a_topic_is_named_by_its_id_in_version_10(node: ServedNode) -> None:
    topic_id = await node.create("orders")
    member = await RawMember.of(node)
    request = member.commit_request(7)
    request.topics[0].name, request.topics[0].topic_id = "", topic_id
    (topic,) = (await node.call(request, 10)).topics
    assert (topic.topic_id, topic.partitions[0].error_code) == (topic_id, ErrorCode.NONE)
    assert await committed(node) == 7
    request.topics[0].topic_id = bytes(15) + b"x"
    (topic,) = (await node.call(request, 10)).topics
    assert topic.partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_ID


async def test_anybody_commits_while_the_group_is_empty(node: ServedNode) -> None:
    await node.create("orders")
    outsider, member = await RawMember.of(node), await RawMember.of(node)
    assert await outsider.commit(5) == ErrorCode.NONE
    await member.settle()
    assert await outsider.commit(6) == ErrorCode.UNKNOWN_MEMBER_ID
    assert await committed(node) == 5


async def test_a_generation_that_never_was_is_refused(node: ServedNode) -> None:
    await node.create("orders")
    member = await RawMember.of(node)
    member.generation = 3
    assert await member.commit(5) == ErrorCode.ILLEGAL_GENERATION


async def test_what_cannot_be_committed_is_refused_alone(node: ServedNode) -> None:
    await node.create("orders")
    member = await RawMember.of(node)
    assert await member.commit(1, topic="none") == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert await member.commit(1, partition=9) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert await member.commit(1, text="x" * 4097) == ErrorCode.OFFSET_METADATA_TOO_LARGE
    both = member.commit_request(1, topic="none")
    both.topics += member.commit_request(2).topics
    answer = await node.call(both, 9)
    codes = [topic.partitions[0].error_code for topic in answer.topics]
    assert codes == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.NONE]
    assert await committed(node) == 2


@pytest.mark.parametrize("is_killed", [False, True])
async def test_an_acknowledged_commit_survives_a_restart(tmp_path: Path, is_killed: bool) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        await node.create("orders")
        member = await RawMember.of(node)
        await member.settle()
        for offset in range(50):
            assert await member.commit(offset, text=f"text {offset}") == ErrorCode.NONE
        if is_killed:
            data_dir = as_after_kill(data_dir)
    async with serving(data_dir) as node:
        member.client = await node.connect()
        while (error := await member.heartbeat()) == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            await asyncio.sleep(0)
        assert error == ErrorCode.NONE  # The member and its generation survive as well.
        assert await committed(node) == 49
        assert await member.commit(50) == ErrorCode.NONE


async def test_offsets_of_a_deleted_topic_are_forgotten(node: ServedNode) -> None:
    from minikafka.protocol.api.delete_topics import DeleteTopicsRequest

    await node.create("orders")
    member = await RawMember.of(node)
    assert await member.commit(7) == ErrorCode.NONE
    await node.call(DeleteTopicsRequest(topic_names=["orders"]), 5)
    await node.create("orders")
    while await committed(node) != -1:
        await asyncio.sleep(0)
