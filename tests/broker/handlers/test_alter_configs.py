"""AlterConfigs: what is named is set, all else goes back to its default."""

import pytest

from minikafka.protocol.api.alter_configs import (
    AlterableConfig,
    AlterConfigsRequest,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
)
from minikafka.protocol.api.describe_configs import ConfigResourceType
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode

TOPIC, BROKER = ConfigResourceType.TOPIC, ConfigResourceType.BROKER


async def altered(
    node: ServedNode,
    kind: int,
    name: str,
    *pairs: tuple[str, str | None],
    version: int = 2,
    validate_only: bool = False,
) -> AlterConfigsResourceResponse:
    """The answer for one resource."""
    configs = [AlterableConfig(name=key, value=value) for key, value in pairs]
    resource = AlterConfigsResource(resource_type=kind, resource_name=name, configs=configs)
    request = AlterConfigsRequest(resources=[resource], validate_only=validate_only)
    (answer,) = (await node.call(request, version)).responses
    assert (answer.resource_type, answer.resource_name) == (kind, name)
    return answer


@pytest.mark.parametrize("version", range(3))
async def test_what_is_not_named_goes_back_to_its_default(node: ServedNode, version: int) -> None:
    await node.create("orders", segment_bytes="100", retention_ms="7")
    pairs = [("retention.ms", "8"), ("cleanup.policy", "compact")]
    answer = await altered(node, TOPIC, "orders", *pairs, version=version)
    assert answer.error_code == ErrorCode.NONE
    config = node.partition("orders").config
    assert (config.segment_bytes, config.retention_ms) == (1 << 30, 8)
    assert node.node._controller.image.topics["orders"].configs == dict(pairs)


async def test_the_options_of_all_brokers_are_replaced_too(node: ServedNode) -> None:
    await altered(node, BROKER, "", ("max.connections", "7"))
    await altered(node, BROKER, "", ("log.retention.ms", "8"))
    assert node.node._controller.image.broker_configs[""] == {"log.retention.ms": "8"}
    assert node.node._live.config.max_connections == 10_000


async def test_validate_only_changes_nothing(node: ServedNode) -> None:
    await node.create("orders", segment_bytes="100")
    answer = await altered(node, TOPIC, "orders", validate_only=True)
    assert answer.error_code == ErrorCode.NONE
    assert node.partition("orders").config.segment_bytes == 100


@pytest.mark.parametrize(
    ("kind", "name", "pairs", "error_code"),
    [
        (TOPIC, "orders", [("retention.ms", "x")], ErrorCode.INVALID_CONFIG),
        (TOPIC, "orders", [("retention.ms", None)], ErrorCode.INVALID_REQUEST),
        (TOPIC, "orders", [("retention.ms", "1")] * 2, ErrorCode.INVALID_REQUEST),
        (TOPIC, "unknown", [], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (BROKER, "1", [("data.dir", "/tmp")], ErrorCode.INVALID_REQUEST),
        (BROKER, "2", [], ErrorCode.INVALID_REQUEST),
        (ConfigResourceType.BROKER_LOGGER, "1", [], ErrorCode.INVALID_REQUEST),
    ],
)
async def test_each_mistake_has_its_error(
    node: ServedNode,
    kind: int,
    name: str,
    pairs: list[tuple[str, str | None]],
    error_code: ErrorCode,
) -> None:
    await node.create("orders", segment_bytes="100")
    assert (await altered(node, kind, name, *pairs)).error_code == error_code
    assert node.partition("orders").config.segment_bytes == 100
