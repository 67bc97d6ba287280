"""DescribeGroups over a real connection."""

import pytest

from minikafka.protocol.api.describe_groups import DescribeGroupsRequest
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode
from .group_member import GROUP, RawMember


@pytest.mark.parametrize("version", range(7))
async def test_a_stable_group_shows_its_members_and_what_they_own(
    node: ServedNode, version: int
) -> None:
    member = await RawMember.of(node)
    await member.settle()
    (group,) = (await node.call(DescribeGroupsRequest(groups=[GROUP]), version)).groups
    assert (group.error_code, group.group_state, group.protocol_type, group.protocol_data) == (
        ErrorCode.NONE,
        "Stable",
        "consumer",
        "range",
    )
    (seen,) = group.members
    assert (seen.member_id, seen.client_id, seen.client_host) == (
        member.member_id,
        "raw",
        "/127.0.0.1",
    )
    assert bytes(seen.member_assignment) == b"all"


@pytest.mark.parametrize(("version", "error"), [(5, 0), (6, ErrorCode.GROUP_ID_NOT_FOUND)])
async def test_a_group_that_nobody_knows_is_dead(
    node: ServedNode, version: int, error: int
) -> None:
    await RawMember.of(node)
    (group,) = (await node.call(DescribeGroupsRequest(groups=["none"]), version)).groups
    assert (group.error_code, group.group_state, group.members) == (error, "Dead", [])


async def test_operations_are_told_to_who_asks(node: ServedNode) -> None:
    await RawMember.of(node)
    request = DescribeGroupsRequest(groups=["none"], include_authorized_operations=True)
    (group,) = (await node.call(request, 5)).groups
    assert group.authorized_operations == 1 << 3 | 1 << 6 | 1 << 8
