"""The options in force: what the node was started with, and what has been changed since. PURE.

    a topic's option    its own text, else the node's option that it inherits, which is
    a node's option     this broker's dynamic text      BrokerConfigsChanged, by the broker's id
                        else that of all brokers        BrokerConfigsChanged, by the empty name
                        else the static one             command line, environment, file
                        else the default

A text in the metadata log that this version refuses (a newer one may have written it) does not
count: what is below it holds. A static value that is the default cannot be told from none.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..config import BrokerConfig, TopicConfig
from ..options import option_name, option_text, option_texts, options_set, read_what_can_be
from .image import ALL_BROKERS, Image, TopicImage


class Layers(NamedTuple):
    """Where a node's options come from, the first wins: texts by Kafka's names."""

    this_broker: Mapping[str, str]
    all_brokers: Mapping[str, str]
    static: Mapping[str, str]
    default: Mapping[str, str]


class LiveConfig:
    """One node's options and its topics'; `reload` after each BrokerConfigsChanged."""

    def __init__(self, static: BrokerConfig, image: Image) -> None:
        self.config = static
        """The node's options, now."""
        self._static = static
        self._image = image
        self.reload()

    @property
    def layers(self) -> Layers:
        """All texts of this node's options."""
        static, defaults = options_set(self._static), option_texts(BrokerConfig())
        own, of_all = self._dynamic()
        return Layers(_texts(own), _texts(of_all), static, defaults)

    def reload(self) -> None:
        """Read the dynamic options anew."""
        own, of_all = self._dynamic()
        self.config = dataclasses.replace(self._static, **of_all | own)

    def of_topic(self, topic: TopicImage) -> TopicConfig:
        """The options of a topic, now."""
        return TopicConfig.over(self.config, _own(topic))

    def texts_of_topic(self, topic: TopicImage) -> dict[str, str]:
        """The topic's own options."""
        return _texts(_own(topic))

    def complaints(self) -> Iterator[str]:
        """A sentence for each text in the metadata log that does not count."""
        for broker, texts in self._image.broker_configs.items():
            for complaint in read_what_can_be(BrokerConfig, texts)[1]:
                yield f"broker {broker or 'default'}: {complaint}"
        for name, topic in self._image.topics.items():
            for complaint in read_what_can_be(TopicConfig, topic.configs)[1]:
                yield f"topic {name}: {complaint}"

    def _dynamic(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What is set for this broker, and what for all brokers, by field."""
        dynamic = self._image.broker_configs
        own, _ = read_what_can_be(BrokerConfig, dynamic.get(str(self._static.node_id), {}))
        of_all, _ = read_what_can_be(BrokerConfig, dynamic.get(ALL_BROKERS, {}))
        return own, of_all


def _own(topic: TopicImage) -> dict[str, Any]:
    """What is set for a topic, by field."""
    return read_what_can_be(TopicConfig, topic.configs)[0]


def _texts(arguments: Mapping[str, Any]) -> dict[str, str]:
    return {option_name(field): option_text(value) for field, value in arguments.items()}
