"""`minikafka config`: what the options of nodes and topics mean, from their declarations.

It asks no broker: what one is configured to is in `minikafka topic describe` and DescribeConfigs.
"""

from typing import Any, Final, NamedTuple

import click

from ..broker.config import STORED_ONLY, BrokerConfig, TopicConfig
from ..broker.options import OptionRule, option_rules, option_text, unknown_option
from .kafka_differences import difference_of
from .node_options import ENVIRONMENT_PREFIX
from .session import output_option
from .table import show

LIST_COLUMNS: Final = ("option", "of", "default", "meaning")
NODE: Final = "node"
TOPIC: Final = "topic"
_LABEL_WIDTH: Final = 14


class Option(NamedTuple):
    """One option of nodes or of topics; some names are both."""

    name: str
    scope: str
    rule: OptionRule


@click.group()
def config() -> None:
    """Explain the options of nodes and topics.

    \b
    Example:
      minikafka config explain log.segment.bytes
    """


@config.command("list")
@output_option
def list_(output: str) -> None:
    """List every option, its default and its meaning.

    \b
    Example:
      minikafka config list
    """
    rows = ((each.name, each.scope, _default(each), _meaning(each)) for each in _options())
    show(output, LIST_COLUMNS, rows)


@config.command()
@click.argument("name")
@output_option
def explain(name: str, output: str) -> None:
    """Say what the option NAME means, what it can be, and how it differs from Kafka's.

    \b
    Examples:
      minikafka config explain retention.ms
      minikafka config explain socket.request.max.bytes -o json
    """
    found = [each for each in _options() if each.name == name]
    if not found:
        raise click.UsageError(
            unknown_option(name, dict.fromkeys(each.name for each in _options()))
        )
    for index, each in enumerate(found):
        facts = _facts(each)
        if output == "json":
            show(output, tuple(facts), [tuple(facts.values())])
            continue
        click.echo(("\n" if index else "") + f"{name}, of a {each.scope}: {_meaning(each)}")
        for label, fact in facts.items():
            if label not in ("option", "of", "meaning") and fact is not None:
                click.echo(f"  {label.replace('_', ' '):<{_LABEL_WIDTH}}{fact}")


def _options() -> list[Option]:
    """All of them, those of a node first."""
    classes = ((NODE, BrokerConfig), (TOPIC, TopicConfig))
    return [
        Option(name, scope, rule)
        for scope, config_class in classes
        for name, rule in option_rules(config_class).items()
    ]


def _facts(option: Option) -> dict[str, str | None]:
    """What there is to say, a line each; None for nothing."""
    name, scope, rule = option
    difference = difference_of(name)
    return {
        "option": name,
        "of": scope,
        "meaning": _meaning(option),
        "type": _type(rule),
        "values": _values(rule),
        "default": _default(option),
        "set_by": _set_by(option),
        "overridden_by": _overridden_by(option),
        "kafka": None if difference is None else difference.kafka,
        "here": None if difference is None else difference.here,
        "why": None if difference is None else difference.why,
    }


def _meaning(option: Option) -> str:
    unread = " (nothing reads it yet)" if option.name in STORED_ONLY else ""
    return option.rule.meaning + unread


def _type(rule: OptionRule) -> str:
    if rule.is_list:
        return "list, with commas"
    kinds: dict[type[Any], str] = {bool: "true or false", int: "whole number", float: "number"}
    return kinds.get(type(rule.default), "text")


def _values(rule: OptionRule) -> str | None:
    """What it can be, as far as that is bounded."""
    if rule.choices:
        return ", ".join(rule.choices)
    if isinstance(rule.default, float):
        return "0 to 1"
    if rule.minimum is None and rule.maximum is None:
        return None
    least = "" if rule.minimum is None else f"{rule.minimum} "
    return f"from {least}on" if rule.maximum is None else f"{least}to {rule.maximum}"


def _default(option: Option) -> str:
    if option.rule.inherits:
        return f"the node's {option.rule.inherits}"
    return option_text(option.rule.default) or "empty"


def _set_by(option: Option) -> str:
    """Where a value is given."""
    if option.scope == TOPIC:
        return f"minikafka topic alter NAME -c {option.name}=VALUE"
    variable = ENVIRONMENT_PREFIX + option.name.upper().replace(".", "_")
    running = "; while it runs by AlterConfigs" if option.rule.is_dynamic else ""
    return f"minikafka serve -c {option.name}=VALUE, {variable}, a file{running}"


def _overridden_by(option: Option) -> str | None:
    """The topic's option that this one of the node is the default of."""
    if option.scope == TOPIC:
        return None
    rules = option_rules(TopicConfig).items()
    heirs = [name for name, rule in rules if rule.inherits == option.name]
    return f"a topic's {heirs[0]}" if heirs else None
