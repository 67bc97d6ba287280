"""An option as an answer describes it: its value, and every place that could give it another.

    source                          synonyms of retention.ms, the first is in force
    DYNAMIC_TOPIC_CONFIG            retention.ms        the topic's own
    DYNAMIC_BROKER_CONFIG           log.retention.ms    this broker's
    DYNAMIC_DEFAULT_BROKER_CONFIG   log.retention.ms    all brokers'
    STATIC_BROKER_CONFIG            log.retention.ms    of the command line, environment or file
    DEFAULT_CONFIG                  log.retention.ms

The broker's last entry is no option: where its control plane listens, which clients learn here.

A topic's option that no option of the node stands behind has its own value as its only synonym, or
none. No option is sensitive: there are no passwords.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ...protocol.api.describe_configs import ConfigSource, ConfigType, DescribeConfigsSynonym
from ...protocol.control_frame import CONTROL_LISTENER
from .. import config
from ..controller.image import TopicImage
from ..controller.live_config import Layers, LiveConfig
from ..options import OptionRule, option_rules, option_texts

_LISTENER = OptionRule("", "HOST:PORT of this node's control plane, which is read only")


class ConfigEntry(NamedTuple):
    """One option of a resource."""

    name: str
    value: str
    rule: OptionRule
    is_read_only: bool
    synonyms: list[DescribeConfigsSynonym]

    @property
    def source(self) -> int:
        """Where the value comes from, a ConfigSource."""
        return self.synonyms[0].source if self.synonyms else ConfigSource.DEFAULT_CONFIG

    @property
    def type(self) -> ConfigType:
        """How a client may read the value."""
        if self.rule.is_list:
            return ConfigType.LIST
        match self.rule.default:
            case bool():
                return ConfigType.BOOLEAN
            case int():
                return self._integer_type()
            case float():
                return ConfigType.DOUBLE
            case _:
                return ConfigType.STRING

    def _integer_type(self) -> ConfigType:
        match self.rule.maximum:
            case config.MAX_INT16:
                return ConfigType.SHORT
            case config.MAX_INT32:
                return ConfigType.INT
            case _:
                return ConfigType.LONG


def topic_entries(live: LiveConfig, topic: TopicImage) -> list[ConfigEntry]:
    """Every option of a topic."""
    own, layers = live.texts_of_topic(topic), live.layers
    in_force = option_texts(live.of_topic(topic))
    entries: list[ConfigEntry] = []
    for name, rule in option_rules(config.TopicConfig).items():
        synonyms = _synonyms(name, {ConfigSource.DYNAMIC_TOPIC_CONFIG: own})
        if rule.inherits:
            synonyms += _synonyms(rule.inherits, _by_source(layers))
        entries.append(ConfigEntry(name, in_force[name], rule, False, synonyms))
    return entries


def broker_entries(live: LiveConfig, control_listener: str) -> list[ConfigEntry]:
    """Every option of this broker, and the HOST:PORT of its control plane."""
    by_source, in_force = _by_source(live.layers), option_texts(live.config)
    options = [
        ConfigEntry(name, in_force[name], rule, not rule.is_dynamic, _synonyms(name, by_source))
        for name, rule in option_rules(config.BrokerConfig).items()
    ]
    by_source = {ConfigSource.STATIC_BROKER_CONFIG: {CONTROL_LISTENER: control_listener}}
    synonyms = _synonyms(CONTROL_LISTENER, by_source)
    return [*options, ConfigEntry(CONTROL_LISTENER, control_listener, _LISTENER, True, synonyms)]


def all_brokers_entries(live: LiveConfig) -> list[ConfigEntry]:
    """The options that are set for all brokers, and no others."""
    texts, rules = live.layers.all_brokers, option_rules(config.BrokerConfig)
    by_source = {ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG: texts}
    return [
        ConfigEntry(name, text, rules[name], False, _synonyms(name, by_source))
        for name, text in texts.items()
    ]


def _by_source(layers: Layers) -> dict[ConfigSource, Mapping[str, str]]:
    return {
        ConfigSource.DYNAMIC_BROKER_CONFIG: layers.this_broker,
        ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG: layers.all_brokers,
        ConfigSource.STATIC_BROKER_CONFIG: layers.static,
        ConfigSource.DEFAULT_CONFIG: layers.default,
    }


def _synonyms(
    name: str, by_source: Mapping[ConfigSource, Mapping[str, str]]
) -> list[DescribeConfigsSynonym]:
    return [
        DescribeConfigsSynonym(name=name, value=texts[name], source=source)
        for source, texts in by_source.items()
        if name in texts
    ]
