"""Records deleted from the beginning of partitions: DeleteRecords, put to their leaders (KIP-107).

To let a partition begin at an offset where it begins already changes nothing, so a leader that does
not answer may be asked again.
"""

from collections.abc import Mapping
from typing import Final

from ..protocol.api.delete_records import (
    DeleteRecordsRequest,
    DeleteRecordsRequestPartition,
    DeleteRecordsRequestTopic,
    DeleteRecordsResponse,
)
from .leaders import ask_leaders, raise_unless_retriable
from .metadata import TopicPartition
from .network import Network

HIGH_WATERMARK: Final = -1
"""As an offset: all records that there are."""


async def delete_records(
    network: Network, offsets: Mapping[TopicPartition, int], timeout_ms: int
) -> dict[TopicPartition, int]:
    """Let each partition begin at its offset, or HIGH_WATERMARK; where each begins then."""

    async def ask(
        leader: int, part: dict[TopicPartition, int], left_ms: int
    ) -> dict[TopicPartition, int]:
        request = _request(part, left_ms)
        return _beginnings(await network.request(request, DeleteRecordsResponse, left_ms, leader))

    return await ask_leaders(network, offsets, timeout_ms, ask)


def _request(offsets: Mapping[TopicPartition, int], timeout_ms: int) -> DeleteRecordsRequest:
    topics: dict[str, DeleteRecordsRequestTopic] = {}
    for (name, index), offset in offsets.items():
        topic = topics.setdefault(name, DeleteRecordsRequestTopic(name=name, partitions=[]))
        topic.partitions.append(DeleteRecordsRequestPartition(partition_index=index, offset=offset))
    return DeleteRecordsRequest(topics=list(topics.values()), timeout_ms=timeout_ms)


def _beginnings(response: DeleteRecordsResponse) -> dict[TopicPartition, int]:
    """The first offsets in an answer; partitions with an error that may pass are left out."""
    found: dict[TopicPartition, int] = {}
    for topic in response.topics:
        for each in topic.partitions:
            partition = TopicPartition(topic.name, each.partition_index)
            if each.error_code:
                raise_unless_retriable(partition, each.error_code)
            else:
                found[partition] = each.low_watermark
    return found
