"""`minikafka consume`: records of some topics to stdout, from a position on.

    --from, or --group -> an offset in each partition -> getmany -> format -> stdout

Without a group it reads all partitions of the topics, from where --from says, and commits nothing.
With one it is a member: it reads its share from where the group has committed, and commits what was
written to stdout. It goes on for ever, or to --max records, or (--exit-at-end) to what was the end
when a partition came. Ctrl-C ends it, and so does a reader that leaves the pipe.
"""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import click

from ..client.consumer import Consumer
from ..client.metadata import TopicPartition
from ..client.rebalance_listener import RebalanceListener
from ..client.record import ConsumerRecord
from . import session
from .record_format import DEFAULT_FORMAT, Formatter, json_line, parse_format
from .start_position import (
    GRAMMAR,
    AtTime,
    Beginning,
    End,
    StartPosition,
    parse_start_position,
    start_offset,
)

POLL_MS: Final = 1000
POLL_RECORDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Task:
    """What to read, and how to write it."""

    topics: tuple[str, ...]
    group: str | None
    start: StartPosition | None
    """None for where the group has committed, or the beginning where it has not."""
    max_records: int | None
    exit_at_end: bool
    formatter: Formatter


@click.command()
@click.argument("topics", nargs=-1, required=True)
@click.option("--group", metavar="NAME", help="Be a member of this group, and commit.")
@click.option(
    "--from",
    "start",
    metavar="WHERE",
    help=f"{GRAMMAR}; default: beginning. With --group: stored (default), or beginning or end, for"
    " where the group has committed nothing.",
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
    group: str | None,
    start: str | None,
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
      minikafka consume orders --group billing
    """
    try:
        position = _start_in_group(start) if group is not None else _start_alone(start)
        formatter = json_line if output == "json" else parse_format(format_text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    task = Task(topics, group, position, max_records, exit_at_end, formatter)
    session.run(_consume(bootstrap, task))


def _start_alone(start: str | None) -> StartPosition:
    if start == "stored":
        raise ValueError("stored is what a group has committed: give --group")
    return parse_start_position(start or "beginning")


def _start_in_group(start: str | None) -> StartPosition | None:
    if start in (None, "stored"):
        return None
    position = parse_start_position(start)
    if not isinstance(position, Beginning | End):
        remedy = "to move it, see `minikafka group reset-offsets`"
        raise ValueError(f"a group begins where it has committed, not at {start}; {remedy}")
    return position


class _Membership(RebalanceListener):
    """Knows whether partitions have been dealt out to us."""

    has_begun = False

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self.has_begun = True


async def _consume(bootstrap: str, task: Task) -> None:
    membership = _Membership()
    consumer = Consumer(
        bootstrap_servers=bootstrap,
        group_id=task.group,
        auto_offset_reset="latest" if isinstance(task.start, End) else "earliest",
        allow_auto_create_topics=False,
        request_timeout_ms=session.REQUEST_TIMEOUT_MS,
    )
    consumer.subscribe(task.topics, listener=membership)
    async with await session.connect(consumer):
        if task.group is None and task.start is not None:
            await _seek(consumer, task.start)
            membership.has_begun = True
        try:
            await _write_records(consumer, task, membership)
        except asyncio.CancelledError:
            # Everything handed out has been written, so a group may be told; see Consumer.close.
            await consumer.close()
            raise


async def _write_records(consumer: Consumer, task: Task, membership: _Membership) -> None:
    """Records to stdout, until there have been enough."""
    room = task.max_records
    ends: dict[TopicPartition, int] = {}
    while room != 0:
        if task.exit_at_end and membership.has_begun:
            new = [name for name in consumer.assignment() if name not in ends]
            ends |= await consumer.end_offsets(new)
            if await _has_reached(consumer, ends):
                return
        limit = POLL_RECORDS if room is None else min(room, POLL_RECORDS)
        batches = await consumer.getmany(POLL_MS, limit)
        records = [each for name in batches for each in batches[name]]
        if task.exit_at_end and task.group is None:
            records = [each for each in records if each.offset < ends[_name(each)]]
        sys.stdout.buffer.writelines(map(task.formatter, records))
        sys.stdout.buffer.flush()
        room = None if room is None else room - len(records)


async def _seek(consumer: Consumer, start: StartPosition) -> None:
    """Take the position in each partition."""
    names = sorted(consumer.assignment())
    beginnings = await consumer.beginning_offsets(names)
    ends = await consumer.end_offsets(names)
    times_ms = dict.fromkeys(names, start.time_ms) if isinstance(start, AtTime) else {}
    found = await consumer.offsets_for_times(times_ms)
    for name in names:
        at_time = found.get(name)
        offset = at_time.offset if at_time is not None else None
        consumer.seek(name, start_offset(start, beginnings[name], ends[name], offset))


async def _has_reached(consumer: Consumer, ends: Mapping[TopicPartition, int]) -> bool:
    """Whether every partition that is ours has been read to where its end was."""
    return all([await consumer.position(name) >= ends[name] for name in consumer.assignment()])


def _name(record: ConsumerRecord) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)
