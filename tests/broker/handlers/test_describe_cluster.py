"""DescribeCluster: the nodes and the controller (KIP-700)."""

import pytest

from minikafka.protocol.api.describe_cluster import (
    CONTROLLER_ENDPOINT,
    OPERATIONS_NOT_REQUESTED,
    DescribeClusterRequest,
)
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode
from .other_brokers import OTHER, OTHER_ADDRESS, register


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_every_version_tells_the_node_that_the_client_reached(
    node: ServedNode, version: int
) -> None:
    answer = await node.call(DescribeClusterRequest(), version)
    host, port = node.address
    assert answer.error_code == ErrorCode.NONE
    assert (answer.cluster_id, answer.controller_id) == (node.node._controller.image.cluster_id, 1)
    assert [(each.broker_id, each.host, each.port) for each in answer.brokers] == [(1, host, port)]
    assert answer.cluster_authorized_operations == OPERATIONS_NOT_REQUESTED


async def test_authorized_operations_are_told_to_who_asks(node: ServedNode) -> None:
    request = DescribeClusterRequest(include_cluster_authorized_operations=True)
    assert (await node.call(request, 2)).cluster_authorized_operations > 0


@pytest.mark.parametrize("endpoint_type", [CONTROLLER_ENDPOINT, 0, 9])
async def test_only_brokers_can_be_described(node: ServedNode, endpoint_type: int) -> None:
    answer = await node.call(DescribeClusterRequest(endpoint_type=endpoint_type), 1)
    assert answer.error_code == ErrorCode.MISMATCHED_ENDPOINT_TYPE
    assert answer.brokers == []


async def test_fenced_brokers_are_told_to_who_asks_for_them(node: ServedNode) -> None:
    register(node, OTHER, standing="fenced")
    usual = await node.call(DescribeClusterRequest(), 2)
    assert [each.broker_id for each in usual.brokers] == [1]
    everybody = await node.call(DescribeClusterRequest(include_fenced_brokers=True), 2)
    assert [
        (each.broker_id, each.host, each.port, each.is_fenced) for each in everybody.brokers
    ] == [
        (1, *node.address, False),
        (OTHER, *OTHER_ADDRESS, True),
    ]
