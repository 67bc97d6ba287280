"""A broker's life in its cluster: it registers, lives, is cut off, comes back, leaves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from minikafka.broker.config import BrokerConfig
from minikafka.broker.controller import session as session_module
from minikafka.broker.controller.decide_brokers import unregister_broker
from minikafka.broker.controller.image import Standing
from minikafka.broker.controller.session import BrokerIdTaken
from minikafka.protocol.control import Heartbeat

from ..in_process import until
from .members import VOTERS, Cluster, Member

CONFIG = BrokerConfig(
    voters=VOTERS, broker_heartbeat_interval_ms=10, broker_session_timeout_ms=2000
)


Begin = Callable[[BrokerConfig], Awaitable[Cluster]]


@pytest_asyncio.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Begin]:
    """Begins a cluster, which ends with the test."""
    begun: list[Cluster] = []

    async def begin_one(config: BrokerConfig) -> Cluster:
        begun.append(await Cluster.begin(tmp_path, config))
        return begun[-1]

    yield begin_one
    for cluster in begun:
        await cluster.end()


def now_ms() -> int:
    """The loop's time."""
    return int(asyncio.get_running_loop().time() * 1000)


async def test_a_broker_registers_and_is_unfenced_by_its_heartbeats(begin: Begin) -> None:
    cluster = await begin(CONFIG)
    session = Member(cluster).session(2)
    assert session.is_fenced
    assert not session.has_lease(now_ms())
    assert await session.register() == cluster.image.brokers[2].epoch == session.epoch
    await until(lambda: not session.is_fenced and session.has_lease(now_ms()))


async def test_registration_waits_for_a_controller(begin: Begin) -> None:
    cluster = await begin(CONFIG)
    member = Member(cluster)
    member.is_cut = True
    session = member.session(2)
    registering = asyncio.create_task(session.register())
    await until(lambda: len(member.asked) > 1)
    member.is_cut = False
    assert await registering == cluster.image.brokers[2].epoch


async def test_a_lease_ends_with_the_session(begin: Begin) -> None:
    cluster = await begin(CONFIG)
    member = Member(cluster)
    session = member.session(2)
    await session.register()
    await until(lambda: session.has_lease(now_ms()))
    member.is_cut = True
    cut_ms = now_ms()
    assert session.has_lease(cut_ms)
    assert not session.has_lease(cut_ms + CONFIG.broker_session_timeout_ms)


async def test_a_broker_that_comes_back_lives_on(begin: Begin) -> None:
    config = BrokerConfig(
        voters=VOTERS, broker_heartbeat_interval_ms=10, broker_session_timeout_ms=100
    )
    cluster = await begin(config)
    member = Member(cluster)
    session = await member.live(2)
    epoch = session.epoch
    member.is_cut = True
    await until(lambda: session.is_fenced)
    member.is_cut = False
    await until(lambda: not session.is_fenced)
    assert session.epoch == epoch


async def test_a_process_that_follows_a_dead_one_waits_until_it_is_dead(begin: Begin) -> None:
    cluster = await begin(CONFIG)
    dead = Member(cluster)
    first = await dead.live(2)
    await first.stop()
    for call in cluster.controller.on_disconnected:
        call(dead)
    second = Member(cluster).session(2)
    assert await second.register() > first.epoch
    await until(lambda: not second.is_fenced)
    assert first.is_fenced


async def test_an_id_that_is_in_use_is_given_up(begin: Begin) -> None:
    config = BrokerConfig(
        voters=VOTERS, broker_heartbeat_interval_ms=10, broker_session_timeout_ms=400
    )
    cluster = await begin(config)
    first = await Member(cluster).live(2)
    with pytest.raises(BrokerIdTaken, match="broker 2"):
        await Member(cluster).session(2).register()
    assert not first.is_fenced


async def test_who_was_replaced_is_told(begin: Begin) -> None:
    cluster = await begin(CONFIG)
    member = Member(cluster)
    session = member.session(2)
    told: list[BrokerIdTaken] = []
    session.on_replaced = told.append
    await session.register()
    await until(lambda: not session.is_fenced)
    member.is_cut = True
    for call in cluster.controller.on_disconnected:
        call(member)
    other = Member(cluster).session(2)
    await other.register()
    member.is_cut = False
    await until(lambda: told)


async def test_a_broker_that_was_unregistered_registers_again(begin: Begin) -> None:
    cluster = await begin(CONFIG)
    session = Member(cluster).session(2)
    epoch = await session.register()
    await cluster.controller.submit(lambda image: unregister_broker(image, CONFIG, 2))
    await until(lambda: session.epoch > epoch and not session.is_fenced)


async def test_leaving_hands_over(begin: Begin) -> None:
    cluster = await begin(CONFIG)
    session = await Member(cluster).live(2)
    await cluster.create("orders", 2, 1)
    assert await session.leave()
    assert cluster.partition("orders").leader == 1
    assert cluster.standing(2) is Standing.FENCED


async def test_who_leaves_does_not_wait_for_the_next_heartbeat(begin: Begin) -> None:
    hour_ms = 3_600_000
    config = BrokerConfig(
        voters=VOTERS, broker_heartbeat_interval_ms=hour_ms, broker_session_timeout_ms=hour_ms
    )
    cluster = await begin(config)
    session = await Member(cluster).live(2)
    assert await session.leave()


async def test_the_controller_is_the_last_of_those_who_leave(begin: Begin) -> None:
    cluster = await begin(CONFIG)
    member = Member(cluster)
    member.is_active = True
    session = await member.live(2)
    await cluster.live(3)
    await cluster.beat(3, leave=True)
    leaving = asyncio.create_task(session.leave())
    await until(lambda: cluster.standing(2) is Standing.FENCED)
    asked_count = len(member.asked)
    await until(lambda: len(member.asked) > asked_count + 2)
    assert not leaving.done()
    await cluster.beat(3, leave=True)
    assert cluster.standing(3) is Standing.FENCED
    assert await leaving


async def test_the_last_one_has_nobody_to_wait_for(begin: Begin) -> None:
    cluster = await begin(CONFIG)
    member = Member(cluster)
    session = await member.live(2)
    for _ in range(2):
        await cluster.beat(1, leave=True)
    assert cluster.standing(1) is Standing.FENCED
    member.is_cut = True
    assert await session.leave()


async def test_nobody_waits_for_a_controller_that_has_left(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "UNREACHABLE_S", 0.1)
    cluster = await begin(CONFIG)
    member = Member(cluster)
    session = member.session(2)
    await session.register()
    member.is_cut = True
    assert not await session.leave()
    assert any(isinstance(each, Heartbeat) and each.wants_to_leave for each in member.asked)
