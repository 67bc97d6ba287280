"""JoinGroup over a real connection; the rules are in tests/broker/group."""

import asyncio

import pytest

from minikafka.protocol.api.join_group import JoinGroupRequestProtocol
from minikafka.protocol.consumer_protocol import (
    ConsumerProtocolSubscription,
    OwnedTopicPartitions,
    encode_versioned,
)
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, until
from .group_member import GROUP, RawMember


@pytest.mark.parametrize("version", range(10))
async def test_a_member_joins_in_every_version(node: ServedNode, version: int) -> None:
    member = await RawMember.of(node)
    answer = await member.join(version)
    assert (answer.error_code, answer.generation_id, answer.protocol_name) == (0, 1, "range")
    assert answer.leader == answer.member_id
    assert [each.member_id for each in answer.members] == [answer.member_id]
    assert answer.member_id.startswith("raw-")


@pytest.mark.parametrize("version", [4, 9])
async def test_who_comes_without_an_id_is_sent_away_with_one(
    node: ServedNode, version: int
) -> None:
    member = await RawMember.of(node)
    answer = await member.client.call(member.join_request(), version)
    assert answer.error_code == ErrorCode.MEMBER_ID_REQUIRED
    assert answer.member_id


async def test_a_second_member_makes_the_first_join_again(node: ServedNode) -> None:
    first, second = await RawMember.of(node), await RawMember.of(node)
    await first.settle()
    joining = asyncio.ensure_future(second.join())
    while await first.heartbeat() == ErrorCode.NONE:
        await asyncio.sleep(0)
    assert (await first.join()).generation_id == 2
    assert (await joining).members == []


@pytest.mark.parametrize("session_timeout_ms", [5_999, 1_800_001])
async def test_a_session_out_of_bounds_is_refused(
    node: ServedNode, session_timeout_ms: int
) -> None:
    member = await RawMember.of(node)
    answer = await member.join(session_timeout_ms=session_timeout_ms)
    assert answer.error_code == ErrorCode.INVALID_SESSION_TIMEOUT


async def test_a_group_has_a_name(node: ServedNode) -> None:
    member = await RawMember.of(node)
    assert (await member.join(group_id="")).error_code == ErrorCode.INVALID_GROUP_ID


@pytest.mark.parametrize("version", [6, 7])
async def test_an_error_names_no_protocol(node: ServedNode, version: int) -> None:
    member = await RawMember.of(node)
    answer = await member.join(version, member_id="nobody")
    assert answer.error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert answer.protocol_name == ("" if version < 7 else None)


async def test_a_member_whose_connection_breaks_while_it_joins_does_not_stay(
    node: ServedNode,
) -> None:
    first, second = await RawMember.of(node), await RawMember.of(node)
    await first.settle()
    second.client.send(second.join_request(), 3)
    while await first.heartbeat() == ErrorCode.NONE:
        await asyncio.sleep(0)
    found = node.node._hosting.groups.find(GROUP)
    (joining,) = [each for each in found.group.roster.members.values() if each.is_new]
    late_ms = joining.expires_ms
    second.client.abort()
    await until(lambda: joining.expires_ms < late_ms)


async def test_a_group_without_a_coordinator_is_sent_to_look_for_it(node: ServedNode) -> None:
    member = RawMember(await node.connect())
    assert (await member.join()).error_code == ErrorCode.NOT_COORDINATOR


async def test_a_static_member_comes_back_to_its_place_although_it_has_forgotten_its_past(
    node: ServedNode,
) -> None:
    # A subscription says what its member owned, and in which generation: nothing after a restart.
    owned = OwnedTopicPartitions(topic="orders", partitions=[0])
    before = ConsumerProtocolSubscription(
        topics=["orders"], user_data=b"owned", owned_partitions=[owned], generation_id=4
    )
    after = ConsumerProtocolSubscription(topics=["orders"])
    first = await RawMember.of(node, "s1")
    assert (await first.join(protocols=range_protocols(before))).generation_id == 1
    await first.sync(assignment=b"all")

    again = await RawMember.of(node, "s1")
    answer = await again.join(protocols=range_protocols(after))
    assert (answer.generation_id, answer.skip_assignment) == (1, True)
    assert (await again.sync()).assignment == b"all"


async def test_a_static_member_that_comes_back_for_other_topics_makes_a_generation(
    node: ServedNode,
) -> None:
    first, again = await RawMember.of(node, "s1"), await RawMember.of(node, "s1")
    await first.join(protocols=range_protocols(ConsumerProtocolSubscription(topics=["orders"])))
    await first.sync(assignment=b"all")
    answer = await again.join(
        protocols=range_protocols(ConsumerProtocolSubscription(topics=["news"]))
    )
    assert answer.generation_id == 2


def range_protocols(subscription: ConsumerProtocolSubscription) -> list[JoinGroupRequestProtocol]:
    """What a member says that knows one strategy."""
    metadata = encode_versioned(subscription, 3)
    return [JoinGroupRequestProtocol(name="range", metadata=metadata)]
