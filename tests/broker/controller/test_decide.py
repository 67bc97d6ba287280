"""Decisions: a command and the image in, records and an answer out; the image stays as it is."""

import copy
import re
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikafka.broker.config import BrokerConfig
from minikafka.broker.controller import placement
from minikafka.broker.controller.decide import (
    MAX_PARTITIONS_PER_TOPIC,
    MAX_TOPIC_NAME_LENGTH,
    PRODUCER_IDS_PER_BLOCK,
    Decision,
    NewPartitions,
    NewTopic,
    create_cluster,
    create_offsets_topic,
    create_partitions,
    create_topic,
    delete_topic,
    refuse_topic_name,
    reserve_producer_ids,
)
from minikafka.broker.controller.decide_brokers import change_standing, register_broker
from minikafka.broker.controller.image import Image, Standing
from minikafka.protocol.control import RegisterBroker
from minikafka.protocol.errors import ErrorCode

CONFIG = BrokerConfig()


def image_of(*topics: NewTopic, brokers: tuple[int, ...] = (1,)) -> Image:
    """A cluster with these brokers and topics."""
    image = Image()
    commit(image, create_cluster("c", 1, [1]))
    for broker_id in brokers:
        commit(image, registered(image, broker_id, broker_id))
    for topic in topics:
        commit(image, create_topic(image, CONFIG, topic, Random(topic.name)))
    return image


def registered(image: Image, broker_id: int, epoch: int, is_lossless: bool = True) -> Decision:
    """A broker that is alone, or the active controller's, starts."""
    registration = RegisterBroker(broker_id, "", "", 0, "", 0, is_lossless)
    return register_broker(image, CONFIG, registration, epoch, Standing.UNFENCED)


def fence(image: Image, broker_id: int) -> None:
    """A broker is dead."""
    epoch = image.brokers[broker_id].epoch
    commit(image, change_standing(image, CONFIG, broker_id, epoch, Standing.FENCED))


def commit(image: Image, decision: Decision) -> Decision:
    """Apply what was decided."""
    assert decision.error_code is ErrorCode.NONE, decision
    for record in decision.records:
        image.apply(record)
    return decision


def test_the_life_of_a_cluster_in_records() -> None:
    """A golden script: what each command writes to the metadata log."""
    image, random = Image(), Random(5)
    commands = [
        lambda: create_cluster("c", 1, [1]),
        lambda: registered(image, 1, 1),
        lambda: create_topic(image, CONFIG, NewTopic("orders", 2, 1), random),
        lambda: reserve_producer_ids(image, 1),
        lambda: registered(image, 1, 7, False),
        lambda: delete_topic(image, image.topics["orders"].topic_id),
    ]
    script: list[str] = []
    for command in commands:
        for record in commit(image, command()).records:
            fields = {
                key: value for key, value in record.items() if key not in ("type", "topic_id")
            }
            script.append(f"{record['type']} {fields}")
    broker = "'incarnation': '', 'host': '', 'port': 0, 'control_host': '', 'control_port': 0"
    partition = "'replicas': [1], 'isr': [1], 'leader': 1, 'leader_epoch': 0, 'partition_epoch': 0"
    assert script == [
        "ClusterCreated {'cluster_id': 'c', 'broker_id': 1, 'voters': [1]}",
        f"BrokerRegistered {{'broker_id': 1, 'epoch': 1, {broker}, 'standing': 'unfenced'}}",
        "TopicCreated {'name': 'orders', 'configs': {}}",
        f"PartitionCreated {{'index': 0, {partition}}}",
        f"PartitionCreated {{'index': 1, {partition}}}",
        "ProducerIdsReserved {'broker_id': 1, 'next_producer_id': 1000}",
        f"BrokerRegistered {{'broker_id': 1, 'epoch': 7, {broker}, 'standing': 'unfenced'}}",
        "PartitionChanged {'index': 0, 'leader_epoch': 1, 'partition_epoch': 1}",
        "PartitionChanged {'index': 1, 'leader_epoch': 1, 'partition_epoch': 1}",
        "TopicDeleted {}",
    ]
    assert image.topics == {}


