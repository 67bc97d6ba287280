"""Finding what a request means: topics by name or, in newer versions, by id (KIP-516)."""

from ...protocol.errors import ErrorCode
from ...protocol.primitives import ZERO_UUID
from ..controller.image import Image, TopicImage
from ..log.files import StorageError
from ..log.scan import CorruptLog


def find_topic(image: Image, name: str, topic_id: bytes) -> TopicImage | ErrorCode:
    """The topic, or the error for its absence: by id if there is one, else by name."""
    if topic_id != ZERO_UUID:
        return image.topic_by_id(topic_id) or ErrorCode.UNKNOWN_TOPIC_ID
    return image.topics.get(name) or ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def unreadable(error: StorageError | CorruptLog) -> ErrorCode:
    """The answer when a log cannot be read: damaged, or the disk does not give it."""
    if isinstance(error, CorruptLog):
        return ErrorCode.CORRUPT_MESSAGE
    return ErrorCode.KAFKA_STORAGE_ERROR
