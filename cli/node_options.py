"""Where a node's options come from, and which source wins.

    command line  >  environment  >  file  >  default

    --flush os, -c log.segment.bytes=1048576
    MINIKAFKA_LOG_SEGMENT_BYTES=1048576
    log.segment.bytes = 1048576            in the TOML file of --config; [log] segment.bytes = ...
                                           and ["log.segment.bytes"] are the same key

All sources use Kafka's names and give texts; broker/config.py knows their types, ranges and
meanings. A wrong name or value is refused with the source that it came from.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import click

from ..broker.config import BrokerConfig
from ..broker.options import ConfigError

ENVIRONMENT_PREFIX: Final = "MINIKAFKA_"
NOT_NODE_OPTIONS: Final = frozenset({"MINIKAFKA_BOOTSTRAP"})
"""Variables of our prefix that other commands read."""


def build_config(
    command_line: Mapping[str, str], environment: Mapping[str, str], file: str | None
) -> BrokerConfig:
    """The node's options out of all sources; raises click.UsageError with a sentence."""
    merged: dict[str, str] = {}
    sources: list[tuple[str, Mapping[str, str]]] = [
        ("environment: ", read_environment(environment)),
        ("", command_line),
    ]
    if file is not None:
        sources.insert(0, (f"{file}: ", read_file(file)))
    for prefix, values in sources:
        try:
            BrokerConfig.parse(values)
        except ConfigError as error:
            raise click.UsageError(f"{prefix}{error}") from None
        merged |= values
    return BrokerConfig.parse(merged)


def read_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The options among environment variables: MINIKAFKA_NODE_ID is node.id."""
    return {
        name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("_", "."): value
        for name, value in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX) and name not in NOT_NODE_OPTIONS
    }


def read_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """The options among texts KEY=VALUE; raises click.BadParameter."""
    options: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"-c takes KEY=VALUE, not {pair!r}")
        options[name.strip()] = value.strip()
    return options


def read_file(path: str) -> dict[str, str]:
    """The options of a TOML file; raises click.UsageError where it cannot be read."""
    import tomllib  # Only who gives a file pays for the parser: start-up is imports.

    try:
        with open(path, "rb") as file:
            return dict(_flatten(tomllib.load(file), ""))
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise click.UsageError(f"{path} is not TOML: {error}") from error


def _flatten(table: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, str]]:
    """A table's keys with dots, and its values as texts: {a: {b: true}} gives (a.b, "true")."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(cast(dict[str, Any], value), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(_text, cast(list[Any], value)))
    return str(value)
