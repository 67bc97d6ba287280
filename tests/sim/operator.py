"""Who runs the cluster: moves partitions, elects leaders, changes options, makes topics anew.

What it asks for may fail or come true later, and nothing of it may cost a record. The partitions
that it moves and the options that it changes are those of everybody's topic; a topic of its own is
deleted and made again under the same name. Of this one it writes a record or two each time, and
each that is acknowledged it reads again (KAFKA-12257: what an earlier topic of that name left must
not come back).
"""

import asyncio
from collections.abc import Awaitable, Callable

from minikafka.client.admin import AdminClient, NewTopic
from minikafka.client.configs import ConfigChange, ConfigResource, ConfigResourceType
from minikafka.client.consumer import Consumer
from minikafka.client.elections import ElectionType
from minikafka.client.metadata import TopicPartition
from minikafka.client.producer import Producer
from minikafka.client.record import RecordMetadata

from .clients import API_TIMEOUT_MS, DELIVERY_TIMEOUT_MS, RETRY_S, TOPIC, Client
from .machine import EPOCH_MS
from .watch import SCRATCH

PAUSE_S = 1.5


class OperatorClient(Client):
    """See the module."""

    kind = "operator"

    async def _work(self) -> None:
        todo: dict[str, Callable[[AdminClient], Awaitable[None]]] = {
            "elect": self._elect,
            "reassign": self._reassign,
            "min-isr": self._change_min_isr,
            "topic": self._remake_topic,
        }
        async with AdminClient(**self.options()) as admin:
            while not self.is_over:
                await asyncio.sleep(PAUSE_S * 2 * self.random.random())
                what = self.random.choice(self.setup.operations)
                self.loop.trace.event(self.loop.now_s, self.name, what)
                await todo[what](admin)
                self.history.operated[what] += 1

    async def _elect(self, admin: AdminClient) -> None:
        await admin.elect_leaders(ElectionType.PREFERRED)

    async def _reassign(self, admin: AdminClient) -> None:
        setup = self.setup
        nodes = range(1, setup.nodes + 1)
        partition = TopicPartition(TOPIC, self.random.randrange(setup.partitions))
        if self.random.random() < 0.2:
            await admin.alter_partition_reassignments({partition: None})
            return
        replicas = self.random.sample(nodes, setup.replication_factor)
        await admin.alter_partition_reassignments({partition: replicas})

    async def _change_min_isr(self, admin: AdminClient) -> None:
        value = self.random.randint(1, self.setup.replication_factor)
        topic = ConfigResource(ConfigResourceType.TOPIC, TOPIC)
        change = ConfigChange("min.insync.replicas", str(value))
        await admin.incremental_alter_configs({topic: [change]})

    async def _remake_topic(self, admin: AdminClient) -> None:
        if SCRATCH in await admin.list_topics():
            await admin.delete_topics([SCRATCH])
        await admin.create_topics([NewTopic(SCRATCH, 1, self.setup.replication_factor)])
        acknowledged = await self._write()
        await self._read(acknowledged)

    async def _write(self) -> dict[int, bytes]:
        """Two records; those that are acknowledged, by offset."""
        producer = Producer(
            acks="all",
            delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
            max_block_ms=API_TIMEOUT_MS,
            wall_clock=lambda: EPOCH_MS / 1000 + self.loop.now_s,
            **self.options(),
        )
        acknowledged: dict[int, bytes] = {}
        async with producer:
            for number in range(2):
                value = f"{self.name} {self.loop.now_s} {number}".encode()
                sent: RecordMetadata = await (await producer.send(SCRATCH, value, partition=0))
                acknowledged[sent.offset] = value
        return acknowledged

    async def _read(self, acknowledged: dict[int, bytes]) -> None:
        """Each record is where it was said to be.

        A leader that has not heard of it yet may still serve the topic of before, as long as it has
        a lease; so what is wrong must stay wrong.
        """
        give_up_s = self.loop.now_s + API_TIMEOUT_MS / 1000
        wrong = _differing(acknowledged, await self._found(acknowledged))
        while wrong and self.loop.now_s < give_up_s:
            await asyncio.sleep(RETRY_S)
            wrong = _differing(acknowledged, await self._found(acknowledged))
        self.history.replaced += wrong

    async def _found(self, acknowledged: dict[int, bytes]) -> dict[int, bytes]:
        """What a reader is given from the beginning until it has as many."""
        consumer = Consumer(
            auto_offset_reset="earliest", default_api_timeout_ms=API_TIMEOUT_MS, **self.options()
        )
        consumer.assign([(SCRATCH, 0)])
        found: dict[int, bytes] = {}
        give_up_s = self.loop.now_s + API_TIMEOUT_MS / 1000
        async with consumer:
            while not set(acknowledged) <= set(found) and self.loop.now_s < give_up_s:
                for records in (await consumer.getmany(400, 50)).values():
                    found.update((each.offset, each.value) for each in records)
        return found


def _differing(
    acknowledged: dict[int, bytes], found: dict[int, bytes]
) -> list[tuple[int, bytes | None, bytes | None]]:
    """Offset, what was acknowledged there, and what was read, as far as the reader came."""
    end = max(found, default=-1)
    return [
        (offset, acknowledged.get(offset), found.get(offset))
        for offset in sorted({*acknowledged, *found})
        if offset <= end and acknowledged.get(offset) != found.get(offset)
    ]
