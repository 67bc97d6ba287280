"""The image: what the records of the metadata log add up to."""

import pytest

from minikafka.broker.controller.image import (
    NOBODY,
    BrokerImage,
    Image,
    PartitionImage,
    Record,
    Standing,
    UnknownRecord,
)

ORDERS = b"\x01" * 16
CREATED: list[Record] = [
    {"type": "ClusterCreated", "cluster_id": "c", "broker_id": 1},
    {"type": "BrokerRegistered", "broker_id": 1, "epoch": 1},
    {"type": "TopicCreated", "topic_id": ORDERS, "name": "orders", "configs": {"a": "b"}},
    {
        "type": "PartitionCreated",
        "topic_id": ORDERS,
        "index": 0,
        "replicas": [1],
        "isr": [1],
        "leader": 1,
        "leader_epoch": 0,
        "partition_epoch": 0,
    },
]


def image_of(*records: Record) -> Image:
    """The sum of the records."""
    image = Image()
    for record in records:
        image.apply(record)
    return image


def test_a_cluster_is_the_sum_of_its_records() -> None:
    image = image_of(*CREATED)
    assert image.cluster_id == "c"
    assert image.brokers == {1: BrokerImage(1, 1)}
    topic = image.topics["orders"]
    assert (topic.topic_id, topic.configs) == (ORDERS, {"a": "b"})
    assert topic.partitions == {0: PartitionImage(0, (1,), (1,), 1, 0, 0)}
    assert image.topic_by_id(ORDERS) is topic


def test_a_broker_that_registers_again_has_a_new_epoch() -> None:
    again: Record = {"type": "BrokerRegistered", "broker_id": 1, "epoch": 9}
    assert image_of(*CREATED, again).brokers == {1: BrokerImage(1, 9)}


REGISTERED: Record = {
    "type": "BrokerRegistered",
    "broker_id": 2,
    "epoch": 7,
    "incarnation": "i",
    "host": "h",
    "port": 9092,
    "control_host": "c",
    "control_port": 19092,
    "standing": "fenced",
}


def changed(broker_id: int, epoch: int, standing: str) -> Record:
    """Another standing of a broker."""
    return {
        "type": "BrokerChanged",
        "broker_id": broker_id,
        "epoch": epoch,
        "standing": standing,
    }


def test_a_broker_has_two_addresses_and_a_standing() -> None:
    image = image_of(REGISTERED)
    assert image.brokers[2] == BrokerImage(2, 7, "i", "h", 9092, "c", 19092, Standing.FENCED)
    assert not image.is_alive(2)
    image.apply(changed(2, 7, "unfenced"))
    assert image.is_alive(2)
    image.apply(changed(2, 7, "leaving"))
    assert image.brokers[2].standing is Standing.LEAVING
    assert image.is_alive(2)
    image.apply({"type": "BrokerUnregistered", "broker_id": 2})
    assert not image.is_alive(2)


@pytest.mark.parametrize("change", [changed(2, 6, "fenced"), changed(2, 7, "odd")])
def test_a_standing_that_fits_no_broker_is_refused(change: Record) -> None:
    with pytest.raises(ValueError, match=r"epoch 6|odd"):
        image_of(REGISTERED, change)


def test_a_quorum_has_a_head_and_voters_with_disks() -> None:
    image = image_of(*CREATED)
    assert (image.controller_id, image.voters) == (NOBODY, {})
    image.apply({"type": "VoterPinned", "voter_id": 1, "directory_id": "d"})
    image.apply({"type": "ControllerElected", "controller_id": 1})
    assert (image.controller_id, image.voters) == (1, {1: "d"})


def test_what_a_later_version_adds_to_a_record_is_skipped() -> None:
    image = image_of(*CREATED, {**REGISTERED, "rack": "r"})
    image.apply(
        {"type": "PartitionChanged", "topic_id": ORDERS, "index": 0, "elr": [1], "shade": 1}
    )
    assert image.topics["orders"].partitions[0].elr == (1,)


def test_a_change_of_a_partition_leaves_the_rest_as_it_was() -> None:
    change: Record = {
        "type": "PartitionChanged",
        "topic_id": ORDERS,
        "index": 0,
        "leader_epoch": 4,
        "partition_epoch": 1,
    }
    partition = image_of(*CREATED, change).topics["orders"].partitions[0]
    assert partition == PartitionImage(0, (1,), (1,), 1, 4, 1)


def test_a_deleted_topic_is_gone_by_name_and_by_id() -> None:
    image = image_of(*CREATED, {"type": "TopicDeleted", "topic_id": ORDERS})
    assert (image.topics, image.topic_names) == ({}, {})
    assert image.topic_by_id(ORDERS) is None


def test_options_change_one_by_one_and_nil_takes_one_away() -> None:
    changed: Record = {
        "type": "TopicConfigsChanged",
        "topic_id": ORDERS,
        "changes": {"a": None, "c": "d", "never set": None},
    }
    of_brokers: list[Record] = [
        {"type": "BrokerConfigsChanged", "broker": "", "changes": {"a": "1", "b": "2"}},
        {"type": "BrokerConfigsChanged", "broker": "1", "changes": {"a": "3"}},
        {"type": "BrokerConfigsChanged", "broker": "", "changes": {"b": None}},
    ]
    image = image_of(*CREATED, changed, *of_brokers)
    assert image.topics["orders"].configs == {"c": "d"}
    assert image.broker_configs == {"": {"a": "1"}, "1": {"a": "3"}}
    assert CREATED[2]["configs"] == {"a": "b"}


def test_producer_ids_only_rise() -> None:
    reserved: Record = {"type": "ProducerIdsReserved", "broker_id": 1, "next_producer_id": 1000}
    assert image_of(*CREATED, reserved).next_producer_id == 1000


def test_a_record_of_an_unknown_type_is_not_skipped() -> None:
    with pytest.raises(UnknownRecord, match="VoterAdded"):
        image_of(*CREATED, {"type": "VoterAdded", "voter_id": 2})


def test_a_record_does_not_share_its_configs_with_the_image() -> None:
    image = image_of(*CREATED)
    image.topics["orders"].configs["a"] = "changed"
    assert CREATED[2]["configs"] == {"a": "b"}
