"""`minikafka topic`: create, list, describe, alter and delete topics.

`topic elect` and `topic reassign`, about their leaders and replicas, have files of their own.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from ..client.admin import AdminClient, ConfigChange, ConfigEntry, ConfigResource, NewTopic
from ..client.configs import AlterConfigOperation
from ..client.metadata import NO_LEADER, TopicInfo, TopicPartition
from ..client.offsets import EARLIEST, LATEST, OffsetAndTimestamp
from . import session
from .node_options import read_pairs
from .table import show
from .topic_elect import elect
from .topic_reassign import reassign
from .topic_segments import SEGMENT_COLUMNS, read_segments, segment_objects, segment_rows

DESCRIBE_COLUMNS: Final = (
    "topic",
    "partition",
    "leader",
    "replicas",
    "in_sync_replicas",
    "start_offset",
    "end_offset",
)
MIN_IN_SYNC: Final = "min.insync.replicas"
ACKNOWLEDGED_ALONE: Final = (
    "one replica in sync is enough to acknowledge, and a record that only it has is lost with it "
    f"({MIN_IN_SYNC}=1)"
)
Entries = Mapping[str, Mapping[str, ConfigEntry]]
"""Per topic its options."""


@click.group()
def topic() -> None:
    """Create, list, describe, alter and delete topics, and say who leads and has them.

    \b
    Example:
      minikafka topic create orders --partitions 3 -c retention.ms=3600000
    """


topic.add_command(elect)
topic.add_command(reassign)


@topic.command()
@click.argument("name")
@click.option("--partitions", type=click.IntRange(min=1), help="Default: the cluster's.")
@click.option("--replication-factor", type=click.IntRange(min=1), help="Default: the cluster's.")
@click.option("-c", "pairs", metavar="KEY=VALUE", multiple=True, help="An option of the topic.")
@session.output_option
@session.cluster_options
def create(
    name: str,
    partitions: int | None,
    replication_factor: int | None,
    pairs: tuple[str, ...],
    output: str,
    bootstrap: str,
) -> None:
    """Create the topic NAME.

    \b
    Example:
      minikafka topic create orders --partitions 3 --replication-factor 1 -c retention.ms=3600000
    """
    new_topic = NewTopic(name, partitions or -1, replication_factor or -1, read_pairs(pairs))
    session.run(_create(bootstrap, new_topic))
    _say_done(output, "created", (name,))


@topic.command("list")
@click.option("--internal", is_flag=True, help="Also the cluster's own topics.")
@session.output_option
@session.cluster_options
def list_(internal: bool, output: str, bootstrap: str) -> None:
    """List the topics.

    \b
    Example:
      minikafka topic list -o json
    """
    topics = session.run(_describe(bootstrap, None))
    rows = [
        (each.name, len(each.partitions), _replication_factor(each))
        for each in topics
        if internal or not each.is_internal
    ]
    show(output, ("topic", "partitions", "replication_factor"), rows)


@topic.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--segments", "with_segments", is_flag=True, help="Also the segments of the logs.")
@session.output_option
@session.cluster_options
def describe(names: tuple[str, ...], with_segments: bool, output: str, bootstrap: str) -> None:
    """Show the topics NAMES: options that somebody has set, and partitions.

    An option is shown if it differs from the default, on the topic or in its broker's options. A
    partition holds the offsets from its start up to, and without, its end. Segments are the files
    of its log, which the leader tells if it is a minikafka; RECORD COUNT is how many records were
    written to one, of which compaction may have left fewer.

    \b
    Examples:
      minikafka topic describe orders
      minikafka topic describe orders --segments
    """
    entries, topics, starts, ends = session.run(_describe_with_offsets(bootstrap, names))
    configs = _options_set(entries)
    segments = session.run(read_segments(bootstrap, starts)) if with_segments else None
    rows = _partition_rows(topics, starts, ends)
    if output == "json":
        columns = [*DESCRIBE_COLUMNS, "configs"]
        objects: list[tuple[Any, ...]] = [(*row, configs[row[0]]) for row in rows]
        if segments is not None:
            columns.append("segments")
            objects = [
                (*row, segment_objects(segments.get(TopicPartition(*row[:2])))) for row in objects
            ]
        show(output, columns, objects)
        return
    for each in topics:
        for option, value in configs[each.name].items():
            click.echo(f"{each.name}: {option}={value}")
        if _can_acknowledge_alone(each, entries[each.name]):
            click.echo(f"{each.name}: {ACKNOWLEDGED_ALONE}")
    show(output, DESCRIBE_COLUMNS, rows)
    if segments is not None:
        click.echo()
        show(output, SEGMENT_COLUMNS, segment_rows(segments))


@topic.command()
@click.argument("name")
@click.option("--partitions", type=click.IntRange(min=1), help="How many it is to have then.")
@click.option("-c", "pairs", metavar="KEY=VALUE", multiple=True, help="Set an option.")
@click.option("--delete-config", "deleted", metavar="KEY", multiple=True, help="Back to default.")
@session.output_option
@session.cluster_options
def alter(
    name: str,
    partitions: int | None,
    pairs: tuple[str, ...],
    deleted: tuple[str, ...],
    output: str,
    bootstrap: str,
) -> None:
    """Change options of the topic NAME, or give it more partitions.

    What is not named stays as it is. A record's key leads to another partition when there are more
    of them, and partitions are never taken away.

    \b
    Example:
      minikafka topic alter orders --partitions 6 -c retention.ms=60000 --delete-config segment.ms
    """
    changes = [ConfigChange(option, value) for option, value in read_pairs(pairs).items()]
    changes += [ConfigChange(each, None, AlterConfigOperation.DELETE) for each in deleted]
    if not changes and partitions is None:
        raise click.UsageError("nothing to change: give --partitions, -c or --delete-config")
    session.run(_alter(bootstrap, name, changes, partitions))
    _say_done(output, "altered", (name,))


@topic.command()
@click.argument("names", nargs=-1, required=True)
@session.output_option
@session.cluster_options
def delete(names: tuple[str, ...], output: str, bootstrap: str) -> None:
    """Delete the topics NAMES with all their records.

    \b
    Example:
      minikafka topic delete orders payments
    """
    session.run(_delete(bootstrap, names))
    _say_done(output, "deleted", names)


async def _create(bootstrap: str, new_topic: NewTopic) -> None:
    async with await session.connect(_admin(bootstrap)) as admin:
        await admin.create_topics([new_topic])


async def _alter(
    bootstrap: str, name: str, changes: list[ConfigChange], partitions: int | None
) -> None:
    """Both kinds of change or, as far as the cluster can tell beforehand, none."""
    async with await session.connect(_admin(bootstrap)) as admin:
        if partitions is not None:
            await admin.create_partitions({name: partitions}, validate_only=True)
        if changes:
            await admin.incremental_alter_configs({ConfigResource.topic(name): changes})
        if partitions is not None:
            await admin.create_partitions({name: partitions})


async def _delete(bootstrap: str, names: tuple[str, ...]) -> None:
    async with await session.connect(_admin(bootstrap)) as admin:
        await admin.delete_topics(names)


async def _describe(bootstrap: str, names: tuple[str, ...] | None) -> list[TopicInfo]:
    async with await session.connect(_admin(bootstrap)) as admin:
        return await admin.describe_topics(names)


async def _describe_with_offsets(
    bootstrap: str, names: tuple[str, ...]
) -> tuple[Entries, list[TopicInfo], dict[TopicPartition, int], dict[TopicPartition, int]]:
    """The topics, their options, and first and end offset of each partition with a leader."""
    async with await session.connect(_admin(bootstrap)) as admin:
        topics = await admin.describe_topics(names)
        entries = await admin.describe_configs([ConfigResource.topic(each.name) for each in topics])
        led = [TopicPartition(each.name, index) for each in topics for index in each.available]
        starts = await admin.list_offsets(dict.fromkeys(led, EARLIEST))
        ends = await admin.list_offsets(dict.fromkeys(led, LATEST))
    by_name = {resource.name: those for resource, those in entries.items()}
    return by_name, topics, _offsets(starts), _offsets(ends)


def _offsets(found: Mapping[TopicPartition, OffsetAndTimestamp]) -> dict[TopicPartition, int]:
    return {partition: each.offset for partition, each in found.items()}


def _options_set(entries: Entries) -> dict[str, dict[str, str | None]]:
    """Per topic the options that somebody has set, here or for its broker."""
    return {
        topic: {name: entry.value for name, entry in those.items() if not entry.is_default}
        for topic, those in entries.items()
    }


def _can_acknowledge_alone(topic: TopicInfo, entries: Mapping[str, ConfigEntry]) -> bool:
    """Whether acks=all of a topic with several replicas may mean one; a lone one always does."""
    least = entries.get(MIN_IN_SYNC)
    return _replication_factor(topic) > 1 and least is not None and least.value == "1"


def _partition_rows(
    topics: list[TopicInfo], starts: dict[TopicPartition, int], ends: dict[TopicPartition, int]
) -> Iterator[tuple[Any, ...]]:
    for each in topics:
        for partition in each.partitions:
            name = TopicPartition(each.name, partition.index)
            leader = None if partition.leader == NO_LEADER else partition.leader
            replicas, in_sync = partition.replicas, partition.in_sync_replicas
            yield (*name, leader, replicas, in_sync, starts.get(name), ends.get(name))


def _replication_factor(topic: TopicInfo) -> int:
    """Kafka has one per partition, and gives all of a topic the same."""
    return max((len(each.replicas) for each in topic.partitions), default=0)


def _say_done(output: str, what: str, names: tuple[str, ...]) -> None:
    """Say that each topic was created, altered or deleted."""
    if output == "json":
        show(output, ("topic", what), [(name, True) for name in names])
        return
    for name in names:
        click.echo(f"{what} topic {name}")


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient(bootstrap_servers=bootstrap, request_timeout_ms=session.REQUEST_TIMEOUT_MS)
