"""Up to where a group has read: OffsetFetch, put to its coordinator until that has answered.

partition ──> OffsetAndMetadata    the offset of the next record to read, a text of the user's,
                                   and the epoch of the leader who wrote the record before
nothing committed: the partition is left out

v1        partitions that are named, and no others
v2 to v7  all that the group has committed as well (null)
v8, v9    the group in a list of groups; v10 names topics by id, and is not used
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ..protocol.api.offset_fetch import (
    NO_OFFSET,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
)
from ..protocol.errors import KafkaError
from .coordinator import NOT_YET, Coordinator
from .errors import UnsupportedByCluster
from .metadata import TopicPartition, by_topic
from .record import ConsumerRecord

FIRST_VERSION_OF_ALL: Final = 2
FIRST_VERSION_OF_STABLE: Final = 7
FIRST_VERSION_OF_GROUPS: Final = 8
LAST_VERSION_BY_NAME: Final = 9

Answer = OffsetFetchResponsePartition | OffsetFetchResponsePartitions


class OffsetAndMetadata(NamedTuple):
    """A committed offset: that of the next record to read; leader epoch -1 where unknown."""

    offset: int
    metadata: str = ""
    leader_epoch: int = -1


Offsets = Mapping[TopicPartition, int | OffsetAndMetadata]
"""Offsets as a user gives them: with a text beside each, or without."""


def committable(offsets: Offsets | ConsumerRecord) -> dict[TopicPartition, OffsetAndMetadata]:
    """What to commit: of a record, that it was read; plain numbers without a text."""
    if isinstance(offsets, ConsumerRecord):
        name = TopicPartition(offsets.topic, offsets.partition)
        return {name: OffsetAndMetadata(offsets.offset + 1)}
    return {
        TopicPartition(*name): OffsetAndMetadata(each) if isinstance(each, int) else each
        for name, each in offsets.items()
    }


async def fetch_committed(
    coordinator: Coordinator,
    partitions: Sequence[TopicPartition] | None,
    timeout_ms: int,
    require_stable: bool = False,
) -> dict[TopicPartition, OffsetAndMetadata]:
    """What the group has committed for these partitions, or for all that it has committed for.

    With `require_stable` the answer waits for transactions that hold offsets back (KIP-447), where
    brokers can (Kafka 2.5). Raises KafkaTimeout, or the error that no waiting can mend.
    """
    if partitions is not None and not partitions:
        return {}

    def request_of(version: int) -> OffsetFetchRequest:
        return _request(coordinator.group_id, partitions, require_stable, version)

    response = await coordinator.request(
        request_of, OffsetFetchResponse, timeout_ms, _code_of, LAST_VERSION_BY_NAME
    )
    for error_code in _group_codes(response):
        if error_code:
            error = KafkaError.of(error_code)
            raise KafkaError.of(error_code, f"group {coordinator.group_id!r}: {error}")
    return dict(_committed(response))


def _request(
    group_id: str,
    partitions: Sequence[TopicPartition] | None,
    require_stable: bool,
    version: int,
) -> OffsetFetchRequest:
    if partitions is None and version < FIRST_VERSION_OF_ALL:
        raise UnsupportedByCluster(
            f"the coordinator of group {group_id!r} cannot list all that was committed, which needs"
            " Kafka 0.10.2: name the partitions"
        )
    require_stable = require_stable and version >= FIRST_VERSION_OF_STABLE
    named = by_topic(partitions or ()).items()
    if version < FIRST_VERSION_OF_GROUPS:
        topics = [
            OffsetFetchRequestTopic(name=name, partition_indexes=indexes) for name, indexes in named
        ]
        return OffsetFetchRequest(
            group_id=group_id,
            topics=None if partitions is None else topics,
            require_stable=require_stable,
        )
    topics = [
        OffsetFetchRequestTopics(name=name, partition_indexes=indexes) for name, indexes in named
    ]
    group = OffsetFetchRequestGroup(
        group_id=group_id, topics=None if partitions is None else topics
    )
    return OffsetFetchRequest(groups=[group], require_stable=require_stable)


def _code_of(response: OffsetFetchResponse) -> int:
    """What is to be waited for; v1, and an unstable offset, say it of a partition."""
    codes = [*_group_codes(response), *(each.error_code for _, each in _answers(response))]
    return next((code for code in codes if code in NOT_YET), 0)


def _group_codes(response: OffsetFetchResponse) -> list[int]:
    return [response.error_code, *(group.error_code for group in response.groups)]


def _answers(response: OffsetFetchResponse) -> Iterator[tuple[TopicPartition, Answer]]:
    """The partitions, wherever this version has them."""
    for topic in (*response.topics, *(each for group in response.groups for each in group.topics)):
        for partition in topic.partitions:
            yield TopicPartition(topic.name, partition.partition_index), partition


def _committed(
    response: OffsetFetchResponse,
) -> Iterator[tuple[TopicPartition, OffsetAndMetadata]]:
    """What was committed; raises the first partition's error."""
    for partition, answer in _answers(response):
        if answer.error_code:
            error = KafkaError.of(answer.error_code)
            where = f"{partition.topic}-{partition.partition}"
            raise KafkaError.of(answer.error_code, f"{where}: {error}")
        if answer.committed_offset != NO_OFFSET:
            yield (
                partition,
                OffsetAndMetadata(
                    answer.committed_offset, answer.metadata or "", answer.committed_leader_epoch
                ),
            )
