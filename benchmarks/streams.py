"""Records that flow while something happens to the cluster: the longest that they stood still.

    producer   a record every 5 ms to each partition, acks=all, our client with its defaults
    consumer   reads them all, in a group

What counts is the longest time between two acknowledgements, and between two arrivals, of any
partition; and every error that a client lets through, of which there should be none.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from minikafka import Consumer, KafkaError, Producer

from .three_nodes import DEADLINE_S, ThreeNodes

EVERY_S = 0.005
SETTLE_S = 1.0
VALUE = b"x" * 100


@dataclass(slots=True)
class Pulse:
    """The longest silence of each partition."""

    last_s: dict[int, float] = field(default_factory=dict[int, float])
    longest_s: dict[int, float] = field(default_factory=dict[int, float])
    count: int = 0

    def beat(self, partition: int) -> None:
        """Something came."""
        now_s = time.monotonic()
        silence_s = now_s - self.last_s.get(partition, now_s)
        self.longest_s[partition] = max(self.longest_s.get(partition, 0.0), silence_s)
        self.last_s[partition] = now_s
        self.count += 1

    def worst_ms(self) -> float:
        """The longest silence of any partition, one that lasts included."""
        for partition in self.last_s:
            self.beat(partition)
        return max(self.longest_s.values(), default=0.0) * 1000


@dataclass(slots=True)
class Streams:
    """What flows."""

    acknowledged: Pulse = field(default_factory=Pulse)
    arrived: Pulse = field(default_factory=Pulse)
    errors: list[str] = field(default_factory=list[str])


async def stand_still(cluster: ThreeNodes, topic: str, event: Awaitable[object]) -> Streams:
    """Let this happen to the cluster while records flow; what was seen meanwhile."""
    async with _flowing(cluster, topic) as streams:
        await asyncio.sleep(SETTLE_S)
        streams.acknowledged, streams.arrived = Pulse(), Pulse()
        await asyncio.sleep(SETTLE_S)
        await event
        await asyncio.sleep(SETTLE_S)
    return streams


@asynccontextmanager
async def _flowing(cluster: ThreeNodes, topic: str) -> AsyncGenerator[Streams]:
    streams = Streams()
    options = {"bootstrap_servers": cluster.bootstrap}
    async with (
        Producer(**options) as producer,
        Consumer(topic, group_id=f"bench-{time.monotonic_ns()}", **options) as consumer,
    ):
        partitions = await producer.partitions_for(topic)
        tasks = [
            asyncio.create_task(_produce(producer, topic, each, streams)) for each in partitions
        ]
        tasks.append(asyncio.create_task(_consume(consumer, streams)))
        try:
            yield streams
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            with suppress(KafkaError):
                await producer.flush(DEADLINE_S)


async def _produce(producer: Producer, topic: str, partition: int, streams: Streams) -> None:
    def settled(sent: object) -> None:
        error = sent.exception()  # pyright: ignore[reportAttributeAccessIssue]
        if error is None:
            streams.acknowledged.beat(partition)
        else:
            streams.errors.append(f"produce: {error}")

    while True:
        sent = await producer.send(topic, VALUE, partition=partition)
        sent.add_done_callback(settled)
        await asyncio.sleep(EVERY_S)


async def _consume(consumer: Consumer, streams: Streams) -> None:
    while True:
        try:
            async for record in consumer:
                streams.arrived.beat(record.partition)
        except KafkaError as error:
            streams.errors.append(f"consume: {error}")
