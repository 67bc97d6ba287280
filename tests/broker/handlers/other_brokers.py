"""Brokers that are in the image alone: what a node knows of others, without running any.

Records are applied as if the controller had committed them; they are not in the metadata log, so a
node that was told so must not be started again.
"""

from typing import Any

from ..in_process import ServedNode

OTHER = 2
"""A broker that is not this one."""
OTHER_ADDRESS = ("other.example", 9092)


def register(node: ServedNode, broker_id: int = OTHER, standing: str = "unfenced") -> None:
    """There is another broker."""
    host, port = OTHER_ADDRESS
    record = {
        "type": "BrokerRegistered",
        "broker_id": broker_id,
        "epoch": 1000 + broker_id,
        "incarnation": "",
        "host": host,
        "port": port,
        "control_host": host,
        "control_port": port + 10_000,
        "standing": standing,
    }
    node.node._controller.image.apply(record)


def change(node: ServedNode, topic: str, index: int = 0, **changes: Any) -> None:
    """A partition has changed, and the node does its part; a new leader has a new epoch."""
    controller = node.node._controller
    image = controller.image
    partition = image.topics[topic].partitions[index]
    if "leader" in changes:
        changes.setdefault("leader_epoch", partition.leader_epoch + 1)
    record = {
        "type": "PartitionChanged",
        "topic_id": image.topics[topic].topic_id,
        "index": index,
        "partition_epoch": partition.partition_epoch + 1,
        **changes,
    }
    image.apply(record)
    for listen in controller.listeners:
        listen(record, controller.end_offset)
