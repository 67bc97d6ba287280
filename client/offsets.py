"""Which offset lies where: the ListOffsets question, put to the leaders until each has answered."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from ..protocol.api.list_offsets import (
    EARLIEST_TIMESTAMP,
    LATEST_TIMESTAMP,
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
    ListOffsetsResponse,
)
from .leaders import ask_leaders, raise_unless_retriable
from .metadata import TopicPartition
from .network import Network

EARLIEST: Final = EARLIEST_TIMESTAMP
LATEST: Final = LATEST_TIMESTAMP
NO_OFFSET: Final = -1


class OffsetAndTimestamp(NamedTuple):
    """An offset and the timestamp of its record in ms; -1 for none."""

    offset: int
    timestamp: int
    leader_epoch: int


async def list_offsets(
    network: Network,
    times: Mapping[TopicPartition, int],
    timeout_ms: int,
    isolation_level: int = 0,
) -> dict[TopicPartition, OffsetAndTimestamp]:
    """The first offset at or after each time (ms since 1970, EARLIEST or LATEST).

    With isolation level 1 LATEST is where the first open transaction begins. Offset -1 where no
    record is that late. Asks again while leaders move; raises KafkaTimeout, or the error of a
    partition that no waiting can mend.
    """

    async def ask(
        leader: int, part: dict[TopicPartition, int], left_ms: int
    ) -> dict[TopicPartition, OffsetAndTimestamp]:
        request = _request(part, left_ms, isolation_level)
        return _found(await network.request(request, ListOffsetsResponse, left_ms, leader))

    return await ask_leaders(network, times, timeout_ms, ask)


def _request(
    times: Mapping[TopicPartition, int], timeout_ms: int, isolation_level: int
) -> ListOffsetsRequest:
    topics: dict[str, ListOffsetsRequestTopic] = {}
    for (name, index), time in times.items():
        topic = topics.setdefault(name, ListOffsetsRequestTopic(name=name, partitions=[]))
        topic.partitions.append(ListOffsetsRequestPartition(partition_index=index, timestamp=time))
    return ListOffsetsRequest(
        topics=list(topics.values()), timeout_ms=timeout_ms, isolation_level=isolation_level
    )


def _found(response: ListOffsetsResponse) -> dict[TopicPartition, OffsetAndTimestamp]:
    """The offsets in an answer; partitions with an error that may pass are left out."""
    found: dict[TopicPartition, OffsetAndTimestamp] = {}
    for topic in response.topics:
        for each in topic.partitions:
            partition = TopicPartition(topic.name, each.partition_index)
            if each.error_code:
                raise_unless_retriable(partition, each.error_code)
            else:
                found[partition] = OffsetAndTimestamp(
                    each.offset, each.timestamp, each.leader_epoch
                )
    return found
