"""Groups move with the leadership of their partition, and keep what was acknowledged."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from minikafka.broker.group.coordinator import GroupCoordinator
from minikafka.broker.group.member import Identity
from minikafka.broker.group.offsets import CommittedOffset
from minikafka.broker.group.placement import partition_of
from minikafka.broker.group.shard import COMMIT_TIMEOUT_MS
from minikafka.broker.replica.partition import Partition
from minikafka.protocol.api.describe_groups import DescribeGroupsRequest
from minikafka.protocol.api.join_group import JoinGroupRequest
from minikafka.protocol.api.list_groups import ListGroupsRequest
from minikafka.protocol.api.metadata import MetadataRequest
from minikafka.protocol.api.sync_group import SyncGroupRequest
from minikafka.protocol.errors import ErrorCode

from ..handlers.group_member import GROUP, RawMember, committed
from ..handlers.other_brokers import OTHER, change, register
from ..in_process import (
    ServedNode,
    SteppedLoop,
    as_after_kill,
    run_stepped,
    serving,
    until,
)

OFFSETS_TOPIC = "__consumer_offsets"
INDEX = partition_of(GROUP, 8)
NOT_COORDINATOR = ErrorCode.NOT_COORDINATOR
LOADING = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
OUTSIDER = Identity("", None, -1)


def groups_of(node: ServedNode) -> GroupCoordinator:
    coordinator = node.node._hosting.groups
    assert coordinator is not None
    return coordinator


def offsets_partition(node: ServedNode) -> Partition:
    return node.partition(OFFSETS_TOPIC, INDEX)


def lose(node: ServedNode) -> None:
    """Another broker leads from now on."""
    change(node, OFFSETS_TOPIC, INDEX, leader=OTHER, replicas=[1, OTHER], isr=[1, OTHER])
    groups_of(node).resign_partition(INDEX)


def take_over(node: ServedNode, isr: list[int]) -> None:
    """This one leads, in a new leader epoch."""
    change(node, OFFSETS_TOPIC, INDEX, leader=1, replicas=[1, OTHER], isr=isr)
    groups_of(node).lead(offsets_partition(node), 8)


def replicate(node: ServedNode) -> None:
    """The other broker has everything there is."""
    partition, replicas = offsets_partition(node), node.node._replicas
    epoch = node.node._controller.image.brokers[OTHER].epoch
    end_offset = partition.log.log_end_offset
    assert not partition.follower_fetched(OTHER, epoch, end_offset, replicas.now_ms())
    replicas._advance(partition)


def commit(node: ServedNode, offset: int) -> list[ErrorCode]:
    """Begin to commit from outside of the group; the list gets the answer."""
    answers: list[ErrorCode] = []
    commits = [("orders", 0, CommittedOffset(offset, -1, "", 0))]
    groups_of(node).commit(GROUP, OUTSIDER, commits, answers.append)
    return answers


def offset_of(node: ServedNode) -> int | ErrorCode | None:
    """What is committed, as the coordinator knows it."""
    found = groups_of(node).find(GROUP)
    if found is None or isinstance(found, ErrorCode):
        return found
    held = found.offsets.find("orders", 0)
    return None if held is None else held.offset


async def begin(node: ServedNode) -> RawMember:
    """There is a topic, and a member who has not joined; another broker is known."""
    await node.create("orders")
    member = await RawMember.of(node)
    register(node)
    return member


@pytest_asyncio.fixture
async def member(node: ServedNode) -> AsyncIterator[RawMember]:
    """A member of no group yet."""
    yield await begin(node)


async def test_offsets_and_generation_are_the_same_on_who_takes_over(tmp_path: Path) -> None:
    async with serving(tmp_path / "node") as node:
        await node.create("orders")
        member = await RawMember.of(node)
        await member.settle()
        assert await member.commit(7) == ErrorCode.NONE
        copy = as_after_kill(tmp_path / "node")
        await member.commit(8)
    async with serving(copy) as successor:
        await until(lambda: groups_of(successor).find(GROUP) != LOADING)
        moved = RawMember(await successor.connect())
        moved.member_id, moved.generation = member.member_id, member.generation
        assert await committed(successor) == 7
        assert await moved.heartbeat() == ErrorCode.NONE
        assert (await moved.sync()).assignment == b"all"
        assert await moved.commit(9) == ErrorCode.NONE
        moved.generation -= 1
        assert await moved.commit(10) == ErrorCode.ILLEGAL_GENERATION
        assert await committed(successor) == 9


async def test_who_has_lost_the_leadership_answers_nothing_of_its_groups(
    node: ServedNode, member: RawMember
) -> None:
    await member.settle()
    assert await member.commit(7) == ErrorCode.NONE
    lose(node)
    assert await member.heartbeat() == NOT_COORDINATOR
    assert await member.commit(8) == NOT_COORDINATOR
    assert (await member.join()).error_code == NOT_COORDINATOR
    assert (await member.sync()).error_code == NOT_COORDINATOR
    assert groups_of(node).find(GROUP) == NOT_COORDINATOR
    (group,) = (await node.call(DescribeGroupsRequest(groups=[GROUP]))).groups
    assert group.error_code == NOT_COORDINATOR
    assert (await node.call(ListGroupsRequest())).groups == []


async def parked(node: ServedNode, member: RawMember, request: Any) -> None:
    """Send a request that is not answered at once."""
    other = await node.connect()
    member.client.send(request)
    assert await member.client.is_silent(other, MetadataRequest(topics=[]))


async def test_a_join_that_waits_is_sent_to_the_next_coordinator(
    node: ServedNode, member: RawMember
) -> None:
    await member.settle()
    second = RawMember(await node.connect(), instance_id="second")
    await parked(node, second, second.join_request())
    lose(node)
    assert (await second.client.receive(JoinGroupRequest)).error_code == NOT_COORDINATOR


async def test_a_sync_that_waits_is_sent_to_the_next_coordinator(
    node: ServedNode, member: RawMember
) -> None:
    await member.join()
    change(node, OFFSETS_TOPIC, INDEX, replicas=[1, OTHER], isr=[1, OTHER])
    await parked(node, member, member.sync_request(**{member.member_id: b"all"}))
    lose(node)
    assert (await member.client.receive(SyncGroupRequest)).error_code == NOT_COORDINATOR


async def test_a_commit_under_way_is_not_acknowledged_and_counts_if_it_is_in_the_log(
    node: ServedNode, member: RawMember
) -> None:
    del member
    change(node, OFFSETS_TOPIC, INDEX, replicas=[1, OTHER], isr=[1, OTHER])
    answers = commit(node, 7)
    await until(lambda: offsets_partition(node).log.flushed_offset == 1)
    assert answers == []
    lose(node)
    assert answers == [NOT_COORDINATOR]
    take_over(node, [1, OTHER])
    assert offset_of(node) == LOADING
    replicate(node)
    await until(lambda: offset_of(node) == 7)
    assert answers == [NOT_COORDINATOR]


async def test_a_commit_that_the_next_leader_does_not_have_is_gone(
    node: ServedNode, member: RawMember
) -> None:
    del member
    assert await acknowledged(node, 6)
    change(node, OFFSETS_TOPIC, INDEX, replicas=[1, OTHER], isr=[1, OTHER])
    answers = commit(node, 7)
    await until(lambda: offsets_partition(node).log.flushed_offset == 2)
    lose(node)
    offsets_partition(node).truncate_to_diverging(0, 1)
    take_over(node, [1])
    await until(lambda: offset_of(node) == 6)
    assert answers == [NOT_COORDINATOR]


async def acknowledged(node: ServedNode, offset: int) -> bool:
    """Whether a commit gets its answer."""
    answers = commit(node, offset)
    await until(lambda: answers)
    return answers == [ErrorCode.NONE]


async def test_a_new_leader_waits_until_it_knows_what_was_acknowledged(
    node: ServedNode, member: RawMember
) -> None:
    await member.settle()
    assert await member.commit(7) == ErrorCode.NONE
    partition = offsets_partition(node)
    change(node, OFFSETS_TOPIC, INDEX, replicas=[1, OTHER], isr=[1, OTHER])
    answers = commit_as(node, member, 8)
    await until(lambda: partition.log.flushed_offset == partition.log.log_end_offset)
    lose(node)
    take_over(node, [1, OTHER])
    assert await member.heartbeat() == LOADING
    assert await member.commit(9) == LOADING
    listed = await node.call(ListGroupsRequest())
    assert listed.error_code == LOADING
    replicate(node)
    await until(lambda: groups_of(node).find(GROUP) != LOADING)
    assert await member.heartbeat() == ErrorCode.NONE
    assert await committed(node) == 8
    assert answers == [NOT_COORDINATOR]


def commit_as(node: ServedNode, member: RawMember, offset: int) -> list[ErrorCode]:
    """Begin to commit as this member; the list gets the answer."""
    answers: list[ErrorCode] = []
    identity = Identity(member.member_id, None, member.generation)
    commits = [("orders", 0, CommittedOffset(offset, -1, "", 0))]
    groups_of(node).commit(GROUP, identity, commits, answers.append)
    return answers


async def test_who_was_out_of_the_controllers_reach_reads_the_log_before_it_answers_again(
    node: ServedNode, member: RawMember
) -> None:
    del member
    change(node, OFFSETS_TOPIC, INDEX, replicas=[1, OTHER], isr=[1, OTHER])
    answers = commit(node, 7)
    await until(lambda: offsets_partition(node).log.flushed_offset == 1)
    node.node._replicas.suspend(True)
    assert (answers, offset_of(node)) == ([NOT_COORDINATOR], NOT_COORDINATOR)
    node.node._replicas.suspend(False)
    assert offset_of(node) == LOADING
    replicate(node)
    await until(lambda: offset_of(node) == 7)


async def test_a_change_within_the_leader_epoch_changes_nothing_for_groups(
    node: ServedNode, member: RawMember
) -> None:
    await member.settle()
    before = groups_of(node).find(GROUP)
    change(node, OFFSETS_TOPIC, INDEX, replicas=[1, OTHER], isr=[1])
    groups_of(node).lead(offsets_partition(node), 8)
    assert groups_of(node).find(GROUP) is before


def test_a_commit_that_takes_long_is_answered_in_time_and_counts_in_the_order_of_the_log(
    tmp_path: Path,
) -> None:
    async def test(loop: SteppedLoop) -> None:
        async with serving(tmp_path / "node") as node:
            await begin(node)
            change(node, OFFSETS_TOPIC, INDEX, replicas=[1, OTHER], isr=[1, OTHER])
            late = commit(node, 7)
            await until(lambda: offsets_partition(node).log.flushed_offset == 1)
            loop.advance(COMMIT_TIMEOUT_MS / 1000 + 0.1)
            await until(lambda: late)
            assert late == [ErrorCode.COORDINATOR_NOT_AVAILABLE]
            answers = commit(node, 8)
            await until(lambda: offsets_partition(node).log.flushed_offset == 2)
            assert offset_of(node) is None
            replicate(node)
            await until(lambda: answers)
            assert answers == [ErrorCode.NONE]
            assert (late, offset_of(node)) == ([ErrorCode.COORDINATOR_NOT_AVAILABLE], 8)

    run_stepped(test)
