"""The options of commands that write: --acks and --compression, as the producer takes them."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from ..client.producer import Acks

ACKS: Final[dict[str, Acks]] = {"all": "all", "1": 1, "0": 0}
COMPRESSIONS: Final = ("none", "gzip", "snappy", "lz4", "zstd")

Command = TypeVar("Command", bound=Callable[..., Any])


def acks_option(command: Command) -> Command:
    """Give a command --acks, whose value is "all", 1 or 0."""
    return click.option(
        "--acks",
        type=click.Choice(list(ACKS)),
        default="all",
        show_default=True,
        callback=_to_acks,
        help="Who has to have a record before it is acknowledged.",
    )(command)


def compression_option(command: Command) -> Command:
    """Give a command --compression, whose value is the codec's name."""
    return click.option(
        "--compression",
        type=click.Choice(COMPRESSIONS),
        default="none",
        show_default=True,
        help="Of record batches.",
    )(command)


def _to_acks(context: click.Context, parameter: click.Parameter, value: str) -> Acks:
    return ACKS[value]
