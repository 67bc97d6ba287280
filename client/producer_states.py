"""Which producers the leaders of partitions remember: DescribeProducers, put to them (KIP-664)."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..protocol.api.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    TopicRequest,
)
from .leaders import ask_leaders, raise_unless_retriable
from .metadata import TopicPartition, by_topic
from .network import Network


@dataclass(frozen=True, slots=True)
class ProducerState:
    """A producer of a partition; `transaction_start_offset` is None without an open transaction."""

    producer_id: int
    producer_epoch: int
    last_sequence: int
    last_timestamp_ms: int
    coordinator_epoch: int
    transaction_start_offset: int | None


async def describe_producers(
    network: Network, partitions: Sequence[TopicPartition], timeout_ms: int
) -> dict[TopicPartition, tuple[ProducerState, ...]]:
    """The producers of each partition, in order of id."""

    async def ask(
        leader: int, part: dict[TopicPartition, int], left_ms: int
    ) -> dict[TopicPartition, tuple[ProducerState, ...]]:
        topics = [
            TopicRequest(name=name, partition_indexes=those)
            for name, those in by_topic(part).items()
        ]
        request = DescribeProducersRequest(topics=topics)
        response = await network.request(request, DescribeProducersResponse, left_ms, leader)
        return _states(response)

    return await ask_leaders(network, dict.fromkeys(partitions, 0), timeout_ms, ask)


def _states(response: DescribeProducersResponse) -> dict[TopicPartition, tuple[ProducerState, ...]]:
    """The producers in an answer; partitions with an error that may pass are left out."""
    found: dict[TopicPartition, tuple[ProducerState, ...]] = {}
    for topic in response.topics:
        for each in topic.partitions:
            partition = TopicPartition(topic.name, each.partition_index)
            if each.error_code:
                raise_unless_retriable(partition, each.error_code)
                continue
            states = [
                ProducerState(
                    state.producer_id,
                    state.producer_epoch,
                    state.last_sequence,
                    state.last_timestamp,
                    state.coordinator_epoch,
                    None if state.current_txn_start_offset < 0 else state.current_txn_start_offset,
                )
                for state in each.active_producers
            ]
            found[partition] = tuple(sorted(states, key=lambda state: state.producer_id))
    return found
