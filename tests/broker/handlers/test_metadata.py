"""Metadata: which topics are told, which are made, and that what is told can be used."""

from pathlib import Path
from typing import Any

import pytest

from minikafka.broker.controller.raft import State
from minikafka.broker.handlers import metadata
from minikafka.broker.handlers.metadata import MAX_CREATED, MAX_NAMED
from minikafka.protocol.api.delete_topics import DeleteTopicsRequest
from minikafka.protocol.api.metadata import MetadataRequest, MetadataRequestTopic
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, batch_of, serving, until
from .following import follow
from .other_brokers import OTHER, OTHER_ADDRESS, change, register

NOT_REQUESTED = -(2**31)


def asking(*names: str | None, topic_id: bytes = bytes(16), **options: Any) -> MetadataRequest:
    """A request for these topics."""
    topics = [MetadataRequestTopic(name=name, topic_id=topic_id) for name in names]
    return MetadataRequest(topics=topics, **options)


async def names_of(node: ServedNode, request: MetadataRequest, version: int) -> list[str]:
    """The names in the answer, which has no errors."""
    topics = (await node.call(request, version)).topics
    assert [each.error_code for each in topics] == [0] * len(topics)
    return [each.name for each in topics]


@pytest.mark.parametrize("version", range(14))
async def test_all_topics_are_an_empty_list_in_v0_and_null_later(
    node: ServedNode, version: int
) -> None:
    await node.create("b")
    await node.create("a")
    everything = MetadataRequest(topics=[] if version == 0 else None)
    assert await names_of(node, everything, version) == ["a", "b"]


@pytest.mark.parametrize("version", range(1, 14))
async def test_an_empty_list_is_no_topic_from_v1_on(node: ServedNode, version: int) -> None:
    await node.create("a")
    assert await names_of(node, MetadataRequest(topics=[]), version) == []


@pytest.mark.parametrize("version", range(14))
async def test_asking_for_a_topic_makes_it_and_it_can_be_used_at_once(
    node: ServedNode, version: int
) -> None:
    answer = await node.call(asking("orders"), version)
    topic = answer.topics[0]
    assert (topic.error_code, topic.name) == (ErrorCode.NONE, "orders")
    assert [each.partition_index for each in topic.partitions] == [0]
    assert (await node.produce("orders", batch_of())).error_code == ErrorCode.NONE


async def test_one_request_makes_so_many_topics_and_the_next_one_the_rest(
    node: ServedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "MAX_CREATED", 3)
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    for expected in ([0, 0, 0, unknown, unknown], [0, 0, 0, 0, 0]):
        answer = await node.call(asking("a", "b", "c", "d", "e"), 12)
        assert [each.error_code for each in answer.topics] == expected


async def test_a_look_need_not_create(node: ServedNode) -> None:
    topic = (await node.call(asking("orders", allow_auto_topic_creation=False), 4)).topics[0]
    assert topic.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert node.node._controller.image.topics == {}


async def test_a_broker_may_be_told_to_create_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, auto_create_topics_enable=False) as node:
        topic = (await node.call(asking("orders"), 9)).topics[0]
        assert topic.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_an_auto_created_topic_has_the_brokers_number_of_partitions(tmp_path: Path) -> None:
    async with serving(tmp_path, num_partitions=4) as node:
        topic = (await node.call(asking("orders"), 9)).topics[0]
        assert [each.partition_index for each in topic.partitions] == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "ü", "x" * 250, "a\0"])
async def test_an_invalid_name_is_told_and_not_made(node: ServedNode, name: str) -> None:
    topic = (await node.call(asking(name), 9)).topics[0]
    assert topic.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION
    assert topic.name == name
    assert node.node._controller.image.topics == {}


async def test_the_longest_name_is_made(node: ServedNode) -> None:
    name = "x" * 249
    assert await names_of(node, asking(name), 9) == [name]
    assert (await node.produce(name, batch_of())).error_code == ErrorCode.NONE


@pytest.mark.parametrize("version", [12, 13])
async def test_a_topic_is_found_by_its_id(node: ServedNode, version: int) -> None:
    topic_id = await node.create("orders")
    topic = (await node.call(asking(None, topic_id=topic_id), version)).topics[0]
    assert (topic.error_code, topic.name, topic.topic_id) == (0, "orders", topic_id)


