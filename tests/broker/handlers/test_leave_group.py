"""LeaveGroup over a real connection."""

import asyncio

import pytest

from minikafka.protocol.api.leave_group import LeaveGroupRequest, LeaveGroupRequestMember
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, until
from .group_member import GROUP, RawMember


def leaving(version: int, *members: tuple[str, str | None]) -> LeaveGroupRequest:
    if version < 3:
        return LeaveGroupRequest(group_id=GROUP, member_id=members[0][0])
    return LeaveGroupRequest(
        group_id=GROUP,
        members=[
            LeaveGroupRequestMember(member_id=member_id, group_instance_id=instance_id)
            for member_id, instance_id in members
        ],
    )


@pytest.mark.parametrize("version", range(6))
async def test_a_member_leaves_in_every_version(node: ServedNode, version: int) -> None:
    member = await RawMember.of(node)
    await member.settle()
    answer = await node.call(leaving(version, (member.member_id, None)), version)
    assert answer.error_code == ErrorCode.NONE
    assert [each.error_code for each in answer.members] == [0] * (version >= 3)
    assert await member.heartbeat() == ErrorCode.UNKNOWN_MEMBER_ID


async def test_each_member_has_its_own_answer(node: ServedNode) -> None:
    member = await RawMember.of(node, "static")
    await member.settle()
    answer = await node.call(leaving(5, ("nobody", None), ("", "static"), ("", "static")), 5)
    assert [each.error_code for each in answer.members] == [
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_MEMBER_ID,
    ]


@pytest.mark.parametrize("version", [2, 3])
async def test_a_group_that_nobody_knows_has_no_members(node: ServedNode, version: int) -> None:
    await RawMember.of(node)
    answer = await node.call(leaving(version, ("nobody", None)), version)
    codes = [each.error_code for each in answer.members] if version >= 3 else [answer.error_code]
    assert codes == [ErrorCode.UNKNOWN_MEMBER_ID]


async def test_who_leaves_behind_its_own_join_and_hangs_up_has_left(node: ServedNode) -> None:
    """As clients do that are closed in a rebalance; the others need not wait for its session."""
    first, second = await RawMember.of(node), await RawMember.of(node)
    await first.settle()
    second.member_id = (await second.client.call(second.join_request(), 9)).member_id
    second.client.send(second.join_request(), 9)
    second.client.send(leaving(5, (second.member_id, None)), 5)
    while await first.heartbeat() == ErrorCode.NONE:
        await asyncio.sleep(0)
    await second.client.close()
    members = node.node._hosting.groups.find(GROUP).group.roster.members

    def has_left() -> bool:
        node.node._server._expire()
        return second.member_id not in members

    assert second.member_id in members
    await until(has_left)
    assert (await first.join()).generation_id == 2
