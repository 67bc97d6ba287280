"""ListPartitionReassignments: which partitions are being moved? The active controller answers."""

from ...protocol.api.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
    OngoingPartitionReassignment,
    OngoingTopicReassignment,
)
from ..controller.decide import Decision
from ..controller.decide_elections import Partition
from ..controller.decide_reassignments import list_reassignments
from ..controller.image import PartitionImage
from .context import Context, Exchange


async def handle(
    exchange: Exchange, request: ListPartitionReassignmentsRequest, context: Context
) -> ListPartitionReassignmentsResponse:
    """Of those asked for, or of all; what is not being moved, or not there, is left out."""
    del exchange
    wanted = _wanted(request)
    # A command without records: it is decided behind those before it, by who may decide.
    decision = await context.controller.submit(
        lambda image: Decision([], value=list_reassignments(image, wanted))
    )
    topics: dict[str, OngoingTopicReassignment] = {}
    ongoing: dict[Partition, PartitionImage] = {} if decision.error_code else decision.value
    for (name, index), partition in ongoing.items():
        moving = OngoingPartitionReassignment(
            partition_index=index,
            replicas=list(partition.replicas),
            adding_replicas=list(partition.adding),
            removing_replicas=list(partition.removing),
        )
        topics.setdefault(name, OngoingTopicReassignment(name=name, partitions=[]))
        topics[name].partitions.append(moving)
    return ListPartitionReassignmentsResponse(
        error_code=decision.error_code,
        error_message=decision.error_code.message if decision.error_code else None,
        topics=list(topics.values()),
    )


def _wanted(request: ListPartitionReassignmentsRequest) -> list[Partition] | None:
    if request.topics is None:
        return None
    return [(topic.name, index) for topic in request.topics for index in topic.partition_indexes]
