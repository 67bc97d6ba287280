"""ElectLeaders: who is asked for, who can lead, and what is said of the others."""

from typing import Any

import pytest

from minikafka.protocol.api.elect_leaders import (
    ElectionType,
    ElectLeadersRequest,
    TopicPartitions,
)
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode
from .other_brokers import OTHER, change, register

PREFERRED, UNCLEAN = ElectionType.PREFERRED, ElectionType.UNCLEAN
Results = dict[tuple[str, int], int]


async def elected(
    node: ServedNode, election_type: int, *partitions: int, version: int = 2
) -> tuple[Results, Any]:
    """The error of each partition of "orders", or of all that could do with an election."""
    named = [TopicPartitions(topic="orders", partitions=list(partitions))] if partitions else None
    request = ElectLeadersRequest(election_type=election_type, topic_partitions=named)
    answer = await node.call(request, version)
    results = {
        (topic.topic, each.partition_id): each.error_code
        for topic in answer.replica_election_results
        for each in topic.partition_result
    }
    return results, answer


def leaders(node: ServedNode) -> list[int]:
    """Who leads the partitions of "orders"."""
    partitions = node.node._controller.image.topics["orders"].partitions
    return [partition.leader for _, partition in sorted(partitions.items())]


async def orders(node: ServedNode) -> None:
    """Four partitions: preferred leaders 1, 1, 2 (which is fenced), and one without a leader."""
    await node.create("orders", partitions=4)
    register(node, OTHER)
    change(node, "orders", 1, leader=OTHER, replicas=[1, OTHER], isr=[OTHER, 1])
    change(node, "orders", 2, leader=1, replicas=[3, 1], isr=[1])
    change(node, "orders", 3, leader=-1, replicas=[3, 1], isr=[3])


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_each_partition_has_its_own_result(node: ServedNode, version: int) -> None:
    await orders(node)
    results, answer = await elected(node, PREFERRED, 0, 1, 2, 7, version=version)
    assert results == {
        ("orders", 0): ErrorCode.ELECTION_NOT_NEEDED,
        ("orders", 1): ErrorCode.NONE,
        ("orders", 2): ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
        ("orders", 7): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    }
    assert answer.error_code == ErrorCode.NONE
    assert leaders(node) == [1, 1, 1, -1]


async def test_of_all_partitions_those_that_need_none_are_left_out(node: ServedNode) -> None:
    await orders(node)
    results, _ = await elected(node, PREFERRED)
    unavailable = ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE
    assert results == {("orders", 1): 0, ("orders", 2): unavailable, ("orders", 3): unavailable}


async def test_an_unclean_election_gives_a_leader_to_who_has_none(node: ServedNode) -> None:
    await orders(node)
    results, _ = await elected(node, UNCLEAN)
    assert results == {("orders", 3): ErrorCode.NONE}
    assert leaders(node) == [1, OTHER, 1, 1]


async def test_an_unknown_kind_of_election_is_refused_as_a_whole(node: ServedNode) -> None:
    await orders(node)
    results, answer = await elected(node, 7, 1)
    assert results == {("orders", 1): ErrorCode.INVALID_REQUEST}
    assert answer.error_code == ErrorCode.INVALID_REQUEST
    assert leaders(node)[1] == OTHER
