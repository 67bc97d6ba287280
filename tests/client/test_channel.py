"""One way to one address: opening, backing off, closing."""

import asyncio
from random import Random

from minikafka.client.channel import Channel
from minikafka.client.settings import NetworkSettings

from ..transport.scripted_broker import ScriptedBroker

SETTINGS = NetworkSettings((("127.0.0.1", 1),), retry_backoff_ms=20, reconnect_backoff_max_ms=80)


def channel_of(changes: list[bool]) -> Channel:
    """A channel that tells its changes."""
    return Channel(asyncio.get_running_loop(), SETTINGS, Random(1), changes.append)


async def test_ready_opens_once_and_then_gives_the_connection():
    changes: list[bool] = []
    async with ScriptedBroker() as broker:
        channel = channel_of(changes)
        assert channel.ready("127.0.0.1", broker.port) is None
        assert channel.ready("127.0.0.1", broker.port) is None
        async with asyncio.timeout(10):
            while (connection := channel.ready("127.0.0.1", broker.port)) is None:
                await asyncio.sleep(0)
        assert changes == [False]
        assert len(broker.requests) == 1
        await channel.close()
        assert connection.is_closed


async def test_failures_back_off_twice_as_long_each_time_up_to_the_limit():
    changes: list[bool] = []
    channel = channel_of(changes)
    loop = asyncio.get_running_loop()
    backoffs_ms: list[float] = []
    for _ in range(5):
        await channel.open("127.0.0.1", 1)
        backoffs_ms.append(channel.retry_at_ms - loop.time() * 1000)
        assert channel.ready("127.0.0.1", 1) is None, "too early"
    assert channel.error is not None
    assert changes == [True] * 5
    # A fifth at random, and what the test itself took.
    assert backoffs_ms[0] <= 24 < 25 < backoffs_ms[2]
    assert max(backoffs_ms) <= 96
    await channel.close()


async def test_a_connection_that_breaks_is_told():
    changes: list[bool] = []
    async with ScriptedBroker() as broker:
        channel = channel_of(changes)
        await channel.open("127.0.0.1", broker.port)
        broker.hang_up()
        async with asyncio.timeout(10):
            while channel.connection is not None:
                await asyncio.sleep(0)
        assert changes == [False, True]
        await channel.close()


async def test_close_stops_an_opening():
    async with ScriptedBroker() as broker:
        channel = channel_of([])
        channel.ready("127.0.0.1", broker.port)
        await channel.close()
        assert channel.connection is None