REFUSED = [
    (NewTopic("orders"), ErrorCode.TOPIC_ALREADY_EXISTS),
    (NewTopic("a_b"), ErrorCode.INVALID_TOPIC_EXCEPTION),
    (NewTopic("a/b"), ErrorCode.INVALID_TOPIC_EXCEPTION),
    (NewTopic("new", 0), ErrorCode.INVALID_PARTITIONS),
    (NewTopic("new", MAX_PARTITIONS_PER_TOPIC + 1), ErrorCode.INVALID_PARTITIONS),
    (NewTopic("new", 1, 0), ErrorCode.INVALID_REPLICATION_FACTOR),
    (NewTopic("new", 1, 4), ErrorCode.INVALID_REPLICATION_FACTOR),
    (NewTopic("new", configs={"retention.ms": "x"}), ErrorCode.INVALID_CONFIG),
    (NewTopic("new", configs={"nonsense": "1"}), ErrorCode.INVALID_CONFIG),
    (NewTopic("new", 1, -1, {0: (1,)}), ErrorCode.INVALID_REQUEST),
    (NewTopic("new", -1, 1, {0: (1,)}), ErrorCode.INVALID_REQUEST),
    (NewTopic("new", -1, -1, {0: (1,), 2: (1,)}), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
    (NewTopic("new", -1, -1, {0: (1, 1)}), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
    (NewTopic("new", -1, -1, {0: ()}), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
    (NewTopic("new", -1, -1, {0: (4,)}), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
    (
        NewTopic("new", -1, -1, dict.fromkeys(range(MAX_PARTITIONS_PER_TOPIC + 1), (1,))),
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    ),
]


@pytest.mark.parametrize(("topic", "error_code"), REFUSED, ids=range(len(REFUSED)))
def test_a_refused_topic_has_an_error_a_sentence_and_no_records(
    topic: NewTopic, error_code: ErrorCode
) -> None:
    image = image_of(NewTopic("orders"), NewTopic("a.b"), brokers=(1, 2, 3))
    before = copy.deepcopy(image)
    decision = create_topic(image, CONFIG, topic, Random(1))
    assert decision.error_code is error_code
    assert decision.records == []
    assert decision.message
    assert image == before


def test_the_brokers_own_defaults_are_bounded_too() -> None:
    config = BrokerConfig(num_partitions=MAX_PARTITIONS_PER_TOPIC + 1)
    decision = create_topic(image_of(), config, NewTopic("new"), Random(1))
    assert decision.error_code is ErrorCode.INVALID_PARTITIONS


def test_leaders_go_round_and_followers_shift_with_each_round() -> None:
    image = image_of(brokers=(1, 2, 3, 4))
    rows = [*placement.deal(image, range(6), 3, start=1).values()]
    assert rows == [(2, 3, 4), (3, 4, 1), (4, 1, 2), (1, 3, 4), (2, 4, 1), (3, 1, 2)]


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 60), st.integers(0, 60))
def test_brokers_lead_and_hold_about_as_many_partitions_each(
    brokers: int, factor: int, count: int, start: int
) -> None:
    factor = min(factor, brokers)
    image = image_of(brokers=tuple(range(1, brokers + 1)))
    rows = [*placement.deal(image, range(count), factor, start).values()]
    assert all(len(set(row)) == factor for row in rows)
    led = Counter(row[0] for row in rows)
    assert max(led.values(), default=0) - min(led[each] for each in image.brokers) <= 1
    held = Counter(each for row in rows for each in row)
    assert max(held.values(), default=0) - min(held[each] for each in image.brokers) <= 2 * factor


def test_fenced_brokers_lead_nothing_and_hold_what_the_others_cannot() -> None:
    image = image_of(brokers=(1, 2, 3))
    fence(image, 1)
    rows = placement.deal(image, range(4), 2, start=0)
    assert [*rows.values()] == [(2, 3), (3, 2), (2, 3), (3, 2)]
    commit(image, create_topic(image, CONFIG, NewTopic("orders", 3, 3), Random(2)))
    for partition in image.topics["orders"].partitions.values():
        assert partition.replicas[2] == 1
        assert partition.isr == partition.replicas[:2]
        assert partition.leader == partition.replicas[0]


def test_topics_begin_with_different_brokers() -> None:
    image = image_of(*(NewTopic(f"t{n}", 1, 1) for n in range(40)), brokers=(1, 2, 3))
    assert {topic.partitions[0].leader for topic in image.topics.values()} == {1, 2, 3}


def test_nobody_alive_is_nobody_to_lead() -> None:
    image = image_of(NewTopic("orders", 1, 1), brokers=(1, 2))
    fence(image, 1)
    fence(image, 2)
    for decision in (
        create_topic(image, CONFIG, NewTopic("new", 1, 1), Random(1)),
        create_partitions(image, NewPartitions("orders", 2)),
    ):
        assert decision.error_code is ErrorCode.INVALID_REPLICATION_FACTOR
    for decision in (
        create_topic(image, CONFIG, NewTopic("new", -1, -1, {0: (2, 1)}), Random(1)),
        create_partitions(image, NewPartitions("orders", 2, [(1,)])),
    ):
        assert decision.error_code is ErrorCode.INVALID_REPLICA_ASSIGNMENT


def test_three_replicas_come_with_two_that_must_be_in_sync() -> None:
    image = image_of(NewTopic("two", 1, 2), NewTopic("three", 1, 3), brokers=(1, 2, 3))
    given_one = {"min.insync.replicas": "1"}
    commit(image, create_topic(image, CONFIG, NewTopic("own", 1, 3, None, given_one), Random(1)))
    nodes = BrokerConfig(min_insync_replicas=3)
    commit(image, create_topic(image, nodes, NewTopic("node", 1, 3), Random(2)))
    image.broker_configs[""] = {"min.insync.replicas": "1"}
    commit(image, create_topic(image, CONFIG, NewTopic("dynamic", 1, 3), Random(3)))
    assert {name: topic.configs for name, topic in image.topics.items()} == {
        "two": {},
        "three": {"min.insync.replicas": "2"},
        "own": {"min.insync.replicas": "1"},
        "node": {},
        "dynamic": {},
    }


def test_a_topic_that_says_nothing_waits_for_three_brokers_of_a_quorum() -> None:
    config = BrokerConfig(voters="1@a:1,2@b:1,3@c:1")
    image = image_of(brokers=(1, 2))
    refused = create_topic(image, config, NewTopic("new"), Random(1))
    assert refused.error_code is ErrorCode.INVALID_REPLICATION_FACTOR
    assert (
        create_offsets_topic(image, config, Random(1)).error_code
        is ErrorCode.INVALID_REPLICATION_FACTOR
    )
    commit(image, registered(image, 3, 3))
    commit(image, create_topic(image, config, NewTopic("new"), Random(1)))
    commit(image, create_offsets_topic(image, config, Random(2)))
    for topic in image.topics.values():
        assert all(len(each.replicas) == 3 for each in topic.partitions.values())


def test_given_assignments_are_kept() -> None:
    image = image_of(NewTopic("orders", -1, -1, {1: (3, 1), 0: (2,)}), brokers=(1, 2, 3))
    partitions = image.topics["orders"].partitions
    assert {index: each.replicas for index, each in partitions.items()} == {0: (2,), 1: (3, 1)}
    assert list(partitions) == [0, 1]


def test_an_auto_created_topic_has_no_more_replicas_than_there_are_brokers() -> None:
    config = BrokerConfig(default_replication_factor=3)
    decision = create_topic(image_of(brokers=(1, 2)), config, NewTopic("new"), Random(1))
    assert sorted(decision.records[1]["replicas"]) == [1, 2]


def test_topic_ids_are_random_uuids_of_the_handed_in_chance() -> None:
    image = image_of()
    ids = {create_topic(image, CONFIG, NewTopic("a"), Random(seed)).value for seed in range(50)}
    assert len(ids) == 50
    assert all((each[6] >> 4, each[8] >> 6) == (4, 2) for each in ids)
    again = create_topic(image, CONFIG, NewTopic("a"), Random(1)).value
    assert again == create_topic(image, CONFIG, NewTopic("a"), Random(1)).value


def test_partitions_are_added_behind_those_that_are_there() -> None:
    image = image_of(NewTopic("orders", -1, -1, {0: (1, 2), 1: (2, 3)}), brokers=(1, 2, 3))
    commit(image, create_partitions(image, NewPartitions("orders", 4)))
    partitions = image.topics["orders"].partitions.values()
    assert [each.leader for each in partitions] == [1, 2, 3, 1]
    assert all(len(set(each.replicas)) == 2 for each in partitions)
    commit(image, create_partitions(image, NewPartitions("orders", 5, [(3, 2)])))
    assert image.topics["orders"].partitions[4].replicas == (3, 2)


NOT_ADDED = [
    (NewPartitions("unknown", 9), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    (NewPartitions("orders", 2), ErrorCode.INVALID_PARTITIONS),
    (NewPartitions("orders", 1), ErrorCode.INVALID_PARTITIONS),
    (NewPartitions("orders", -1), ErrorCode.INVALID_PARTITIONS),
    (NewPartitions("orders", MAX_PARTITIONS_PER_TOPIC + 1), ErrorCode.INVALID_PARTITIONS),
    (NewPartitions("orders", 3, []), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
    (NewPartitions("orders", 3, [(1, 2), (2, 1)]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
    (NewPartitions("orders", 3, [(1,)]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
    (NewPartitions("orders", 3, [(1, 1)]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
    (NewPartitions("orders", 3, [(1, 9)]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
]


@pytest.mark.parametrize(("new", "error_code"), NOT_ADDED, ids=range(len(NOT_ADDED)))
def test_refused_partitions_have_an_error_and_no_records(
    new: NewPartitions, error_code: ErrorCode
) -> None:
    image = image_of(NewTopic("orders", 2, 2), brokers=(1, 2, 3))
    decision = create_partitions(image, new)
    assert (decision.error_code, decision.records) == (error_code, [])


def test_a_deletion_tells_the_name() -> None:
    image = image_of(NewTopic("orders"))
    decision = delete_topic(image, image.topics["orders"].topic_id)
    assert (decision.value, len(decision.records)) == ("orders", 1)
    assert delete_topic(image, b"\x09" * 16).error_code is ErrorCode.UNKNOWN_TOPIC_ID


def test_a_start_that_lost_nothing_changes_no_leader_epoch() -> None:
    image = image_of(NewTopic("orders", 2))
    assert [each["type"] for each in registered(image, 1, 9).records] == ["BrokerRegistered"]


def test_a_start_that_may_have_lost_something_changes_the_epochs_of_its_own_partitions() -> None:
    image = image_of(NewTopic("orders", -1, -1, {0: (1,), 1: (2,)}), brokers=(1, 2))
    changed = list(registered(image, 2, 9, False).records[1:])
    assert [(each["index"], each["leader_epoch"]) for each in changed] == [(1, 1)]


def test_blocks_of_producer_ids_do_not_overlap() -> None:
    image = image_of()
    firsts = [commit(image, reserve_producer_ids(image, 1)).value for _ in range(3)]
    assert firsts == [0, PRODUCER_IDS_PER_BLOCK, 2 * PRODUCER_IDS_PER_BLOCK]


@given(st.text(max_size=260))
def test_a_topic_name_is_what_kafka_says_it_is(name: str) -> None:
    is_legal = re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", name, re.ASCII) is not None and name not in (
        ".",
        "..",
        "__cluster_metadata",
    )
    assert (refuse_topic_name(name) is None) == is_legal


@pytest.mark.parametrize("name", ["a\n", "a ", "ä", "a\0", "x" * (MAX_TOPIC_NAME_LENGTH + 1)])
def test_names_that_a_careless_pattern_lets_through_are_refused(name: str) -> None:
    assert refuse_topic_name(name)


@pytest.mark.parametrize(
    "name", ["a", "A.b_c-9", "x" * MAX_TOPIC_NAME_LENGTH, "__consumer_offsets"]
)
def test_names_of_every_allowed_kind_are_taken(name: str) -> None:
    assert refuse_topic_name(name) is None


def test_defaults_are_the_nodes() -> None:
    image = image_of()
    config = BrokerConfig(num_partitions=2)
    decision = commit(image, create_topic(image, config, NewTopic("t"), Random(7)))
    assert image.topics["t"].topic_id == decision.value
    assert [each.replicas for each in image.topics["t"].partitions.values()] == [(1,), (1,)]
