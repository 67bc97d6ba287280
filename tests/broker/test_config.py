"""A node's options, a topic's over them, and addresses."""

import pytest

from minikafka.broker.config import BrokerConfig, TopicConfig, parse_address
from minikafka.broker.options import ConfigError


def test_a_topic_takes_from_the_node_what_it_does_not_say_itself() -> None:
    broker = BrokerConfig.parse({"log.segment.bytes": "1000", "message.max.bytes": "2000"})
    topic = TopicConfig.of(broker, {"max.message.bytes": "3000"})
    assert (topic.segment_bytes, topic.max_message_bytes) == (1000, 3000)


@pytest.mark.parametrize(
    ("policy", "is_compacted"), [("delete", False), ("compact", True), ("compact,delete", True)]
)
def test_a_topic_is_compacted_when_its_policy_says_so(policy: str, is_compacted: bool) -> None:
    assert TopicConfig(cleanup_policy=policy).is_compacted is is_compacted


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9092", ("127.0.0.1", 9092)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_an_address_is_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text, "listen") == address


@pytest.mark.parametrize("text", ["", "9092", ":9092", "host:", "host:x", "host:65536", "h:-1"])
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match="'listen' is HOST:PORT"):
        parse_address(text, "listen")
