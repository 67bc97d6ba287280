"""A machine with a real node: each way to end it, and what the next life finds."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from minikafka.broker.config import BrokerConfig
from minikafka.client.admin import AdminClient, NewTopic
from minikafka.client.producer import Producer
from minikafka.client.record import RecordMetadata

from .faults import Fault
from .loop import SimulatedLoop
from .machine import EPOCH_MS, Machine

HOST, ADDRESS = "127.0.1.1", "127.0.1.1:9092"
Test = Callable[["Served"], Awaitable[None]]


class Served:
    """A machine that is on, and a producer on another host."""

    def __init__(self) -> None:
        self.loop = SimulatedLoop(Random(1))
        self.loop.network.delay_s = 0.001
        config = BrokerConfig(
            node_id=1, listen=ADDRESS, controller_listen=f"{HOST}:19092", data_dir="/srv/mk"
        )
        self.machine = Machine(self.loop, HOST, config, Random(1))
        self.ended: list[str] = []
        self.machine.on_end = lambda machine, reason: self.ended.append(reason)
        self.producer: Producer

    async def ready(self) -> None:
        while not self.machine.is_ready:
            await asyncio.sleep(0.1)

    async def send(self, value: bytes) -> RecordMetadata:
        return await (await self.producer.send("orders", value))

    def run(self, test: Test) -> None:
        async def client() -> None:
            async with AdminClient(bootstrap_servers=ADDRESS, random=Random(1)) as admin:
                await admin.create_topics([NewTopic("orders", 1)])
            self.producer = Producer(
                bootstrap_servers=ADDRESS, random=Random(1), wall_clock=lambda: EPOCH_MS / 1000
            )
            async with self.producer:
                await test(self)

        async def main() -> None:
            self.machine.start()
            await self.ready()
            await self.loop.new_process("127.0.2.1", "client").create_task(client())

        try:
            self.loop.run_until_complete(main())
        finally:
            self.loop.end()
        assert self.ended == []


@pytest.mark.parametrize("way", ["kill", "lose_power", "stop"])
def test_what_was_acknowledged_is_there_in_the_next_life(way: str) -> None:
    async def test(served: Served) -> None:
        assert (await served.send(b"before")).offset == 0
        getattr(served.machine, way)()
        while served.machine.is_on:
            await asyncio.sleep(0.1)
        delivery = asyncio.ensure_future(served.send(b"meanwhile"))
        await asyncio.sleep(3)
        assert not delivery.done()
        served.machine.start()
        assert (await delivery).offset == 1
        assert served.machine.lives == 2

    Served().run(test)


def test_a_paused_node_answers_when_it_goes_on() -> None:
    async def test(served: Served) -> None:
        served.machine.pause()
        served.loop.call_later(7, served.machine.resume)
        began_s = served.loop.now_s
        await served.send(b"late")
        assert 7 < served.loop.now_s - began_s < 8

    Served().run(test)


def test_a_slow_disk_makes_slow_answers() -> None:
    async def test(served: Served) -> None:
        await served.send(b"early")  # It is flushed with the name of its leader epoch.
        served.machine.set_flush_s(2.0)
        began_s = served.loop.now_s
        await served.send(b"late")
        assert 2 < served.loop.now_s - began_s < 5

    Served().run(test)


def test_a_dead_node_cannot_touch_the_disk_of_the_next() -> None:
    async def test(served: Served) -> None:
        await served.send(b"x")
        old_disk = served.machine.disk
        served.machine.kill()
        assert served.machine.disk is not old_disk
        before = served.machine.disk.tree()
        for path in list(old_disk.tree()):
            if path.endswith(".log"):
                old_disk.unlink(path)
        assert served.machine.disk.tree() == before

    Served().run(test)


def test_a_node_whose_disk_fails_ends_by_itself() -> None:
    served = Served()

    async def test(served: Served) -> None:
        await served.send(b"x")
        served.machine.disk.fault = Fault("fsync", 1)
        delivery = asyncio.ensure_future(served.send(b"y"))
        while served.machine.is_on:
            await asyncio.sleep(0.1)
        assert "cannot flush" in served.ended.pop()
        served.machine.start()
        await delivery

    served.run(test)
