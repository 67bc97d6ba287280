"""aiokafka's AIOKafkaAdminClient: each operation on topics, options and the cluster.

It hands out the broker's answers as they came, as tuples.
"""

import asyncio
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Any

import pytest

from minikafka.protocol.errors import ErrorCode

from ..nodes import NodeProcess
from .aiokafka_client import admin, errors, started
from .clients import DEADLINE_S
from .operations import check_accounted_for

# It has no types.
config_resource: Any = import_module("aiokafka.admin.config_resource")

OPERATIONS = {
    "create_topics": "CreateTopics",
    "delete_topics": "DeleteTopics",
    "list_topics": "Metadata",
    "describe_topics": "Metadata",
    "create_partitions": "CreatePartitions",
    "describe_configs": "DescribeConfigs",
    "alter_configs": "AlterConfigs",
    "describe_cluster": "Metadata",
}
"""Method, and what it is on the wire. Each stands in the name of a test."""
LEFT_OUT = {
    "start, close": "no requests",
    "delete_records": "in test_housekeeping.py",
    "find_coordinator, list_consumer_groups, describe_consumer_groups": "groups",
    "list_consumer_group_offsets": "groups",
}

Run = Callable[[Callable[[Any], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture
def run(shared_broker: NodeProcess) -> Run:
    """Run some questions with an admin client in an event loop of their own."""

    def run(work: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        async def with_client() -> Any:
            client = admin.AIOKafkaAdminClient(bootstrap_servers=shared_broker.bootstrap)
            async with started(client), asyncio.timeout(DEADLINE_S):
                return await work(client)

        return asyncio.run(with_client())

    return run


async def create(client: Any, topic: str, partitions: int = 1, **configs: str) -> int:
    """Create a topic, options by Kafka's names with underscores; the error code."""
    options = {name.replace("_", "."): value for name, value in configs.items()}
    new = admin.NewTopic(topic, partitions, 1, topic_configs=options)
    return (await client.create_topics([new])).topic_errors[0][1]


async def values_of(client: Any, topic: str) -> dict[str, str]:
    """The options of a topic."""
    resource = config_resource.ConfigResource("TOPIC", topic)
    (answer,) = await client.describe_configs([resource], include_synonyms=True)
    ((error_code, _, _, _, entries),) = answer.resources
    assert error_code == 0
    return {entry[0]: entry[1] for entry in entries}


def test_every_operation_is_tested_or_left_out_for_a_reason():
    check_accounted_for(admin.AIOKafkaAdminClient, OPERATIONS, LEFT_OUT, globals())


def test_create_topics_and_list_topics_and_delete_topics(run: Run, topic: str):
    async def work(client: Any) -> None:
        assert await create(client, topic) == 0
        assert await create(client, topic) == ErrorCode.TOPIC_ALREADY_EXISTS
        assert topic in await client.list_topics()
        await client.delete_topics([topic])
        assert topic not in await client.list_topics()

    run(work)


def test_create_partitions_and_describe_topics(run: Run, topic: str):
    async def work(client: Any) -> None:
        await create(client, topic)
        await client.create_partitions({topic: admin.NewPartitions(3)})
        (found,) = await client.describe_topics([topic])
        assert sorted(each["partition"] for each in found["partitions"]) == [0, 1, 2]
        with pytest.raises(errors.InvalidPartitionsError):
            await client.create_partitions({topic: admin.NewPartitions(2)})

    run(work)


def test_alter_configs_and_describe_configs(run: Run, topic: str):
    async def work(client: Any) -> None:
        await create(client, topic, segment_bytes="2000000")
        change = config_resource.ConfigResource("TOPIC", topic, {"retention.ms": "8"})
        await client.alter_configs([change])
        values = await values_of(client, topic)
        assert (values["retention.ms"], values["segment.bytes"]) == ("8", str(1 << 30))

    run(work)


def test_describe_cluster(run: Run):
    async def work(client: Any) -> None:
        found = await client.describe_cluster()
        assert (found["controller_id"], [each["node_id"] for each in found["brokers"]]) == (1, [1])

    run(work)
