"""`minikafka group`: list and describe consumer groups, move their offsets, delete them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import click

from ..client.admin import AdminClient, GroupDescription, GroupListing
from ..protocol.errors import ErrorCode, KafkaError
from . import session
from .failure import Failure
from .group_lag import PartitionLag, measure_lag
from .offset_reset import (
    ChosenTopic,
    choose_partitions,
    clamped,
    find_targets,
    parse_chosen_topic,
)
from .start_position import GRAMMAR, StartPosition, parse_start_position
from .table import show

RESET_COLUMNS: Final = ("topic", "partition", "before", "after")


class MemberRow(NamedTuple):
    """A member of a group; `assignment` has names as orders-0."""

    group: str
    member_id: str
    instance_id: str | None
    client_id: str
    host: str
    topics: tuple[str, ...]
    assignment: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reset:
    """Which offsets of a group are to be moved, and where to; no topics mean all it has read."""

    group: str
    topics: tuple[ChosenTopic, ...]
    start: StartPosition
    dry_run: bool


@click.group()
def group() -> None:
    """List and describe consumer groups, move their offsets, delete them.

    \b
    Example:
      minikafka group describe billing
    """


@group.command("list")
@click.option("--state", "states", multiple=True, help="Only groups in this state, as Stable.")
@session.output_option
@session.cluster_options
def list_(states: tuple[str, ...], output: str, bootstrap: str) -> None:
    """List the groups of all brokers.

    \b
    Examples:
      minikafka group list
      minikafka group list --state Stable --state Empty -o json
    """
    groups = session.run(_list(bootstrap, states))
    rows = [(each.group_id, each.state, each.protocol_type or None) for each in groups]
    show(output, ("group", "state", "protocol_type"), rows)


@group.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--members", is_flag=True, help="Show who is in it, and what each was assigned.")
@session.output_option
@session.cluster_options
def describe(names: tuple[str, ...], members: bool, output: str, bootstrap: str) -> None:
    """Show how far the groups NAMES are behind.

    The lag counts the records from the committed offset to the end of the partition. A partition
    for which nothing was committed has none: its reader begins where its own options say.

    \b
    Examples:
      minikafka group describe billing
      minikafka group describe billing --members
    """
    groups, lags = session.run(_describe(bootstrap, names, with_lag=not members))
    columns = MemberRow._fields if members else PartitionLag._fields
    rows = _member_rows(groups) if members else lags
    if output == "json":
        states = {each.group_id: each.state for each in groups}
        show(output, (*columns, "state"), ((*row, states[row.group]) for row in rows))
        return
    for each in groups:
        click.echo(_headline(each))
    show(output, columns, rows)


@group.command("reset-offsets")
@click.argument("name")
@click.option(
    "--topic",
    "topics",
    metavar="TOPIC[:0,2]",
    multiple=True,
    help="A topic, or some of its partitions.",
)
@click.option("--all-topics", is_flag=True, help="All that it has committed for.")
@click.option("--to", "where", required=True, metavar="WHERE", help=f"{GRAMMAR}.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@session.output_option
@session.cluster_options
def reset_offsets(
    name: str,
    topics: tuple[str, ...],
    all_topics: bool,
    where: str,
    dry_run: bool,
    output: str,
    bootstrap: str,
) -> None:
    """Let the group NAME read from elsewhere.

    Its members have to be stopped first, as they would go on from where they are. A group that is
    not there yet is to begin at these offsets. An offset outside of a partition is taken as the
    nearest inside.

    \b
    Examples:
      minikafka group reset-offsets billing --topic orders --to beginning --dry-run
      minikafka group reset-offsets billing --topic orders:0,2 --to 1500
      minikafka group reset-offsets billing --all-topics --to @2026-01-31T12:00:00Z
    """
    if bool(topics) == all_topics:
        raise click.UsageError("say what to move: --topic TOPIC or --all-topics")
    try:
        chosen = tuple(map(parse_chosen_topic, topics))
        start = parse_start_position(where)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    rows = session.run(_reset(bootstrap, Reset(name, chosen, start, dry_run)))
    show(output, RESET_COLUMNS, rows)
    if dry_run:
        click.echo("dry run: nothing was changed", err=True)


@group.command()
@click.argument("names", nargs=-1, required=True)
@session.output_option
@session.cluster_options
def delete(names: tuple[str, ...], output: str, bootstrap: str) -> None:
    """Delete the groups NAMES with all that they have committed.

    \b
    Example:
      minikafka group delete billing audit
    """
    session.run(_delete(bootstrap, names))
    if output == "json":
        show(output, ("group", "deleted"), [(name, True) for name in names])
        return
    for name in names:
        click.echo(f"deleted group {name}")


async def _list(bootstrap: str, states: tuple[str, ...]) -> list[GroupListing]:
    async with await session.connect(_admin(bootstrap)) as admin:
        return await admin.list_groups(states=states)


async def _describe(
    bootstrap: str, names: tuple[str, ...], with_lag: bool
) -> tuple[list[GroupDescription], list[PartitionLag]]:
    async with await session.connect(_admin(bootstrap)) as admin:
        groups = list((await admin.describe_groups(names)).values())
        if not with_lag:
            return groups, []
        return groups, [row for each in groups for row in await measure_lag(admin, each)]


async def _reset(bootstrap: str, reset: Reset) -> list[tuple[str, int, int | None, int]]:
    """Move the offsets, unless it is a dry run; a row for each partition."""
    async with await session.connect(_admin(bootstrap)) as admin:
        await _refuse_members(admin, reset.group)
        committed = await admin.list_group_offsets(reset.group)
        partitions = await choose_partitions(admin, reset.topics, committed)
        if not partitions:
            raise Failure(f"group {reset.group!r} has committed nothing: name a --topic")
        targets = await find_targets(admin, partitions, reset.start)
        _say(clamped(reset.start, targets))
        if not reset.dry_run:
            offsets = {partition: target.offset for partition, target in targets.items()}
            await admin.alter_group_offsets(reset.group, offsets)
    before = {partition: each.offset for partition, each in committed.items()}
    return [
        (each.topic, each.partition, before.get(each), target.offset)
        for each, target in targets.items()
    ]


async def _refuse_members(admin: AdminClient, name: str) -> None:
    """Raise Failure for a group with members; one that is not there has none."""
    try:
        members = (await admin.describe_groups([name]))[name].members
    except KafkaError as error:
        if error.code is not ErrorCode.GROUP_ID_NOT_FOUND:
            raise
        return
    if members:
        clients = ", ".join(sorted({f"{each.client_id} at {each.host}" for each in members}))
        raise Failure(
            f"group {name!r} has members, which would go on from where they are: stop them first"
            f" ({clients})"
        )


async def _delete(bootstrap: str, names: tuple[str, ...]) -> None:
    async with await session.connect(_admin(bootstrap)) as admin:
        await admin.delete_groups(names)


def _member_rows(groups: list[GroupDescription]) -> list[MemberRow]:
    return [
        MemberRow(
            group.group_id,
            member.member_id,
            member.instance_id,
            member.client_id,
            member.host,
            member.topics,
            tuple(f"{each.topic}-{each.partition}" for each in member.assignment),
        )
        for group in groups
        for member in group.members
    ]


def _headline(group: GroupDescription) -> str:
    """billing: Stable, 3 members, assignor range, coordinated by broker 1"""
    count = len(group.members)
    words = [group.state, "1 member" if count == 1 else f"{count} members"]
    if group.protocol:
        words.append(f"assignor {group.protocol}")
    if group.coordinator is not None:
        words.append(f"coordinated by broker {group.coordinator.id}")
    return f"{group.group_id}: {', '.join(words)}"


def _say(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        click.echo(sentence, err=True)


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient(bootstrap_servers=bootstrap, request_timeout_ms=session.REQUEST_TIMEOUT_MS)
