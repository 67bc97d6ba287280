"""Options read from text: names, types, ranges, and a sentence for each mistake."""

import dataclasses

import pytest

from minikafka.broker.config import BrokerConfig, TopicConfig
from minikafka.broker.options import (
    ConfigError,
    option_names,
    option_rules,
    option_texts,
    read_options,
    read_what_can_be,
)


def test_a_name_is_the_field_with_dots() -> None:
    assert "log.segment.bytes" in option_names(BrokerConfig)
    assert read_options(BrokerConfig, {"log.segment.bytes": "100"}) == {"log_segment_bytes": 100}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("log.segment.byte", "1", "unknown option 'log.segment.byte', did you mean"),
        ("zzz", "1", "unknown option 'zzz'"),
        (
            "num.partitions",
            "many",
            "'num.partitions' is a whole number from 1 to 2147483647, not 'many'",
        ),
        ("num.partitions", "0", "'num.partitions' is a whole number from 1 to 2147483647, not '0'"),
        ("message.max.bytes", str(2**31), "from 0 to 2147483647, not '2147483648'"),
        ("auto.create.topics.enable", "yes", "is true or false, not 'yes'"),
        ("flush", "never", "option 'flush' is one of fsync, os, not 'never'"),
        ("log.cleanup.policy", "delete,shred", "not 'shred'"),
        ("log.cleanup.policy", "delete, delete", "has a value twice"),
        ("flush", None, "option 'flush' has no value"),
    ],
)
def test_each_mistake_has_its_sentence(name: str, text: str | None, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_options(BrokerConfig, {name: text})


def test_what_is_written_is_read_back() -> None:
    config = TopicConfig(cleanup_policy="compact,delete", preallocate=True, retention_ms=-1)
    assert TopicConfig(**read_options(TopicConfig, option_texts(config))) == config


@pytest.mark.parametrize("text", ["1_000", "1.5", "", "0x10", "٣", "1" * 5000, "--1", "1 000"])
def test_a_number_is_plain_digits(text: str) -> None:
    with pytest.raises(ConfigError, match=r"'retention\.ms' is a whole number"):
        read_options(TopicConfig, {"retention.ms": text})


@pytest.mark.parametrize(("text", "number"), [(" 7 ", 7), ("+7", 7), ("-1", -1)])
def test_a_number_may_have_a_sign_and_space_around_it(text: str, number: int) -> None:
    assert read_options(TopicConfig, {"retention.ms": text}) == {"retention_ms": number}


def test_a_number_without_a_limit_of_its_own_fits_64_bits() -> None:
    largest = 2**63 - 1
    assert read_options(TopicConfig, {"retention.ms": str(largest)}) == {"retention_ms": largest}
    with pytest.raises(ConfigError, match="to 9223372036854775807, not"):
        read_options(TopicConfig, {"retention.ms": str(largest + 1)})


@pytest.mark.parametrize("text", ["half", "nan", "inf", "-0.1", "1.01", ""])
def test_a_ratio_is_a_number_from_0_to_1(text: str) -> None:
    with pytest.raises(ConfigError, match="from 0 to 1"):
        read_options(TopicConfig, {"min.cleanable.dirty.ratio": text})
    read = read_options(TopicConfig, {"min.cleanable.dirty.ratio": "0.25"})
    assert read == {"min_cleanable_dirty_ratio": 0.25}


@pytest.mark.parametrize("name", ["retention.ms", "cleanup.policy", "preallocate", "x" * 30_000])
def test_a_sentence_stays_short_whatever_the_user_wrote(name: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_options(TopicConfig, {name: "\0" * 30_000})
    assert len(str(error.value)) < 600


def test_every_option_says_what_it_means_and_its_default_keeps_to_its_rule() -> None:
    for config_class in (BrokerConfig, TopicConfig):
        defaults = option_texts(config_class())
        # The one text without a default of its own: empty stands for something else.
        read = read_options(config_class, {name: text for name, text in defaults.items() if text})
        assert config_class(**read) == config_class()
        for field in dataclasses.fields(config_class):
            assert field.metadata["option"].meaning


def test_booleans_are_written_as_kafka_writes_them() -> None:
    assert option_texts(TopicConfig(preallocate=True))["preallocate"] == "true"
    assert read_options(TopicConfig, {"preallocate": "TRUE"}) == {"preallocate": True}


def test_what_cannot_be_read_can_be_left_out_with_its_sentence() -> None:
    values = {"retention.ms": "7", "segment.bytes": "huge", "colour": "red"}
    read, complaints = read_what_can_be(TopicConfig, values)
    assert read == {"retention_ms": 7}
    assert ["'segment.bytes' is" in complaints[0], "'colour'" in complaints[1]] == [True, True]


def test_what_a_topic_inherits_can_be_changed_while_the_node_runs() -> None:
    inherited = {rule.inherits for rule in option_rules(TopicConfig).values() if rule.inherits}
    dynamic = {name for name, rule in option_rules(BrokerConfig).items() if rule.is_dynamic}
    assert inherited <= dynamic
    assert dynamic - inherited == {
        "follower.replication.throttled.rate",
        "log.cleaner.backoff.ms",
        "log.cleaner.dedupe.buffer.size",
        "max.connections",
        "producer.id.expiration.ms",
    }
