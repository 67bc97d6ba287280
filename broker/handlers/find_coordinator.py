"""FindCoordinator: a group's coordinator is who leads its partition of `__consumer_offsets`.

The first to ask causes the topic to be created. While it cannot be, and while the partition has no
leader, the answer is COORDINATOR_NOT_AVAILABLE, and the client asks again. There are no
transactions: a transactional id is refused with an error that ends the producer at once, where
"not available" would have it ask for ever.
"""

from collections.abc import Coroutine
from typing import Any

from ...protocol.api.find_coordinator import (
    GROUP,
    TRANSACTION,
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from ...protocol.errors import ErrorCode
from ..controller.decide import OFFSETS_TOPIC
from ..group.placement import partition_of
from .context import Context, Exchange
from .endpoints import alive_endpoint
from .topic_creation import create_offsets_topic

FIRST_VERSION_WITH_KEYS = 4
NO_TRANSACTIONS = "this broker has no transactions"
NO_SUCH_KIND = "this broker coordinates consumer groups only"


def handle(
    exchange: Exchange, request: FindCoordinatorRequest, context: Context
) -> FindCoordinatorResponse | Coroutine[Any, Any, FindCoordinatorResponse]:
    """Answer at once, unless the topic that keeps the groups is still to be created."""
    if request.key_type == GROUP and OFFSETS_TOPIC not in context.controller.image.topics:
        return _create_and_answer(exchange, request, context)
    return _answer(exchange, request, context)


async def _create_and_answer(
    exchange: Exchange, request: FindCoordinatorRequest, context: Context
) -> FindCoordinatorResponse:
    await create_offsets_topic(context)
    return _answer(exchange, request, context)


def _answer(
    exchange: Exchange, request: FindCoordinatorRequest, context: Context
) -> FindCoordinatorResponse:
    if exchange.version >= FIRST_VERSION_WITH_KEYS:
        found = [
            _find(key, request.key_type, exchange, context) for key in request.coordinator_keys
        ]
        return FindCoordinatorResponse(coordinators=found)
    found = _find(request.key, request.key_type, exchange, context)
    return FindCoordinatorResponse(
        error_code=found.error_code,
        error_message=found.error_message,
        node_id=found.node_id,
        host=found.host,
        port=found.port,
    )


def _find(key: str, key_type: int, exchange: Exchange, context: Context) -> Coordinator:
    if key_type == TRANSACTION:
        return _refused(key, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, NO_TRANSACTIONS)
    if key_type != GROUP:
        return _refused(key, ErrorCode.INVALID_REQUEST, NO_SUCH_KIND)
    topic = context.controller.image.topics.get(OFFSETS_TOPIC)
    endpoint = None
    if topic is not None:
        partition = topic.partitions[partition_of(key, len(topic.partitions))]
        endpoint = alive_endpoint(partition.leader, exchange, context)
    if endpoint is None:
        error = ErrorCode.COORDINATOR_NOT_AVAILABLE
        return _refused(key, error, error.message)
    node_id, host, port = endpoint
    return Coordinator(key=key, node_id=node_id, host=host, port=port)


def _refused(key: str, error: ErrorCode, message: str) -> Coordinator:
    return Coordinator(key=key, error_code=error, error_message=message)
