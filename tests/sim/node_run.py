"""A random life of a whole node on a simulated disk, in a loop without sockets.

Topics come and go, records are produced by an idempotent client that pipelines, checkpoints are
written, the node is stopped and killed and started again. What was answered is a promise.
"""

import asyncio
from dataclasses import dataclass, field, replace
from random import Random

from minikafka.broker.config import BrokerConfig
from minikafka.broker.log.files import StorageError
from minikafka.broker.node import Node, NodeError
from minikafka.protocol.api.delete_topics import DeleteTopicsRequest, DeleteTopicsRequestTopic
from minikafka.protocol.api.produce import ProduceRequest
from minikafka.protocol.errors import ErrorCode

from ..broker.in_process import RawClient, ServedNode, SetClock, batch_of, produce_request
from .disk import SimulatedDisk
from .files import SimulatedFiles
from .loop import run_simulated
from .stream import Stream

DATA_DIR = "/srv/minikafka"
STEPS = 14
NAMES = ("orders", "bills", "parcels")
PRODUCER_ID = 500
PRODUCE_VERSION = 9
UNANSWERED = -1
REFUSED = -2


@dataclass(frozen=True)
class Sent:
    """A batch of one record, as it was sent and as it was answered."""

    value: bytes
    sequence: int
    offset: int = UNANSWERED


@dataclass(frozen=True)
class TopicState:
    """What is known of a topic: its batches by partition, those acknowledged with an offset."""

    name: str
    topic_id: bytes
    partitions: int
    sent: tuple[tuple[Sent, ...], ...]


@dataclass
class NodePromise:
    """What a start must find."""

    topics: dict[str, TopicState] = field(default_factory=dict)
    doubtful: frozenset[str] = frozenset()
    """Names of topics that are being created or deleted: there or not."""
    is_serving: bool = False

    def copy(self) -> "NodePromise":
        """As it is now."""
        return replace(self, topics=dict(self.topics))


class NodeDied(Exception):
    """The node ended by itself."""


async def start_node(files: SimulatedFiles, seed: int, flush: str) -> ServedNode:
    """A node that serves, and its client."""
    config = BrokerConfig(
        listen="127.0.0.1:0", data_dir=DATA_DIR, flush=flush, log_segment_bytes=400
    )
    node = Node(config, files=files, clock=SetClock(), random=Random(seed))
    await node.start()
    served = ServedNode(node)
    stream = await Stream.connect(node.client_address)
    served._clients.append(RawClient(stream, stream))  # type: ignore[arg-type] # both in one
    return served


