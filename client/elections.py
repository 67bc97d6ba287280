"""Leaders of partitions elected by hand: ElectLeaders, put to the controller (KIP-460).

That a partition has the right leader already is no error: it is as it was asked for.
"""

from collections.abc import Sequence
from typing import Final

from ..protocol.api.elect_leaders import (
    ElectionType,
    ElectLeadersRequest,
    ElectLeadersResponse,
    TopicPartitions,
)
from ..protocol.errors import ErrorCode
from ..transport.connection import Connection
from . import questions
from .metadata import TopicPartition, by_topic
from .network import Network
from .outcome import Outcome, partition_outcome, raise_first

__all__ = ["ElectionType", "elect_leaders"]

_NOT_NEEDED: Final = int(ErrorCode.ELECTION_NOT_NEEDED)


async def elect_leaders(
    network: Network,
    election_type: int,
    partitions: Sequence[TopicPartition] | None,
    timeout_ms: int,
) -> list[TopicPartition]:
    """Elect leaders for these partitions, or all; those that got another one, in order."""
    topics = None
    if partitions is not None:
        indexes = by_topic(partitions).items()
        topics = [TopicPartitions(topic=name, partitions=those) for name, those in indexes]
    request = ElectLeadersRequest(
        election_type=election_type, topic_partitions=topics, timeout_ms=timeout_ms
    )
    results: dict[TopicPartition, Outcome] = {}

    async def ask(connection: Connection, left_ms: int) -> list[Outcome]:
        nonlocal results
        response = await connection.request(request, ElectLeadersResponse, left_ms)
        results = _results(response)
        return [Outcome("election", response.error_code, None), *results.values()]

    outcomes = await questions.change(network, ask, timeout_ms)
    raise_first(each for each in outcomes if each.error_code != _NOT_NEEDED)
    return sorted(each for each, outcome in results.items() if not outcome.error_code)


def _results(response: ElectLeadersResponse) -> dict[TopicPartition, Outcome]:
    return {
        TopicPartition(topic.topic, each.partition_id): partition_outcome(
            topic.topic, each.partition_id, each.error_code, each.error_message
        )
        for topic in response.replica_election_results
        for each in topic.partition_result
    }
