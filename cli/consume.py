"""`minikafka consume`: records of some topics to stdout, from a position on.

    --from -> an offset in each partition -> getmany -> format -> stdout

Reads all partitions of the topics without a group: nothing is committed. It goes on for ever, or to
--max records, or (--exit-at-end) to what was the end when it began. Ctrl-C ends it, and so does a
reader that leaves the pipe.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import click

from ..client.consumer import Consumer
from ..client.metadata import TopicPartition
from ..client.record import ConsumerRecord
from . import session
from .record_format import DEFAULT_FORMAT, Formatter, json_line, parse_format
from .start_position import GRAMMAR, AtTime, StartPosition, parse_start_position, start_offset

POLL_MS: Final = 1000
POLL_RECORDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Task:
    """What to read, and how to write it."""

    topics: tuple[str, ...]
    start: StartPosition
    max_records: int | None
    exit_at_end: bool
    formatter: Formatter


@click.command()
@click.argument("topics", nargs=-1, required=True)
@click.option(
    "--from", "start", default="beginning", show_default=True, metavar="WHERE", help=f"{GRAMMAR}."
)
@click.option("--max", "max_records", type=click.IntRange(min=0), help="Stop after N records.")
@click.option("--exit-at-end", is_flag=True, help="Stop at what is the end now.")
@click.option(
    "--format",
    "format_text",
    default=DEFAULT_FORMAT,
    show_default=True,
    metavar="FORMAT",
    help=r"kcat's tokens: %t %p %o %k %v %s %S %K %T %h \n \t.",
)
@session.output_option
@session.cluster_options
def consume(
    topics: tuple[str, ...],
    start: str,
    max_records: int | None,
    exit_at_end: bool,
    format_text: str,
    output: str,
    bootstrap: str,
) -> None:
    """Read the records of TOPICS.

    \b
    Examples:
      minikafka consume orders --exit-at-end --format '%t [%p] %o %k %v\\n'
      minikafka consume orders payments --from -10 -o json
      minikafka consume orders --from @2026-01-31T12:00:00Z --max 5
    """
    try:
        position = parse_start_position(start)
        formatter = json_line if output == "json" else parse_format(format_text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    task = Task(topics, position, max_records, exit_at_end, formatter)
    session.run(_consume(bootstrap, task))


async def _consume(bootstrap: str, task: Task) -> None:
    consumer = Consumer(
        *task.topics,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
        request_timeout_ms=session.REQUEST_TIMEOUT_MS,
    )
    async with await session.connect(consumer):
        ends = await _seek(consumer, task.start)
        room = task.max_records
        while not (room == 0 or (task.exit_at_end and await _has_reached(consumer, ends))):
            limit = POLL_RECORDS if room is None else min(room, POLL_RECORDS)
            batches = await consumer.getmany(POLL_MS, limit)
            records = [each for name in batches for each in batches[name]]
            if task.exit_at_end:
                records = [each for each in records if each.offset < ends[_name(each)]]
            sys.stdout.buffer.writelines(map(task.formatter, records))
            sys.stdout.buffer.flush()
            room = None if room is None else room - len(records)


async def _seek(consumer: Consumer, start: StartPosition) -> Mapping[TopicPartition, int]:
    """Take the position in each partition; returns the offsets that are the ends now."""
    names = sorted(consumer.assignment())
    beginnings = await consumer.beginning_offsets(names)
    ends = await consumer.end_offsets(names)
    times_ms = dict.fromkeys(names, start.time_ms) if isinstance(start, AtTime) else {}
    found = await consumer.offsets_for_times(times_ms)
    for name in names:
        at_time = found.get(name)
        offset = at_time.offset if at_time is not None else None
        consumer.seek(name, start_offset(start, beginnings[name], ends[name], offset))
    return ends


async def _has_reached(consumer: Consumer, ends: Mapping[TopicPartition, int]) -> bool:
    """Whether every partition has been read to where its end was."""
    return all([await consumer.position(name) >= end for name, end in ends.items()])


def _name(record: ConsumerRecord) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)
