"""`minikafka config`: what the declarations of options say, and how they differ from Kafka's."""

import json

from minikafka.broker.config import BrokerConfig, TopicConfig
from minikafka.broker.options import option_names
from minikafka.cli.kafka_differences import DIFFERENCES

from .conftest import Command


def test_every_option_is_listed_and_can_be_explained(minikafka: Command) -> None:
    rows = [json.loads(line) for line in minikafka("config", "list", "-o", "json").out.splitlines()]
    expected = [
        (name, scope)
        for scope, config_class in (("node", BrokerConfig), ("topic", TopicConfig))
        for name in option_names(config_class)
    ]
    assert [(row["option"], row["of"]) for row in rows] == expected
    for name, scope in expected:
        outcome = minikafka("config", "explain", name)
        assert outcome.status == 0
        assert f"{name}, of a {scope}: " in outcome.out


def test_an_option_is_explained_line_by_line(minikafka: Command) -> None:
    title, *facts = minikafka("config", "explain", "log.segment.bytes").out.splitlines()
    assert title == "log.segment.bytes, of a node: size at which a segment is rolled"
    assert {fact[:16].strip(): fact[16:] for fact in facts} == {
        "type": "whole number",
        "values": "14 to 2147483647",
        "default": "1073741824",
        "set by": "minikafka serve -c log.segment.bytes=VALUE, MINIKAFKA_LOG_SEGMENT_BYTES, a file"
        "; while it runs by AlterConfigs",
        "overridden by": "a topic's segment.bytes",
        "kafka": "1 MiB at least, since Kafka 4.0",
        "here": "14 bytes at least",
        "why": "tests roll segments",
    }


def test_an_option_of_both_is_explained_for_each(minikafka: Command) -> None:
    lines = minikafka("config", "explain", "compression.type", "-o", "json").out.splitlines()
    node, topic = map(json.loads, lines)
    assert (node["of"], node["default"]) == ("node", "producer")
    assert node["overridden_by"] == "a topic's compression.type"
    assert (topic["of"], topic["default"]) == ("topic", "the node's compression.type")


def test_differences_name_options_that_there_are() -> None:
    known = {*option_names(BrokerConfig), *option_names(TopicConfig)}
    named = [name for difference in DIFFERENCES for name in difference.options]
    assert set(named) <= known
    assert len(named) == len(set(named))
