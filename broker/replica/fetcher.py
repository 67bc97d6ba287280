"""The followers of this node: they fetch what their leaders have, with Kafka's own Fetch.

    one task per leader     flush what was written -> Fetch for all partitions led there -> take
                            what came -> flush ...

A follower asks from its flushed end on, since by that the leader knows what it has on disk. The
leader keeps the request until there is something, `replica.fetch.wait.max.ms` at most. Who begins
to follow does not wait for that: the request under way is dropped, with its connection, which costs
less than it would save.

What is asked and what is done with the answers is in `follower_fetch`. Replicas that are being
added go by `throttle`: they are asked for while it lets them, before the others and in turn, so
that each once is the first of an answer, which has a whole batch whatever its size. Left out: fetch
sessions (KIP-227), so each request names every partition.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...protocol.api.fetch import (
    FetchRequest,
    FetchRequestTopic,
    FetchResponse,
    FetchResponsePartition,
    ReplicaState,
)
from ...protocol.errors import ErrorCode, KafkaError, error_class
from ...transport.connection import Connection
from ..clock import WallClock
from ..log.files import StorageError, StorageFailed
from ..log.scan import CorruptLog
from .follower_fetch import Asked, take
from .following import ReplicaHalted, UnsoundBatch
from .manager import ReplicaManager
from .partition import NOBODY, Partition
from .throttle import Throttle

if TYPE_CHECKING:
    from ..controller.image import BrokerImage

CONNECT_TIMEOUT_MS = 5_000
ANSWER_TIMEOUT_MS = 30_000
"""Beyond the time that the leader may wait: Kafka's replica.socket.timeout.ms."""

BrokerNotAvailable = error_class(ErrorCode.BROKER_NOT_AVAILABLE)

log = logging.getLogger("minikafka.fetcher")


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """The options `replica.fetch.*`, and who this node is when it fetches."""

    broker_id: int
    wait_max_ms: int = 500
    max_bytes: int = 1 << 20
    response_max_bytes: int = 10 << 20
    backoff_ms: int = 100


class ReplicaFetcher:
    """All followers of one node.

    `brokers` is the image's own table; `routes` has the addresses of leaders that are reached some
    other way; `broker_epoch` says under which registration this node fetches, and `throttled_rate`
    how many bytes a second for replicas that are being added.
    """

    def __init__(
        self,
        options: FetchOptions,
        brokers: "Mapping[int, BrokerImage]",
        routes: Mapping[int, tuple[str, int]],
        broker_epoch: Callable[[], int],
        throttled_rate: Callable[[], int],
        replicas: ReplicaManager,
        clock: WallClock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.options = options
        self.broker_epoch = broker_epoch
        self.throttle = Throttle(throttled_rate)
        self.replicas = replicas
        self.clock = clock
        self.loop = loop
        self._brokers = brokers
        self._routes = routes
        self._leaders: dict[int, LeaderFetcher] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    def assign(self, partition: Partition) -> None:
        """Fetch for it from whom it follows now, and from nobody else; call it for each change."""
        leader_id = NOBODY if partition.is_led_here else partition.leader_id
        for known_id, known in list(self._leaders.items()):
            if known_id != leader_id and partition in known.partitions:
                self._drop(known_id, known, partition)
        if leader_id == NOBODY:
            return
        leader = self._leaders.get(leader_id)
        if leader is None:
            leader = self._leaders[leader_id] = LeaderFetcher(leader_id, self)
        leader.add(partition)

    def forget(self, partition: Partition) -> None:
        """Fetch nothing for it any more."""
        for leader_id, leader in list(self._leaders.items()):
            if partition in leader.partitions:
                self._drop(leader_id, leader, partition)

    async def stop(self) -> None:
        """Fetch nothing any more; what was taken is written."""
        tasks = [leader.stop() for leader in self._leaders.values()]
        self._leaders.clear()
        if tasks or self._stopping:
            await asyncio.wait([*tasks, *self._stopping])

    def address_of(self, leader_id: int) -> tuple[str, int] | None:
        """Where to reach a leader, or None while nobody knows."""
        if leader_id in self._routes:
            return self._routes[leader_id]
        broker = self._brokers.get(leader_id)
        return (broker.host, broker.port) if broker is not None and broker.host else None

    def is_throttled(self, partition: Partition) -> bool:
        """Whether it is fetched no faster than the throttle lets it: it is in no ISR yet."""
        broker_id = self.options.broker_id
        is_added = broker_id in partition.adding and broker_id not in partition.isr
        return is_added and self.throttle.is_on

    def _drop(self, leader_id: int, leader: "LeaderFetcher", partition: Partition) -> None:
        del leader.partitions[partition]
        if not leader.partitions:
            del self._leaders[leader_id]
            task = leader.stop()
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)


