"""`minikafka group` against a real broker, with groups of a foreign client."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import confluent_kafka as confluent
import pytest

from minikafka.cli.group_lag import lag_rows, measure_lag
from minikafka.client.admin import AdminClient
from minikafka.client.committed_offsets import OffsetAndMetadata
from minikafka.client.groups import GroupDescription, GroupMember
from minikafka.client.metadata import TopicPartition
from minikafka.protocol.api.list_offsets import (
    ListOffsetsResponse,
    ListOffsetsResponsePartition,
    ListOffsetsResponseTopic,
)
from minikafka.protocol.api.metadata import MetadataRequest, MetadataRequestTopic
from minikafka.protocol.api.offset_fetch import (
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
)

from ..client.cluster import Cluster
from ..client.coordination import FIND_COORDINATOR, coordinated_by
from ..nodes import NodeProcess
from ..transport.scripted_broker import LIST_OFFSETS, METADATA, ScriptedBroker
from .conftest import DEADLINE_S, Command

PARTITIONS = 3
OFFSET_FETCH = 9


@pytest.fixture
def topic(request: pytest.FixtureRequest, on_broker: Command) -> str:
    """A topic of the test's own name."""
    name = "".join(each if each.isalnum() else "-" for each in request.node.name)
    on_broker("topic", "create", name, "--partitions", str(PARTITIONS))
    return name


def produce(broker: NodeProcess, topic: str, records: int, partition: int = 0) -> None:
    """So many records, at one second after another since 1970."""
    producer = confluent.Producer({"bootstrap.servers": broker.bootstrap})
    for number in range(records):
        producer.produce(topic, b"v", partition=partition, timestamp=1000 * (number + 1))
    assert producer.flush(DEADLINE_S) == 0


def commit(broker: NodeProcess, group: str, topic: str, **offsets: int) -> None:
    """Commit offsets for a group that stays empty: p0=5 is partition 0."""
    consumer = confluent.Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group})
    wanted = [
        confluent.TopicPartition(topic, int(name[1:]), offset) for name, offset in offsets.items()
    ]
    consumer.commit(offsets=wanted, asynchronous=False)
    consumer.close()


