"""DeleteGroups over a real connection."""

from pathlib import Path

import pytest

from minikafka.protocol.api.delete_groups import DeleteGroupsRequest
from minikafka.protocol.api.leave_group import LeaveGroupRequest
from minikafka.protocol.api.list_groups import ListGroupsRequest
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, serving
from .group_member import GROUP, RawMember, committed


async def delete(node: ServedNode, *groups: str, version: int = 2) -> list[int]:
    request = DeleteGroupsRequest(groups_names=list(groups))
    return [each.error_code for each in (await node.call(request, version)).results]


@pytest.mark.parametrize("version", range(3))
async def test_only_a_group_without_members_is_deleted(node: ServedNode, version: int) -> None:
    await node.create("orders")
    member = await RawMember.of(node)
    await member.settle()
    await member.commit(7)
    assert await delete(node, GROUP, version=version) == [ErrorCode.NON_EMPTY_GROUP]
    await node.call(LeaveGroupRequest(group_id=GROUP, member_id=member.member_id), 2)
    assert await delete(node, GROUP, "none", version=version) == [0, ErrorCode.GROUP_ID_NOT_FOUND]
    assert await committed(node) == -1


async def test_a_deleted_group_stays_away_after_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path / "node") as node:
        await node.create("orders")
        member = await RawMember.of(node)
        await member.commit(7)
        assert await delete(node, GROUP) == [0]
        assert await member.commit(1) == ErrorCode.NONE  # It can come again.
        assert await delete(node, GROUP, GROUP) == [0]
    async with serving(tmp_path / "node") as node:
        while (answer := await node.call(ListGroupsRequest(), 5)).error_code:
            assert answer.error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        assert answer.groups == []
