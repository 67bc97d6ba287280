"""`minikafka topic reassign`: partitions spread over brokers, with progress until they are there.

    describe -> plan (reassignment_plan) -> begin -> look again and again -> elect preferred leaders

A partition that is on its way already counts as being where it goes, so that the command can be
given again. What has begun goes on without the command, but a throttle ends with it: an option that
is left behind would slow down every later move.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import click

from ..client.admin import AdminClient, ElectionType, PartitionReassignment, TopicInfo
from ..client.configs import AlterConfigOperation, ConfigChange, ConfigResource
from ..client.errors import KafkaError
from ..client.metadata import TopicPartition
from . import session
from .failure import Failure
from .narration import Narrator, narration
from .reassignment_plan import Assignment, NoSuchPlan, plan_reassignment
from .table import show

LOOK_EVERY_S: Final = 0.5
THROTTLED_RATE: Final = "follower.replication.throttled.rate"
Plan = Mapping[TopicPartition, Sequence[int]]


@click.command()
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All topics, the cluster's own as well.")
@click.option("--brokers", metavar="ID,…", help="Where to; default: every broker that is alive.")
@click.option("--dry-run", is_flag=True, help="Show what would be moved, and move nothing.")
@click.option("--cancel", is_flag=True, help="Give up what is on its way.")
@click.option("--no-wait", is_flag=True, help="Begin, and do not wait until it is done.")
@click.option(
    "--throttle",
    metavar="BYTES",
    type=click.IntRange(1),
    help="What each broker may fetch a second for it, as long as the command waits.",
)
@session.output_option
@session.cluster_options
def reassign(
    names: tuple[str, ...],
    every: bool,
    brokers: str | None,
    dry_run: bool,
    cancel: bool,
    no_wait: bool,
    throttle: int | None,
    output: str,
    bootstrap: str,
) -> None:
    """Spread the partitions of the topics NAMES over brokers, moving as few as possible.

    Records flow on while partitions are moved, and Ctrl-C stops only the looking, and with it a
    throttle. At the end the first replica of each partition leads it. To take a broker away, name
    the others.

    \b
    Examples:
      minikafka topic reassign --all --brokers 1,2,3,4
      minikafka topic reassign orders payments --brokers 1,2,3 --dry-run
      minikafka topic reassign --all --throttle 10000000
      minikafka topic reassign --all --cancel
    """
    if bool(names) == every:
        raise click.UsageError("name the topics to reassign, or give --all")
    if throttle and no_wait:
        raise click.UsageError("--throttle lasts as long as the command waits: drop --no-wait")
    chosen = None if every else names
    if cancel:
        _say_moving(output, "given up", session.run(_cancel(bootstrap, chosen)))
        return
    before, plan = session.run(_plan(bootstrap, chosen, _parse_ids(brokers)))
    if dry_run or output == "json":
        rows = [(*each, list(before[each]), list(replicas)) for each, replicas in plan.items()]
        show(output, ("topic", "partition", "replicas", "new_replicas"), rows)
    if dry_run or not plan:
        if output == "table" and not plan:
            click.echo("every partition is where it should be")
        return
    with narration() as narrator:
        teller = narrator if output == "table" else None
        session.run(_move(bootstrap, plan, teller, throttle, is_waiting=not no_wait))


async def _plan(
    bootstrap: str, names: Sequence[str] | None, brokers: Sequence[int] | None
) -> tuple[Assignment, Plan]:
    """Where the partitions are or go to, and where those should be that are to be moved."""
    async with await session.connect(_admin(bootstrap)) as admin:
        alive = [broker.id for broker in (await admin.describe_cluster()).brokers]
        topics = await admin.describe_topics(names)
        moving = await admin.list_partition_reassignments()
    if strangers := set(brokers or ()) - set(alive):
        ids = ", ".join(map(str, sorted(strangers)))
        raise Failure(f"no broker {ids} is alive; those that are: {', '.join(map(str, alive))}")
    current = _assignment(topics, moving)
    try:
        return current, plan_reassignment(current, brokers or alive)
    except NoSuchPlan as error:
        raise Failure(str(error)) from error


def _assignment(
    topics: Sequence[TopicInfo], moving: Mapping[TopicPartition, PartitionReassignment]
) -> Assignment:
    """The replicas of each partition; of one on its way, those that it is to have."""
    current: dict[TopicPartition, list[int]] = {}
    for topic in topics:
        for each in topic.partitions:
            name = TopicPartition(topic.name, each.index)
            leaving = moving[name].removing_replicas if name in moving else ()
            current[name] = [broker for broker in each.replicas if broker not in leaving]
    return current


async def _move(
    bootstrap: str,
    plan: Plan,
    narrator: Narrator | None,
    throttle: int | None,
    *,
    is_waiting: bool,
) -> None:
    async with await session.connect(_admin(bootstrap)) as admin:
        async with _throttled(admin, throttle):
            await admin.alter_partition_reassignments(plan)
            if narrator is not None:
                narrator.say(f"moving {len(plan)} partitions")
            if not is_waiting:
                return
            while left := await admin.list_partition_reassignments(list(plan)):
                if narrator is not None:
                    narrator.progress("partitions moved", len(plan) - len(left), len(plan))
                await asyncio.sleep(LOOK_EVERY_S)
        if narrator is not None:
            narrator.progress("partitions moved", len(plan), len(plan))
        try:
            await admin.elect_leaders(ElectionType.PREFERRED, list(plan))
        except KafkaError as error:
            raise Failure(
                f"all are moved, but not every preferred leader leads: {error}"
            ) from error
        if narrator is not None:
            narrator.say(f"moved {len(plan)} partitions")


@asynccontextmanager
async def _throttled(admin: AdminClient, rate: int | None) -> AsyncGenerator[None]:
    """Bound what every broker fetches for new replicas, if there is a rate, until this ends."""
    if rate is None:
        yield
        return
    brokers = ConfigResource.all_brokers()
    bound = ConfigChange(THROTTLED_RATE, str(rate))
    unbound = ConfigChange(THROTTLED_RATE, None, AlterConfigOperation.DELETE)
    await admin.incremental_alter_configs({brokers: [bound]})
    try:
        yield
    finally:
        await admin.incremental_alter_configs({brokers: [unbound]})


async def _cancel(bootstrap: str, names: Sequence[str] | None) -> list[TopicPartition]:
    async with await session.connect(_admin(bootstrap)) as admin:
        moving = await admin.list_partition_reassignments()
        chosen = [each for each in moving if names is None or each.topic in names]
        if chosen:
            await admin.alter_partition_reassignments(dict.fromkeys(chosen, None))
    return chosen


def _say_moving(output: str, what: str, partitions: Sequence[TopicPartition]) -> None:
    if output == "table" and not partitions:
        click.echo("nothing is being moved")
        return
    show(output, ("topic", "partition", what.replace(" ", "_")), [(*e, True) for e in partitions])


def _parse_ids(text: str | None) -> list[int] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise click.BadParameter(f"--brokers is a list of ids such as 1,2,3, not {text!r}")
    return [int(part) for part in parts]


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient(bootstrap_servers=bootstrap, request_timeout_ms=session.REQUEST_TIMEOUT_MS)
