"""`minikafka produce`: a line of stdin, or of a file, is a record.

    lines -> key and value -> producer -> acknowledgements, counted

It reads as fast as the cluster writes: MAX_IN_FLIGHT records and the producer's buffer are all the
memory it takes. The count goes to stderr; the exit status is 1 if a single record failed.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import click

from ..client.producer import Acks, CompressionName, Producer
from ..protocol.errors import ErrorCode, error_class
from . import session
from .byte_lines import byte_lines
from .failure import Failure
from .in_flight import InFlight
from .producer_options import acks_option, compression_option

MAX_IN_FLIGHT: Final = 50_000
SETTLE_RECORDS: Final = 500
MessageTooLarge: Final = error_class(ErrorCode.MESSAGE_TOO_LARGE)


@dataclass(frozen=True, slots=True)
class Task:
    """What to write, and how."""

    topic: str
    key_delimiter: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    partition: int | None
    acks: Acks
    compression: CompressionName


@click.command()
@click.argument("topic")
@click.option("--key-delimiter", metavar="TEXT", help="What stands between key and value.")
@click.option("--header", "headers", metavar="NAME=VALUE", multiple=True, help="On each record.")
@click.option("--partition", type=click.IntRange(min=0), help="Default: by the key.")
@acks_option
@compression_option
@click.option("--file", metavar="FILE", help="Read this file in place of stdin.")
@session.cluster_options
def produce(
    topic: str,
    key_delimiter: str | None,
    headers: tuple[str, ...],
    file: str | None,
    bootstrap: str,
    **options: Any,
) -> None:
    """Write a record to TOPIC for each line.

    A line without the key delimiter is a record without a key.

    \b
    Examples:
      echo hello | minikafka produce greetings
      minikafka produce orders --file orders.txt --key-delimiter : --compression lz4
    """
    task = Task(
        topic,
        key_delimiter.encode() if key_delimiter else None,
        tuple(_header(text) for text in headers),
        options["partition"],
        options["acks"],
        options["compression"],
    )
    with _open(file) as descriptor:
        session.run(_produce(bootstrap, task, descriptor))


async def _produce(bootstrap: str, task: Task, descriptor: int) -> None:
    """Send every line; Failure if one was not written."""
    producer = Producer(
        bootstrap_servers=bootstrap,
        acks=task.acks,
        compression_type=task.compression,
        request_timeout_ms=session.REQUEST_TIMEOUT_MS,
    )
    in_flight = InFlight()
    try:
        async with await session.connect(producer):
            await _send_lines(producer, task, descriptor, in_flight)
    finally:
        in_flight.count_answered()
        click.echo(f"{in_flight.acknowledged_count} records acknowledged", err=True)
    if in_flight.first_error is not None:
        raise Failure(f"{in_flight.failed_count} records failed: {in_flight.first_error}")


async def _send_lines(producer: Producer, task: Task, descriptor: int, in_flight: InFlight) -> None:
    line_count = 0
    async for line in byte_lines(descriptor):
        key, value = _split(line, task.key_delimiter)
        try:
            in_flight.add(await producer.send(task.topic, value, key, task.headers, task.partition))
        except MessageTooLarge as error:
            in_flight.fail(error)
        except ValueError as error:
            raise Failure(str(error)) from error
        line_count += 1
        if line_count % SETTLE_RECORDS == 0:
            await in_flight.settle(MAX_IN_FLIGHT)
    await in_flight.settle(0)


def _split(line: bytes, key_delimiter: bytes | None) -> tuple[bytes | None, bytes]:
    """The key and the value of a line."""
    if key_delimiter is None or key_delimiter not in line:
        return None, line
    key, _, value = line.partition(key_delimiter)
    return key, value


def _header(text: str) -> tuple[str, bytes]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"--header takes NAME=VALUE, not {text!r}")
    return name, value.encode()


@contextmanager
def _open(file: str | None) -> Generator[int]:
    """The descriptor of a file, or of stdin; raises click.UsageError."""
    if file is None:
        yield sys.stdin.fileno()
        return
    try:
        opened = open(file, "rb", buffering=0)  # noqa: SIM115 - closed below; here errors are ours
    except OSError as error:
        raise click.UsageError(f"cannot read {file}: {error.strerror}") from error
    with opened:
        yield opened.fileno()
