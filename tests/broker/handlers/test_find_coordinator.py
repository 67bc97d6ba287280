"""FindCoordinator, while there is no coordinator."""

import pytest

from minikafka.protocol.api.find_coordinator import FindCoordinatorRequest
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode


@pytest.mark.parametrize("version", range(4))
async def test_one_key_has_no_coordinator(node: ServedNode, version: int) -> None:
    answer = await node.call(FindCoordinatorRequest(key="billing"), version)
    assert (answer.error_code, answer.port) == (ErrorCode.COORDINATOR_NOT_AVAILABLE, -1)


@pytest.mark.parametrize("version", range(4, 7))
async def test_none_of_many_keys_has_a_coordinator(node: ServedNode, version: int) -> None:
    answer = await node.call(FindCoordinatorRequest(coordinator_keys=["a", "b"]), version)
    found = [(each.key, each.error_code) for each in answer.coordinators]
    assert found == [(key, ErrorCode.COORDINATOR_NOT_AVAILABLE) for key in "ab"]
