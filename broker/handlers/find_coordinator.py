"""FindCoordinator: there is none yet, and the answer says so.

Consumer groups and transactions come later. The API is served all the same: librdkafka compresses
with lz4 only for brokers that advertise it, and would send such batches uncompressed in silence.
"""

from ...protocol.api.find_coordinator import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from ...protocol.errors import ErrorCode
from .context import Context, Exchange

FIRST_VERSION_WITH_KEYS = 4
NO_COORDINATOR = "this broker has no consumer groups and no transactions yet"
_NO_NODE = -1


def handle(
    exchange: Exchange, request: FindCoordinatorRequest, context: Context
) -> FindCoordinatorResponse:
    """COORDINATOR_NOT_AVAILABLE for every key."""
    del context
    if exchange.version >= FIRST_VERSION_WITH_KEYS:
        return FindCoordinatorResponse(
            coordinators=[
                Coordinator(
                    key=key,
                    error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE,
                    error_message=NO_COORDINATOR,
                )
                for key in request.coordinator_keys
            ]
        )
    return FindCoordinatorResponse(
        error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE,
        error_message=NO_COORDINATOR,
        node_id=_NO_NODE,
        port=_NO_NODE,
    )