class NodeRun:
    """See the module."""

    def __init__(self, seed: int, flush: str = "fsync", steps: int = STEPS) -> None:
        self.seed = seed
        self.flush = flush
        self.steps = steps
        self.disk = SimulatedDisk()
        self.promise = NodePromise()
        self.errors: list[ErrorCode] = []
        """What was answered to requests that failed."""
        self.failure: Exception | None = None
        """Why the node ended early."""
        self._random = Random(seed)
        self._number = 0
        self._starts = 0
        self._served: ServedNode

    def run(self) -> "NodeRun":
        """Live all steps, one life of the node after the other."""
        while self.steps > 0 and self.failure is None:
            run_simulated(self._live())
        return self

    async def _live(self) -> None:
        """From one start to the end of the steps, a stop, or a kill."""
        self._starts += 1
        files = SimulatedFiles(self.disk, Random(self.seed + self._starts))
        try:
            self._served = await start_node(files, self.seed * 100 + self._starts, self.flush)
            self.promise.is_serving = True
            while self.steps > 0:
                self.steps -= 1
                if self._random.random() < 0.2:
                    if self._random.random() < 0.6:
                        self.promise.is_serving = False
                        await self._served.close()
                    return
                await self._step()
                self._notice_death()
        except (NodeDied, NodeError, StorageError, ConnectionResetError) as failure:
            self.failure = failure  # The last is what a client sees of a node that broke off.
        finally:
            self.promise.is_serving = False
            self.disk.end_process()

    def _notice_death(self) -> None:
        stopping = self._served.node._stopping
        if stopping.done():
            raise NodeDied(str(stopping.result()))

    async def _step(self) -> None:
        steps = [self._create, self._produce, self._produce, self._produce, self._checkpoint]
        if len(self.promise.topics) > 1:
            steps.append(self._delete)
        await self._random.choice(steps)()

    async def _create(self) -> None:
        free = [name for name in NAMES if name not in self.promise.topics]
        if not free or self.promise.doubtful:
            return
        name, partitions = self._random.choice(free), self._random.choice((1, 2))
        self.promise.doubtful = frozenset({name})
        try:
            topic_id = await self._served.create(name, partitions)
        except AssertionError:
            self._notice_death()
            self.errors.append(ErrorCode.KAFKA_STORAGE_ERROR)
            return
        self.promise.topics[name] = TopicState(name, topic_id, partitions, ((),) * partitions)
        self.promise.doubtful = frozenset()

    async def _delete(self) -> None:
        if self.promise.doubtful:
            return
        name = self._random.choice(sorted(self.promise.topics))
        self.promise.doubtful = frozenset({name})
        request = DeleteTopicsRequest(timeout_ms=1000, topics=[DeleteTopicsRequestTopic(name=name)])
        answer = (await self._served.call(request)).responses[0]
        if answer.error_code:
            self._notice_death()
            self.errors.append(answer.error_code)
            return
        del self.promise.topics[name]
        self.promise.doubtful = frozenset()

    async def _produce(self) -> None:
        """Some batches on their way at one time to one partition."""
        names = sorted(set(self.promise.topics) - self.promise.doubtful)
        if not names:
            return
        name = self._random.choice(names)
        index = self._random.randrange(self.promise.topics[name].partitions)
        client, served = self._served._clients[0], self._served
        batches = [self._next(name, index) for _ in range(self._random.choice((1, 1, 2, 4)))]
        for each in batches:
            batch = batch_of(each.value, producer=(PRODUCER_ID, 0, each.sequence))
            client.send(produce_request(name, batch, index=index), PRODUCE_VERSION)
        for each in batches:
            answers = asyncio.ensure_future(client.receive(ProduceRequest, PRODUCE_VERSION))
            await asyncio.wait(
                [answers, served.node._stopping], return_when=asyncio.FIRST_COMPLETED
            )
            if not answers.done():
                answers.cancel()
                self._notice_death()
            answer = answers.result().responses[0].partition_responses[0]
            if answer.error_code:
                self.errors.append(answer.error_code)
            self._answered(name, index, each, REFUSED if answer.error_code else answer.base_offset)

    def _next(self, name: str, index: int) -> Sent:
        """A record that is about to be sent."""
        topic = self.promise.topics[name]
        done = topic.sent[index]
        last = max((each.sequence for each in done if each.offset >= 0), default=-1)
        under_way = sum(each.offset == UNANSWERED for each in done)
        self._number += 1
        value = b"%d:" % self._number + b"v" * self._random.choice((1, 20, 200))
        sent = Sent(value, last + 1 + under_way)
        self._put(topic, index, (*done, sent))
        return sent

    def _answered(self, name: str, index: int, sent: Sent, offset: int) -> None:
        topic = self.promise.topics[name]
        done = [each for each in topic.sent[index] if each != sent]
        self._put(topic, index, (*done, replace(sent, offset=offset)))

    def _put(self, topic: TopicState, index: int, sent: tuple[Sent, ...]) -> None:
        partitions = (*topic.sent[:index], sent, *topic.sent[index + 1 :])
        self.promise.topics[topic.name] = replace(topic, sent=partitions)

    async def _checkpoint(self) -> None:
        await self._served.node._checkpoint()
