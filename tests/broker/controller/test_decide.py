"""Commands and what becomes of them: records, or one error and none."""

from random import Random

import pytest

from minikafka.broker.config import BrokerConfig
from minikafka.broker.controller.decide import (
    PRODUCER_IDS_PER_BLOCK,
    Decision,
    NewTopic,
    create_topic,
    delete_topic,
    refuse_topic_name,
    register_broker,
    reserve_producer_ids,
)
from minikafka.broker.controller.image import Image
from minikafka.protocol.errors import ErrorCode

CONFIG = BrokerConfig(num_partitions=2)


def image_with(*brokers: int) -> Image:
    image = Image(cluster_id="c")
    for broker_id in brokers:
        apply(image, register_broker(image, broker_id, 1, is_lossless=True))
    return image


def apply(image: Image, decision: Decision) -> Decision:
    assert decision.error_code == ErrorCode.NONE
    for record in decision.records:
        image.apply(record)
    return decision


def create(image: Image, topic: NewTopic) -> Decision:
    return create_topic(image, CONFIG, topic, Random(7))


def test_defaults_are_the_nodes() -> None:
    image = image_with(1)
    topic_id = apply(image, create(image, NewTopic("t"))).value
    topic = image.topics["t"]
    assert topic.topic_id == topic_id
    assert [p.replicas for p in topic.partitions.values()] == [(1,), (1,)]


def test_a_topic_id_is_a_random_uuid_of_version_4() -> None:
    topic_id = create(image_with(1), NewTopic("t")).value
    assert (topic_id[6] >> 4, topic_id[8] >> 6) == (4, 2)


def test_replicas_are_dealt_to_the_brokers_in_turn() -> None:
    image = image_with(1, 2, 3)
    apply(image, create(image, NewTopic("t", 3, 2)))
    replicas = [p.replicas for p in image.topics["t"].partitions.values()]
    assert replicas == [(1, 2), (2, 3), (3, 1)]
    assert [p.leader for p in image.topics["t"].partitions.values()] == [1, 2, 3]


def test_assigned_replicas_are_kept() -> None:
    image = image_with(1, 2)
    apply(image, create(image, NewTopic("t", assignments={0: (2, 1), 1: (1,)})))
    assert [p.replicas for p in image.topics["t"].partitions.values()] == [(2, 1), (1,)]


@pytest.mark.parametrize(
    ("topic", "error_code"),
    [
        (NewTopic(""), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (NewTopic("a.b"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (NewTopic("a_b"), ErrorCode.TOPIC_ALREADY_EXISTS),
        (NewTopic("t", 0), ErrorCode.INVALID_PARTITIONS),
        (NewTopic("t", 10_001), ErrorCode.INVALID_PARTITIONS),
        (NewTopic("t", 1, 2), ErrorCode.INVALID_REPLICATION_FACTOR),
        (NewTopic("t", 1, 0), ErrorCode.INVALID_REPLICATION_FACTOR),
        (NewTopic("t", 1, assignments={0: (1,)}), ErrorCode.INVALID_REQUEST),
        (NewTopic("t", assignments={1: (1,)}), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (NewTopic("t", assignments={0: (1, 1)}), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (NewTopic("t", assignments={0: ()}), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (NewTopic("t", assignments={0: (5,)}), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (NewTopic("t", configs={"no.such": "1"}), ErrorCode.INVALID_CONFIG),
        (NewTopic("t", configs={"segment.bytes": "x"}), ErrorCode.INVALID_CONFIG),
    ],
)
def test_a_refused_topic_has_an_error_and_no_records(
    topic: NewTopic, error_code: ErrorCode
) -> None:
    image = image_with(1)
    apply(image, create(image, NewTopic("a_b")))
    decision = create(image, topic)
    assert (decision.error_code, decision.records) == (error_code, [])


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "x" * 249, "__consumer_offsets"])
def test_allowed_topic_names(name: str) -> None:
    assert refuse_topic_name(name) is None


@pytest.mark.parametrize(
    "name", ["", ".", "..", "x" * 250, "a b", "a/b", "é", "a\n", "__cluster_metadata"]
)
def test_refused_topic_names(name: str) -> None:
    assert refuse_topic_name(name) is not None


def test_a_deleted_topic_must_be_there() -> None:
    image = image_with(1)
    topic_id = apply(image, create(image, NewTopic("t"))).value
    assert apply(image, delete_topic(image, topic_id)).value == "t"
    assert delete_topic(image, topic_id).error_code == ErrorCode.UNKNOWN_TOPIC_ID


def test_only_a_lossy_start_gives_partitions_a_new_leader_epoch() -> None:
    image = image_with(1, 2)
    apply(image, create(image, NewTopic("t", 2)))
    apply(image, register_broker(image, 1, 5, is_lossless=True))
    assert [p.leader_epoch for p in image.topics["t"].partitions.values()] == [0, 0]
    apply(image, register_broker(image, 1, 6, is_lossless=False))
    assert [p.leader_epoch for p in image.topics["t"].partitions.values()] == [1, 0]


def test_no_producer_id_is_in_two_blocks() -> None:
    image = image_with(1, 2)
    first = apply(image, reserve_producer_ids(image, 1)).value
    second = apply(image, reserve_producer_ids(image, 2)).value
    assert second == first + PRODUCER_IDS_PER_BLOCK