@contextmanager
def reader_of(broker: NodeProcess, group: str, topic: str) -> Iterator[Any]:
    """A member that owns the topic, and reads and commits when it is told to."""
    settings = {
        "bootstrap.servers": broker.bootstrap,
        "group.id": group,
        "client.id": "till",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    consumer = confluent.Consumer(settings)
    assigned: list[Any] = []
    consumer.subscribe([topic], on_assign=lambda _, partitions: assigned.extend(partitions))
    consumer.consume(0)
    for _ in range(int(DEADLINE_S)):
        if assigned:
            break
        message = consumer.poll(1.0)
        if message is not None:
            consumer.seek(confluent.TopicPartition(topic, message.partition(), message.offset()))
    assert assigned
    try:
        yield consumer
    finally:
        consumer.close()


def rows_of(outcome: Any) -> list[dict[str, Any]]:
    """The JSON rows of a command that succeeded."""
    assert outcome.status == 0, outcome.err
    return [json.loads(line) for line in outcome.out.splitlines()]


def offsets_of(on_broker: Command, group: str) -> dict[int, int | None]:
    """Per partition, what the group has committed."""
    described = rows_of(on_broker("group", "describe", group, "-o", "json"))
    return {row["partition"]: row["committed_offset"] for row in described}


def test_groups_are_listed_with_their_state_and_chosen_by_it(
    on_broker: Command, shared_broker: NodeProcess, topic: str
) -> None:
    with reader_of(shared_broker, "lively", topic):
        commit(shared_broker, "idle", topic, p0=0)
        listed = rows_of(on_broker("group", "list", "-o", "json"))
        assert {"group": "lively", "state": "Stable", "protocol_type": "consumer"} in listed
        assert {"group": "idle", "state": "Empty", "protocol_type": None} in listed
        header, *rows = on_broker("group", "list", "--state", "Stable").out.splitlines()
        assert header.split() == ["GROUP", "STATE", "PROTOCOL", "TYPE"]
        assert ["lively", "Stable", "consumer"] in [row.split() for row in rows]
        assert not any(row.startswith("idle ") for row in rows)


def test_the_lag_of_a_group_is_the_truth_once_producers_pause(
    on_broker: Command, shared_broker: NodeProcess, topic: str
) -> None:
    produce(shared_broker, topic, 10)
    produce(shared_broker, topic, 4, partition=1)
    with reader_of(shared_broker, "paused", topic) as consumer:
        wanted = [confluent.TopicPartition(topic, 0, 7), confluent.TopicPartition(topic, 1, 4)]
        consumer.commit(offsets=wanted, asynchronous=False)
        rows = rows_of(on_broker("group", "describe", "paused", "-o", "json"))
        figures = [(each["committed_offset"], each["log_end_offset"], each["lag"]) for each in rows]
        assert figures == [(7, 10, 3), (4, 4, 0), (None, 0, None)]
        (member_id,) = {row["member_id"] for row in rows}
        assert rows[0] == {
            "group": "paused",
            "topic": topic,
            "partition": 0,
            "committed_offset": 7,
            "log_end_offset": 10,
            "lag": 3,
            "client_id": "till",
            "host": "127.0.0.1",
            "member_id": member_id,
            "state": "Stable",
        }
        headline, header, *table = on_broker("group", "describe", "paused").out.splitlines()
        assert headline.startswith("paused: Stable, 1 member, assignor ")
        assert headline.endswith(", coordinated by broker 1")
        assert header.split()[:3] == ["GROUP", "TOPIC", "PARTITION"]
        assert table[2].split()[2:6] == ["2", "-", "0", "-"]
    (first, *_) = rows_of(on_broker("group", "describe", "paused", "-o", "json"))
    assert (first["state"], first["member_id"], first["lag"]) == ("Empty", None, 3)


def test_the_lag_is_never_negative_while_records_flow(
    on_broker: Command, shared_broker: NodeProcess, topic: str
) -> None:
    over = threading.Event()

    def write() -> None:
        producer = confluent.Producer({"bootstrap.servers": shared_broker.bootstrap})
        while not over.is_set():
            for _ in range(50):
                producer.produce(topic, b"v", partition=0)
            producer.flush(DEADLINE_S)

    def read() -> None:
        with reader_of(shared_broker, "busy", topic) as consumer:
            while not over.is_set():
                if consumer.consume(50, 0.05):
                    consumer.commit(asynchronous=False)

    workers = [threading.Thread(target=each) for each in (write, read)]
    for each in workers:
        each.start()
    try:
        seen: list[dict[str, Any]] = []
        for _ in range(int(DEADLINE_S) * 20):
            described = on_broker("group", "describe", "busy", "-o", "json")
            rows = [json.loads(line) for line in described.out.splitlines()]
            seen += [each for each in rows if each["lag"] is not None]
            if len(seen) >= 30:
                break
        assert len(seen) >= 30
        assert all(each["committed_offset"] <= each["log_end_offset"] for each in seen)
        assert all(
            each["lag"] == each["log_end_offset"] - each["committed_offset"] for each in seen
        )
    finally:
        over.set()
        for each in workers:
            each.join(DEADLINE_S)


async def test_the_end_is_asked_for_after_what_was_committed() -> None:
    clock = count(1)  # The group keeps up, while a record is written between two requests.

    def committed(_: Any) -> OffsetFetchResponse:
        offset = OffsetFetchResponsePartitions(
            partition_index=0, committed_offset=next(clock), metadata="", error_code=0
        )
        topic = OffsetFetchResponseTopics(name="t", partitions=[offset])
        group = OffsetFetchResponseGroup(group_id="g", topics=[topic])
        return OffsetFetchResponse(groups=[group])

    def ends(_: Any) -> ListOffsetsResponse:
        end = ListOffsetsResponsePartition(partition_index=0, error_code=0, offset=next(clock))
        topic = ListOffsetsResponseTopic(name="t", partitions=[end])
        return ListOffsetsResponse(topics=[topic])

    member = GroupMember("m", None, "c", "10.0.0.7", ("t",), (TopicPartition("t", 0),))
    group = GroupDescription("g", "Stable", "consumer", "range", None, (member,))
    async with ScriptedBroker({OFFSET_FETCH: committed, LIST_OFFSETS: ends}) as broker:
        broker.handlers[FIND_COORDINATOR] = coordinated_by(1)
        metadata = Cluster(broker).metadata
        only_topic = MetadataRequest(topics=[MetadataRequestTopic(name="t")])
        broker.handlers[METADATA] = lambda _: metadata(only_topic)
        async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
            (row,) = await measure_lag(admin, group)
    assert row.committed_offset is not None
    assert row.log_end_offset == row.committed_offset + 1
    assert row.lag == 1


def test_a_log_that_ends_before_what_was_committed_leaves_no_lag() -> None:
    partition, gone = TopicPartition("t", 0), TopicPartition("gone", 0)
    member = GroupMember("m", None, "c", "10.0.0.7", ("t",), (partition,))
    group = GroupDescription("g", "Stable", "consumer", "range", None, (member,))
    committed = {partition: OffsetAndMetadata(50), gone: OffsetAndMetadata(5)}
    assert lag_rows(group, committed, {partition: 40}) == [
        ("g", "gone", 0, 5, None, None, None, None, None),
        ("g", "t", 0, 50, 40, 0, "c", "10.0.0.7", "m"),
    ]


async def test_a_topic_that_is_gone_has_no_end_and_holds_nobody_up(
    shared_broker: NodeProcess,
) -> None:
    member = GroupMember("m", None, "c", "10.0.0.7", ("gone",), (TopicPartition("gone", 0),))
    group = GroupDescription("gone", "Stable", "consumer", "range", None, (member,))
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        (row,) = await measure_lag(admin, group)
    assert (row.topic, row.member_id) == ("gone", "m")
    assert (row.committed_offset, row.log_end_offset, row.lag) == (None, None, None)


def test_members_are_shown_with_what_they_were_assigned(
    on_broker: Command, shared_broker: NodeProcess, topic: str
) -> None:
    with reader_of(shared_broker, "shown", topic):
        (row,) = rows_of(on_broker("group", "describe", "shown", "--members", "-o", "json"))
        assert row.pop("member_id").startswith("till-")
        assert row == {
            "group": "shown",
            "instance_id": None,
            "client_id": "till",
            "host": "127.0.0.1",
            "topics": [topic],
            "assignment": [f"{topic}-{index}" for index in range(PARTITIONS)],
            "state": "Stable",
        }
        table = on_broker("group", "describe", "shown", "--members").out
        assert f"{topic}-0,{topic}-1,{topic}-2" in table


def test_a_group_that_nobody_knows_is_one_sentence_and_status_1(on_broker: Command) -> None:
    for command in (("group", "describe"), ("group", "delete")):
        outcome = on_broker(*command, "nobody")
        assert (outcome.status, outcome.out) == (1, "")
        assert "'nobody'" in outcome.err
        assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("where", "after"),
    [("beginning", 0), ("end", 10), ("4", 4), ("-3", 7), ("@4500", 4), ("@9999999", 10)],
)
def test_offsets_are_moved_to_where_it_was_said(
    on_broker: Command, shared_broker: NodeProcess, topic: str, where: str, after: int
) -> None:
    produce(shared_broker, topic, 10)
    commit(shared_broker, topic, topic, p0=5)
    options = ("--topic", f"{topic}:0", "--to", where, "-o", "json")
    row = {"topic": topic, "partition": 0, "before": 5, "after": after}
    tried = on_broker("group", "reset-offsets", topic, *options, "--dry-run")
    assert rows_of(tried) == [row]
    assert tried.err == "dry run: nothing was changed\n"
    assert offsets_of(on_broker, topic) == {0: 5}
    assert rows_of(on_broker("group", "reset-offsets", topic, *options)) == [row]
    assert offsets_of(on_broker, topic) == {0: after}


