"""Offsets of a group that nobody is in: altered by OffsetCommit, deleted by OffsetDelete.

The coordinator takes a commit without generation while the group is empty, or not there yet.
Members hold their offsets in memory and would overwrite what is altered behind their backs, so it
refuses while there are any; a topic that they read keeps its offsets as well.

To commit or to delete the same twice changes nothing more, so a coordinator that does not answer
is asked again. What was committed is read by committed_offsets.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ..protocol.api.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from ..protocol.api.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
)
from ..protocol.errors import ErrorCode, KafkaError
from .committed_offsets import OffsetAndMetadata
from .coordinator import NOT_YET, Coordinator
from .groups import HAS_MEMBERS
from .metadata import TopicPartition
from .outcome import Outcome, raise_first

LAST_VERSION_BY_NAME: Final = 9  # of OffsetCommit

_MEMBERS_ONLY: Final = frozenset(
    {
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.ILLEGAL_GENERATION,
        ErrorCode.REBALANCE_IN_PROGRESS,
        ErrorCode.STALE_MEMBER_EPOCH,
        ErrorCode.NON_EMPTY_GROUP,
    }
)
"""How coordinators say to one who is no member that there are some."""


async def alter(
    coordinator: Coordinator,
    offsets: Mapping[TopicPartition, int | OffsetAndMetadata],
    timeout_ms: int,
) -> None:
    """Commit these offsets; raises the first error, the others are done."""
    if not offsets:
        return
    response = await coordinator.request(
        _commit_request(coordinator.group_id, offsets),
        OffsetCommitResponse,
        timeout_ms,
        lambda response: _passing(_codes_of(response).values()),
        LAST_VERSION_BY_NAME,
    )
    _raise_first(coordinator.group_id, _codes_of(response))


async def delete(
    coordinator: Coordinator, partitions: Sequence[TopicPartition], timeout_ms: int
) -> None:
    """Forget what was committed for these; raises the first error, the others are done."""
    if not partitions:
        return
    response = await coordinator.request(
        _delete_request(coordinator.group_id, partitions),
        OffsetDeleteResponse,
        timeout_ms,
        lambda response: _passing([response.error_code, *_codes_of(response).values()]),
    )
    if response.error_code:
        raise _refused(coordinator.group_id, response.error_code)
    _raise_first(coordinator.group_id, _codes_of(response))


def _commit_request(
    group_id: str, offsets: Mapping[TopicPartition, int | OffsetAndMetadata]
) -> OffsetCommitRequest:
    topics: dict[str, OffsetCommitRequestTopic] = {}
    for (name, index), given in offsets.items():
        committed = given if isinstance(given, OffsetAndMetadata) else OffsetAndMetadata(given)
        topic = topics.setdefault(name, OffsetCommitRequestTopic(name=name, partitions=[]))
        topic.partitions.append(
            OffsetCommitRequestPartition(
                partition_index=index,
                committed_offset=committed.offset,
                committed_leader_epoch=committed.leader_epoch,
                committed_metadata=committed.metadata,
            )
        )
    return OffsetCommitRequest(group_id=group_id, topics=list(topics.values()))


def _delete_request(group_id: str, partitions: Sequence[TopicPartition]) -> OffsetDeleteRequest:
    topics: dict[str, OffsetDeleteRequestTopic] = {}
    for name, index in partitions:
        topic = topics.setdefault(name, OffsetDeleteRequestTopic(name=name, partitions=[]))
        topic.partitions.append(OffsetDeleteRequestPartition(partition_index=index))
    return OffsetDeleteRequest(group_id=group_id, topics=list(topics.values()))


def _codes_of(response: OffsetCommitResponse | OffsetDeleteResponse) -> dict[TopicPartition, int]:
    return {
        TopicPartition(topic.name, each.partition_index): each.error_code
        for topic in response.topics
        for each in topic.partitions
    }


def _passing(codes: Iterable[int]) -> int:
    """The first error that is to be waited for."""
    return next((code for code in codes if code in NOT_YET), ErrorCode.NONE)


def _raise_first(group_id: str, codes: Mapping[TopicPartition, int]) -> None:
    """Raise what is wrong with the group once, or with partitions by name."""
    for code in codes.values():
        if code in _MEMBERS_ONLY:
            raise _refused(group_id, code)
    raise_first(
        Outcome(f"{topic}-{index} of group {group_id!r}", code, None)
        for (topic, index), code in codes.items()
    )


def _refused(group_id: str, code: int) -> KafkaError:
    message = HAS_MEMBERS if code in _MEMBERS_ONLY else str(KafkaError.of(code))
    return KafkaError.of(code, f"group {group_id!r}: {message}")
