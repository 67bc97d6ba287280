"""What users and clients say in words: options, topics, addresses."""

from contextlib import suppress
from random import Random

from minikafka.broker.config import BrokerConfig, TopicConfig, parse_address
from minikafka.broker.controller.decide import NewTopic, create_topic, refuse_topic_name
from minikafka.broker.controller.image import BrokerImage, Image
from minikafka.broker.options import ConfigError, option_names, option_texts

from .choices import Choices

_BROKER_NAMES = option_names(BrokerConfig)
_TOPIC_NAMES = option_names(TopicConfig)
_TEXTS = (
    "",
    "0",
    "-1",
    "true",
    "1e3",
    " 7 ",
    "9" * 19,
    "9" * 20,
    "compact,delete",
    "nan",
    "٣",
    "+5",
)


def options(data: bytes) -> None:
    """A config, or ConfigError with one sentence; what was read reads the same again."""
    choices = Choices(data)
    broker = _parse(choices, _BROKER_NAMES, BrokerConfig.parse)
    default = BrokerConfig()
    topic = _parse(choices, _TOPIC_NAMES, lambda values: TopicConfig.of(default, values))
    if broker is not None:
        assert BrokerConfig.parse(option_texts(broker)) == broker
    if topic is not None:
        assert TopicConfig.of(default, option_texts(topic)) == topic


def _parse(choices, names, parse):
    values = {}
    for _ in range(choices.below(6)):
        name = _text(choices) if choices.byte() == 0xFF else choices.one_of(names)
        values[name] = None if choices.byte() == 0xFF else _text(choices)
    try:
        return parse(values)
    except ConfigError as error:
        sentence = str(error)
    assert 0 < len(sentence) < 500
    assert "\n" not in sentence
    return None


def _text(choices: Choices) -> str:
    if choices.byte() & 1:
        return choices.one_of(_TEXTS)
    return choices.take(choices.below(100)).decode("utf-8", "replace")


def addresses(data: bytes) -> None:
    """HOST:PORT, or ConfigError."""
    text = data.decode("utf-8", "replace")
    with suppress(ConfigError):
        host, port = parse_address(text, "listen")
        assert host
        assert 0 <= port <= 65535


def topics(data: bytes) -> None:
    """A new topic is refused with a code, or its records make it; no name leaves its directory."""
    choices = Choices(data)
    image, random = Image(brokers={1: BrokerImage(1, 0)}), Random(1)
    for _ in range(1 + choices.below(3)):
        for record in create_topic(image, BrokerConfig(), _topic(choices), random).records:
            image.apply(record)
    for name in image.topics:
        assert refuse_topic_name(name) is None
        assert "/" not in name
        assert "\0" not in name
        assert name not in (".", "..")
        assert name.isascii()


def _topic(choices: Choices) -> NewTopic:
    name = _text(choices)
    configs = {choices.one_of(_TOPIC_NAMES): _text(choices) for _ in range(choices.below(3))}
    assignments = {
        choices.below(4): tuple(choices.below(3) for _ in range(choices.below(3)))
        for _ in range(choices.below(4))
    }
    count = choices.one_of((-1, 0, 1, 3, -2, 10_001, 2**31 - 1))
    factor = choices.one_of((-1, 0, 1, 3, -2, 2**15 - 1))
    return NewTopic(name, count, factor, assignments, configs)