def test_partitions_are_chosen_by_topic_by_number_or_by_what_was_committed(
    on_broker: Command, shared_broker: NodeProcess, topic: str
) -> None:
    commit(shared_broker, "choosy", topic, p1=5)
    reset = ("group", "reset-offsets", "choosy", "--to", "end", "-o", "json", "--dry-run")

    def chosen(*options: str) -> list[tuple[int, int | None]]:
        rows = rows_of(on_broker(*reset, *options))
        return [(row["partition"], row["before"]) for row in rows]

    assert chosen("--all-topics") == [(1, 5)]
    assert chosen("--topic", topic) == [(0, None), (1, 5), (2, None)]
    assert chosen("--topic", f"{topic}:2,0", "--topic", f"{topic}:0") == [(0, None), (2, None)]
    missing = on_broker(*reset, "--topic", f"{topic}:7")
    assert (missing.status, missing.out) == (1, "")
    assert f"topic '{topic}' has no partition 7" in missing.err


def test_an_offset_outside_of_the_log_is_clamped_and_said_so(
    on_broker: Command, shared_broker: NodeProcess, topic: str
) -> None:
    produce(shared_broker, topic, 10)
    produce(shared_broker, topic, 3, partition=1)
    options = ("--topic", f"{topic}:0,1", "--to", "5")
    outcome = on_broker("group", "reset-offsets", "clamped", *options)
    assert outcome.status == 0
    assert outcome.err == f"{topic}-1 begins at 0 and ends at 3: 5 is taken as 3\n"
    header, *rows = outcome.out.splitlines()
    assert header.split() == ["TOPIC", "PARTITION", "BEFORE", "AFTER"]
    assert [row.split()[1:] for row in rows] == [["0", "-", "5"], ["1", "-", "3"]]
    assert offsets_of(on_broker, "clamped") == {0: 5, 1: 3}


