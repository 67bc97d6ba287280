"""The clients of a simulated cluster: producers, readers, and the members of a group.

Each is the real client on a host of its own, and a life of it ends as suddenly as a node's. What
they do and are told goes into the history.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from minikafka.client.consumer import Consumer
from minikafka.client.errors import KafkaError
from minikafka.client.metadata import TopicPartition
from minikafka.client.producer import Producer
from minikafka.client.rebalance_listener import RebalanceListener
from minikafka.client.record import ConsumerRecord

from .cluster_history import ClusterHistory, Commit, Owned, Poll, Send
from .loop import SimulatedLoop
from .machine import EPOCH_MS
from .process import Process
from .setup import Setup
from .watch import Watch

TOPIC, GROUP = "orders", "billing"
REQUEST_TIMEOUT_MS = 3000
DELIVERY_TIMEOUT_MS = 12_000
API_TIMEOUT_MS = 10_000
MAX_POLL_INTERVAL_MS = 20_000
"""And 5 s more a member waits for the answer to a join, even of a host that lost its power."""
POLL_MS = 400
MAX_POLL_RECORDS = 50
RETRY_S = 0.3

Batches = dict[TopicPartition, list[ConsumerRecord]]


class Client:
    """What clients have in common: a host, lives, and a loop that tries again."""

    kind = "client"

    def __init__(
        self,
        loop: SimulatedLoop,
        host: str,
        bootstrap: str,
        setup: Setup,
        history: ClusterHistory,
        watch: Watch,
        random: Random,
    ) -> None:
        self.host = host
        self.lives = 0
        self.is_over = False
        """Whether to come to an end."""
        self.task: asyncio.Task[None] | None = None
        self.process: Process | None = None
        self.loop = loop
        self.setup = setup
        self.history = history
        self.watch = watch
        self.random = random
        self._bootstrap = bootstrap

    @property
    def name(self) -> str:
        """This life of this client."""
        return f"{self.kind}-{self.host.rpartition('.')[2]}.{self.lives}"

    def start(self) -> None:
        """Begin another life."""
        self.lives += 1
        self.loop.trace.event(self.loop.now_s, self.name, "starts")
        self.process = self.loop.new_process(self.host, self.name)
        self.task = self.process.create_task(self._live())

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None and not self.process.is_dead:
            self.loop.trace.event(self.loop.now_s, self.name, "is killed")
            self.loop.kill(self.process)

    def options(self) -> dict[str, Any]:
        """What every client is told."""
        return {
            "bootstrap_servers": self._bootstrap,
            "client_id": self.name,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            "metadata_max_age_ms": 2000,
            "random": Random(self.random.random()),
        }

    async def _live(self) -> None:
        while not self.is_over:
            try:
                await self._work()
            except KafkaError as error:
                self.loop.trace.event(self.loop.now_s, self.name, f"{type(error).__name__}")
                await asyncio.sleep(RETRY_S)

    async def _work(self) -> None:
        """Use one client object until the end, or an error."""

    def note_poll(self, client: str, batches: Batches, *, is_member: bool) -> None:
        """Write down what was handed out."""
        if not batches:
            return
        for name, batch in batches.items():
            self.watch.told(client, (name.topic, name.partition), batch[-1].offset)
        records = {
            name.partition: [(record.offset, record.value) for record in batch]
            for name, batch in batches.items()
        }
        self.history.polls.append(Poll(client, is_member, self.loop.now_s, records))

    def is_done(self) -> bool:
        """Whether there is nothing more to wait for; raises what ended it."""
        if self.task is None or self.process is None or self.process.is_dead:
            return True
        if self.task.done():
            self.task.result()
            return True
        return False


class SendingClient(Client):
    """Sends one record after the other, without waiting for answers; with acks=1 if not safe."""

    kind = "producer"
    is_safe = True
    _number = 0

    async def _work(self) -> None:
        setup, random = self.setup, self.random
        producer = Producer(
            acks="all" if self.is_safe else 1,
            delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
            max_block_ms=API_TIMEOUT_MS,
            linger_ms=random.choice((0, 5)),
            wall_clock=lambda: EPOCH_MS / 1000 + self.loop.now_s,
            **self.options(),
        )
        async with producer:
            while not self.is_over:
                for _ in range(random.choice((1, 1, 1, 5))):
                    await self._send(producer, random.randrange(setup.partitions))
                await asyncio.sleep(setup.pace_s * 2 * random.random())

    async def _send(self, producer: Producer, partition: int) -> None:
        self._number += 1
        value = b"%s:%d:" % (self.name.encode(), self._number)
        value += b"v" * self.random.randrange(self.setup.value_bytes)
        send = Send(self.name, partition, value, self.is_safe, self.loop.now_s)
        self.history.sends.append(send)
        try:
            delivery = await producer.send(TOPIC, value, partition=partition)
        except KafkaError:
            send.ended_s, send.outcome = self.loop.now_s, "fail"  # It was not even queued.
            raise
        delivery.add_done_callback(self._ended(send))

    def _ended(self, send: Send) -> Callable[[Any], None]:
        def ended(delivery: Any) -> None:
            send.ended_s = self.loop.now_s
            if delivery.exception() is None:
                send.outcome, send.offset = "ok", delivery.result().offset
                if self.is_safe:
                    self.watch.told(self.name, (TOPIC, send.partition), send.offset)
            # Else some attempt may have been carried out.

        return ended


class UnsafeClient(SendingClient):
    """Does not wait for followers, and may send a record twice."""

    kind = "unsafe"
    is_safe = False


class ReadingClient(Client):
    """Reads every partition from its beginning; each consumer is a reader of its own."""

    kind = "reader"
    _consumers = 0

    async def _work(self) -> None:
        self._consumers += 1
        reader = f"{self.name}.{self._consumers}"
        consumer = Consumer(
            auto_offset_reset="earliest",
            default_api_timeout_ms=API_TIMEOUT_MS,
            fetch_max_wait_ms=self.random.choice((50, 500)),
            **self.options(),
        )
        consumer.assign([(TOPIC, index) for index in range(self.setup.partitions)])
        async with consumer:
            while not self.is_over:
                batches = await consumer.getmany(POLL_MS, MAX_POLL_RECORDS)
                self.note_poll(reader, batches, is_member=False)


class Ownership(RebalanceListener):
    """Writes down what a member is assigned, and in which generation."""

    def __init__(self, client: Client, consumer: Consumer) -> None:
        self._client = client
        self._consumer = consumer

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        running: Any = self._consumer._running
        generation = running.group._member.membership._assigned_generation
        partitions = tuple(sorted(each.partition for each in self._consumer.assignment()))
        owned = Owned(self._client.name, generation, partitions, self._client.loop.now_s)
        self._client.history.owned.append(owned)


class MemberClient(Client):
    """A member of the group; commits what it was handed, sometimes."""

    kind = "member"

    async def _work(self) -> None:
        consumer = Consumer(
            group_id=GROUP,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            default_api_timeout_ms=API_TIMEOUT_MS,
            session_timeout_ms=6000,
            max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
            **self.options(),
        )
        consumer.subscribe([TOPIC], listener=Ownership(self, consumer))
        async with consumer:
            while True:
                batches = await consumer.getmany(POLL_MS, MAX_POLL_RECORDS)
                self.note_poll(self.name, batches, is_member=True)
                if batches and (self.is_over or self.random.random() < 0.5):
                    await self._commit(consumer, batches)
                elif self.is_over:
                    return

    async def _commit(self, consumer: Consumer, batches: Batches) -> None:
        offsets = {name: records[-1].offset + 1 for name, records in batches.items()}
        by_index = {name.partition: offset for name, offset in offsets.items()}
        commit = Commit(self.name, by_index, self.loop.now_s)
        self.history.commits.append(commit)
        await consumer.commit(offsets)  # type: ignore[arg-type] # a mapping of such
        commit.ended_s, commit.outcome = self.loop.now_s, "ok"
