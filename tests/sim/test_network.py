"""The loop and the network in it: time, order, faults, and programs that end without a word."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from .loop import NothingWillHappen, SimulatedLoop, run_simulated

SERVER, CLIENT = "10.0.0.1", "10.0.1.1"
ADDRESS = (SERVER, 9092)


class World:
    """An echo server and a client, each a process on a host of its own."""

    def __init__(self, seed: int = 1) -> None:
        self.loop = SimulatedLoop(Random(seed))
        self.network = self.loop.network
        self.network.delay_s, self.network.jitter_s = 0.001, 0.002
        self.server = self.loop.new_process(SERVER, "server")
        self.client = self.loop.new_process(CLIENT, "client")
        self.server_saw: list[str] = []
        self.opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def serve(self) -> None:
        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while data := await reader.read(1 << 20):
                    writer.write(data)
                    await writer.drain()
                self.server_saw.append("end")
            except ConnectionError:
                self.server_saw.append("reset")
            finally:
                self.server_saw.append("finally")
                writer.close()

        await asyncio.start_server(converse, *ADDRESS)

    def run(self, test: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """The server serves, then the test runs in the client's process."""

        async def main() -> Any:
            await self.server.create_task(self.serve())
            return await self.client.create_task(test())

        try:
            return self.loop.run_until_complete(main())
        finally:
            self.loop.end()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.opened.append(await asyncio.open_connection(*ADDRESS))
        return self.opened[-1]


def test_hours_pass_at_once() -> None:
    async def main() -> float:
        await asyncio.sleep(7200)
        return asyncio.get_running_loop().time()

    assert 7200 <= run_simulated(main()) < 7201


def test_who_waits_for_nothing_is_told() -> None:
    with pytest.raises(NothingWillHappen):
        run_simulated(asyncio.Event().wait())


def test_there_are_no_threads_and_no_names() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(RuntimeError, match="threads"):
            await loop.run_in_executor(None, print)
        with pytest.raises(RuntimeError, match="names"):
            await loop.getaddrinfo("localhost", 1)

    run_simulated(main())


def test_bytes_arrive_in_order_however_they_are_split() -> None:
    world = World()
    world.network.split = 0.7
    sent = b"".join(b"%d," % number for number in range(500))

    async def test() -> bytes:
        reader, writer = await world.connect()
        for start in range(0, len(sent), 37):
            writer.write(sent[start : start + 37])
        writer.write_eof()
        return await reader.read(-1)

    assert world.run(test) == sent


def test_the_same_seed_has_the_same_trace_and_another_seed_another() -> None:
    def trace(seed: int) -> tuple[str, float]:
        world = World(seed)
        world.network.split = 0.3

        async def test() -> None:
            reader, writer = await world.connect()
            for number in range(50):
                writer.write(b"%d" % number * 20)
                await reader.read(100)

        world.run(test)
        return world.loop.trace.hash, world.loop.now_s

    assert trace(1) == trace(1)
    assert trace(1) != trace(2)


def test_a_cut_holds_back_what_is_sent_until_it_heals() -> None:
    world = World()

    async def test() -> tuple[bytes, float]:
        reader, writer = await world.connect()
        world.network.cut(CLIENT, SERVER)
        writer.write(b"late")
        asyncio.get_running_loop().call_later(10, world.network.heal, CLIENT, SERVER)
        return await reader.readexactly(4), world.loop.time()

    data, when_s = world.run(test)
    assert data == b"late"
    assert 10 < when_s < 11


def test_a_cut_of_the_way_back_lets_the_way_there_be() -> None:
    world = World()

    async def test() -> None:
        reader, writer = await world.connect()
        world.network.cut(SERVER, CLIENT)
        writer.write(b"heard")
        writer.write_eof()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(10), 5)
        assert world.server_saw == ["end", "finally"]

    world.run(test)


def test_who_connects_over_a_cut_link_waits_and_gets_through_when_it_heals() -> None:
    world = World()

    async def test() -> None:
        world.network.cut(SERVER, CLIENT)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(world.connect(), 5)
        asyncio.get_running_loop().call_later(5, world.network.heal, SERVER, CLIENT)
        await world.connect()

    world.run(test)


def test_nobody_listens_or_refuses() -> None:
    world = World()

    async def test() -> None:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(SERVER, 1)
        world.network.refusing.add(SERVER)
        with pytest.raises(ConnectionRefusedError):
            await world.connect()
        world.network.heal_all()
        await world.connect()

    world.run(test)


def test_a_reset_breaks_both_ends_off() -> None:
    world = World()

    async def test() -> None:
        reader, writer = await world.connect()
        writer.write(b"x")
        await reader.readexactly(1)
        assert world.network.reset(CLIENT, SERVER) == 1
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        await asyncio.sleep(1)
        assert world.server_saw == ["reset", "finally"]

    world.run(test)


def test_a_paused_process_does_everything_late() -> None:
    world = World()

    async def test() -> None:
        reader, writer = await world.connect()
        world.server.pause()
        writer.write(b"x")
        world.loop.call_later(60, world.server.resume)
        await reader.readexactly(1)
        assert 60 < world.loop.time() < 60.1

    world.run(test)


def test_a_killed_process_says_nothing_and_its_kernel_ends_its_connections() -> None:
    world = World()

    async def test() -> None:
        reader, writer = await world.connect()
        writer.write(b"x")
        await reader.readexactly(1)
        world.loop.kill(world.server)
        with suppress(ConnectionResetError):
            assert await reader.read(1) == b""
        with pytest.raises(ConnectionRefusedError):
            await world.connect()
        assert world.server_saw == [], "a finally block ran"

    world.run(test)


def test_a_host_without_power_is_silent_and_after_a_boot_it_resets_what_it_has_forgotten() -> None:
    world = World()

    async def test() -> None:
        reader, writer = await world.connect()
        world.network.lose_power(SERVER)
        world.loop.kill(world.server, is_power_loss=True)
        writer.write(b"x")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 30)
        world.network.boot(SERVER)
        writer.write(b"y")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), 5)

    world.run(test)


def test_a_sender_that_is_far_ahead_is_paused() -> None:
    world = World()

    async def test() -> int:
        _, writer = await world.connect()
        world.server.pause()
        sent = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                while True:
                    writer.write(bytes(10_000))
                    sent += 10_000
                    await writer.drain()
        return sent

    assert 190_000 < world.run(test) < 300_000


def test_timers_of_one_instant_run_in_an_order_of_the_seed() -> None:
    def order(random: Random | None) -> list[int]:
        loop, seen = SimulatedLoop(random), list[int]()
        for number in range(8):
            loop.call_at(1.0, seen.append, number)
        loop.run_until_complete(asyncio.sleep(0, loop.call_later(0, lambda: None)))
        loop.call_at(2.0, loop.stop)
        loop.run_forever()
        loop.end()
        return seen

    assert order(Random(1)) == order(Random(1))
    assert order(Random(1)) != order(Random(2))
    assert sorted(order(Random(1))) == list(range(8))
