"""OffsetFetch: up to where has a group read? One group up to version 7, many from version 8 on.

A partition of which nothing was committed, and a group that nobody knows, are no errors: their
offset is -1. Without transactions every offset is stable.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...protocol.api.offset_fetch import (
    NO_OFFSET,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from ...protocol.errors import ErrorCode
from ...protocol.primitives import ZERO_UUID
from ..controller.image import Image, TopicImage
from ..group.offsets import NO_EPOCH, CommittedOffset, Offsets
from .context import Context, Exchange
from .topics import find_topic

FIRST_VERSION_WITH_GROUPS = 8
FIRST_VERSION_WITH_TOP_ERROR = 2
FIRST_VERSION_BY_ID = 10
NOTHING = CommittedOffset(NO_OFFSET, NO_EPOCH, "", 0)


class Wanted(NamedTuple):
    """A topic that is asked for, and what was found of it."""

    name: str
    topic_id: bytes
    error_code: ErrorCode
    partitions: Sequence[int]


def handle(
    exchange: Exchange, request: OffsetFetchRequest, context: Context
) -> OffsetFetchResponse:
    """Answer at once, from memory: what is there is safe in the log."""
    if exchange.version >= FIRST_VERSION_WITH_GROUPS:
        groups = [_fetch_group(group, exchange.version, context) for group in request.groups]
        return OffsetFetchResponse(groups=groups)
    error, offsets = _find(request.group_id, context)
    topics = request.topics
    if topics is None:
        names = offsets.topics() if not error else []
        asked = [(name, offsets.partitions(name)) for name in names]
    else:
        asked = [(topic.name, topic.partition_indexes) for topic in topics]
    per_partition = error if exchange.version < FIRST_VERSION_WITH_TOP_ERROR else ErrorCode.NONE
    if error and not per_partition:
        asked = []
    return OffsetFetchResponse(
        error_code=error if exchange.version >= FIRST_VERSION_WITH_TOP_ERROR else ErrorCode.NONE,
        topics=[
            OffsetFetchResponseTopic(
                name=name,
                partitions=[
                    _old_partition(index, offsets.find(name, index) or NOTHING, per_partition)
                    for index in partitions
                ],
            )
            for name, partitions in asked
        ],
    )


def _find(group_id: str, context: Context) -> tuple[ErrorCode, Offsets]:
    found = context.groups.find(group_id)
    if isinstance(found, ErrorCode):
        return found, Offsets()
    return ErrorCode.NONE, Offsets() if found is None else found.offsets


def _old_partition(
    index: int, committed: CommittedOffset, error: ErrorCode
) -> OffsetFetchResponsePartition:
    return OffsetFetchResponsePartition(
        partition_index=index,
        committed_offset=committed.offset,
        committed_leader_epoch=committed.leader_epoch,
        metadata=committed.metadata,
        error_code=error,
    )


def _fetch_group(
    group: OffsetFetchRequestGroup, version: int, context: Context
) -> OffsetFetchResponseGroup:
    error, offsets = _find(group.group_id, context)
    if error:
        return OffsetFetchResponseGroup(group_id=group.group_id, topics=[], error_code=error)
    return OffsetFetchResponseGroup(
        group_id=group.group_id,
        topics=[
            OffsetFetchResponseTopics(
                name=wanted.name,
                topic_id=wanted.topic_id,
                partitions=[_partition(index, wanted, offsets) for index in wanted.partitions],
            )
            for wanted in _wanted(group, version, offsets, context.controller.image)
        ],
    )


def _wanted(
    group: OffsetFetchRequestGroup, version: int, offsets: Offsets, image: Image
) -> Iterator[Wanted]:
    """The topics that are asked for, or all; a topic that is gone has no id to be named by."""
    by_id = version >= FIRST_VERSION_BY_ID
    if group.topics is None:
        for name in offsets.topics():
            topic = image.topics.get(name)
            if topic is not None or not by_id:
                topic_id = ZERO_UUID if topic is None else topic.topic_id
                yield Wanted(name, topic_id, ErrorCode.NONE, offsets.partitions(name))
        return
    for asked in group.topics:
        if not by_id:
            yield Wanted(asked.name, ZERO_UUID, ErrorCode.NONE, asked.partition_indexes)
            continue
        found = find_topic(image, asked.name, asked.topic_id)
        name = found.name if isinstance(found, TopicImage) else ""
        error = ErrorCode.NONE if isinstance(found, TopicImage) else found
        yield Wanted(name, asked.topic_id, error, asked.partition_indexes)


def _partition(index: int, wanted: Wanted, offsets: Offsets) -> OffsetFetchResponsePartitions:
    committed = offsets.find(wanted.name, index) or NOTHING
    return OffsetFetchResponsePartitions(
        partition_index=index,
        committed_offset=committed.offset,
        committed_leader_epoch=committed.leader_epoch,
        metadata=committed.metadata,
        error_code=wanted.error_code,
    )
