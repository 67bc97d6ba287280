"""All connections of a node: accepted, counted, swept, and answered together.

An *event* is one readable socket. Its requests stage their batches, then `end_event` writes them
and sends every answer that is ready by then, on whatever connection. Answers that become ready
outside of an event (a flush, a deadline) are collected until the loop comes round, and sent
together as well.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from ..transport.framing import FrameBuffers
from .config import BrokerConfig
from .connection import Connection
from .handlers.context import Context

SWEEP_INTERVAL_S = 5.0
BACKLOG = 1024

log = logging.getLogger("minikafka.server")


class Server:
    """Listens on one address and owns its connections."""

    context: Context

    def __init__(self, config: BrokerConfig, loop: asyncio.AbstractEventLoop) -> None:
        self.buffers = FrameBuffers(config.queued_max_request_bytes)
        self.is_stopping = False
        self._config = config
        self._loop = loop
        self._connections: dict[Connection, None] = {}
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
        """Take a connection in, unless there are too many."""
        limit = self._config.max_connections
        if len(self._connections) >= limit:
            log.warning("connection %s refused: %d are open", connection.name, limit)
            return False
        self._connections[connection] = None
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
        max_idle_s = self._config.connections_max_idle_ms / 1000
        for connection in list(self._connections):
            connection.expire(now, max_idle_s)
        self._sweep = self._loop.call_later(SWEEP_INTERVAL_S, self._expire)
