"""Partitions moved to other brokers: reassignments begun, given up and listed (KIP-455).

A reassignment that has begun goes on by itself. While it does, `replicas` of the partition has the
old and the new ones; when all the new ones are in sync, the old ones leave it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..protocol.api.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignableTopic,
)
from ..protocol.api.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
    ListPartitionReassignmentsTopics,
)
from ..transport.connection import Connection
from . import questions
from .metadata import TopicPartition, by_topic
from .network import Network
from .outcome import Outcome, partition_outcome

__all__ = ["PartitionReassignment", "alter_reassignments", "list_reassignments"]


@dataclass(frozen=True, slots=True)
class PartitionReassignment:
    """A partition on its way: its replicas now, and which of them come and go."""

    replicas: tuple[int, ...]
    adding_replicas: tuple[int, ...]
    removing_replicas: tuple[int, ...]


async def alter_reassignments(
    network: Network,
    targets: Mapping[TopicPartition, Sequence[int] | None],
    allow_replication_factor_change: bool,
    timeout_ms: int,
) -> list[Outcome]:
    """Begin to move each partition to its replicas; None gives up what has begun."""
    request = AlterPartitionReassignmentsRequest(
        timeout_ms=timeout_ms,
        allow_replication_factor_change=allow_replication_factor_change,
        topics=[
            ReassignableTopic(
                name=name,
                partitions=[
                    ReassignablePartition(partition_index=index, replicas=_listed(target))
                    for (topic, index), target in sorted(targets.items())
                    if topic == name
                ],
            )
            for name in sorted({topic for topic, _ in targets})
        ],
    )

    async def ask(connection: Connection, left_ms: int) -> list[Outcome]:
        response = await connection.request(request, AlterPartitionReassignmentsResponse, left_ms)
        return [
            Outcome("reassignment", response.error_code, response.error_message),
            *(
                partition_outcome(
                    topic.name, each.partition_index, each.error_code, each.error_message
                )
                for topic in response.responses
                for each in topic.partitions
            ),
        ]

    return await questions.change(network, ask, timeout_ms)


async def list_reassignments(
    network: Network, partitions: Sequence[TopicPartition] | None, timeout_ms: int
) -> dict[TopicPartition, PartitionReassignment]:
    """Those of these partitions, or of all, that are being moved."""
    topics = None
    if partitions is not None:
        topics = [
            ListPartitionReassignmentsTopics(name=name, partition_indexes=indexes)
            for name, indexes in by_topic(partitions).items()
        ]
    request = ListPartitionReassignmentsRequest(timeout_ms=timeout_ms, topics=topics)
    response = await questions.ask_controller(
        network, request, ListPartitionReassignmentsResponse, timeout_ms
    )
    return {
        TopicPartition(topic.name, each.partition_index): PartitionReassignment(
            tuple(each.replicas), tuple(each.adding_replicas), tuple(each.removing_replicas)
        )
        for topic in response.topics
        for each in topic.partitions
    }


def _listed(target: Sequence[int] | None) -> list[int] | None:
    return None if target is None else list(target)
