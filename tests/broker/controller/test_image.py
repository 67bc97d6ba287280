"""The cluster as the sum of its records."""

import pytest

from minikafka.broker.controller.image import Image, Record, UnknownRecord

ORDERS = b"o" * 16
PARTITION = {
    "type": "PartitionCreated",
    "topic_id": ORDERS,
    "index": 0,
    "replicas": [1, 2],
    "isr": [1, 2],
    "leader": 1,
    "leader_epoch": 0,
    "partition_epoch": 0,
}


def image_of(*records: Record) -> Image:
    image = Image()
    for record in records:
        image.apply(record)
    return image


def with_orders(*more: Record) -> Image:
    created = {"type": "TopicCreated", "topic_id": ORDERS, "name": "orders", "configs": {"a": "1"}}
    return image_of(created, PARTITION, *more)


def test_a_topic_is_found_by_name_and_by_id() -> None:
    image = with_orders()
    assert image.topic_by_id(ORDERS) is image.topics["orders"]
    assert image.topics["orders"].configs == {"a": "1"}
    assert image.topics["orders"].partitions[0].replicas == (1, 2)


def test_a_change_of_a_partition_leaves_what_it_does_not_name() -> None:
    change = {"type": "PartitionChanged", "topic_id": ORDERS, "index": 0, "leader_epoch": 4}
    partition = with_orders(change).topics["orders"].partitions[0]
    assert (partition.leader_epoch, partition.isr, partition.leader) == (4, (1, 2), 1)


def test_a_deleted_topic_is_gone_by_name_and_by_id() -> None:
    image = with_orders({"type": "TopicDeleted", "topic_id": ORDERS})
    assert image.topic_by_id(ORDERS) is None
    assert not image.topics


def test_the_last_registration_of_a_broker_counts() -> None:
    image = image_of(
        {"type": "ClusterCreated", "cluster_id": "c"},
        {"type": "BrokerRegistered", "broker_id": 1, "epoch": 3},
        {"type": "BrokerRegistered", "broker_id": 1, "epoch": 9},
        {"type": "ProducerIdsReserved", "broker_id": 1, "next_producer_id": 2000},
    )
    assert (image.cluster_id, image.brokers, image.next_producer_id) == ("c", {1: 9}, 2000)


def test_an_unknown_record_is_refused() -> None:
    with pytest.raises(UnknownRecord, match="unknown type 'Surprise'"):
        image_of({"type": "Surprise"})
