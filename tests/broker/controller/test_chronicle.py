"""What the log of a node tells of its cluster's life."""

import pytest

from minikafka.broker.controller.chronicle import sentence
from minikafka.broker.controller.image import NOBODY, Record

from .test_image import CREATED, ORDERS, image_of

MOVED = {"type": "PartitionChanged", "topic_id": ORDERS, "index": 0}
REGISTERED = {"type": "BrokerRegistered", "broker_id": 2, "epoch": 4, "host": "b", "port": 9092}


def told(*records: Record, node_id: int = 9, is_controller: bool = False) -> str | None:
    """What a node says of the last of these records."""
    image = image_of(*CREATED, *records)
    return sentence(records[-1], image, node_id, is_controller=is_controller)


def test_every_node_tells_who_the_controller_is() -> None:
    elected = {"type": "ControllerElected", "controller_id": 3}
    assert told(elected) == told(elected, is_controller=True) == "the controller is node 3"


def test_the_controller_tells_who_came_and_who_went() -> None:
    changed = {"type": "BrokerChanged", "broker_id": 2, "epoch": 4}
    for record, expected in [
        (REGISTERED, "is registered at b:9092"),
        (changed | {"standing": "unfenced"}, "takes part"),
        (changed | {"standing": "fenced"}, "is fenced: it leads nothing, and is in no ISR"),
        (
            changed | {"standing": "leaving"},
            "hands over what it leads, since it is about to stop",
        ),
        ({"type": "BrokerUnregistered", "broker_id": 2}, "is unregistered"),
    ]:
        records = [record] if record is REGISTERED else [REGISTERED, record]
        assert told(*records, is_controller=True) == f"broker 2 {expected}"
        assert told(*records) is None


def test_a_leader_tells_what_it_leads() -> None:
    moved = MOVED | {"replicas": [1, 2], "isr": [2], "leader": 2, "leader_epoch": 5}
    assert told(moved, node_id=2) == "orders-0 is led by broker 2 in epoch 5; in sync: 2"
    assert told(moved, node_id=1, is_controller=True) is None


def test_a_leader_tells_who_is_in_sync() -> None:
    assert told(MOVED | {"isr": [1, 2]}, node_id=1) == "orders-0 is in sync on 1, 2"
    assert told(MOVED | {"isr": [1, 2]}, node_id=2, is_controller=True) is None
    assert told(MOVED | {"elr": [2]}, node_id=1) is None


@pytest.mark.parametrize(("isr", "named"), [([1, 2], "1, 2"), ([], "nobody")])
def test_the_controller_tells_what_nobody_leads(isr: list[int], named: str) -> None:
    left = MOVED | {"leader": NOBODY, "isr": isr}
    assert told(left, is_controller=True) == f"orders-0 is led by nobody; in sync: {named}"
    assert told(left, node_id=1) is None


def test_of_topics_nothing_is_told() -> None:
    assert told({"type": "TopicDeleted", "topic_id": ORDERS}, is_controller=True) is None
