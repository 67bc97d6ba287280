"""Changes of options: each check, each operation, and what is written."""

import copy

import pytest

from minikafka.broker.controller.decide import Decision
from minikafka.broker.controller.decide_configs import Alteration, OptionChange, alter_configs
from minikafka.broker.controller.image import BrokerImage, Image, TopicImage
from minikafka.protocol.api.describe_configs import ConfigResourceType
from minikafka.protocol.api.incremental_alter_configs import AlterConfigOperation
from minikafka.protocol.errors import ErrorCode

TOPIC, BROKER = ConfigResourceType.TOPIC, ConfigResourceType.BROKER
SET, DELETE, APPEND, SUBTRACT = AlterConfigOperation
ORDERS = b"\x01" * 16

Change = tuple[str, int, str | None]


def image_of(configs: dict[str, str] | None = None) -> Image:
    """A cluster with the topic "orders", and brokers 1 and 3."""
    image = Image()
    image.brokers = {each: BrokerImage(each, each) for each in (1, 3)}
    image.topics["orders"] = TopicImage("orders", ORDERS, configs or {})
    image.topic_names[ORDERS] = "orders"
    return image


def altered(
    image: Image, kind: int, name: str, *changes: Change, replaces: bool = False
) -> Decision:
    """What becomes of these changes; the image stays as it is."""
    before = copy.deepcopy(image)
    alteration = Alteration(kind, name, [OptionChange(*each) for each in changes], replaces)
    decision = alter_configs(image, alteration)
    assert image == before
    return decision


def changes_of(decision: Decision) -> dict[str, str | None]:
    """What the one record changes."""
    assert decision.error_code is ErrorCode.NONE, decision
    (record,) = decision.records
    return record["changes"]


def test_a_change_of_a_topic_is_one_record() -> None:
    image = image_of({"segment.bytes": "100", "retention.ms": "1"})
    changes: list[Change] = [("retention.ms", SET, "7"), ("segment.bytes", DELETE, None)]
    decision = altered(image, TOPIC, "orders", *changes)
    expected = {"retention.ms": "7", "segment.bytes": None}
    assert decision == Decision(
        [{"type": "TopicConfigsChanged", "topic_id": ORDERS, "changes": expected}]
    )


@pytest.mark.parametrize("name", ["", "1", "3"])
def test_a_change_of_one_broker_or_all_is_one_record(name: str) -> None:
    decision = altered(image_of(), BROKER, name, ("log.retention.ms", SET, "7"))
    expected = {"log.retention.ms": "7"}
    assert decision == Decision(
        [{"type": "BrokerConfigsChanged", "broker": name, "changes": expected}]
    )


def test_what_changes_nothing_writes_nothing() -> None:
    image = image_of({"retention.ms": "7"})
    changes: list[Change] = [("retention.ms", SET, "7"), ("segment.ms", DELETE, None)]
    assert altered(image, TOPIC, "orders", *changes) == Decision([])
    assert altered(image, TOPIC, "orders", ("unheard.of", DELETE, None)) == Decision([])


def test_replacing_takes_away_what_is_not_named() -> None:
    image = image_of({"retention.ms": "7", "segment.bytes": "100"})
    change = ("retention.ms", SET, "8")
    decision = altered(image, TOPIC, "orders", change, replaces=True)
    assert changes_of(decision) == {"retention.ms": "8", "segment.bytes": None}
    decision = altered(image, TOPIC, "orders", replaces=True)
    assert changes_of(decision) == {"retention.ms": None, "segment.bytes": None}


@pytest.mark.parametrize(
    ("before", "operation", "value", "after"),
    [
        (None, APPEND, "compact", "delete,compact"),
        ("compact", APPEND, "delete", "compact,delete"),
        ("compact", APPEND, "compact,delete", "compact,delete"),
        ("compact,delete", SUBTRACT, "delete", "compact"),
        ("compact,delete", SUBTRACT, "nothing like it", None),
    ],
)
def test_lists_are_added_to_and_taken_from(
    before: str | None, operation: int, value: str, after: str | None
) -> None:
    image = image_of({} if before is None else {"cleanup.policy": before})
    decision = altered(image, TOPIC, "orders", ("cleanup.policy", operation, value))
    if after is None:
        assert decision == Decision([])
    else:
        assert changes_of(decision) == {"cleanup.policy": after}


