"""Options described and changed: against our broker, and the requests that go to other nodes."""

import pytest

from minikafka import AdminClient, ConfigChange, ConfigResource, KafkaError, NewTopic
from minikafka.client.configs import (
    AlterConfigOperation,
    ConfigEntry,
    ConfigResourceType,
    ConfigSource,
    ConfigType,
)
from minikafka.protocol.api.incremental_alter_configs import (
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from minikafka.protocol.errors import ErrorCode

from ..nodes import NodeProcess
from ..transport.scripted_broker import ScriptedBroker
from .cluster import Cluster

INCREMENTAL_ALTER_CONFIGS = 44
ORDERS = ConfigResource.topic("orders")


async def options_of(admin: AdminClient, resource: ConfigResource) -> dict[str, ConfigEntry]:
    """The options of one resource."""
    return (await admin.describe_configs([resource]))[resource]


async def test_options_are_described_with_their_sources(broker: NodeProcess):
    async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
        await admin.create_topics([NewTopic("orders", 1, 1, {"retention.ms": "5"})])
        found = await admin.describe_configs(
            [ORDERS, ConfigResource.broker(1)], include_synonyms=True, include_documentation=True
        )
        retention = found[ORDERS]["retention.ms"]
        assert (retention.value, retention.type) == ("5", ConfigType.LONG)
        assert retention.source == ConfigSource.DYNAMIC_TOPIC_CONFIG
        assert not retention.is_default
        assert [synonym.name for synonym in retention.synonyms][:2] == [
            "retention.ms",
            "log.retention.ms",
        ]
        assert retention.documentation
        assert found[ORDERS]["segment.bytes"].is_default
        assert found[ConfigResource.broker(1)]["node.id"].is_read_only


async def test_options_are_changed_one_by_one(broker: NodeProcess):
    async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
        await admin.create_topics([NewTopic("orders", 1, 1, {"retention.ms": "5"})])
        changes = [
            ConfigChange("segment.bytes", "1000"),
            ConfigChange("retention.ms", operation=AlterConfigOperation.DELETE),
            ConfigChange("cleanup.policy", "compact", AlterConfigOperation.APPEND),
        ]
        await admin.incremental_alter_configs({ORDERS: changes}, validate_only=True)
        assert (await options_of(admin, ORDERS))["segment.bytes"].is_default
        await admin.incremental_alter_configs({ORDERS: changes})
        options = await options_of(admin, ORDERS)
        assert options["segment.bytes"].value == "1000"
        assert options["retention.ms"].is_default
        assert options["cleanup.policy"].value == "delete,compact"


async def test_options_are_replaced_as_a_whole(broker: NodeProcess):
    async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
        await admin.create_topics([NewTopic("orders", 1, 1, {"retention.ms": "5"})])
        await admin.alter_configs({ORDERS: {"segment.bytes": "1000"}})
        options = await options_of(admin, ORDERS)
        assert (options["segment.bytes"].value, options["retention.ms"].is_default) == (
            "1000",
            True,
        )


async def test_a_brokers_own_option_is_changed_there(broker: NodeProcess):
    async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
        this, every = ConfigResource.broker(1), ConfigResource.all_brokers()
        await admin.incremental_alter_configs({this: [ConfigChange("max.connections", "500")]})
        await admin.incremental_alter_configs({every: [ConfigChange("log.roll.ms", "700")]})
        options = await options_of(admin, this)
        assert options["max.connections"].source == ConfigSource.DYNAMIC_BROKER_CONFIG
        assert options["log.roll.ms"].source == ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG


async def test_every_resource_that_was_refused_is_named(broker: NodeProcess):
    async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
        await admin.create_topics([NewTopic("orders", 1, 1)])
        gone = ConfigResource.topic("gone")
        with pytest.raises(KafkaError, match=r"topic 'gone'"):
            await admin.describe_configs([ORDERS, gone])
        change = [ConfigChange("retention.ms", "soon")]
        with pytest.raises(KafkaError, match=r"topic 'orders': .*retention\.ms") as caught:
            await admin.incremental_alter_configs({ORDERS: change})
        assert caught.value.code is ErrorCode.INVALID_CONFIG


async def test_resources_are_listed_by_type(broker: NodeProcess):
    async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
        await admin.create_topics([NewTopic("orders", 1, 1)])
        assert await admin.list_config_resources([ConfigResourceType.TOPIC]) == [ORDERS]
        everything = await admin.list_config_resources()
        assert {ORDERS, ConfigResource.broker(1)} <= set(everything)


async def test_each_broker_is_asked_about_itself():
    def alter(request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse:
        return IncrementalAlterConfigsResponse(
            responses=[
                AlterConfigsResourceResponse(
                    error_code=0,
                    error_message=None,
                    resource_type=each.resource_type,
                    resource_name=each.resource_name,
                )
                for each in request.resources
            ]
        )

    handlers = {INCREMENTAL_ALTER_CONFIGS: alter}
    async with ScriptedBroker(dict(handlers)) as first, ScriptedBroker(dict(handlers)) as second:
        Cluster(first, second)
        async with AdminClient(bootstrap_servers=first.bootstrap) as admin:
            changes = {ConfigResource.broker(number): [ConfigChange("x", "1")] for number in (1, 2)}
            await admin.incremental_alter_configs(changes)
        for number, broker in ((1, first), (2, second)):
            (request,) = broker.requests_of(INCREMENTAL_ALTER_CONFIGS)
            assert [each.resource_name for each in request.resources] == [str(number)]
