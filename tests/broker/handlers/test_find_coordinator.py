"""FindCoordinator: groups have one, and the first question makes it."""

import asyncio

import pytest

from minikafka.broker.group.placement import partition_of
from minikafka.protocol.api.find_coordinator import (
    SHARE_GROUP,
    TRANSACTION,
    FindCoordinatorRequest,
)
from minikafka.protocol.api.metadata import MetadataRequest
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode
from .following import follow
from .other_brokers import OTHER, OTHER_ADDRESS, change, register


@pytest.mark.parametrize("version", range(4))
async def test_a_group_is_coordinated_by_this_node(node: ServedNode, version: int) -> None:
    answer = await node.call(FindCoordinatorRequest(key="billing"), version)
    assert (answer.error_code, answer.node_id) == (ErrorCode.NONE, 1)
    assert (answer.host, answer.port) == node.address


@pytest.mark.parametrize("version", range(4, 7))
async def test_many_groups_are_found_at_once(node: ServedNode, version: int) -> None:
    answer = await node.call(FindCoordinatorRequest(coordinator_keys=["a", "b"]), version)
    assert [(each.key, each.error_code, each.port) for each in answer.coordinators] == [
        (key, ErrorCode.NONE, node.address[1]) for key in "ab"
    ]


async def test_the_first_question_creates_the_topic_that_keeps_the_groups(node: ServedNode) -> None:
    clients = [await node.connect() for _ in range(3)]
    request = FindCoordinatorRequest(key="billing")
    answers = await asyncio.gather(*(client.call(request, 3) for client in clients))
    assert [answer.error_code for answer in answers] == [ErrorCode.NONE] * 3
    (topic,) = (await node.call(MetadataRequest(topics=None), 12)).topics
    assert (topic.name, topic.is_internal, len(topic.partitions)) == ("__consumer_offsets", True, 8)


async def test_a_transactional_id_is_refused_for_good(node: ServedNode) -> None:
    answer = await node.call(FindCoordinatorRequest(key="t", key_type=TRANSACTION), 3)
    assert answer.error_code == ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert "no transactions" in answer.error_message
    assert answer.node_id == -1


async def test_a_share_group_is_refused(node: ServedNode) -> None:
    request = FindCoordinatorRequest(coordinator_keys=["s"], key_type=SHARE_GROUP)
    (found,) = (await node.call(request, 6)).coordinators
    assert found.error_code == ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize("version", [3, 6])
async def test_each_group_is_coordinated_by_who_leads_its_partition(
    node: ServedNode, version: int
) -> None:
    def request(key: str) -> FindCoordinatorRequest:
        if version < 4:
            return FindCoordinatorRequest(key=key)
        return FindCoordinatorRequest(coordinator_keys=[key])

    async def found(key: str) -> tuple[int, int, str, int]:
        answer = await node.call(request(key), version)
        (answer,) = answer.coordinators if version > 3 else (answer,)
        return answer.error_code, answer.node_id, answer.host, answer.port

    assert await found("a") == (0, 1, *node.address)
    register(node, OTHER)
    index = partition_of("a", 8)
    assert index != partition_of("b", 8)
    change(node, "__consumer_offsets", index, leader=OTHER, replicas=[OTHER], isr=[OTHER])
    assert await found("a") == (0, OTHER, *OTHER_ADDRESS)
    assert await found("b") == (0, 1, *node.address)
    register(node, OTHER, standing="fenced")
    error, node_id, _, _ = await found("a")
    assert (error, node_id) == (ErrorCode.COORDINATOR_NOT_AVAILABLE, -1)


async def test_while_there_is_no_controller_no_coordinator_is_available(node: ServedNode) -> None:
    follow(node, None)
    answer = await node.call(FindCoordinatorRequest(key="billing"), 3)
    assert (answer.error_code, answer.node_id) == (ErrorCode.COORDINATOR_NOT_AVAILABLE, -1)
    assert answer.error_message
