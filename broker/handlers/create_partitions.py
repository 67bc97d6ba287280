"""CreatePartitions: each topic succeeds or fails alone; all is usable when the answer arrives."""

from collections import Counter

from ...protocol.api.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)
from ...protocol.errors import ErrorCode
from ..controller.decide import Decision, NewPartitions, create_partitions
from ..controller.image import Image
from ..options import shown
from .context import Context, Exchange


async def handle(
    exchange: Exchange, request: CreatePartitionsRequest, context: Context
) -> CreatePartitionsResponse:
    """One answer per topic; a topic named twice is refused, once."""
    del exchange
    count = Counter(topic.name for topic in request.topics)
    results: list[CreatePartitionsTopicResult] = []
    for name, topic in {topic.name: topic for topic in request.topics}.items():
        if count[name] > 1:
            message = f"topic {shown(name)} is named {count[name]} times in one request"
            decision = Decision([], ErrorCode.INVALID_REQUEST, message)
        else:
            decision = await _create(topic, request.validate_only, context)
        result = CreatePartitionsTopicResult(
            name=name, error_code=decision.error_code, error_message=decision.message
        )
        results.append(result)
    return CreatePartitionsResponse(results=results)


async def _create(topic: CreatePartitionsTopic, validate_only: bool, context: Context) -> Decision:
    assignments = topic.assignments
    if assignments is not None:
        assignments = [tuple(each.broker_ids) for each in assignments]
    new = NewPartitions(topic.name, topic.count, assignments)

    def decide(image: Image) -> Decision:
        decision = create_partitions(image, new)
        return decision.without_records() if validate_only else decision

    return await context.controller.submit(decide)
