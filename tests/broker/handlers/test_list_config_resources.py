"""ListConfigResources: what there is of each type."""

import pytest

from minikafka.protocol.api.describe_configs import ConfigResourceType
from minikafka.protocol.api.list_config_resources import ListConfigResourcesRequest
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode

TOPIC, BROKER = ConfigResourceType.TOPIC, ConfigResourceType.BROKER


async def listed(node: ServedNode, *types: int, version: int = 1) -> list[tuple[int, str]]:
    """Type and name of each resource."""
    answer = await node.call(ListConfigResourcesRequest(resource_types=list(types)), version)
    assert answer.error_code == ErrorCode.NONE
    return [(each.resource_type, each.resource_name) for each in answer.config_resources]


async def test_without_types_everything_is_listed(node: ServedNode) -> None:
    await node.create("orders")
    await node.create("bills")
    assert await listed(node) == [(BROKER, "1"), (TOPIC, "bills"), (TOPIC, "orders")]


@pytest.mark.parametrize(
    ("type_", "names"),
    [
        (TOPIC, ["orders"]),
        (BROKER, ["1"]),
        (ConfigResourceType.BROKER_LOGGER, []),
        (ConfigResourceType.CLIENT_METRICS, []),
        (ConfigResourceType.GROUP, []),
    ],
)
async def test_only_the_types_asked_for_are_listed(
    node: ServedNode, type_: int, names: list[str]
) -> None:
    await node.create("orders")
    assert await listed(node, type_) == [(type_, name) for name in names]


async def test_version_0_knows_client_metrics_alone_and_there_are_none(node: ServedNode) -> None:
    await node.create("orders")
    assert await listed(node, version=0) == []


async def test_a_type_that_nobody_knows_refuses_the_request(node: ServedNode) -> None:
    answer = await node.call(ListConfigResourcesRequest(resource_types=[TOPIC, 99]))
    assert answer.error_code == ErrorCode.UNSUPPORTED_VERSION
    assert answer.config_resources == []
