"""How an option is declared and read from text: Kafka's name, type, range and meaning.

An option is a field of a frozen dataclass; Kafka's name for it is the field's with dots for
underscores (`log_segment_bytes` is `log.segment.bytes`). Text comes from the command line, a file,
the environment or CreateTopics, and is checked here, once.
"""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

_TRUE_OR_FALSE = {"true": True, "false": False}
_NUMBER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_LARGEST_NUMBER = 2**63 - 1
_LONGEST_SHOWN = 80


class ConfigError(ValueError):
    """An option's name or value is wrong; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class OptionRule:
    """What beside its type an option's value must keep to, and what the option means."""

    meaning: str
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    is_list: bool = False


def option(
    default: Any,
    meaning: str,
    *,
    minimum: int | None = None,
    maximum: int | None = None,
    choices: tuple[str, ...] = (),
    is_list: bool = False,
) -> Any:
    """Declare an option as a dataclass field: its default, meaning, and bounds (inclusive)."""
    rule = OptionRule(meaning, minimum, maximum, choices, is_list)
    return dataclasses.field(default=default, metadata={"option": rule})


def option_names(config_class: type) -> list[str]:
    """Kafka's names of the options that this dataclass declares."""
    return [_dotted(field.name) for field in dataclasses.fields(config_class)]


def read_options(config_class: type, values: Mapping[str, str | None]) -> dict[str, Any]:
    """Keyword arguments for `config_class` from texts by Kafka's names; raises ConfigError."""
    fields = {_dotted(field.name): field for field in dataclasses.fields(config_class)}
    arguments: dict[str, Any] = {}
    for name, text in values.items():
        if name not in fields:
            raise ConfigError(unknown_option(name, fields))
        field = fields[name]
        kind = cast(type, type(field.default))
        arguments[field.name] = _read(name, text, kind, field.metadata["option"])
    return arguments


def option_texts(config: Any) -> dict[str, str]:
    """Every option of a config object by Kafka's name, its value as Kafka writes it."""
    return {
        _dotted(field.name): _text(getattr(config, field.name))
        for field in dataclasses.fields(config)
    }


def unknown_option(name: str, known: Iterable[str]) -> str:
    """The sentence for a name that nobody knows, with the nearest that somebody does."""
    import difflib  # Only who made a mistake pays for it: start-up is imports.

    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f"unknown option {shown(name)}" + (f", did you mean {nearest[0]!r}?" if nearest else "")


def shown(text: str) -> str:
    """A text of a user's as a message quotes it: its beginning, if it is long."""
    return repr(text) if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]!r}..."


def _dotted(field_name: str) -> str:
    return field_name.replace("_", ".")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(name: str, text: str | None, kind: type, rule: OptionRule) -> Any:
    if text is None:
        raise ConfigError(f"option {name!r} has no value")
    value: Any = text
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
    if not _NUMBER.fullmatch(text):
        raise ConfigError(f"option {name!r} is a whole number, not {shown(text)}")
    number = int(text)
    maximum = _LARGEST_NUMBER if rule.maximum is None else rule.maximum
    if rule.minimum is not None and number < rule.minimum:
        raise ConfigError(f"option {name!r} is {rule.minimum} at least, not {number}")
    if number > maximum:
        raise ConfigError(f"option {name!r} is {maximum} at most, not {number}")
    return number


def _read_ratio(name: str, text: str) -> float:
    try:
        ratio = float(text)
    except ValueError:
        ratio = math.nan
    if not 0 <= ratio <= 1:
        raise ConfigError(f"option {name!r} is a number from 0 to 1, not {shown(text)}")
    return ratio


def _check_choices(name: str, text: str, rule: OptionRule) -> None:
    for part in text.split(",") if rule.is_list else [text]:
        if part.strip() not in rule.choices:
            allowed = ", ".join(rule.choices)
            raise ConfigError(f"option {name!r} is one of {allowed}, not {shown(part.strip())}")
