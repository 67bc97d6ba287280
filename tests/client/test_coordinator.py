"""The coordinator of a group: found, forgotten, asked again, and never waited for without end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from minikafka.client.coordinator import Coordinator
from minikafka.client.errors import KafkaTimeout
from minikafka.client.network import Network
from minikafka.client.settings import NetworkSettings
from minikafka.protocol.api.find_coordinator import FindCoordinatorResponse
from minikafka.protocol.api.heartbeat import HeartbeatRequest, HeartbeatResponse
from minikafka.protocol.errors import ErrorCode, KafkaError

from ..transport.scripted_broker import HANG_UP, SILENCE, ScriptedBroker
from .cluster import Cluster
from .coordination import FIND_COORDINATOR, coordinated_by, serve_up_to
from .scripted_group import HEARTBEAT

DEADLINE_MS = 10_000
TWO_GIB = b"\x7f\xff\xff\xff"
HELLO = HeartbeatRequest(group_id="g", generation_id=1, member_id="m")


@asynccontextmanager
async def coordinator_at(broker: ScriptedBroker, **options: Any) -> AsyncIterator[Coordinator]:
    """The coordinator of `g`, found through this broker."""
    defaults = {"retry_backoff_ms": 1, "request_timeout_ms": DEADLINE_MS}
    settings = NetworkSettings((("127.0.0.1", broker.port),), **defaults | options)
    network = Network(settings, Random(1))
    await network.start()
    try:
        yield Coordinator(network, "g")
    finally:
        await network.close()


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    """A broker that coordinates `g` and takes every heartbeat."""
    handlers = {FIND_COORDINATOR: coordinated_by(1), HEARTBEAT: answers(ErrorCode.NONE)}
    async with ScriptedBroker(handlers) as broker:
        Cluster(broker)
        yield broker


def answers(*codes: Any) -> Any:
    """A Heartbeat handler: these codes (or objects) one after the other, the last for ever."""
    left = list(codes)

    def handle(_: HeartbeatRequest) -> Any:
        code = left.pop(0) if len(left) > 1 else left[0]
        return HeartbeatResponse(error_code=int(code)) if isinstance(code, ErrorCode) else code

    return handle


async def ask(coordinator: Coordinator, timeout_ms: int = DEADLINE_MS) -> HeartbeatResponse:
    """Ask it something that it answers with a code."""
    return await coordinator.request(
        HELLO, HeartbeatResponse, timeout_ms, lambda answer: answer.error_code
    )


@pytest.mark.parametrize("version", range(7))
async def test_it_is_found_through_brokers_of_each_version(broker: ScriptedBroker, version: int):
    serve_up_to(broker, FIND_COORDINATOR, version)
    async with coordinator_at(broker) as coordinator:
        assert await coordinator.find(DEADLINE_MS) == 1
        assert await coordinator.find(DEADLINE_MS) == 1
    (request,) = broker.requests_of(FIND_COORDINATOR)
    assert "g" in (request.key, *request.coordinator_keys)


async def test_it_is_looked_for_until_there_is_one(broker: ScriptedBroker):
    found = coordinated_by(1)
    codes = [ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS]
    serve_up_to(broker, FIND_COORDINATOR, 3)
    broker.handlers[FIND_COORDINATOR] = lambda request: (
        FindCoordinatorResponse(error_code=int(codes.pop())) if codes else found(request)
    )
    async with coordinator_at(broker) as coordinator:
        assert await coordinator.find(DEADLINE_MS) == 1


async def test_a_group_that_may_not_be_looked_for_is_an_error_at_once(broker: ScriptedBroker):
    code = ErrorCode.GROUP_AUTHORIZATION_FAILED
    serve_up_to(broker, FIND_COORDINATOR, 3)
    broker.handlers[FIND_COORDINATOR] = lambda _: FindCoordinatorResponse(
        error_code=int(code), error_message="not you"
    )
    async with coordinator_at(broker) as coordinator:
        with pytest.raises(KafkaError, match="not you") as caught:
            await coordinator.find(DEADLINE_MS)
        assert caught.value.code is code


@pytest.mark.parametrize("nonsense", [SILENCE, HANG_UP, TWO_GIB, b"\0\0\0\1\xff"])
async def test_a_broker_that_answers_nonsense_is_a_timeout_that_names_the_group(
    broker: ScriptedBroker, nonsense: object
):
    broker.handlers[FIND_COORDINATOR] = lambda _: nonsense
    async with coordinator_at(broker) as coordinator:
        with pytest.raises(KafkaTimeout, match="no coordinator of group 'g' within 60 ms"):
            await coordinator.find(60)


async def test_a_broker_that_nobody_knows_is_not_found(broker: ScriptedBroker):
    broker.handlers[FIND_COORDINATOR] = coordinated_by(77)
    async with coordinator_at(broker) as coordinator:
        with pytest.raises(KafkaTimeout, match="broker 77 is not known yet"):
            await coordinator.find(500)
        assert coordinator.node_id is None


@pytest.mark.parametrize(
    "moved", [ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE, HANG_UP]
)
async def test_it_is_looked_for_anew_when_it_has_moved(broker: ScriptedBroker, moved: object):
    broker.handlers[HEARTBEAT] = answers(moved, ErrorCode.NONE)
    async with coordinator_at(broker) as coordinator:
        assert (await ask(coordinator)).error_code == 0
    assert len(broker.requests_of(FIND_COORDINATOR)) == 2


async def test_it_is_left_in_peace_while_it_reads_its_state(broker: ScriptedBroker):
    loading = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    broker.handlers[HEARTBEAT] = answers(loading, loading, ErrorCode.NONE)
    async with coordinator_at(broker) as coordinator:
        assert (await ask(coordinator)).error_code == 0
    assert len(broker.requests_of(FIND_COORDINATOR)) == 1


async def test_any_other_error_is_an_answer(broker: ScriptedBroker):
    broker.handlers[HEARTBEAT] = answers(ErrorCode.UNKNOWN_MEMBER_ID)
    async with coordinator_at(broker) as coordinator:
        assert (await ask(coordinator)).error_code == ErrorCode.UNKNOWN_MEMBER_ID


async def test_one_that_goes_on_moving_is_a_timeout_that_says_so(broker: ScriptedBroker):
    broker.handlers[HEARTBEAT] = answers(ErrorCode.NOT_COORDINATOR)
    async with coordinator_at(broker) as coordinator:
        with pytest.raises(KafkaTimeout, match="group 'g' got no answer within 50 ms: "):
            await ask(coordinator, 50)


async def test_one_that_is_silent_does_not_use_up_the_time():
    async with ScriptedBroker() as old, ScriptedBroker() as new:
        Cluster(old, new)
        old.handlers[HEARTBEAT], new.handlers[HEARTBEAT] = answers(SILENCE), answers(ErrorCode.NONE)
        old.handlers[FIND_COORDINATOR] = new.handlers[FIND_COORDINATOR] = coordinated_by(1, 2)
        async with coordinator_at(old, request_timeout_ms=500) as coordinator:
            assert (await ask(coordinator)).error_code == 0
