"""From a click command to the client and back: one event loop, and errors as exit statuses.

    run(work)              runs a coroutine; CannotConnect -> 3, any other KafkaError -> 1
    await connect(client)  starts a producer, consumer or admin client; no answer is CannotConnect

`cluster_options` gives a command -b/--bootstrap, `output_option` gives it -o/--output.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

import click

from ..client.errors import CannotConnect, KafkaError, KafkaTimeout
from ..client.settings import parse_servers
from .failure import Failure, NoBroker

REQUEST_TIMEOUT_MS: Final = 10_000
"""What a person at a terminal waits for an answer; the client's own default suits programs."""

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])


class Client(Protocol):
    """What Producer, Consumer and AdminClient have in common."""

    async def start(self) -> Any:
        """Find the cluster."""
        ...


C = TypeVar("C", bound=Client)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on a fresh event loop; raises Failure where Kafka says no.

    Ctrl-C cancels `work`, as does a signal that a command handles: both end in KeyboardInterrupt.
    """
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(work)
    except asyncio.CancelledError as error:
        raise KeyboardInterrupt from error
    except CannotConnect as error:
        raise NoBroker(str(error)) from error
    except KafkaError as error:
        raise Failure(str(error)) from error


async def connect(client: C) -> C:
    """Start a client; `async with await connect(...)` also closes it. Raises CannotConnect."""
    try:
        await client.start()
    except KafkaTimeout as error:
        raise CannotConnect(str(error)) from error
    return client


def cluster_options(command: Command) -> Command:
    """Give a command the option -b/--bootstrap, checked."""
    return click.option(
        "-b",
        "--bootstrap",
        metavar="HOST:PORT[,...]",
        envvar="MINIKAFKA_BOOTSTRAP",
        default="127.0.0.1:9092",
        show_default=True,
        callback=_check_bootstrap,
        help="Brokers to ask for the cluster (or MINIKAFKA_BOOTSTRAP).",
    )(command)


def output_option(command: Command) -> Command:
    """Give a command the option -o/--output."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        help="A table for people, or JSON for programs, an object on a line.",
    )(command)


def _check_bootstrap(context: click.Context, parameter: click.Parameter, value: str) -> str:
    try:
        parse_servers(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it exists; None is asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
