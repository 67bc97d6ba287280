"""AlterPartitionReassignments: move replicas to other brokers (KIP-455), as the controller decides.

The answer says that it has begun; ListPartitionReassignments tells what is still on its way.
"""

from ...protocol.api.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartitionResponse,
    ReassignableTopic,
    ReassignableTopicResponse,
)
from ...protocol.errors import ErrorCode
from ..controller.decide import Decision
from ..controller.decide_elections import Partition
from ..controller.decide_reassignments import Refusal, alter_reassignments
from ..controller.image import Image
from .context import Context, Exchange

Targets = dict[Partition, tuple[int, ...] | None]
Outcomes = dict[Partition, Refusal | None]


async def handle(
    exchange: Exchange, request: AlterPartitionReassignmentsRequest, context: Context
) -> AlterPartitionReassignmentsResponse:
    """Each partition succeeds or fails alone."""
    del exchange
    targets = _targets(request)

    def decide(image: Image) -> Decision:
        refused = {} if request.allow_replication_factor_change else _resized(image, targets)
        wanted = {each: target for each, target in targets.items() if each not in refused}
        decision = alter_reassignments(image, context.config, wanted)
        return Decision(decision.records, value={**decision.value, **refused})

    decision = await context.controller.submit(decide)
    outcomes: Outcomes = {} if decision.error_code else decision.value
    return AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=request.allow_replication_factor_change,
        error_code=decision.error_code,
        error_message=decision.error_code.message if decision.error_code else None,
        responses=[_answer(topic, outcomes) for topic in request.topics if outcomes],
    )


def _targets(request: AlterPartitionReassignmentsRequest) -> Targets:
    return {
        (topic.name, each.partition_index): None if each.replicas is None else tuple(each.replicas)
        for topic in request.topics
        for each in topic.partitions
    }


def _resized(image: Image, targets: Targets) -> Outcomes:
    """Those that would have more replicas than before, or fewer (KIP-860)."""
    outcomes: Outcomes = {}
    for (name, index), target in targets.items():
        topic = image.topics.get(name)
        partition = topic.partitions.get(index) if topic else None
        if partition is None or target is None:
            continue
        factor = len(set(partition.replicas) - set(partition.removing))
        if len(target) != factor:
            message = f"{name}-{index} has {factor} replicas, and shall have {len(target)}"
            outcomes[name, index] = Refusal(ErrorCode.INVALID_REPLICATION_FACTOR, message)
    return outcomes


def _answer(topic: ReassignableTopic, outcomes: Outcomes) -> ReassignableTopicResponse:
    answer = ReassignableTopicResponse(name=topic.name, partitions=[])
    for each in topic.partitions:
        refused = outcomes[topic.name, each.partition_index]
        answer.partitions.append(
            ReassignablePartitionResponse(
                partition_index=each.partition_index,
                error_code=ErrorCode.NONE if refused is None else refused.error_code,
                error_message=None if refused is None else refused.message,
            )
        )
    return answer
