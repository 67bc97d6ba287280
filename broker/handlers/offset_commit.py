"""OffsetCommit: remember up to where a group has read; answered when that is safe.

Each partition is refused alone if it does not exist or its text is too long; the rest are one
append, and whoever may not commit gets the same error for all of them.
"""

from ...protocol.api.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from ...protocol.errors import ErrorCode
from ..controller.image import TopicImage
from ..group.coordinator import Commit
from ..group.member import Identity
from ..group.offsets import CommittedOffset
from .context import Context, Exchange
from .topics import find_topic


def handle(exchange: Exchange, request: OffsetCommitRequest, context: Context) -> None:
    """Write what can be written, and answer when it is safe."""
    commits: list[Commit] = []
    accepted: list[OffsetCommitResponsePartition] = []
    answers: list[OffsetCommitResponseTopic] = []
    now_ms = context.clock.now_ms()
    for topic in request.topics:
        found = find_topic(context.controller.image, topic.name, topic.topic_id)
        answer = OffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id, partitions=[])
        answers.append(answer)
        for partition in topic.partitions:
            error = _refuse(found, partition, context)
            verdict = OffsetCommitResponsePartition(
                partition_index=partition.partition_index, error_code=error
            )
            answer.partitions.append(verdict)
            if not error and isinstance(found, TopicImage):
                accepted.append(verdict)
                commits.append((found.name, partition.partition_index, _offset(partition, now_ms)))

    def done(error: ErrorCode) -> None:
        for verdict in accepted:
            verdict.error_code = error
        exchange.answer(OffsetCommitResponse(topics=answers))

    if request.topics and not commits:
        exchange.answer(OffsetCommitResponse(topics=answers))
        return
    identity = Identity(
        request.member_id, request.group_instance_id, request.generation_id_or_member_epoch
    )
    context.groups.commit(request.group_id, identity, commits, done)


def _refuse(
    found: TopicImage | ErrorCode, partition: OffsetCommitRequestPartition, context: Context
) -> ErrorCode:
    if isinstance(found, ErrorCode):
        return found
    if partition.partition_index not in found.partitions:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    text = partition.committed_metadata or ""
    if len(text.encode()) > context.config.offset_metadata_max_bytes:
        return ErrorCode.OFFSET_METADATA_TOO_LARGE
    return ErrorCode.NONE


def _offset(partition: OffsetCommitRequestPartition, now_ms: int) -> CommittedOffset:
    return CommittedOffset(
        partition.committed_offset,
        partition.committed_leader_epoch,
        partition.committed_metadata or "",
        now_ms,
    )
