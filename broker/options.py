"""How an option is declared and read from text: Kafka's name, type, range and meaning.

An option is a field of a frozen dataclass; Kafka's name for it is the field's with dots for
underscores (`log_segment_bytes` is `log.segment.bytes`). Text comes from the command line, a file,
the environment or a request, and is checked here, once.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_TRUE_OR_FALSE = {"true": True, "false": False}
_NUMBER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_LARGEST_NUMBER = 2**63 - 1
_LONGEST_SHOWN = 80


class ConfigError(ValueError):
    """An option's name or value is wrong; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class OptionRule:
    """What an option is, means, and must keep to; its type is that of its default."""

    default: object
    meaning: str
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    is_list: bool = False
    is_dynamic: bool = False
    """Of a node: whether it can be changed while the node runs."""
    inherits: str = ""
    """Of a topic: the node's option that it takes its value from where it has none."""


def option(
    default: Any,
    meaning: str,
    *,
    minimum: int | None = None,
    maximum: int | None = None,
    choices: tuple[str, ...] = (),
    is_list: bool = False,
    is_dynamic: bool = False,
) -> Any:
    """Declare an option as a dataclass field: its default, meaning, and bounds (inclusive)."""
    rule = OptionRule(default, meaning, minimum, maximum, choices, is_list, is_dynamic)
    return dataclasses.field(default=default, metadata={"option": rule})


def inherited(config_class: type, name: str) -> Any:
    """Declare a topic's option that is the node's option `name` unless the topic has its own."""
    rule = dataclasses.replace(option_rules(config_class)[name], inherits=name)
    return dataclasses.field(default=rule.default, metadata={"option": rule})


@functools.cache
def option_rules(config_class: type) -> Mapping[str, OptionRule]:
    """The options that this dataclass declares, by Kafka's names."""
    fields = dataclasses.fields(config_class)
    return {option_name(field.name): field.metadata["option"] for field in fields}


def option_names(config_class: type) -> list[str]:
    """Kafka's names of the options that this dataclass declares."""
    return list(option_rules(config_class))


def read_options(config_class: type, values: Mapping[str, str | None]) -> dict[str, Any]:
    """Keyword arguments for `config_class` from texts by Kafka's names; raises ConfigError."""
    rules = option_rules(config_class)
    arguments: dict[str, Any] = {}
    for name, text in values.items():
        if name not in rules:
            raise ConfigError(unknown_option(name, rules))
        arguments[field_name(name)] = _read(name, text, rules[name])
    return arguments


def read_what_can_be(
    config_class: type, values: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """As `read_options`, but what is wrong is left out, and its sentences are the second value."""
    arguments: dict[str, Any] = {}
    complaints: list[str] = []
    for name, text in values.items():
        try:
            arguments |= read_options(config_class, {name: text})
        except ConfigError as error:
            complaints.append(str(error))
    return arguments, complaints


def option_texts(config: object) -> dict[str, str]:
    """Every option of a config object by Kafka's name, its value as Kafka writes it."""
    rules = option_rules(type(config))
    return {name: option_text(getattr(config, field_name(name))) for name in rules}


def options_set(config: object) -> dict[str, str]:
    """Those that differ from the default, as `option_texts` has them."""
    defaults = option_texts(type(config)())
    return {name: text for name, text in option_texts(config).items() if text != defaults[name]}


def option_text(value: object) -> str:
    """A value as Kafka writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def option_name(field_name: str) -> str:
    """Kafka's name of the option in this field."""
    return field_name.replace("_", ".")


def field_name(name: str) -> str:
    """The field of the option that Kafka calls so."""
    return name.replace(".", "_")


def unknown_option(name: str, known: Iterable[str]) -> str:
    """The sentence for a name that nobody knows, with the nearest that somebody does."""
    import difflib  # Only who made a mistake pays for it: start-up is imports.

    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f"unknown option {shown(name)}" + (f", did you mean {nearest[0]!r}?" if nearest else "")


def shown(text: str) -> str:
    """A text of a user's as a message quotes it: its beginning, if it is long."""
    return repr(text) if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]!r}..."


def _read(name: str, text: str | None, rule: OptionRule) -> Any:
    if text is None:
        raise ConfigError(f"option {name!r} has no value")
    value: Any = text
    kind = type(rule.default)
    if kind is bool:
        if text.lower() not in _TRUE_OR_FALSE:
            raise ConfigError(f"option {name!r} is true or false, not {shown(text)}")
        value = _TRUE_OR_FALSE[text.lower()]
    elif kind is int:
        value = _read_number(name, text.strip(), rule)
    elif kind is float:
        value = _read_ratio(name, text)
    elif rule.choices:
        _check_choices(name, text, rule)
    return value


def _read_number(name: str, text: str, rule: OptionRule) -> int:
    minimum = -_LARGEST_NUMBER if rule.minimum is None else rule.minimum
    maximum = _LARGEST_NUMBER if rule.maximum is None else rule.maximum
    if not _NUMBER.fullmatch(text) or not minimum <= int(text) <= maximum:
        what = f"a whole number from {minimum} to {maximum}"
        raise ConfigError(f"option {name!r} is {what}, not {shown(text)}")
    return int(text)


def _read_ratio(name: str, text: str) -> float:
    try:
        ratio = float(text)
    except ValueError:
        ratio = math.nan
    if not 0 <= ratio <= 1:
        raise ConfigError(f"option {name!r} is a number from 0 to 1, not {shown(text)}")
    return ratio


def _check_choices(name: str, text: str, rule: OptionRule) -> None:
    parts = [part.strip() for part in text.split(",")] if rule.is_list else [text]
    for part in parts:
        if part not in rule.choices:
            allowed = ", ".join(rule.choices)
            raise ConfigError(f"option {name!r} is one of {allowed}, not {shown(part)}")
    if len(set(parts)) < len(parts):
        raise ConfigError(f"option {name!r} has a value twice: {shown(text)}")
