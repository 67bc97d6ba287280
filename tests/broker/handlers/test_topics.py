"""Finding the topic that a request means."""

from minikafka.broker.controller.image import Image, TopicImage
from minikafka.broker.handlers.topics import find_topic
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.primitives import ZERO_UUID

TOPIC = TopicImage("orders", b"\x01" * 16, {})
IMAGE = Image(topics={"orders": TOPIC}, topic_names={TOPIC.topic_id: "orders"})


def test_a_topic_is_found_by_name_or_by_id() -> None:
    assert find_topic(IMAGE, "orders", ZERO_UUID) is TOPIC
    assert find_topic(IMAGE, "", TOPIC.topic_id) is TOPIC


def test_the_error_tells_what_was_looked_for() -> None:
    assert find_topic(IMAGE, "gone", ZERO_UUID) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert find_topic(IMAGE, "", b"\x02" * 16) is ErrorCode.UNKNOWN_TOPIC_ID


def test_an_id_wins_over_a_name() -> None:
    assert find_topic(IMAGE, "orders", b"\x02" * 16) is ErrorCode.UNKNOWN_TOPIC_ID
