"""What scripted brokers say of a group's coordinator, and which versions they serve."""

from collections.abc import Callable

from minikafka.protocol.api.api_versions import ApiVersion
from minikafka.protocol.api.find_coordinator import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)

from ..transport.scripted_broker import ScriptedBroker

FIND_COORDINATOR = 10


def coordinated_by(*node_ids: int) -> Callable[[FindCoordinatorRequest], FindCoordinatorResponse]:
    """A FindCoordinator handler: these brokers one after the other, the last for ever."""
    left = list(node_ids)

    def handle(request: FindCoordinatorRequest) -> FindCoordinatorResponse:
        node_id = left.pop(0) if len(left) > 1 else left[0]
        if not request.coordinator_keys:
            return FindCoordinatorResponse(node_id=node_id, host="127.0.0.1", port=1)
        return FindCoordinatorResponse(
            coordinators=[
                Coordinator(key=key, node_id=node_id, host="127.0.0.1", port=1)
                for key in request.coordinator_keys
            ]
        )

    return handle


def serve_up_to(broker: ScriptedBroker, key: int, version: int, first: int = 0) -> None:
    """Let the broker serve these versions of an API; none if `version` is negative."""
    broker.versions = [each for each in broker.versions if each.api_key != key]
    if version >= 0:
        served = ApiVersion(api_key=key, min_version=first, max_version=version)
        broker.versions.append(served)
