"""What `minikafka group reset-offsets` moves, and where to.

    --topic orders        all partitions of the topic
    --topic orders:0,2    these
    --all-topics          all that the group has committed for

An offset outside of a partition is taken as the nearest that is inside.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from ..client.admin import AdminClient
from ..client.metadata import TopicInfo, TopicPartition
from ..client.offsets import EARLIEST, LATEST, NO_OFFSET
from .failure import Failure
from .start_position import AtOffset, AtTime, StartPosition, start_offset


class ChosenTopic(NamedTuple):
    """A topic, and which of its partitions; None for all."""

    name: str
    partitions: tuple[int, ...] | None


class Target(NamedTuple):
    """Where a partition is to be read from, and the offsets [beginning, end) that it holds."""

    offset: int
    beginning: int
    end: int


def parse_chosen_topic(text: str) -> ChosenTopic:
    """From TOPIC or TOPIC:0,2; raises ValueError with a sentence."""
    name, colon, numbers = text.partition(":")
    parts = numbers.split(",") if colon else []
    if not name or not all(part.isdecimal() for part in parts):
        raise ValueError(f"--topic takes TOPIC or TOPIC:0,2, not {text!r}")
    return ChosenTopic(name, tuple(map(int, parts)) if colon else None)


async def choose_partitions(
    admin: AdminClient, chosen: Iterable[ChosenTopic], committed: Collection[TopicPartition]
) -> list[TopicPartition]:
    """The partitions of these topics, or without any all that were committed for, in order."""
    wanted = list(chosen)
    if not wanted:
        known = await admin.list_topics(include_internal=True)
        return sorted(each for each in committed if each.topic in known)
    described = await admin.describe_topics(sorted({each.name for each in wanted}))
    topics = {each.name: each for each in described}
    return sorted({each for one in wanted for each in _partitions_of(one, topics[one.name])})


def _partitions_of(chosen: ChosenTopic, topic: TopicInfo) -> list[TopicPartition]:
    """The partitions that were meant; raises Failure for one that is not there."""
    count = len(topic.partitions)
    indexes = range(count) if chosen.partitions is None else chosen.partitions
    for index in indexes:
        if index >= count:
            raise Failure(f"topic {topic.name!r} has no partition {index}, but 0 to {count - 1}")
    return [TopicPartition(topic.name, index) for index in indexes]


async def find_targets(
    admin: AdminClient, partitions: Collection[TopicPartition], start: StartPosition
) -> dict[TopicPartition, Target]:
    """Where `start` lies in each partition."""
    beginnings = await admin.list_offsets(dict.fromkeys(partitions, EARLIEST))
    ends = await admin.list_offsets(dict.fromkeys(partitions, LATEST))
    times = dict.fromkeys(partitions, start.time_ms) if isinstance(start, AtTime) else {}
    found = await admin.list_offsets(times)
    targets: dict[TopicPartition, Target] = {}
    for partition in partitions:
        beginning, end = beginnings[partition].offset, ends[partition].offset
        at_time = found[partition].offset if partition in found else NO_OFFSET
        offset = start_offset(start, beginning, end, None if at_time == NO_OFFSET else at_time)
        targets[partition] = Target(offset, beginning, end)
    return targets


def clamped(start: StartPosition, targets: Mapping[TopicPartition, Target]) -> list[str]:
    """A sentence for each partition that does not hold the offset which was asked for."""
    if not isinstance(start, AtOffset):
        return []
    return [
        f"{topic}-{index} begins at {target.beginning} and ends at {target.end}:"
        f" {start.offset} is taken as {target.offset}"
        for (topic, index), target in targets.items()
        if target.offset != start.offset
    ]
