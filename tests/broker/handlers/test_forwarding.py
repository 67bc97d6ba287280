"""Forwarding: whoever gets a request for the controller, the controller handles it (KIP-590)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from minikafka.broker.handlers import forwarding
from minikafka.broker.handlers.forwarding import answer_forwarded
from minikafka.broker.handlers.table import FORWARDED, SERVED_VERSIONS
from minikafka.protocol.api.alter_configs import (
    AlterableConfig,
    AlterConfigsRequest,
    AlterConfigsResource,
)
from minikafka.protocol.api.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from minikafka.protocol.api.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from minikafka.protocol.api.create_topics import CreateTopicsRequest, CreateTopicsRequestTopic
from minikafka.protocol.api.delete_topics import DeleteTopicsRequest, DeleteTopicsRequestTopic
from minikafka.protocol.api.describe_configs import ConfigResourceType
from minikafka.protocol.api.elect_leaders import ElectLeadersRequest, TopicPartitions
from minikafka.protocol.api.list_partition_reassignments import ListPartitionReassignmentsRequest
from minikafka.protocol.api.metadata import MetadataRequest
from minikafka.protocol.api.unregister_broker import UnregisterBrokerRequest
from minikafka.protocol.codec import encode
from minikafka.protocol.control import Forward, Refused
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, serving
from .following import follow

CREATE_TOPICS = 19


@pytest_asyncio.fixture
async def leader(tmp_path: Path) -> AsyncIterator[ServedNode]:
    """Another node, which is the active controller."""
    async with serving(tmp_path / "leader") as served:
        yield served


def creation(*names: str) -> CreateTopicsRequest:
    """A request for topics of two partitions."""
    topics = [
        CreateTopicsRequestTopic(name=name, num_partitions=2, replication_factor=1, configs=[])
        for name in names
    ]
    return CreateTopicsRequest(topics=topics)


def encoded(request: Any, version: int) -> bytes:
    """The body as it is forwarded."""
    return b"".join(map(bytes, encode(request, version)))


@pytest.mark.parametrize("version", range(2, 8))
async def test_the_controller_does_it_and_the_client_gets_its_answer(
    node: ServedNode, leader: ServedNode, version: int
) -> None:
    link = follow(node, leader)
    (topic,) = (await node.call(creation("orders"), version)).topics
    assert (topic.name, topic.error_code) == ("orders", ErrorCode.NONE)
    assert list(leader.node._controller.image.topics) == ["orders"]
    assert node.node._controller.image.topics == {}
    assert link.awaited == [leader.node._controller.committed_offset]


async def test_errors_come_back_as_the_controller_has_them(
    node: ServedNode, leader: ServedNode
) -> None:
    follow(node, leader)
    await leader.create("orders")
    topics = (await node.call(creation("orders", "a b"), 7)).topics
    assert [each.error_code for each in topics] == [
        ErrorCode.TOPIC_ALREADY_EXISTS,
        ErrorCode.INVALID_TOPIC_EXCEPTION,
    ]


async def test_a_topic_is_deleted_by_the_id_that_the_controller_knows(
    node: ServedNode, leader: ServedNode
) -> None:
    follow(node, leader)
    topic_id = await leader.create("orders")
    request = DeleteTopicsRequest(topics=[DeleteTopicsRequestTopic(topic_id=topic_id)])
    (answer,) = (await node.call(request, 6)).responses
    assert (answer.error_code, answer.name) == (ErrorCode.NONE, "orders")
    assert leader.node._controller.image.topics == {}


async def test_who_asked_is_passed_on(node: ServedNode, leader: ServedNode) -> None:
    link = follow(node, leader)
    await node.call(creation("orders"), 7)
    (question,) = link.questions
    assert (question.client_id, question.client_host) == ("raw", "127.0.0.1")


async def test_what_gets_no_answer_is_tried_again(node: ServedNode, leader: ServedNode) -> None:
    link = follow(node, leader)
    link.lost = 2
    (topic,) = (await node.call(creation("orders"), 7)).topics
    assert topic.error_code == ErrorCode.NONE
    assert len(link.questions) == 3


async def test_while_nobody_leads_each_part_is_refused_and_can_be_tried_again(
    node: ServedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "FORWARD_TIMEOUT_S", 0.0)
    await node.create("orders")
    follow(node, None)
    resource = AlterConfigsResource(
        resource_type=ConfigResourceType.TOPIC,
        resource_name="orders",
        configs=[AlterableConfig(name="retention.ms", value="1")],
    )
    more = CreatePartitionsTopic(name="orders", count=3)
    created = (await node.call(creation("a", "b"), 7)).topics
    deleted = (await node.call(DeleteTopicsRequest(topic_names=["orders", "z"]), 5)).responses
    grown = (await node.call(CreatePartitionsRequest(topics=[more]))).results
    altered = (await node.call(AlterConfigsRequest(resources=[resource]))).responses
    answers = [*created, *deleted, *grown, *altered]
    assert [each.error_code for each in answers] == [ErrorCode.NOT_CONTROLLER] * 6


async def test_while_nobody_leads_nothing_is_said_of_replicas(
    node: ServedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "FORWARD_TIMEOUT_S", 0.0)
    follow(node, None)
    named = [TopicPartitions(topic="orders", partitions=[0])]
    moved = ReassignableTopic(
        name="orders", partitions=[ReassignablePartition(partition_index=0, replicas=[2])]
    )
    elected = await node.call(ElectLeadersRequest(topic_partitions=named))
    answers = [
        elected,
        elected.replica_election_results[0].partition_result[0],
        await node.call(AlterPartitionReassignmentsRequest(topics=[moved])),
        await node.call(ListPartitionReassignmentsRequest(topics=None)),
        await node.call(UnregisterBrokerRequest(broker_id=2)),
    ]
    assert [each.error_code for each in answers] == [ErrorCode.NOT_CONTROLLER] * 5


async def test_what_does_not_concern_the_controller_is_not_forwarded(
    node: ServedNode, leader: ServedNode
) -> None:
    link = follow(node, leader)
    assert (await node.call(MetadataRequest(topics=[]), 12)).cluster_id
    assert link.questions == []


def test_only_what_is_served_is_forwarded() -> None:
    assert SERVED_VERSIONS.keys() >= FORWARDED


@pytest.mark.parametrize(
    ("api_key", "version", "body"),
    [
        (3, 12, encoded(MetadataRequest(topics=[]), 12)),
        (CREATE_TOPICS, 8, encoded(creation("orders"), 7)),
        (CREATE_TOPICS, 7, encoded(creation("orders"), 7)[:-9]),
        (CREATE_TOPICS, 7, b""),
    ],
)
async def test_what_cannot_be_forwarded_is_refused(
    leader: ServedNode, api_key: int, version: int, body: bytes
) -> None:
    question = Forward(api_key, version, "c", "127.0.0.1", body)
    answer = await answer_forwarded(question, leader.node._server.context)
    assert isinstance(answer, Refused)
    assert answer.error == "INVALID_REQUEST"
    assert leader.node._controller.image.topics == {}
