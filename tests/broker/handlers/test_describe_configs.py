"""DescribeConfigs: every option, its type, and where its value comes from."""

from pathlib import Path
from typing import Any

import pytest

from minikafka.broker.config import BrokerConfig, TopicConfig, format_address
from minikafka.broker.options import option_names, option_texts
from minikafka.protocol.api.describe_configs import (
    ConfigResourceType,
    ConfigSource,
    ConfigType,
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResult,
)
from minikafka.protocol.control_frame import CONTROL_LISTENER
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, serving

TOPIC, BROKER = ConfigResourceType.TOPIC, ConfigResourceType.BROKER


async def described(
    node: ServedNode,
    kind: int,
    name: str,
    *keys: str,
    version: int = 4,
    **options: Any,
) -> DescribeConfigsResult:
    """The answer for one resource."""
    resource = DescribeConfigsResource(
        resource_type=kind, resource_name=name, configuration_keys=list(keys) or None
    )
    request = DescribeConfigsRequest(resources=[resource], **options)
    (answer,) = (await node.call(request, version)).results
    assert (answer.resource_type, answer.resource_name) == (kind, name)
    return answer


async def one(
    node: ServedNode, kind: int, name: str, key: str, **options: Any
) -> DescribeConfigsResourceResult:
    """The answer for one option."""
    answer = await described(node, kind, name, key, **options)
    assert answer.error_code == ErrorCode.NONE, answer
    (config,) = answer.configs
    assert config.name == key
    return config


def synonyms_of(config: DescribeConfigsResourceResult) -> list[tuple[str, str | None, int]]:
    """Name, value and source of each synonym."""
    return [(each.name, each.value, each.source) for each in config.synonyms]


@pytest.mark.parametrize("version", range(1, 5))
async def test_all_options_of_a_topic_are_told(node: ServedNode, version: int) -> None:
    await node.create("orders", retention_ms="7")
    answer = await described(node, TOPIC, "orders", version=version)
    values = {each.name: each.value for each in answer.configs}
    assert values == option_texts(TopicConfig(retention_ms=7))
    assert not any(each.read_only or each.is_sensitive for each in answer.configs)


async def test_all_options_of_a_broker_are_told_and_which_can_be_changed(node: ServedNode) -> None:
    answer = await described(node, BROKER, "1")
    names = [each.name for each in answer.configs]
    assert names == [*option_names(BrokerConfig), CONTROL_LISTENER]
    read_only = {each.name: each.read_only for each in answer.configs}
    assert (read_only["flush"], read_only["log.segment.bytes"]) == (True, False)


async def test_clients_are_told_where_the_control_plane_listens(node: ServedNode) -> None:
    config = await one(node, BROKER, "1", CONTROL_LISTENER, include_synonyms=True)
    assert config.value == format_address(*node.node.control_address)
    assert config.read_only
    assert config.config_source == ConfigSource.STATIC_BROKER_CONFIG
    assert [each.name for each in config.synonyms] == [CONTROL_LISTENER]


async def test_the_control_plane_is_where_the_node_is_advertised(tmp_path: Path) -> None:
    async with serving(tmp_path, advertise="example.org:7", controller_listen="") as node:
        config = await one(node, BROKER, "1", CONTROL_LISTENER)
        assert config.value == f"example.org:{node.node.control_address[1]}"


@pytest.mark.parametrize("keys", [("retention.ms", "no.such.option"), ()])
async def test_only_the_keys_asked_for_are_told(node: ServedNode, keys: tuple[str, ...]) -> None:
    await node.create("orders")
    answer = await described(node, TOPIC, "orders", *keys)
    names = [each.name for each in answer.configs]
    assert names == (["retention.ms"] if keys else option_names(TopicConfig))