def test_a_group_with_members_is_refused_with_what_to_do(
    on_broker: Command, shared_broker: NodeProcess, topic: str
) -> None:
    with reader_of(shared_broker, "alive", topic) as consumer:
        consumer.commit(offsets=[confluent.TopicPartition(topic, 0, 0)], asynchronous=False)
        for options in ((), ("--dry-run",)):
            outcome = on_broker(
                *("group", "reset-offsets", "alive", "--topic", topic, "--to", "end"), *options
            )
            assert (outcome.status, outcome.out) == (1, "")
            assert "stop them first (till at 127.0.0.1)" in outcome.err
        deleted = on_broker("group", "delete", "alive")
        assert deleted.status == 1
        assert "group 'alive': it still has members; stop them first" in deleted.err
    assert on_broker("group", "delete", "alive") == (0, "deleted group alive\n", "")
    assert on_broker("group", "describe", "alive").status == 1


def test_a_group_that_has_committed_nothing_needs_a_topic(on_broker: Command) -> None:
    outcome = on_broker("group", "reset-offsets", "blank", "--all-topics", "--to", "end")
    assert outcome.status == 1
    assert outcome.err == ("minikafka: group 'blank' has committed nothing: name a --topic\n")


def test_a_topic_that_is_not_there_is_named(on_broker: Command) -> None:
    outcome = on_broker("group", "reset-offsets", "lost", "--topic", "nowhere", "--to", "end")
    assert outcome.status == 1
    assert "'nowhere'" in outcome.err


def test_several_groups_are_deleted_at_once(
    on_broker: Command, shared_broker: NodeProcess, topic: str
) -> None:
    commit(shared_broker, "first", topic, p0=1)
    commit(shared_broker, "second", topic, p0=1)
    deleted = rows_of(on_broker("group", "delete", "first", "second", "-o", "json"))
    assert deleted == [{"group": name, "deleted": True} for name in ("first", "second")]
