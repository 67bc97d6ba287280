"""SyncGroup over a real connection."""

import asyncio

import pytest

from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode
from .group_member import RawMember


@pytest.mark.parametrize("version", range(6))
async def test_the_leader_gets_what_it_gave_itself(node: ServedNode, version: int) -> None:
    member = await RawMember.of(node)
    await member.join()
    answer = await member.sync(version, b"mine")
    assert (answer.error_code, bytes(answer.assignment)) == (ErrorCode.NONE, b"mine")
    if version >= 5:
        assert (answer.protocol_type, answer.protocol_name) == ("consumer", "range")


async def test_a_follower_waits_for_the_leader(node: ServedNode) -> None:
    members = [await RawMember.of(node), await RawMember.of(node)]
    answers = await asyncio.gather(*(member.join(3) for member in members))
    leader, follower = sorted(members, key=lambda each: each.member_id != answers[0].leader)
    follower.client.send(follower.sync_request(), 3)
    shares = {leader.member_id: b"left", follower.member_id: b"right"}
    request = leader.sync_request(**shares)
    assert bytes((await leader.client.call(request, 3)).assignment) == b"left"
    answer = await follower.client.receive(type(request), 3)
    assert bytes(answer.assignment) == b"right"


async def test_another_generation_and_another_protocol_are_refused(node: ServedNode) -> None:
    member = await RawMember.of(node)
    await member.join()
    request = member.sync_request()
    request.protocol_name = "sticky"
    answer = await member.client.call(request, 5)
    assert answer.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    member.generation = 7
    assert (await member.sync()).error_code == ErrorCode.ILLEGAL_GENERATION


async def test_a_group_that_nobody_knows_has_no_members(node: ServedNode) -> None:
    member = await RawMember.of(node)
    assert (await member.sync()).error_code == ErrorCode.UNKNOWN_MEMBER_ID
