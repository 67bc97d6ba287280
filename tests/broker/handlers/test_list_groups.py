"""ListGroups over a real connection."""

import pytest

from minikafka.protocol.api.list_groups import ListGroupsRequest

from ..in_process import ServedNode
from .group_member import GROUP, RawMember


@pytest.mark.parametrize("version", range(6))
async def test_a_group_is_listed_in_every_version(node: ServedNode, version: int) -> None:
    member = await RawMember.of(node)
    await member.settle()
    (group,) = (await node.call(ListGroupsRequest(), version)).groups
    assert (group.group_id, group.protocol_type) == (GROUP, "consumer")
    assert group.group_state == ("Stable" if version >= 4 else "")
    assert group.group_type == ("classic" if version >= 5 else "")


@pytest.mark.parametrize(
    ("states", "types", "count"),
    [(["stable"], [], 1), (["Empty"], [], 0), ([], ["Classic"], 1), ([], ["consumer"], 0)],
)
async def test_filters_let_pass_what_they_name(
    node: ServedNode, states: list[str], types: list[str], count: int
) -> None:
    member = await RawMember.of(node)
    await member.settle()
    request = ListGroupsRequest(states_filter=states, types_filter=types)
    assert len((await node.call(request, 5)).groups) == count


async def test_before_there_is_a_group_the_list_is_empty(node: ServedNode) -> None:
    assert (await node.call(ListGroupsRequest(), 5)).groups == []
