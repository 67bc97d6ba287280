"""DescribeTopicPartitions: pages in the order of names, and cursors (KIP-966)."""

import pytest

from minikafka.protocol.api.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsRequestTopic,
)
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode
from .other_brokers import OTHER, change

Page = list[tuple[str, list[int]]]


async def page_of(
    node: ServedNode, *names: str, limit: int = 2000, cursor: tuple[str, int] | None = None
) -> tuple[Page, tuple[str, int] | None]:
    """One page: (topic, partitions) and where the next begins."""
    request = DescribeTopicPartitionsRequest(
        topics=[DescribeTopicPartitionsRequestTopic(name=name) for name in names],
        response_partition_limit=limit,
        cursor=Cursor(topic_name=cursor[0], partition_index=cursor[1]) if cursor else None,
    )
    answer = await node.call(request)
    page = [
        (each.name, [partition.partition_index for partition in each.partitions])
        for each in answer.topics
    ]
    following = answer.next_cursor
    return page, (following.topic_name, following.partition_index) if following else None


async def test_all_topics_come_sorted_by_name(node: ServedNode) -> None:
    await node.create("b", partitions=2)
    await node.create("a")
    assert await page_of(node) == ([("a", [0]), ("b", [0, 1])], None)
    assert await page_of(node, "b", "a") == ([("a", [0]), ("b", [0, 1])], None)


@pytest.mark.parametrize("limit", range(1, 8))
async def test_pages_together_hold_every_partition_once(node: ServedNode, limit: int) -> None:
    await node.create("a", partitions=3)
    await node.create("b")
    await node.create("c", partitions=2)
    found: list[tuple[str, int]] = []
    cursor: tuple[str, int] | None = None
    for _ in range(7):
        page, cursor = await page_of(node, limit=limit, cursor=cursor)
        entries = [(name, index) for name, indexes in page for index in indexes]
        assert len(entries) <= limit
        found += entries
        if cursor is None:
            break
    assert found == [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("c", 0), ("c", 1)]


@pytest.mark.parametrize("limit", [0, -1, -(2**31)])
async def test_a_page_has_a_partition_at_least(node: ServedNode, limit: int) -> None:
    await node.create("a", partitions=2)
    assert await page_of(node, limit=limit) == ([("a", [0])], ("a", 1))


async def test_a_cursor_at_a_topic_that_is_gone_goes_on_behind_it(node: ServedNode) -> None:
    await node.create("a")
    await node.create("c")
    assert await page_of(node, cursor=("b", 3)) == ([("c", [0])], None)


async def test_a_cursor_behind_everything_gives_an_empty_page(node: ServedNode) -> None:
    await node.create("a")
    assert await page_of(node, cursor=("a", 1)) == ([("a", [])], None)
    assert await page_of(node, cursor=("z", 0)) == ([], None)


async def test_a_topic_that_is_not_there_has_an_error(node: ServedNode) -> None:
    topics = [DescribeTopicPartitionsRequestTopic(name=name) for name in ("gone", "a b")]
    answer = await node.call(DescribeTopicPartitionsRequest(topics=topics))
    assert {each.name: each.error_code for each in answer.topics} == {
        "gone": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        "a b": ErrorCode.INVALID_TOPIC_EXCEPTION,
    }
    assert node.node._controller.image.topics == {}


async def test_each_partition_tells_leader_and_replicas(node: ServedNode) -> None:
    topic_id = await node.create("a")
    answer = await node.call(DescribeTopicPartitionsRequest(topics=[]))
    (topic,) = answer.topics
    (partition,) = topic.partitions
    assert (topic.topic_id, topic.is_internal) == (topic_id, False)
    assert (partition.leader_id, partition.leader_epoch) == (1, 0)
    assert (partition.replica_nodes, partition.isr_nodes) == ([1], [1])


async def test_who_could_lead_is_told_of_a_partition_without_a_leader(node: ServedNode) -> None:
    await node.create("a")
    change(node, "a", leader=-1, replicas=[1, OTHER], isr=[], elr=[OTHER], last_known_leader=1)
    (topic,) = (await node.call(DescribeTopicPartitionsRequest(topics=[]))).topics
    (partition,) = topic.partitions
    assert (partition.error_code, partition.leader_id) == (ErrorCode.LEADER_NOT_AVAILABLE, -1)
    assert (partition.eligible_leader_replicas, partition.last_known_elr) == ([OTHER], [1])
    assert partition.offline_replicas == [OTHER]
