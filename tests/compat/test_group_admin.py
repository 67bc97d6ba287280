"""Groups through two administrators: ours and confluent-kafka's say the same of the same group."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from typing import Any, TypeVar

import confluent_kafka as confluent
import pytest

from minikafka.client.admin import AdminClient, OffsetAndMetadata
from minikafka.client.metadata import TopicPartition
from minikafka.protocol.errors import ErrorCode, KafkaError

from ..nodes import NodeProcess
from . import clients
from .clients import DEADLINE_S

# The types that it comes with leave most things unknown.
foreign_admin: Any = import_module("confluent_kafka.admin")

PARTITIONS = 3
C_TEXT_END = "\0"
"""What confluent-kafka's binding sends behind a text."""
T = TypeVar("T")
Ask = Callable[[Callable[[AdminClient], Awaitable[T]]], T]


@pytest.fixture
def ask(shared_broker: NodeProcess) -> Ask[Any]:
    """Ask our administrator, in an event loop of its own."""

    def run(question: Callable[[AdminClient], Awaitable[T]]) -> T:
        async def work() -> T:
            async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
                return await question(admin)

        return asyncio.run(work())

    return run


@pytest.fixture(scope="module")
def foreign(shared_broker: NodeProcess) -> Any:
    """confluent-kafka's administrator: its futures end when it is collected."""
    return foreign_admin.AdminClient({"bootstrap.servers": shared_broker.bootstrap})


@pytest.fixture
def group(shared_broker: NodeProcess, anybody: clients.AdminClient, topic: str) -> Iterator[str]:
    """A group with two members, one of them static, that has committed for two partitions."""
    anybody.create_topic(topic, PARTITIONS)
    settings = {
        "bootstrap.servers": shared_broker.bootstrap,
        "group.id": topic,
        "heartbeat.interval.ms": 300,
        "session.timeout.ms": 6000,
        "enable.auto.commit": False,
    }
    static = {"group.instance.id": "till-1", "client.id": "static"}
    members = [confluent.Consumer(settings), confluent.Consumer(settings | static)]
    for member in members:
        member.subscribe([topic])
    for _ in range(int(DEADLINE_S) * 10):
        for member in members:
            member.poll(0.05)
        if all(member.assignment() for member in members):
            break
    assert sum(len(member.assignment()) for member in members) == PARTITIONS
    wanted = [
        confluent.TopicPartition(topic, 0, 5, metadata="half way"),
        confluent.TopicPartition(topic, 2, 0),
    ]
    members[0].commit(offsets=wanted, asynchronous=False)
    yield topic
    for member in members:
        member.close()


def done(futures: Any) -> Any:
    """The result of the only future."""
    (future,) = futures.values()
    return future.result(DEADLINE_S)


def foreign_offsets(foreign: Any, group: str) -> dict[TopicPartition, int]:
    """What the foreign administrator reads: not the text, whose end its binding misses."""
    wanted = confluent.ConsumerGroupTopicPartitions(group)
    return {
        TopicPartition(each.topic, each.partition): each.offset
        for each in done(foreign.list_consumer_group_offsets([wanted])).topic_partitions
    }


def test_both_list_the_same_groups(ask: Ask[Any], foreign: Any, group: str) -> None:
    theirs = foreign.list_consumer_groups().result(DEADLINE_S)
    assert not theirs.errors
    ours = ask(lambda admin: admin.list_groups())
    assert group in {each.group_id for each in ours}
    assert {
        (each.group_id, (each.state or "").lower(), (each.type or "").lower()) for each in ours
    } == {
        (each.group_id, each.state.name.lower().replace("_", ""), each.type.name.lower())
        for each in theirs.valid
    }


def test_both_describe_a_group_in_the_same_way(ask: Ask[Any], foreign: Any, group: str) -> None:
    theirs = done(foreign.describe_consumer_groups([group]))
    ours = ask(lambda admin: admin.describe_groups([group]))[group]
    assert (ours.group_id, ours.protocol) == (theirs.group_id, theirs.partition_assignor)
    assert ours.state.upper() == theirs.state.name
    assert ours.coordinator.id == theirs.coordinator.id
    assert ours.coordinator.port == theirs.coordinator.port
    assert {
        (
            each.member_id,
            each.instance_id,
            each.client_id,
            f"/{each.host}",
            frozenset(each.assignment),
        )
        for each in ours.members
    } == {
        (
            each.member_id,
            each.group_instance_id,
            each.client_id,
            each.host,
            frozenset((one.topic, one.partition) for one in each.assignment.topic_partitions),
        )
        for each in theirs.members
    }
    assert [each.topics for each in ours.members] == [(group,), (group,)]


def test_both_read_the_same_offsets(ask: Ask[Any], foreign: Any, group: str) -> None:
    ours = ask(lambda admin: admin.list_group_offsets(group))
    assert {name: each.offset for name, each in ours.items()} == foreign_offsets(foreign, group)
    first, last = ours[TopicPartition(group, 0)], ours[TopicPartition(group, 2)]
    assert (first.offset, first.metadata.rstrip(C_TEXT_END)) == (5, "half way")
    assert last[:2] == (0, "")


def test_each_reads_what_the_other_has_altered(
    ask: Ask[Any], foreign: Any, anybody: clients.AdminClient, topic: str
) -> None:
    anybody.create_topic(topic, 1)
    partition = TopicPartition(topic, 0)
    altered = {partition: OffsetAndMetadata(7, "ours")}
    ask(lambda admin: admin.alter_group_offsets(topic, altered))
    assert foreign_offsets(foreign, topic) == {partition: 7}
    wanted = confluent.ConsumerGroupTopicPartitions(
        topic, [confluent.TopicPartition(topic, 0, 3, metadata="theirs")]
    )
    done(foreign.alter_consumer_group_offsets([wanted]))
    (found,) = ask(lambda admin: admin.list_group_offsets(topic)).values()
    assert (found.offset, found.metadata.rstrip(C_TEXT_END)) == (3, "theirs")
    done(foreign.delete_consumer_groups([topic]))
    with pytest.raises(KafkaError) as caught:
        ask(lambda admin: admin.describe_groups([topic]))
    assert caught.value.code is ErrorCode.GROUP_ID_NOT_FOUND


def test_both_are_refused_while_there_are_members(ask: Ask[Any], foreign: Any, group: str) -> None:
    offsets = {TopicPartition(group, 0): 0}
    for question in (
        lambda admin: admin.alter_group_offsets(group, offsets),
        lambda admin: admin.delete_groups([group]),
    ):
        with pytest.raises(KafkaError, match="stop them first"):
            ask(question)
    wanted = confluent.ConsumerGroupTopicPartitions(group, [confluent.TopicPartition(group, 0, 0)])
    (altered,) = done(foreign.alter_consumer_group_offsets([wanted])).topic_partitions
    assert altered.error.code() == ErrorCode.UNKNOWN_MEMBER_ID
    with pytest.raises(confluent.KafkaException) as refused:
        done(foreign.delete_consumer_groups([group]))
    assert refused.value.args[0].code() == ErrorCode.NON_EMPTY_GROUP


def test_a_static_member_that_is_gone_is_removed_and_the_others_take_over(
    ask: Ask[Any], group: str
) -> None:
    ask(lambda admin: admin.remove_group_members(group, instance_ids=["till-1"]))
    members = ask(lambda admin: admin.describe_groups([group]))[group].members
    assert {each.instance_id for each in members} == {None}
