"""OffsetFetch over a real connection, in the three shapes that it has had."""

from typing import Any

import pytest

from minikafka.protocol.api.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode
from .group_member import GROUP, RawMember


async def commit(node: ServedNode) -> bytes:
    topic_id = await node.create("orders", partitions=2)
    member = await RawMember.of(node)
    assert await member.commit(7, text="noted") == ErrorCode.NONE
    return topic_id


def seen(partitions: list[Any]) -> list[tuple[int, int, str]]:
    return [(each.partition_index, each.committed_offset, each.metadata) for each in partitions]


@pytest.mark.parametrize("version", range(1, 8))
async def test_one_group_is_answered_up_to_version_7(node: ServedNode, version: int) -> None:
    await commit(node)
    wanted = [OffsetFetchRequestTopic(name="orders", partition_indexes=[0, 1])]
    answer = await node.call(OffsetFetchRequest(group_id=GROUP, topics=wanted), version)
    assert answer.error_code == ErrorCode.NONE
    assert seen(answer.topics[0].partitions) == [(0, 7, "noted"), (1, -1, "")]


@pytest.mark.parametrize("version", [2, 7])
async def test_null_topics_are_all_that_was_committed(node: ServedNode, version: int) -> None:
    await commit(node)
    answer = await node.call(OffsetFetchRequest(group_id=GROUP, topics=None), version)
    assert [(each.name, seen(each.partitions)) for each in answer.topics] == [
        ("orders", [(0, 7, "noted")])
    ]


@pytest.mark.parametrize("version", [8, 9])
async def test_many_groups_are_answered_from_version_8_on(node: ServedNode, version: int) -> None:
    await commit(node)
    wanted = [OffsetFetchRequestTopics(name="orders", partition_indexes=[0, 1])]
    groups = [
        OffsetFetchRequestGroup(group_id=GROUP, topics=wanted),
        OffsetFetchRequestGroup(group_id=GROUP, topics=None),
        OffsetFetchRequestGroup(group_id="nobody", topics=wanted),
        OffsetFetchRequestGroup(group_id="", topics=wanted),
    ]
    answers = (await node.call(OffsetFetchRequest(groups=groups), version)).groups
    assert [each.error_code for each in answers] == [0, 0, 0, ErrorCode.INVALID_GROUP_ID]
    assert [seen(each.topics[0].partitions) for each in answers[:3]] == [
        [(0, 7, "noted"), (1, -1, "")],
        [(0, 7, "noted")],
        [(0, -1, ""), (1, -1, "")],
    ]


async def test_topics_have_ids_from_version_10_on(node: ServedNode) -> None:
    topic_id = await commit(node)
    unknown = bytes(15) + b"x"
    wanted = [
        OffsetFetchRequestTopics(topic_id=each, partition_indexes=[0])
        for each in (topic_id, unknown)
    ]
    groups = [
        OffsetFetchRequestGroup(group_id=GROUP, topics=wanted),
        OffsetFetchRequestGroup(group_id=GROUP, topics=None),
    ]
    some, every = (await node.call(OffsetFetchRequest(groups=groups), 10)).groups
    assert [
        (topic.topic_id, topic.partitions[0].committed_offset, topic.partitions[0].error_code)
        for topic in some.topics
    ] == [(topic_id, 7, 0), (unknown, -1, ErrorCode.UNKNOWN_TOPIC_ID)]
    assert [(topic.topic_id, seen(topic.partitions)) for topic in every.topics] == [
        (topic_id, [(0, 7, "noted")])
    ]


@pytest.mark.parametrize("version", [1, 2])
async def test_without_a_coordinator_the_error_is_where_the_version_has_a_place_for_it(
    node: ServedNode, version: int
) -> None:
    wanted = [OffsetFetchRequestTopic(name="orders", partition_indexes=[0])]
    answer = await node.call(OffsetFetchRequest(group_id=GROUP, topics=wanted), version)
    codes = [partition.error_code for topic in answer.topics for partition in topic.partitions]
    expected = ErrorCode.NOT_COORDINATOR
    assert (answer.error_code, codes) == ((0, [expected]) if version == 1 else (expected, []))
