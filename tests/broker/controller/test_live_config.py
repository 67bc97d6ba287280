"""The options in force: which of the layers wins."""

from minikafka.broker.config import BrokerConfig
from minikafka.broker.controller.image import Image, TopicImage
from minikafka.broker.controller.live_config import LiveConfig

STATIC = BrokerConfig(node_id=1, log_segment_bytes=1000)


def live_of(**dynamic: dict[str, str]) -> LiveConfig:
    """The node's options with those of "all" brokers and of "_1" over them."""
    image = Image()
    image.broker_configs = {"": dynamic.get("all", {}), "1": dynamic.get("_1", {})}
    return LiveConfig(STATIC, image)


def topic_of(**configs: str) -> TopicImage:
    """A topic with options of its own."""
    own = {name.replace("_", "."): text for name, text in configs.items()}
    return TopicImage("orders", b"\x01" * 16, own)


def test_the_narrower_layer_wins() -> None:
    assert live_of().config == STATIC
    assert live_of(all={"log.segment.bytes": "2000"}).config.log_segment_bytes == 2000
    both = live_of(all={"log.segment.bytes": "2000"}, _1={"log.segment.bytes": "3000"})
    assert both.config.log_segment_bytes == 3000


def test_a_topic_has_its_own_or_what_the_node_has_now() -> None:
    live = live_of(all={"log.segment.bytes": "2000"})
    assert live.of_topic(topic_of()).segment_bytes == 2000
    assert live.of_topic(topic_of(segment_bytes="9")).segment_bytes == 2000  # below its minimum
    assert live.of_topic(topic_of(segment_bytes="99")).segment_bytes == 99


def test_a_change_counts_after_a_reload() -> None:
    image = Image()
    live = LiveConfig(STATIC, image)
    image.broker_configs["1"] = {"max.connections": "5"}
    live.reload()
    assert live.config.max_connections == 5
    image.broker_configs["1"] = {}
    live.reload()
    assert live.config == STATIC


def test_other_brokers_options_do_not_count() -> None:
    image = Image()
    image.broker_configs["2"] = {"max.connections": "5"}
    assert LiveConfig(STATIC, image).config == STATIC


def test_what_this_version_refuses_does_not_count_and_is_told() -> None:
    image = Image()
    image.broker_configs = {"": {"max.connections": "none"}, "1": {"colour": "red"}}
    image.topics["orders"] = topic_of(segment_bytes="huge", retention_ms="7")
    live = LiveConfig(STATIC, image)
    assert live.config == STATIC
    assert live.layers.this_broker == live.layers.all_brokers == {}
    topic = live.of_topic(image.topics["orders"])
    assert (topic.segment_bytes, topic.retention_ms) == (1000, 7)
    assert live.texts_of_topic(image.topics["orders"]) == {"retention.ms": "7"}
    told = list(live.complaints())
    assert [each.partition(":")[0] for each in told] == [
        "broker default",
        "broker 1",
        "topic orders",
    ]
    assert "segment.bytes" in told[2]


def test_the_layers_hold_texts_and_the_static_one_what_differs_from_the_default() -> None:
    layers = live_of(all={"max.connections": " 7 "}).layers
    assert layers.all_brokers == {"max.connections": "7"}
    assert layers.static == {"log.segment.bytes": "1000"}
    assert layers.default["log.segment.bytes"] == str(1 << 30)
