"""DeleteTopics: by name, or from version 6 on by topic id (KIP-516); data goes at once."""

from ...protocol.api.delete_topics import (
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicsResponseTopic,
)
from ...protocol.errors import ErrorCode
from ...protocol.primitives import ZERO_UUID
from ..controller.decide import Decision, delete_topic
from ..controller.image import Image
from .context import Context, Exchange
from .topics import find_topic

FIRST_VERSION_WITH_DELETION_DISABLED = 3


async def handle(
    exchange: Exchange, request: DeleteTopicsRequest, context: Context
) -> DeleteTopicsResponse:
    """One answer per topic, in the order asked; a topic named twice is deleted once."""
    wanted = [(name, ZERO_UUID) for name in request.topic_names]
    wanted += [(topic.name, topic.topic_id) for topic in request.topics]
    if not context.config.delete_topic_enable:
        return DeleteTopicsResponse(
            responses=[_disabled(name, topic_id, exchange.version) for name, topic_id in wanted]
        )
    return DeleteTopicsResponse(
        responses=[await _delete(name, topic_id, context) for name, topic_id in wanted]
    )


def _disabled(name: str | None, topic_id: bytes, version: int) -> DeleteTopicsResponseTopic:
    error_code = ErrorCode.TOPIC_DELETION_DISABLED
    if version < FIRST_VERSION_WITH_DELETION_DISABLED:
        error_code = ErrorCode.INVALID_REQUEST
    return DeleteTopicsResponseTopic(name=name, topic_id=topic_id, error_code=error_code)


async def _delete(name: str | None, topic_id: bytes, context: Context) -> DeleteTopicsResponseTopic:
    answer = DeleteTopicsResponseTopic(name=name, topic_id=topic_id, error_code=ErrorCode.NONE)
    if name is not None and topic_id != ZERO_UUID:
        answer.error_code = ErrorCode.INVALID_REQUEST
        answer.error_message = "a topic is given by its name or by its id, not by both"
        return answer

    def decide(image: Image) -> Decision:
        found = find_topic(image, name or "", topic_id)
        if isinstance(found, ErrorCode):
            return Decision([], found)
        answer.name, answer.topic_id = found.name, found.topic_id
        return delete_topic(image, found.topic_id)

    decision = await context.controller.submit(decide)
    answer.error_code, answer.error_message = decision.error_code, decision.message
    return answer
