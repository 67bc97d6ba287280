"""How options change: a request for one topic or broker in, a record out. PURE.

One wrong option refuses the whole resource. The errors are Kafka's but for one: a value that a
broker's option cannot have is INVALID_CONFIG, as for a topic's, where Kafka answers INVALID_REQUEST
(and calls that a mistake, KAFKA-13609).

APPEND and SUBTRACT start, as in Kafka, from the resource's own value or else from the default, not
from what is inherited. A DELETE of what is not set changes nothing, whatever its name.

Another min.insync.replicas also empties the ELRs that it concerns: who left an ISR that was too
small then may lack what an ISR that is large enough now acknowledges.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ...protocol.api.describe_configs import ConfigResourceType
from ...protocol.api.incremental_alter_configs import AlterConfigOperation
from ...protocol.errors import ErrorCode
from ..config import BrokerConfig, TopicConfig
from ..options import ConfigError, option_rules, option_text, read_options, shown, unknown_option
from .decide import MIN_INSYNC_REPLICAS, Decision, refuse_topic_name
from .image import ALL_BROKERS, Image, Record
from .leadership import all_partitions, change_of

_OPERATIONS = frozenset(AlterConfigOperation)


@dataclass(frozen=True, slots=True)
class OptionChange:
    """What to do with one option; the operation is one of AlterConfigOperation."""

    name: str
    operation: int
    value: str | None


@dataclass(frozen=True, slots=True)
class Alteration:
    """What to do with the options of one resource; with `replaces_all` those not named go."""

    resource_type: int
    resource_name: str
    changes: Sequence[OptionChange]
    replaces_all: bool = False


class _Resource(NamedTuple):
    """What is altered: the class of its options, those that it has set, and the record so far."""

    config_class: type
    texts: Mapping[str, str]
    record: Record


def alter_configs(image: Image, alteration: Alteration) -> Decision:
    """The change of a topic's options, or of those of one broker or of all brokers."""
    message = _refuse_changes(alteration.changes)
    if message is not None:
        return Decision([], ErrorCode.INVALID_REQUEST, message)
    match alteration.resource_type:
        case ConfigResourceType.TOPIC:
            resource = _find_topic(image, alteration.resource_name)
        case ConfigResourceType.BROKER:
            resource = _find_broker(image, alteration)
        case other:
            message = f"resources of type {other} have no options here"
            return Decision([], ErrorCode.INVALID_REQUEST, message)
    if isinstance(resource, Decision):
        return resource
    try:
        changed = _changed_texts(resource, alteration)
    except ConfigError as error:
        return Decision([], ErrorCode.INVALID_CONFIG, str(error))
    if not changed:
        return Decision([])
    records: list[Record] = [{**resource.record, "changes": changed}]
    if MIN_INSYNC_REPLICAS in changed:
        records += _forget_eligible(image, alteration)
    return Decision(records)


def _forget_eligible(image: Image, alteration: Alteration) -> list[Record]:
    """Empty the ELRs where the ISR may be large enough from now on, as Kafka does.

    Where it is empty, nothing can be acknowledged before an election, which looks at it anew.
    """
    is_topic = alteration.resource_type == ConfigResourceType.TOPIC
    return [
        record
        for topic, partition in all_partitions(image)
        if partition.elr and partition.isr
        if topic.name == alteration.resource_name or not is_topic
        for record in change_of(
            topic,
            partition,
            replace(partition, elr=(), partition_epoch=partition.partition_epoch + 1),
        )
    ]


def _refuse_changes(changes: Sequence[OptionChange]) -> str | None:
    if len({change.name for change in changes}) < len(changes):
        return "an option is named twice"
    for change in changes:
        if change.operation not in _OPERATIONS:
            return f"there is no operation {change.operation}"
        if change.value is None and change.operation != AlterConfigOperation.DELETE:
            return f"option {shown(change.name)} has no value"
    return None


def _find_topic(image: Image, name: str) -> _Resource | Decision:
    topic = image.topics.get(name)
    if topic is not None:
        record = {"type": "TopicConfigsChanged", "topic_id": topic.topic_id}
        return _Resource(TopicConfig, topic.configs, record)
    reason = refuse_topic_name(name)
    if reason is not None:
        return Decision([], ErrorCode.INVALID_TOPIC_EXCEPTION, reason)
    return Decision([], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)


def _find_broker(image: Image, alteration: Alteration) -> _Resource | Decision:
    name, message = alteration.resource_name, None
    rules = option_rules(BrokerConfig)
    if name not in (ALL_BROKERS, *map(str, image.brokers)):
        message = f"{shown(name)} is no broker; brokers are {_brokers(image)}, or '' for all"
    for change in alteration.changes:
        rule = rules.get(change.name)
        is_set = change.operation != AlterConfigOperation.DELETE
        if is_set and rule is not None and not rule.is_dynamic:
            message = f"option {change.name!r} cannot be changed while the broker runs"
    if message is not None:
        return Decision([], ErrorCode.INVALID_REQUEST, message)
    record = {"type": "BrokerConfigsChanged", "broker": name}
    return _Resource(BrokerConfig, image.broker_configs.get(name, {}), record)


def _brokers(image: Image) -> str:
    return ", ".join(map(str, sorted(image.brokers)))


def _changed_texts(resource: _Resource, alteration: Alteration) -> dict[str, str | None]:
    """New texts by name, None for the default; raises ConfigError."""
    after = {change.name: _new_text(resource, change) for change in alteration.changes}
    if alteration.replaces_all:
        after = dict.fromkeys(resource.texts) | after
    return {name: text for name, text in after.items() if text != resource.texts.get(name)}


def _new_text(resource: _Resource, change: OptionChange) -> str | None:
    match change.operation:
        case AlterConfigOperation.DELETE:
            return None
        case AlterConfigOperation.APPEND | AlterConfigOperation.SUBTRACT:
            text = _changed_list(resource, change)
        case _:
            text = change.value
    read_options(resource.config_class, {change.name: text})
    return text


def _changed_list(resource: _Resource, change: OptionChange) -> str:
    rules = option_rules(resource.config_class)
    rule = rules.get(change.name)
    if rule is None:
        raise ConfigError(unknown_option(change.name, rules))
    if not rule.is_list:
        raise ConfigError(f"option {change.name!r} is not a list: it can be set, not added to")
    before = resource.texts.get(change.name, option_text(rule.default)).split(",")
    given = (change.value or "").split(",")
    if change.operation == AlterConfigOperation.APPEND:
        return ",".join([*before, *(each for each in given if each not in before)])
    return ",".join(each for each in before if each not in given)
