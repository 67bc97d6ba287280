"""OffsetDelete over a real connection."""

from minikafka.protocol.api.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode
from .group_member import GROUP, RawMember, committed


def deletion(*topics: str) -> OffsetDeleteRequest:
    partitions = [OffsetDeleteRequestPartition(partition_index=0)]
    wanted = [OffsetDeleteRequestTopic(name=topic, partitions=partitions) for topic in topics]
    return OffsetDeleteRequest(group_id=GROUP, topics=wanted)


async def test_an_offset_of_an_empty_group_is_forgotten(node: ServedNode) -> None:
    await node.create("orders")
    member = await RawMember.of(node)
    await member.commit(7)
    answer = await node.call(deletion("orders"))
    assert (answer.error_code, answer.topics[0].partitions[0].error_code) == (0, 0)
    assert await committed(node) == -1


async def test_a_topic_that_the_group_wants_keeps_its_offsets(node: ServedNode) -> None:
    await node.create("orders")
    await node.create("other")
    member = await RawMember.of(node)
    await member.settle()
    await member.commit(7)
    await member.commit(8, topic="other")
    answer = await node.call(deletion("orders", "other"))
    codes = [topic.partitions[0].error_code for topic in answer.topics]
    assert codes == [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode.NONE]
    assert (await committed(node), await committed(node, "other")) == (7, -1)


async def test_a_group_that_nobody_knows_is_not_found(node: ServedNode) -> None:
    await RawMember.of(node)
    answer = await node.call(deletion("orders"))
    assert answer.error_code == ErrorCode.GROUP_ID_NOT_FOUND


async def test_a_group_of_another_kind_must_be_empty(node: ServedNode) -> None:
    member = await RawMember.of(node)
    await member.join(protocol_type="connect")
    answer = await node.call(deletion("orders"))
    assert answer.error_code == ErrorCode.NON_EMPTY_GROUP
