"""What the coordinator does beside answering: placement, loading, expiry, and a full disk."""

import asyncio
from pathlib import Path
from random import Random

from minikafka.broker.group.coordinator import GroupCoordinator, options_of
from minikafka.broker.group.placement import partition_of
from minikafka.protocol.api.delete_groups import DeleteGroupsRequest
from minikafka.protocol.api.leave_group import LeaveGroupRequest
from minikafka.protocol.errors import ErrorCode

from ..handlers.group_member import GROUP, RawMember, committed
from ..in_process import ServedNode, SetClock, SteppedLoop, run_stepped, serving, until
from ..replica.unreliable_files import FULL, UnreliableFiles

DAY_MS = 24 * 3_600_000


def test_a_group_lies_where_javas_hash_puts_it() -> None:
    # "ab" is 97 * 31 + 98; the cat is two UTF-16 units, d83d and dc08.
    groups = ("a", "ab", "hello", "\U0001f408", "")
    assert [partition_of(each, 50) for each in groups] == [47, 5, 22, 45, 0]


async def test_a_group_has_its_place_before_all_partitions_are_there(node: ServedNode) -> None:
    await RawMember.of(node)
    started = node.node
    options = options_of(started.config)
    loop = asyncio.get_running_loop()
    coordinator = GroupCoordinator(started._replicas, SetClock(), Random(1), options, loop)
    coordinator.lead(node.partition("__consumer_offsets", 0), 8)
    assert partition_of("hello", 8) != 0
    assert coordinator.find("hello") == ErrorCode.NOT_COORDINATOR
    here = next(name for name in map(str, range(100)) if partition_of(name, 8) == 0)
    assert coordinator.find(here) is None
    coordinator.resign()


async def group_with_old_offset(node: ServedNode, clock: SetClock) -> RawMember:
    await node.create("orders")
    member = await RawMember.of(node)
    await member.settle()
    assert await member.commit(7) == ErrorCode.NONE
    clock.now += 30 * DAY_MS
    return member


async def test_offsets_that_members_want_do_not_expire(tmp_path: Path) -> None:
    clock = SetClock()
    async with serving(tmp_path / "node", clock=clock) as node:
        await group_with_old_offset(node, clock)
        node.node._hosting.groups.expire()
        assert await committed(node) == 7


async def test_an_empty_group_expires_a_retention_after_its_last_member(tmp_path: Path) -> None:
    clock = SetClock()
    async with serving(tmp_path / "node", clock=clock) as node:
        member = await group_with_old_offset(node, clock)
        await node.call(LeaveGroupRequest(group_id=GROUP, member_id=member.member_id), 2)
        clock.now += 6 * DAY_MS
        node.node._hosting.groups.expire()
        assert await committed(node) == 7
        clock.now += 2 * DAY_MS
        node.node._hosting.groups.expire()
        await until(lambda: node.node._hosting.groups.find(GROUP) is None)
        assert await committed(node) == -1
    async with serving(tmp_path / "node", clock=clock) as node:
        while node.node._hosting.groups.find(GROUP) == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            await asyncio.sleep(0)
        assert node.node._hosting.groups.find(GROUP) is None


async def test_offsets_without_a_group_expire_by_their_own_age(tmp_path: Path) -> None:
    clock = SetClock()
    async with serving(tmp_path / "node", clock=clock) as node:
        await node.create("orders")
        outsider = await RawMember.of(node)
        assert await outsider.commit(7) == ErrorCode.NONE
        clock.now += 8 * DAY_MS
        node.node._hosting.groups.expire()
        await until(lambda: node.node._hosting.groups.find(GROUP) is None)


def test_a_silent_member_is_out_by_the_monotonic_clock(tmp_path: Path) -> None:
    async def test(loop: SteppedLoop) -> None:
        clock = SetClock()
        async with serving(tmp_path / "node", clock=clock) as node:
            member = await RawMember.of(node)
            await member.join(rebalance_timeout_ms=60_000)
            await member.sync(assignment=b"all")
            clock.now += DAY_MS
            assert await member.heartbeat() == ErrorCode.NONE
            loop.advance(11)
            group = node.node._hosting.groups.find(GROUP).group
            await until(lambda: not group.roster.members)
            assert await member.heartbeat() == ErrorCode.UNKNOWN_MEMBER_ID

    run_stepped(test)


async def test_a_commit_that_cannot_be_written_is_refused_and_not_remembered(
    tmp_path: Path,
) -> None:
    files = UnreliableFiles()
    async with serving(tmp_path / "node", files=files) as node:
        await node.create("orders")
        member = await RawMember.of(node)
        await member.settle()
        assert await member.commit(7) == ErrorCode.NONE
        files.append_error = FULL
        assert await member.commit(8) == ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert await committed(node) == 7
        answer = await node.call(LeaveGroupRequest(group_id=GROUP, member_id=member.member_id), 2)
        assert answer.error_code == ErrorCode.NONE
        deletion = DeleteGroupsRequest(groups_names=[GROUP])
        (result,) = (await node.call(deletion)).results
        assert result.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert await committed(node) == 7
        files.append_error = None
        (result,) = (await node.call(deletion)).results
        assert result.error_code == ErrorCode.NONE