async def test_a_topics_option_has_its_synonyms_in_the_order_in_which_they_count(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, log_retention_ms=4) as node:
        await node.create("orders", retention_ms="1")
        await node.configure("", log_retention_ms="3")
        expected = [
            ("retention.ms", "1", ConfigSource.DYNAMIC_TOPIC_CONFIG),
            ("log.retention.ms", "3", ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG),
            ("log.retention.ms", "4", ConfigSource.STATIC_BROKER_CONFIG),
            ("log.retention.ms", "604800000", ConfigSource.DEFAULT_CONFIG),
        ]
        config = await one(node, TOPIC, "orders", "retention.ms", include_synonyms=True)
        assert (config.value, config.config_source) == ("1", ConfigSource.DYNAMIC_TOPIC_CONFIG)
        assert synonyms_of(config) == expected
        await node.create("plain")
        config = await one(node, TOPIC, "plain", "retention.ms", include_synonyms=True)
        assert (config.value, config.config_source) == ("3", expected[1][2])
        assert synonyms_of(config) == expected[1:]


async def test_synonyms_and_documentation_are_told_only_if_asked_for(node: ServedNode) -> None:
    plain = await one(node, BROKER, "1", "flush")
    assert (plain.synonyms, plain.documentation) == ([], None)
    config = await one(
        node, BROKER, "1", "flush", include_synonyms=True, include_documentation=True
    )
    assert synonyms_of(config) == [("flush", "fsync", ConfigSource.DEFAULT_CONFIG)]
    assert "acks=all means on disk" in (config.documentation or "")


@pytest.mark.parametrize(
    ("kind", "name", "type_"),
    [
        (BROKER, "default.replication.factor", ConfigType.SHORT),
        (BROKER, "message.max.bytes", ConfigType.INT),
        (BROKER, "log.retention.ms", ConfigType.LONG),
        (BROKER, "auto.create.topics.enable", ConfigType.BOOLEAN),
        (BROKER, "listen", ConfigType.STRING),
        (TOPIC, "cleanup.policy", ConfigType.LIST),
        (TOPIC, "min.cleanable.dirty.ratio", ConfigType.DOUBLE),
    ],
)
async def test_each_option_has_the_type_that_kafka_gives_it(
    node: ServedNode, kind: int, name: str, type_: ConfigType
) -> None:
    await node.create("1")
    assert (await one(node, kind, "1", name)).config_type == type_


async def test_all_brokers_have_what_was_set_for_them_and_nothing_else(node: ServedNode) -> None:
    assert (await described(node, BROKER, "")).configs == []
    await node.configure("", max_connections="77")
    config = await one(node, BROKER, "", "max.connections", include_synonyms=True)
    source = ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG
    assert (config.value, config.config_source) == ("77", source)
    assert synonyms_of(config) == [("max.connections", "77", source)]
    assert (await one(node, BROKER, "1", "max.connections")).value == "77"


@pytest.mark.parametrize(
    ("kind", "name", "error_code"),
    [
        (TOPIC, "unknown", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "a/b", ErrorCode.INVALID_TOPIC_EXCEPTION),
        (BROKER, "2", ErrorCode.INVALID_REQUEST),
        (BROKER, "one", ErrorCode.INVALID_REQUEST),
        (ConfigResourceType.BROKER_LOGGER, "1", ErrorCode.INVALID_REQUEST),
        (ConfigResourceType.CLIENT_METRICS, "m", ErrorCode.INVALID_REQUEST),
        (ConfigResourceType.GROUP, "g", ErrorCode.INVALID_REQUEST),
        (0, "", ErrorCode.INVALID_REQUEST),
    ],
)
async def test_each_resource_that_is_not_here_has_its_error(
    node: ServedNode, kind: int, name: str, error_code: ErrorCode
) -> None:
    answer = await described(node, kind, name)
    assert (answer.error_code, answer.configs) == (error_code, [])


async def test_a_resource_that_is_named_again_is_told_once(node: ServedNode) -> None:
    resource = DescribeConfigsResource(resource_type=BROKER, resource_name="1")
    answer = await node.call(DescribeConfigsRequest(resources=[resource] * 1000))
    assert len(answer.results) == 1


async def test_one_unknown_resource_does_not_spoil_the_others(node: ServedNode) -> None:
    await node.create("orders")
    resources = [
        DescribeConfigsResource(resource_type=TOPIC, resource_name=name, configuration_keys=None)
        for name in ("unknown", "orders")
    ]
    answer = await node.call(DescribeConfigsRequest(resources=resources))
    codes = [each.error_code for each in answer.results]
    assert codes == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.NONE]
