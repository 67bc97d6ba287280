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
    for expected_ms in (20, 40, 80, 80, 80):
        before_ms = loop.time() * 1000
        await channel.open("127.0.0.1", 1)
        # A fifth is at random, and a ms is lost in rounding down.
        assert channel.retry_at_ms >= before_ms + 0.8 * expected_ms - 2
        assert channel.retry_at_ms <= loop.time() * 1000 + 1.2 * expected_ms
    assert channel.ready("127.0.0.1", 1) is None
    assert channel.error is not None
    assert changes.count(True) == 5
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
