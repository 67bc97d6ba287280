"""AlterPartitionReassignments and ListPartitionReassignments: what is begun is listed."""

import pytest

from minikafka.protocol.api.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from minikafka.protocol.api.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
)
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode
from .other_brokers import OTHER, register

Ongoing = dict[tuple[str, int], tuple[list[int], list[int], list[int]]]


async def altered(
    node: ServedNode,
    targets: dict[int, list[int] | None],
    *,
    keeps_factor: bool = False,
    version: int = 1,
) -> list[int]:
    """The error of each partition of "orders"."""
    partitions = [
        ReassignablePartition(partition_index=index, replicas=target)
        for index, target in targets.items()
    ]
    request = AlterPartitionReassignmentsRequest(
        allow_replication_factor_change=not keeps_factor,
        topics=[ReassignableTopic(name="orders", partitions=partitions)],
    )
    answer = await node.call(request, version)
    assert answer.error_code == ErrorCode.NONE
    (topic,) = answer.responses
    assert [each.partition_index for each in topic.partitions] == list(targets)
    assert all(bool(each.error_message) == bool(each.error_code) for each in topic.partitions)
    return [each.error_code for each in topic.partitions]


async def ongoing(node: ServedNode, *indexes: int) -> Ongoing:
    """What is listed of these partitions of "orders", or of all there are."""
    topics = None
    if indexes:
        wanted = list(indexes)
        topics = [ListPartitionReassignmentsTopics(name="orders", partition_indexes=wanted)]
    answer = await node.call(ListPartitionReassignmentsRequest(topics=topics))
    assert answer.error_code == ErrorCode.NONE
    return {
        (topic.name, each.partition_index): (
            each.replicas,
            each.adding_replicas,
            each.removing_replicas,
        )
        for topic in answer.topics
        for each in topic.partitions
    }


@pytest.mark.parametrize("version", [0, 1])
async def test_what_is_begun_is_listed_and_what_is_cancelled_is_not(
    node: ServedNode, version: int
) -> None:
    await node.create("orders", partitions=3)
    register(node)
    assert await ongoing(node) == {}
    assert await altered(node, {0: [1, OTHER], 2: [OTHER]}, version=version) == [0, 0]
    first, third = ([1, OTHER], [OTHER], []), ([OTHER, 1], [OTHER], [1])
    assert await ongoing(node) == {("orders", 0): first, ("orders", 2): third}
    assert await ongoing(node, 1, 2, 9) == {("orders", 2): third}
    assert await altered(node, {2: None}, version=version) == [0]
    assert await ongoing(node) == {("orders", 0): first}


async def test_each_partition_is_refused_with_its_own_error(node: ServedNode) -> None:
    await node.create("orders", partitions=2)
    register(node)
    targets: dict[int, list[int] | None] = {0: [OTHER, 9], 1: None, 7: [1]}
    assert await altered(node, targets) == [
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        ErrorCode.NO_REASSIGNMENT_IN_PROGRESS,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ]
    assert await ongoing(node) == {}


async def test_who_wants_the_replication_factor_to_stay_is_kept_from_changing_it(
    node: ServedNode,
) -> None:
    await node.create("orders", partitions=2)
    register(node)
    errors = await altered(node, {0: [1, OTHER], 1: [OTHER]}, keeps_factor=True)
    assert errors == [ErrorCode.INVALID_REPLICATION_FACTOR, ErrorCode.NONE]
    assert await altered(node, {1: [OTHER, 1]}, keeps_factor=True) == [
        ErrorCode.INVALID_REPLICATION_FACTOR
    ]
