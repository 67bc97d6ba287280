"""Connections to the brokers of one cluster, and the metadata that says who they are.

    bootstrap servers ──> Metadata ──> brokers ──> one connection each, opened when needed
                              ↑                    (a lane each for what waits at the broker)
                        refresh task

Those who send in the background (sender, fetcher) ask `ready`, which never waits: it gives the
connection, or begins to open one and calls `on_change` when there is news. Those who can wait ask
`connection` and `request`. A connection that breaks is opened again when somebody needs it.

Fetches and joins have connections of their own, because a broker answers in order: behind a fetch
that waits for records, or a join that waits for members, every other answer would wait as well.

Left out: TLS and SASL; a preference for near racks (KIP-392).
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from enum import Enum
from random import Random
from typing import Final, TypeVar

from ..protocol.api.metadata import MetadataResponse
from ..protocol.errors import ErrorCode, KafkaError
from ..protocol.primitives import ProtocolError
from ..transport.connection import CannotConnect, Connection, KafkaTimeout
from .channel import Channel
from .metadata import Metadata, TopicInfo
from .settings import NetworkSettings
from .wakeup import Signal, Wakeup

T = TypeVar("T")

ANY_NODE: Final = -1
UNKNOWN_TOPIC_GRACE_MS: Final = 3000
"""How long "unknown topic" may last: a topic just created may not be known to every broker yet."""


class Lane(Enum):
    """Which of the connections to a broker a request takes."""

    QUESTIONS = "questions"
    FETCHES = "fetches"
    JOINS = "joins"


class Network:
    """The connections of one client; belongs to the loop in which `start` ran."""

    def __init__(self, settings: NetworkSettings, random: Random) -> None:
        """Nothing is opened before `start`."""
        self.settings = settings
        self.metadata = Metadata(
            settings.metadata_max_age_ms,
            settings.retry_backoff_ms,
            settings.allow_auto_create_topics,
        )
        self.on_change: list[Callable[[], None]] = []
        """Called when `changed` fires, for those who do not wait."""
        self._random = random
        self._channels: dict[tuple[int, Lane], Channel] = {}
        self._changed: Signal | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wakeup: Wakeup | None = None
        self._refresher: asyncio.Task[None] | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop of this client."""
        if self._loop is None:
            raise RuntimeError("the network has not been started")
        return self._loop

    @property
    def changed(self) -> Signal:
        """Fires when a connection opened or broke, or metadata came."""
        if self._changed is None:
            raise RuntimeError("the network has not been started")
        return self._changed

    def now_ms(self) -> int:
        """The loop's time in ms."""
        return int(self.loop.time() * 1000)

    async def start(self) -> None:
        """Find the cluster; raises CannotConnect or KafkaTimeout when no bootstrap server answers.

        One try per server, in random order: a program that is to wait for its cluster calls again.
        """
        self._loop = asyncio.get_running_loop()
        self._changed = Signal(self._loop)
        wakeup = self._wakeup = Wakeup(self._loop)
        timeout_ms = self.settings.request_timeout_ms
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._bootstrap()
        except TimeoutError as error:
            await self.close()
            servers = ", ".join(f"{host}:{port}" for host, port in self.settings.bootstrap_servers)
            raise KafkaTimeout(f"no answer from {servers} within {timeout_ms} ms") from error
        except BaseException:
            await self.close()
            raise
        self._refresher = self._loop.create_task(self._keep_fresh(wakeup))

    async def close(self) -> None:
        """Close every connection, after what was written has been sent."""
        if self._refresher is not None:
            self._refresher.cancel()
            await asyncio.gather(self._refresher, return_exceptions=True)
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))
        self._channels.clear()

    def want(self, topics: Iterable[str]) -> None:
        """Ask for these topics too, from now on."""
        self.metadata.want(topics)
        if self._wakeup is not None:
            self._wakeup.set()

    def want_all(self) -> None:
        """Ask for every topic, from now on."""
        self.metadata.want_all()
        if self._wakeup is not None:
            self._wakeup.set()

    def request_refresh(self) -> None:
        """Metadata turned out to be wrong: ask again soon."""
        self.metadata.request_refresh()
        if self._wakeup is not None:
            self._wakeup.set()

    def ready(self, node_id: int, lane: Lane = Lane.QUESTIONS) -> Connection | None:
        """The open connection to a node; if there is none, begin to open it and return None.

        While it cannot be reached, and somebody asks for it, others may have taken over what it
        led: metadata is asked for as often as may be, and not as seldom as we try to connect.
        """
        address = self._address(node_id)
        if address is None:
            return None
        channel = self._channel(node_id, lane)
        connection = channel.ready(*address)
        if connection is None and channel.error is not None and node_id >= 0:
            self.request_refresh()
        return connection

    async def connection(
        self, node_id: int, timeout_ms: int, lane: Lane = Lane.QUESTIONS
    ) -> Connection:
        """The connection to a node, or to ANY_NODE; raises KafkaTimeout."""
        deadline_ms = self.now_ms() + timeout_ms
        while True:
            chosen = self._choose() if node_id == ANY_NODE else node_id
            connection = self.ready(chosen, lane)
            if connection is not None:
                return connection
            if not await self.changed.wait(deadline_ms):
                raise KafkaTimeout(self._unreachable(chosen, timeout_ms))

    async def request(
        self, request: object, response_class: type[T], timeout_ms: int, node_id: int = ANY_NODE
    ) -> T:
        """Ask a node once, waiting for its connection if need be; the errors of Connection."""
        deadline_ms = self.now_ms() + timeout_ms
        connection = await self.connection(node_id, timeout_ms)
        return await connection.request(
            request, response_class, max(deadline_ms - self.now_ms(), 1)
        )

    async def topic(self, name: str, timeout_ms: int) -> TopicInfo:
        """The topic, waited for if it is new or being created; raises what keeps it unknown."""
        grace_end_ms = self.now_ms() + min(timeout_ms, UNKNOWN_TOPIC_GRACE_MS)
        deadline_ms = self.now_ms() + timeout_ms
        if name not in self.metadata.topics:
            self.metadata.errors.pop(name, None)
            self.want([name])
            self.request_refresh()
        while (known := self.metadata.topics.get(name)) is None:
            now_ms = self.now_ms()
            error = self.metadata.errors.get(name)
            is_unknown = error is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            patient_until_ms = grace_end_ms if is_unknown else deadline_ms
            if error is not None and (not error.retriable or now_ms >= patient_until_ms):
                raise KafkaError.of(error, _unknown_topic(name, error))
            if now_ms >= deadline_ms:
                raise KafkaTimeout(f"no metadata of topic {name!r} within {timeout_ms} ms")
            await self.changed.wait(patient_until_ms)
        return known

    async def _bootstrap(self) -> None:
        """Ask the bootstrap servers one by one for metadata, until one answers."""
        errors: list[str] = []
        nodes = self._bootstrap_ids()
        self._random.shuffle(nodes)
        for node_id in nodes:
            channel = self._channel(node_id)
            await channel.open(*self.settings.bootstrap_servers[_bootstrap_id(node_id)])
            try:
                if channel.connection is not None:
                    await self._refresh(channel.connection)
                    return
            except KafkaError as error:
                channel.error = error
            errors.append(str(channel.error))
        raise CannotConnect("; ".join(errors) + "; is a broker running there?")

    async def _keep_fresh(self, wakeup: Wakeup) -> None:
        """The refresh task."""
        while True:
            now_ms = self.now_ms()
            due_ms = self.metadata.refresh_at_ms(now_ms)
            if due_ms > now_ms:
                await wakeup.wait(due_ms)
                continue
            with contextlib.suppress(KafkaError):
                # A failure is in the table: the refresh is due again after a backoff.
                timeout_ms = self.settings.request_timeout_ms
                await self._refresh(await self.connection(ANY_NODE, timeout_ms))

    async def _refresh(self, connection: Connection) -> None:
        """Ask for metadata once."""
        request = self.metadata.request(self.now_ms())
        timeout_ms = self.settings.request_timeout_ms
        try:
            response = await connection.request(request, MetadataResponse, timeout_ms)
            self.metadata.update(response, self.now_ms())
        except KafkaError:
            self.metadata.failed()
            raise
        except ProtocolError as error:
            self.metadata.failed()
            raise CannotConnect(f"{connection.address}: {error}") from error
        finally:
            self._notify()

    def _channel(self, node_id: int, lane: Lane = Lane.QUESTIONS) -> Channel:
        channel = self._channels.get((node_id, lane))
        if channel is None:
            channel = Channel(self.loop, self.settings, self._random, self._channel_changed)
            self._channels[node_id, lane] = channel
        return channel

    def _channel_changed(self, for_the_worse: bool) -> None:
        """A channel has opened or has a problem; in that case leaders may have moved."""
        if for_the_worse:
            self.request_refresh()
        self._notify()

    def _notify(self) -> None:
        if self._changed is not None:
            self._changed.fire()
        for callback in self.on_change:
            callback()

    def _address(self, node_id: int) -> tuple[str, int] | None:
        if node_id < ANY_NODE:
            return self.settings.bootstrap_servers[_bootstrap_id(node_id)]
        broker = self.metadata.brokers.get(node_id)
        return (broker.host, broker.port) if broker else None

    def _choose(self) -> int:
        """A node for a question that any can answer: the least busy, else the first to try.

        Not one that the cluster does not list any more, though it may be connected still: without
        an address `ready` never gives it, and nobody would be asked for ever.
        """
        busy = {
            node_id: channel.connection.waiting_count
            for (node_id, lane), channel in self._channels.items()
            if channel.connection is not None
            and lane is Lane.QUESTIONS
            and self._address(node_id) is not None
        }
        if busy:
            return min(busy, key=busy.__getitem__)
        nodes = [*self.metadata.brokers, *self._bootstrap_ids()]
        return min(nodes, key=lambda node_id: self._channel(node_id).retry_at_ms)

    def _bootstrap_ids(self) -> list[int]:
        return [_bootstrap_id(index) for index in range(len(self.settings.bootstrap_servers))]

    def _unreachable(self, node_id: int, timeout_ms: int) -> str:
        """The sentence for a broker that could not be reached."""
        address = self._address(node_id)
        if address is None:
            return f"the cluster has no broker {node_id}"
        error = self._channel(node_id).error
        where = f"{address[0]}:{address[1]}"
        failed = f"could not be reached within {timeout_ms} ms" + (f" ({error})" if error else "")
        if node_id < ANY_NODE:
            return f"{where} {failed}"
        remedy = "check that it runs and what address it advertises"
        return f"broker {node_id} advertises {where}, which {failed}; {remedy}"


def _bootstrap_id(index: int) -> int:
    """The node id that stands for a bootstrap server (-2, -3, ...), and the way back."""
    return -2 - index


def _unknown_topic(name: str, error: ErrorCode) -> str:
    """The sentence for a topic that is not to be had."""
    if error is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
        return f"the cluster has no topic {name!r}: create it, or let the broker create topics"
    return f"topic {name!r}: {error.message}"
