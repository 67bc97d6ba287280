"""FindCoordinator: this node coordinates every group; there are no transactions.

The first to ask causes `__consumer_offsets` to be created. A transactional id is refused with an
error that ends the producer at once, where "not available" would have it ask for ever.
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
from ..controller.decide import OFFSETS_TOPIC, create_offsets_topic
from .context import Context, Exchange

FIRST_VERSION_WITH_KEYS = 4
NO_TRANSACTIONS = "this broker has no transactions"
NO_SUCH_KIND = "this broker coordinates consumer groups only"
_NO_NODE = -1


def handle(
    exchange: Exchange, request: FindCoordinatorRequest, context: Context
) -> FindCoordinatorResponse | Coroutine[Any, Any, FindCoordinatorResponse]:
    """Answer at once, unless the topic that keeps the groups is still to be created."""
    if request.key_type == GROUP and OFFSETS_TOPIC not in context.controller.image.topics:
        return _create_and_answer(exchange, request, context)
    return _answer(exchange, request, context, ErrorCode.NONE)


async def _create_and_answer(
    exchange: Exchange, request: FindCoordinatorRequest, context: Context
) -> FindCoordinatorResponse:
    decision = await context.controller.submit(
        lambda image: create_offsets_topic(image, context.config, context.controller.random)
    )
    failed = decision.error_code not in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS)
    error = ErrorCode.COORDINATOR_NOT_AVAILABLE if failed else ErrorCode.NONE
    return _answer(exchange, request, context, error)


def _answer(
    exchange: Exchange, request: FindCoordinatorRequest, context: Context, error: ErrorCode
) -> FindCoordinatorResponse:
    host, port = context.address_for(exchange)
    node_id, message = context.config.node_id, error.message if error else None
    if request.key_type == TRANSACTION:
        error, message = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, NO_TRANSACTIONS
    elif request.key_type != GROUP:
        error, message = ErrorCode.INVALID_REQUEST, NO_SUCH_KIND
    if error:
        node_id, host, port = _NO_NODE, "", _NO_NODE
    if exchange.version < FIRST_VERSION_WITH_KEYS:
        return FindCoordinatorResponse(
            error_code=error, error_message=message, node_id=node_id, host=host, port=port
        )
    return FindCoordinatorResponse(
        coordinators=[
            Coordinator(
                key=key,
                node_id=node_id,
                host=host,
                port=port,
                error_code=error,
                error_message=message,
            )
            for key in request.coordinator_keys
        ]
    )
