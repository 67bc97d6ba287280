"""Finding what a request means: topics by name or, in newer versions, by id (KIP-516)."""

from ...protocol.errors import ErrorCode
from ...protocol.primitives import ZERO_UUID
from ..controller.image import NOBODY, Image, PartitionImage, TopicImage
from ..log.files import StorageError
from ..log.scan import CorruptLog
from ..replica.manager import ReplicaManager, Unserved
from ..replica.partition import Partition
from .context import Context


def find_topic(image: Image, name: str, topic_id: bytes) -> TopicImage | ErrorCode:
    """The topic, or the error for its absence: by id if there is one, else by name."""
    if topic_id != ZERO_UUID:
        return image.topic_by_id(topic_id) or ErrorCode.UNKNOWN_TOPIC_ID
    return image.topics.get(name) or ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def find_replica(
    found: TopicImage | ErrorCode, index: int, replicas: ReplicaManager
) -> Partition | Unserved:
    """This node's replica of a partition, be it the leader or not, or why there is none.

    Of a partition that lives on other brokers alone, or will be opened here in a moment, this node
    is neither leader nor follower.
    """
    if isinstance(found, ErrorCode):
        return Unserved(found)
    name = found.name, index
    replica = replicas.partitions.get(name) or replicas.unserved.get(name)
    if replica is not None:
        return replica
    if index in found.partitions:
        return Unserved(ErrorCode.NOT_LEADER_OR_FOLLOWER, f"{found.name}-{index} is not here")
    return Unserved(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"no partition {index}")


def look_up(topic: str, index: int, context: Context) -> Partition | Unserved:
    """The same by the topic's name."""
    found = find_topic(context.controller.image, topic, ZERO_UUID)
    return find_replica(found, index, context.replicas)


def leader_of(
    topic: str, partition: PartitionImage, context: Context
) -> tuple[ErrorCode, int, list[int]]:
    """Return (error, leader, offline replicas) of a partition.

    One that this node leads and cannot serve has no leader, as in Kafka when a replica's disk is
    gone. So clients keep away from it: records without a key go to other partitions, and a consumer
    waits for this one and reads the others. An error in each fetch instead would stop some
    consumers altogether.
    """
    image, leader = context.controller.image, partition.leader
    offline = [each for each in partition.replicas if not image.is_alive(each)]
    if (topic, partition.index) in context.replicas.unserved:
        node_id = context.config.node_id
        offline += [node_id] if node_id not in offline else []
    if leader in offline or not image.is_alive(leader):
        return ErrorCode.LEADER_NOT_AVAILABLE, NOBODY, offline
    return ErrorCode.NONE, leader, offline


def unreadable(error: StorageError | CorruptLog) -> ErrorCode:
    """The answer when a log cannot be read: damaged, or the disk does not give it."""
    if isinstance(error, CorruptLog):
        return ErrorCode.CORRUPT_MESSAGE
    return ErrorCode.KAFKA_STORAGE_ERROR
