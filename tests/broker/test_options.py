"""Options read from text: names, types, ranges, and a sentence for each mistake."""

import pytest

from minikafka.broker.config import BrokerConfig, TopicConfig
from minikafka.broker.options import ConfigError, option_names, option_texts, read_options


def test_a_name_is_the_field_with_dots() -> None:
    assert "log.segment.bytes" in option_names(BrokerConfig)
    assert read_options(BrokerConfig, {"log.segment.bytes": "100"}) == {"log_segment_bytes": 100}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("log.segment.byte", "1", "unknown option 'log.segment.byte', did you mean"),
        ("zzz", "1", "unknown option 'zzz'"),
        ("num.partitions", "many", "option 'num.partitions' is a whole number, not 'many'"),
        ("num.partitions", "0", "option 'num.partitions' is 1 at least, not 0"),
        ("message.max.bytes", str(2**31), "at most"),
        ("auto.create.topics.enable", "yes", "is true or false, not 'yes'"),
        ("flush", "never", "option 'flush' is one of fsync, os, not 'never'"),
        ("log.cleanup.policy", "delete,shred", "not 'shred'"),
        ("flush", None, "option 'flush' has no value"),
    ],
)
def test_each_mistake_has_its_sentence(name: str, text: str | None, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_options(BrokerConfig, {name: text})


def test_what_is_written_is_read_back() -> None:
    config = TopicConfig(cleanup_policy="compact,delete", preallocate=True, retention_ms=-1)
    assert TopicConfig(**read_options(TopicConfig, option_texts(config))) == config
