"""Finding the topic that a request means, by name or, in newer versions, by id (KIP-516)."""

from ...protocol.errors import ErrorCode
from ...protocol.primitives import ZERO_UUID
from ..controller.image import Image, TopicImage


def find_topic(image: Image, name: str, topic_id: bytes) -> TopicImage | ErrorCode:
    """The topic, or the error for its absence: by id if there is one, else by name."""
    if topic_id != ZERO_UUID:
        return image.topic_by_id(topic_id) or ErrorCode.UNKNOWN_TOPIC_ID
    return image.topics.get(name) or ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