@pytest.mark.parametrize("version", [12, 13])
async def test_an_unknown_id_is_answered_with_a_null_name(node: ServedNode, version: int) -> None:
    topic = (await node.call(asking(None, topic_id=b"\x05" * 16), version)).topics[0]
    assert topic.error_code == ErrorCode.UNKNOWN_TOPIC_ID
    assert (topic.name, topic.topic_id) == (None, b"\x05" * 16)


async def test_the_id_of_a_deleted_topic_is_unknown_and_its_successor_has_another(
    node: ServedNode,
) -> None:
    first_id = await node.create("orders")
    await node.call(DeleteTopicsRequest(topic_names=["orders"], timeout_ms=1000), 4)
    second_id = await node.create("orders")
    assert first_id != second_id
    topic = (await node.call(asking(None, topic_id=first_id), 12)).topics[0]
    assert topic.error_code == ErrorCode.UNKNOWN_TOPIC_ID


async def test_one_node_leads_everything_and_is_its_own_controller(node: ServedNode) -> None:
    await node.create("orders", partitions=3)
    answer = await node.call(MetadataRequest(topics=None), 9)
    host, port = node.address
    assert [(each.node_id, each.host, each.port) for each in answer.brokers] == [(1, host, port)]
    assert answer.controller_id == 1
    assert len(answer.cluster_id) == 22
    for partition in answer.topics[0].partitions:
        assert (partition.leader_id, partition.leader_epoch) == (1, 0)
        assert (partition.replica_nodes, partition.isr_nodes) == ([1], [1])


async def test_the_advertised_address_is_told_if_there_is_one(tmp_path: Path) -> None:
    async with serving(tmp_path, advertise="broker.example:19092") as node:
        answer = await node.call(MetadataRequest(topics=[]), 9)
        assert [(each.host, each.port) for each in answer.brokers] == [("broker.example", 19092)]


async def test_internal_topics_say_so(node: ServedNode) -> None:
    await node.create("__consumer_offsets")
    await node.create("orders")
    topics = (await node.call(MetadataRequest(topics=None), 9)).topics
    assert {each.name: each.is_internal for each in topics} == {
        "__consumer_offsets": True,
        "orders": False,
    }


@pytest.mark.parametrize("version", [8, 9, 10])
async def test_authorized_operations_are_told_to_who_asks(node: ServedNode, version: int) -> None:
    await node.create("orders")
    silent = await node.call(asking("orders"), version)
    assert silent.cluster_authorized_operations == NOT_REQUESTED
    assert silent.topics[0].topic_authorized_operations == NOT_REQUESTED
    request = asking(
        "orders",
        include_cluster_authorized_operations=True,
        include_topic_authorized_operations=True,
    )
    told = await node.call(request, version)
    assert told.cluster_authorized_operations > 0
    assert told.topics[0].topic_authorized_operations > 0


