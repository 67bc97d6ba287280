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


def test_a_topic_overrides_the_node_and_the_rest_follows_it() -> None:
    broker = BrokerConfig(log_retention_ms=5, log_message_timestamp_type="LogAppendTime")
    topic = TopicConfig.of(broker, {"retention.ms": "9"})
    assert (topic.retention_ms, topic.message_timestamp_type) == (9, "LogAppendTime")


def test_without_overrides_both_have_the_same_defaults() -> None:
    assert TopicConfig.of(BrokerConfig(), {}) == TopicConfig()


def test_a_topic_knows_its_own_options_alone() -> None:
    with pytest.raises(ConfigError, match=r"log\.segment\.bytes"):
        TopicConfig.of(BrokerConfig(), {"log.segment.bytes": "1000"})


def test_a_node_without_options_is_safe_to_start() -> None:
    config = BrokerConfig.parse({})
    assert config == BrokerConfig()
    assert (config.listen, config.flush, config.insecure_listen) == (
        "127.0.0.1:9092",
        "fsync",
        False,
    )


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        BrokerConfig().flush = "os"  # type: ignore[misc] # that is the point


def test_the_other_nodes_are_read_from_their_lists() -> None:
    config = BrokerConfig.parse({"voters": "1@a:1, 2@[::1]:2", "route": "2=b:3,3=c:4"})
    assert config.voter_addresses == {1: ("a", 1), 2: ("::1", 2)}
    assert config.routes == {2: ("b", 3), 3: ("c", 4)}
    assert BrokerConfig(join="a:1,b:2").join_addresses == [("a", 1), ("b", 2)]
    assert config.is_clustered
    assert not BrokerConfig().is_clustered
    assert BrokerConfig().voter_addresses == {}
