"""Which offset lies where: the ListOffsets question, put to the leaders until each has answered."""

import asyncio
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
from ..protocol.errors import KafkaError
from ..transport.connection import KafkaTimeout
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
    network: Network, times: Mapping[TopicPartition, int], timeout_ms: int
) -> dict[TopicPartition, OffsetAndTimestamp]:
    """The first offset at or after each time (ms since 1970, EARLIEST or LATEST).

    Offset -1 where no record is that late. Asks again while leaders move; raises KafkaTimeout,
    or the error of a partition that no waiting can mend.
    """
    deadline_ms = network.now_ms() + timeout_ms
    found: dict[TopicPartition, OffsetAndTimestamp] = {}
    for topic in {partition.topic for partition in times}:
        await network.topic(topic, timeout_ms)
    while left := {each: time for each, time in times.items() if each not in found}:
        left_ms = deadline_ms - network.now_ms()
        if left_ms <= 0:
            names = ", ".join(f"{each.topic}-{each.partition}" for each in left)
            raise KafkaTimeout(f"no leader told the offsets of {names} within {timeout_ms} ms")
        requests = [
            _ask(network, leader, part, left_ms) for leader, part in _by_leader(network, left)
        ]
        for answer in await asyncio.gather(*requests):
            found |= answer
        if len(found) < len(times):
            network.request_refresh()
            pause_ms = network.settings.retry_backoff_ms
            await network.changed.wait(min(deadline_ms, network.now_ms() + pause_ms))
    return found


def _by_leader(
    network: Network, times: Mapping[TopicPartition, int]
) -> list[tuple[int, dict[TopicPartition, int]]]:
    """The partitions that have a leader, by its node id."""
    leaders: dict[int, dict[TopicPartition, int]] = {}
    for partition, time in times.items():
        leader = network.metadata.leader(*partition)
        if leader is not None:
            leaders.setdefault(leader, {})[partition] = time
        elif network.metadata.partition(*partition) is None:
            raise ValueError(f"topic {partition.topic} has no partition {partition.partition}")
    return list(leaders.items())


async def _ask(
    network: Network, leader: int, times: dict[TopicPartition, int], timeout_ms: int
) -> dict[TopicPartition, OffsetAndTimestamp]:
    """Ask one leader once; partitions with an error that may pass are left out."""
    topics: dict[str, ListOffsetsRequestTopic] = {}
    for (name, index), time in times.items():
        topic = topics.setdefault(name, ListOffsetsRequestTopic(name=name, partitions=[]))
        topic.partitions.append(ListOffsetsRequestPartition(partition_index=index, timestamp=time))
    request = ListOffsetsRequest(topics=list(topics.values()), timeout_ms=timeout_ms)
    try:
        response = await network.request(request, ListOffsetsResponse, timeout_ms, leader)
    except KafkaError as error:
        if not error.retriable:
            raise
        return {}
    found: dict[TopicPartition, OffsetAndTimestamp] = {}
    for topic in response.topics:
        for each in topic.partitions:
            partition = TopicPartition(topic.name, each.partition_index)
            if not each.error_code:
                found[partition] = OffsetAndTimestamp(
                    each.offset, each.timestamp, each.leader_epoch
                )
            elif not (error := KafkaError.of(each.error_code)).retriable:
                raise KafkaError.of(
                    each.error_code, f"{topic.name}-{each.partition_index}: {error}"
                )
    return found
