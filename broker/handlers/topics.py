"""Finding what a request means: topics by name or, in newer versions, by id (KIP-516)."""

from ...protocol.errors import ErrorCode
from ...protocol.primitives import ZERO_UUID
from ..controller.image import Image, PartitionImage, TopicImage
from ..log.files import StorageError
from ..log.scan import CorruptLog
from ..replica.manager import ReplicaManager


def find_topic(image: Image, name: str, topic_id: bytes) -> TopicImage | ErrorCode:
    """The topic, or the error for its absence: by id if there is one, else by name."""
    if topic_id != ZERO_UUID:
        return image.topic_by_id(topic_id) or ErrorCode.UNKNOWN_TOPIC_ID
    return image.topics.get(name) or ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


NO_LEADER = -1


def leader_of(
    topic: str, partition: PartitionImage, replicas: ReplicaManager
) -> tuple[ErrorCode, int, list[int]]:
    """Return (error, leader, offline replicas) of a partition.

    One that cannot be served has no leader, as in Kafka when a replica's disk is gone. So clients
    keep away from it: records without a key go to other partitions, and a consumer waits for this
    one and reads the others. An error in each fetch instead would stop some consumers altogether.
    """
    if (topic, partition.index) in replicas.unserved:
        return ErrorCode.LEADER_NOT_AVAILABLE, NO_LEADER, [partition.leader]
    return ErrorCode.NONE, partition.leader, []


def unreadable(error: StorageError | CorruptLog) -> ErrorCode:
    """The answer when a log cannot be read: damaged, or the disk does not give it."""
    if isinstance(error, CorruptLog):
        return ErrorCode.CORRUPT_MESSAGE
    return ErrorCode.KAFKA_STORAGE_ERROR
