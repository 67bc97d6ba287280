"""What an operator reads of the cluster's life: one sentence for a change worth it. PURE.

Each sentence is told by one node, so that the logs of all of them beside each other are one story:
the controller tells of brokers, and of partitions that nobody leads; a leader tells of what it
leads. Only who the controller is, is told by everybody.
"""

from .image import NOBODY, Image, PartitionImage, Record, Standing

_STANDINGS = {
    Standing.UNFENCED: "takes part",
    Standing.FENCED: "is fenced: it leads nothing, and is in no ISR",
    Standing.LEAVING: "hands over what it leads, since it is about to stop",
}


def sentence(record: Record, image: Image, node_id: int, *, is_controller: bool) -> str | None:
    """What node `node_id` says of a record that this image has taken in; None for nothing."""
    match record["type"]:
        case "ControllerElected":
            return f"the controller is node {record['controller_id']}"
        case "PartitionChanged":
            topic = image.topics[image.topic_names[record["topic_id"]]]
            partition = topic.partitions[record["index"]]
            is_told = node_id == partition.leader or (is_controller and partition.leader == NOBODY)
            told = _of_partition(record, partition) if is_told else None
            return None if told is None else f"{topic.name}-{partition.index} {told}"
        case _:
            return _of_broker(record) if is_controller else None


def _of_broker(record: Record) -> str | None:
    match record["type"]:
        case "BrokerRegistered":
            address = f"{record['host']}:{record['port']}"
            return f"broker {record['broker_id']} is registered at {address}"
        case "BrokerChanged":
            return f"broker {record['broker_id']} {_STANDINGS[Standing(record['standing'])]}"
        case "BrokerUnregistered":
            return f"broker {record['broker_id']} is unregistered"
        case _:
            return None


def _of_partition(record: Record, partition: PartitionImage) -> str | None:
    in_sync = ", ".join(map(str, partition.isr))
    if "leader" in record and partition.leader == NOBODY:
        return f"is led by nobody; in sync: {in_sync or 'nobody'}"
    if "leader" in record:
        epoch = partition.leader_epoch
        return f"is led by broker {partition.leader} in epoch {epoch}; in sync: {in_sync}"
    return f"is in sync on {in_sync}" if "isr" in record else None