class LeaderFetcher:
    """What is fetched from one leader: one task, one connection, one request at a time."""

    def __init__(self, leader_id: int, owner: ReplicaFetcher) -> None:
        self.partitions: dict[Partition, float] = {}
        """Each with the time, by the loop, before which it is not asked for again."""
        self._leader_id = leader_id
        self._owner = owner
        self._connection: Connection | None = None
        self._turn = 0
        """Which of the throttled partitions is the first to be asked for."""
        self._is_dropped = False
        """Whether we have ended the connection ourselves, to ask for more at once."""
        self._task = owner.loop.create_task(self._run())
        self._task.add_done_callback(self._say_why)

    def add(self, partition: Partition) -> None:
        """Fetch for this partition as well, at once."""
        is_new = partition not in self.partitions
        self.partitions[partition] = 0.0
        if is_new and self._connection is not None and self._connection.waiting_count:
            self._is_dropped = True
            self._connection.abort("another partition is followed")

    def stop(self) -> "asyncio.Task[None]":
        """Fetch no more; returns what ends then."""
        self._task.cancel()
        return self._task

    async def _run(self) -> None:
        try:
            while True:
                try:
                    await self._fetch_once()
                except StorageFailed as error:
                    self._owner.replicas.on_failure(error)
                    return
                except (KafkaError, StorageError) as error:
                    await self._recover(error)
        finally:
            self._disconnect()

    def _say_why(self, task: "asyncio.Task[None]") -> None:
        """It ends when it is stopped or the disk has failed, and for no other reason."""
        if not task.cancelled() and task.exception() is not None:
            message = "nothing is fetched from broker %d until the next start: an error in here"
            log.critical(message, self._leader_id, exc_info=task.exception())

    async def _recover(self, error: Exception) -> None:
        """Connect anew, at once if it was we who wanted it."""
        self._disconnect()
        if not self._is_dropped:
            log.info("nothing can be fetched from broker %d now: %s", self._leader_id, error)
            await asyncio.sleep(self._owner.options.backoff_ms / 1000)
        self._is_dropped = False

    async def _fetch_once(self) -> None:
        """Flush, ask, take."""
        owner = self._owner
        unflushed = [each for each in self.partitions if each.log.needs_flush]
        if unflushed:
            await owner.replicas.flush(*unflushed)
        connection = await self._connect()
        asked = self._asked(owner.loop.time())
        if not asked:
            await asyncio.sleep(owner.options.backoff_ms / 1000)
            return
        request = self._request(asked)
        timeout_ms = request.max_wait_ms + ANSWER_TIMEOUT_MS
        response = await connection.request(request, FetchResponse, timeout_ms)
        if response.error_code:
            raise KafkaError.of(response.error_code)
        by_name = {(each.partition.topic_id, each.partition.index): each for each in asked}
        for topic in response.responses:
            for answer in topic.partitions:
                found = by_name.get((topic.topic_id, answer.partition_index))
                if found is None:
                    continue
                if found.is_throttled:
                    owner.throttle.spend(len(answer.records or b""))
                if found.is_current and found.partition in self.partitions:
                    known_epoch = found.partition.epochs.latest
                    self._take(found.partition, answer)
                    if found.partition.epochs.latest != known_epoch:
                        await asyncio.sleep(0)  # That was a sync: others have their turn.

    async def _connect(self) -> Connection:
        if self._connection is None or self._connection.is_closed:
            owner = self._owner
            address = owner.address_of(self._leader_id)
            if address is None:
                raise BrokerNotAvailable(f"broker {self._leader_id} has no address")
            self._connection = await Connection.open(
                owner.loop,
                *address,
                client_id=f"broker-{owner.options.broker_id}-fetcher",
                timeout_ms=CONNECT_TIMEOUT_MS,
            )
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.abort("nothing more is fetched here")
            self._connection = None

    def _asked(self, now_s: float) -> list[Asked]:
        """The partitions that can be asked for: in no pause, flushed, and let by the throttle."""
        owner, max_bytes = self._owner, self._owner.options.max_bytes
        due = [each for each, not_before_s in self.partitions.items() if not_before_s <= now_s]
        throttled = [each for each in due if owner.is_throttled(each)]
        asked: list[Asked | None] = []
        if throttled:
            due = [each for each in due if not owner.is_throttled(each)]
            share_bytes = min(owner.throttle.share_bytes(len(throttled), now_s), max_bytes)
            if share_bytes:
                self._turn = (self._turn + 1) % len(throttled)
                in_turn = throttled[self._turn :] + throttled[: self._turn]
                asked += [Asked.now(each, share_bytes, is_throttled=True) for each in in_turn]
        asked += [Asked.now(each, max_bytes) for each in due]
        return [each for each in asked if each is not None]

    def _request(self, asked: list[Asked]) -> FetchRequest:
        options = self._owner.options
        topics: dict[bytes, FetchRequestTopic] = {}
        for each in asked:
            topic_id = each.partition.topic_id
            topic = topics.get(topic_id)
            if topic is None:
                topic = topics[topic_id] = FetchRequestTopic(topic_id=topic_id, partitions=[])
            topic.partitions.append(each.request())
        # Who is in a pause is asked for when it is over, not when others have something.
        has_pauses = len(asked) < len(self.partitions)
        return FetchRequest(
            replica_state=ReplicaState(
                replica_id=options.broker_id, replica_epoch=self._owner.broker_epoch()
            ),
            max_wait_ms=options.backoff_ms if has_pauses else options.wait_max_ms,
            min_bytes=1,
            max_bytes=options.response_max_bytes,
            topics=list(topics.values()),
        )

    def _take(self, partition: Partition, answer: FetchResponsePartition) -> None:
        owner = self._owner
        try:
            goes_on = take(partition, answer, owner.clock.now_ms())
        except UnsoundBatch as error:
            log.error("what broker %d has sent is not taken: %s", self._leader_id, error)
            goes_on = False
        except (ReplicaHalted, CorruptLog) as error:
            owner.forget(partition)
            owner.replicas.halt(partition, str(error))
            return
        if not goes_on:
            pause_s = owner.options.backoff_ms / 1000
            self.partitions[partition] = owner.loop.time() + pause_s
