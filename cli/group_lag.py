"""How far a group is behind: a row for each partition that it has committed for or was assigned.

log end offset    the offset that the next record will get
lag               how many records lie between the committed offset and that
None              nothing committed; or the topic is gone, or nobody leads the partition
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from ..client.admin import AdminClient, GroupDescription
from ..client.committed_offsets import OffsetAndMetadata
from ..client.metadata import TopicPartition
from ..client.offsets import LATEST


class PartitionLag(NamedTuple):
    """One partition of a group; the member is the one that it is assigned to."""

    group: str
    topic: str
    partition: int
    committed_offset: int | None
    log_end_offset: int | None
    lag: int | None
    client_id: str | None
    host: str | None
    member_id: str | None


async def measure_lag(admin: AdminClient, group: GroupDescription) -> list[PartitionLag]:
    """The rows of a group, in order of topic and partition.

    The ends are asked for after the committed offsets: the other way round, a group that keeps up
    would seem to be ahead of the log.
    """
    committed = await admin.list_group_offsets(group.group_id)
    assigned = {each for member in group.members for each in member.assignment}
    ends = await _ends(admin, committed.keys() | assigned)
    return lag_rows(group, committed, ends)


def lag_rows(
    group: GroupDescription,
    committed: Mapping[TopicPartition, OffsetAndMetadata],
    ends: Mapping[TopicPartition, int],
) -> list[PartitionLag]:
    """The rows, from what was asked."""
    owners = {each: member for member in group.members for each in member.assignment}
    rows: list[PartitionLag] = []
    for partition in sorted(committed.keys() | owners.keys()):
        offset = committed[partition].offset if partition in committed else None
        end, owner = ends.get(partition), owners.get(partition)
        rows.append(
            PartitionLag(
                group.group_id,
                *partition,
                committed_offset=offset,
                log_end_offset=end,
                # A log that was cut off, or a topic made anew, ends before what was committed.
                lag=None if offset is None or end is None else max(end - offset, 0),
                client_id=owner and owner.client_id,
                host=owner and owner.host,
                member_id=owner and owner.member_id,
            )
        )
    return rows


async def _ends(
    admin: AdminClient, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, int]:
    """The end of each partition that has a leader, of topics that are still there."""
    names = {each.topic for each in partitions}
    known = names.intersection(await admin.list_topics(include_internal=True))
    topics = await admin.describe_topics(sorted(known))
    led = {TopicPartition(each.name, index) for each in topics for index in each.available}
    found = await admin.list_offsets({each: LATEST for each in partitions if each in led})
    return {partition: each.offset for partition, each in found.items()}