async def test_known_and_unknown_topics_are_answered_in_the_order_asked(node: ServedNode) -> None:
    await node.create("b")
    request = asking("z", "b", "a b", allow_auto_topic_creation=False)
    topics = (await node.call(request, 9)).topics
    assert [(each.name, each.error_code) for each in topics] == [
        ("z", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("b", ErrorCode.NONE),
        ("a b", ErrorCode.INVALID_TOPIC_EXCEPTION),
    ]


async def test_a_topic_asked_for_twice_is_made_and_told_once(node: ServedNode) -> None:
    assert await names_of(node, asking("orders", "orders"), 9) == ["orders"]
    assert len(node.node._controller.image.topics) == 1


async def test_two_connections_that_ask_at_once_get_the_same_topic(node: ServedNode) -> None:
    first, second = await node.connect(), await node.connect()
    first.send(asking("orders"), 12)
    second.send(asking("orders"), 12)
    ids = {(await each.receive(MetadataRequest, 12)).topics[0].topic_id for each in (first, second)}
    assert len(ids) == 1


async def test_internal_topics_are_not_made_by_a_look(node: ServedNode) -> None:
    topic = (await node.call(asking("__consumer_offsets"), 9)).topics[0]
    assert topic.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_who_names_too_many_topics_is_refused(
    node: ServedNode, caplog: pytest.LogCaptureFixture
) -> None:
    client = await node.connect()
    most = asking(*(f"t{number}" for number in range(MAX_NAMED)), allow_auto_topic_creation=False)
    assert len((await client.call(most, 12)).topics) == MAX_NAMED
    most.topics = [*(most.topics or []), MetadataRequestTopic(name="one more")]
    client.send(most, 12)
    assert await client.closed_by_peer() == b""
    assert client.name in caplog.text
    assert f"{MAX_NAMED} at most" in caplog.text


async def test_a_request_creates_so_many_topics_and_the_next_one_the_others(
    node: ServedNode,
) -> None:
    names = [f"t{number}" for number in range(MAX_CREATED + 1)]
    errors = [each.error_code for each in (await node.call(asking(*names), 12)).topics]
    assert errors == [0] * MAX_CREATED + [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    assert await names_of(node, asking(*names), 12) == names


async def test_nothing_more_is_created_for_a_client_that_is_gone(node: ServedNode) -> None:
    client = await node.connect()
    client.send(asking(*(f"t{number}" for number in range(MAX_CREATED))), 12)
    image = node.node._controller.image
    await until(lambda: image.topics)
    client.abort()
    await until(lambda: not node.node._server._tasks)
    assert len(image.topics) < MAX_CREATED


async def test_brokers_that_are_alive_are_told_with_their_addresses(node: ServedNode) -> None:
    register(node, OTHER)
    register(node, 3, standing="leaving")
    register(node, 4, standing="fenced")
    answer = await node.call(MetadataRequest(topics=[]), 9)
    assert [(each.node_id, each.host, each.port) for each in answer.brokers] == [
        (1, *node.address),
        (OTHER, *OTHER_ADDRESS),
        (3, *OTHER_ADDRESS),
    ]


async def test_the_controller_is_told_if_it_is_alive_and_else_who_hands_on(
    node: ServedNode,
) -> None:
    image = node.node._controller.image
    register(node, OTHER, standing="fenced")
    image.apply({"type": "ControllerElected", "controller_id": OTHER})
    assert (await node.call(MetadataRequest(topics=[]), 9)).controller_id == 1
    register(node, OTHER)
    assert (await node.call(MetadataRequest(topics=[]), 9)).controller_id == OTHER
    # Unattached: the other one has not been heard of for a moment.
    node.node._controller._quorum._raft.state = State.UNATTACHED
    assert (await node.call(MetadataRequest(topics=[]), 9)).controller_id == 1


async def test_a_partition_tells_who_leads_it_and_who_is_offline(node: ServedNode) -> None:
    await node.create("orders", partitions=3)
    register(node, OTHER)
    change(node, "orders", 0, leader=OTHER, replicas=[1, OTHER, 3], isr=[OTHER])
    change(node, "orders", 1, leader=-1, replicas=[3], isr=[3])
    change(node, "orders", 2, leader=3, replicas=[1, 3], isr=[3])  # Its fencing is on its way.
    (topic,) = (await node.call(asking("orders"), 9)).topics
    told = [
        (each.error_code, each.leader_id, each.leader_epoch, each.isr_nodes, each.offline_replicas)
        for each in topic.partitions
    ]
    absent = ErrorCode.LEADER_NOT_AVAILABLE
    assert told == [
        (0, OTHER, 1, [OTHER], [3]),
        (absent, -1, 1, [3], [3]),
        (absent, -1, 1, [3], [3]),
    ]


async def test_a_topic_that_cannot_be_created_yet_has_no_leader(node: ServedNode) -> None:
    link = follow(node, None)
    (topic,) = (await node.call(asking("orders"), 12)).topics
    assert (topic.name, topic.error_code) == ("orders", ErrorCode.LEADER_NOT_AVAILABLE)
    assert [each.names for each in link.questions] == [("orders",)]


async def test_a_topic_is_created_by_the_active_controller(
    node: ServedNode, tmp_path: Path
) -> None:
    async with serving(tmp_path / "leader") as leader:
        link = follow(node, leader)
        await node.call(asking("orders"), 12)
        assert list(leader.node._controller.image.topics) == ["orders"]
        assert link.awaited == [leader.node._controller.committed_offset]