REFUSED: list[tuple[int, str, list[Change], ErrorCode, str]] = [
    (TOPIC, "unknown", [], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ""),
    (TOPIC, "a/b", [], ErrorCode.INVALID_TOPIC_EXCEPTION, "letters"),
    (TOPIC, "orders", [("retention.ms", SET, "x")], ErrorCode.INVALID_CONFIG, "from -1 to"),
    (TOPIC, "orders", [("retention.md", SET, "1")], ErrorCode.INVALID_CONFIG, "'retention.ms'"),
    (TOPIC, "orders", [("log.retention.ms", SET, "1")], ErrorCode.INVALID_CONFIG, "unknown"),
    (TOPIC, "orders", [("retention.ms", SET, None)], ErrorCode.INVALID_REQUEST, "no value"),
    (TOPIC, "orders", [("retention.ms", 4, "1")], ErrorCode.INVALID_REQUEST, "operation 4"),
    (TOPIC, "orders", [("retention.ms", SET, "1")] * 2, ErrorCode.INVALID_REQUEST, "twice"),
    (TOPIC, "orders", [("retention.ms", APPEND, "1")], ErrorCode.INVALID_CONFIG, "not a list"),
    (TOPIC, "orders", [("unheard.of", SUBTRACT, "1")], ErrorCode.INVALID_CONFIG, "unknown"),
    (TOPIC, "orders", [("cleanup.policy", APPEND, "x")], ErrorCode.INVALID_CONFIG, "'x'"),
    (TOPIC, "orders", [("cleanup.policy", SUBTRACT, "delete")], ErrorCode.INVALID_CONFIG, "''"),
    (BROKER, "2", [], ErrorCode.INVALID_REQUEST, "brokers are 1, 3"),
    (BROKER, "one", [], ErrorCode.INVALID_REQUEST, "brokers are 1, 3"),
    (BROKER, "1", [("node.id", SET, "2")], ErrorCode.INVALID_REQUEST, "cannot be changed"),
    (BROKER, "", [("flush", SET, "os")], ErrorCode.INVALID_REQUEST, "cannot be changed"),
    (BROKER, "1", [("max.connections", SET, "0")], ErrorCode.INVALID_CONFIG, "from 1 to"),
    (BROKER, "1", [("max.conections", SET, "1")], ErrorCode.INVALID_CONFIG, "max.connections"),
    (ConfigResourceType.BROKER_LOGGER, "1", [], ErrorCode.INVALID_REQUEST, "type 8"),
    (ConfigResourceType.CLIENT_METRICS, "a", [], ErrorCode.INVALID_REQUEST, "type 16"),
    (ConfigResourceType.GROUP, "a", [], ErrorCode.INVALID_REQUEST, "type 32"),
    (0, "", [], ErrorCode.INVALID_REQUEST, "type 0"),
]


@pytest.mark.parametrize(("kind", "name", "changes", "error_code", "sentence"), REFUSED)
def test_each_refusal_has_its_error_and_nothing_is_written(
    kind: int, name: str, changes: list[Change], error_code: ErrorCode, sentence: str
) -> None:
    decision = altered(image_of(), kind, name, *changes)
    assert (decision.error_code, decision.records) == (error_code, [])
    assert sentence in (decision.message or "")


def test_one_wrong_option_refuses_all_of_the_resource() -> None:
    changes: list[Change] = [("segment.bytes", SET, "100"), ("retention.ms", SET, "x")]
    assert altered(image_of(), TOPIC, "orders", *changes).records == []


def test_what_a_newer_version_set_can_be_taken_away_and_does_not_stop_other_changes() -> None:
    image = image_of({"colour": "red"})
    assert changes_of(altered(image, TOPIC, "orders", ("colour", DELETE, None))) == {"colour": None}
    assert changes_of(altered(image, TOPIC, "orders", ("retention.ms", SET, "1")))
