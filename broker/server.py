"""All connections of a node: accepted, counted, swept, and answered together.

An *event* is one readable socket. Its requests stage their batches, then `end_event` writes them
and sends every answer that is ready by then, on whatever connection. Answers that become ready
outside of an event (a flush, a deadline) are collected until the loop comes round, and sent
together as well.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from typing import Any

from ..transport.framing import FrameBuffers
from ..transport.hanging_up import hung_up
from . import free_memory
from .config import BrokerConfig
from .connection import Connection
from .descriptors import first_refused_descriptor
from .handlers.chapters import find_route_until
from .handlers.context import Context

SWEEP_INTERVAL_S = 1.0
BACKLOG = 1024
FRAME_TIMEOUT_S = 30.0
"""How long a frame may take from its first byte to its last."""
SHORT_FRAME_TIMEOUT_S = 5.0
"""The same, while others wait for the memory that unfinished frames hold."""
MAX_MEMORY_BYTES = 32 << 20
"""What all connections may keep of requests that wait and of answers unsent. Above it, the one that
keeps most is closed: nobody else has to wait for a peer that does not take its answers."""
TRIM_EVERY_SWEEPS = 10
CROWD = 1000
"""Connections that are worth a full collection when they have gone."""

log = logging.getLogger("minikafka.server")


class Server:
    """Listens on one address and owns its connections."""

    context: Context

    def __init__(self, config: BrokerConfig, loop: asyncio.AbstractEventLoop) -> None:
        self.buffers = FrameBuffers(config.queued_max_request_bytes)
        self.find_route = find_route_until(config.chapter)
        self.is_stopping = False
        self.refused_from = first_refused_descriptor()
        self._loop = loop
        self._connections: dict[Connection, None] = {}
        self._sweeps = 0
        self._most_connections = 0  # since memory was last given back
        self._turns: deque[Connection] = deque()
        self._turning: asyncio.Handle | None = None
        self._memory_bytes = 0
        self._with_answers: list[Connection] = []
        self._sending: asyncio.Handle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._sweep: asyncio.TimerHandle | None = None

    async def bind(self, host: str, port: int) -> tuple[str, int]:
        """Reserve the address, and return it; raises OSError if it cannot be had."""
        self._listener = await self._loop.create_server(
            lambda: Connection(self, self._loop),
            host,
            port,
            backlog=BACKLOG,
            start_serving=False,
        )
        return self._listener.sockets[0].getsockname()[:2]

    async def serve(self, context: Context) -> None:
        """Accept connections from now on."""
        self.context = context
        if self._listener is not None:
            await self._listener.start_serving()
        self._sweep = self._loop.call_later(SWEEP_INTERVAL_S, self._expire)

    async def stop_reading(self) -> None:
        """Accept no more connections and requests, and let running handlers finish."""
        self.is_stopping = True
        if self._sweep is not None:
            self._sweep.cancel()
        if self._listener is not None:
            self._listener.close()
        for connection in self._connections:
            connection.stop_reading()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def stop(self) -> None:
        """Send the answers that are ready, and close every connection."""
        if self._with_answers:
            self._send_answers()
        for connection in list(self._connections):
            connection.close()

    def abort(self) -> None:
        """Break every connection off: from now on, nothing is answered."""
        self.is_stopping = True
        if self._listener is not None:
            self._listener.close()
        for connection in list(self._connections):
            connection.abort()

    def opened(self, connection: Connection) -> bool:
        """Take a connection in, unless there are too many, or too few descriptors."""
        count, limit = len(self._connections), self.context.config.max_connections
        if count >= limit or connection.descriptor >= self.refused_from:
            reason = "max.connections" if count >= limit else "ulimit -n"
            log.warning(
                "connection %s refused: %d are open, more are not allowed by %s",
                connection.name,
                count,
                reason,
            )
            return False
        self._connections[connection] = None
        self._most_connections = max(self._most_connections, count + 1)
        return True

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.pop(connection, None)

    def has_answers(self, connection: Connection) -> None:
        """Send its answers at the end of this event, or when the loop comes round."""
        self._with_answers.append(connection)
        if self._sending is None:
            self._sending = self._loop.call_soon(self._send_answers)

    def end_event(self) -> None:
        """Write what was staged, and send all answers that are ready."""
        self.context.replicas.settle()
        if self._with_answers:
            self._send_answers()

    def take_turn_later(self, connection: Connection) -> None:
        """Let it go on when the others in this queue had a turn, and all that is readable too."""
        self._turns.append(connection)
        self._turn_soon()

    def _turn_soon(self) -> None:
        if self._turns and self._turning is None:
            self._turning = self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        """One turn each time the loop comes round, so that new requests never wait for many."""
        self._turning = None
        connection = self._turns.popleft()
        self._turn_soon()
        connection.take_turn()

    def charge(self, connection: Connection, more_bytes: int) -> None:
        """Count the memory that connections keep, and close the greediest when it is too much."""
        self._memory_bytes += more_bytes
        if more_bytes > 0 and self._memory_bytes > MAX_MEMORY_BYTES:
            greediest = max(self._connections, key=lambda each: each.memory_bytes)
            greediest.fail(
                f"it keeps {greediest.memory_bytes} bytes of answers that are not taken, or of "
                f"requests sent ahead; all connections together may keep {MAX_MEMORY_BYTES}"
            )

    def run(self, answer: Coroutine[Any, Any, None]) -> None:
        """Run a handler that waits."""
        task = self._loop.create_task(answer)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            context = {"message": "a handler failed", "exception": task.exception()}
            self._loop.call_exception_handler(context)

    def _send_answers(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
        connections, self._with_answers = self._with_answers, []
        for connection in connections:
            connection.send_answers()

    def _expire(self) -> None:
        now = self._loop.time()
        max_idle_s = self.context.config.connections_max_idle_ms / 1000
        frame_timeout_s = SHORT_FRAME_TIMEOUT_S if self.buffers.is_short else FRAME_TIMEOUT_S
        for connection in list(self._connections):
            connection.expire(now, max_idle_s, frame_timeout_s)
        unread = {each.descriptor: each for each in self._connections if each.is_unread}
        for descriptor in hung_up(unread):
            unread[descriptor].peer_has_gone()
        self._sweeps += 1
        if self._sweeps % TRIM_EVERY_SWEEPS == 1:  # The first time before there is a crowd.
            self._give_memory_back()
        self._sweep = self._loop.call_later(SWEEP_INTERVAL_S, self._expire)

    def _give_memory_back(self) -> None:
        gone = self._most_connections - len(self._connections)
        self._most_connections = len(self._connections)
        self.buffers.let_go()
        free_memory.give_back(after_a_crowd=gone > CROWD)
