"""The control port of a node: it accepts a few connections, and each is a conversation of its own.

A conversation is a task that handles one question at a time, so peers cannot make a node keep more
than MAX_CONNECTIONS frames and answers. What it is made of is imported when the first peer comes.
"""

import asyncio
import logging

from ..descriptors import first_refused_descriptor
from .context import ControlContext

MAX_CONNECTIONS = 100
"""Nodes of a cluster and people who look at it: one more is closed at once."""
READ_AHEAD_BYTES = 64 << 10
"""What a peer may send ahead: with twice as much it is not read."""

log = logging.getLogger("minikafka.control")


class ControlServer:
    """Listens on one address and owns its conversations."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._context: ControlContext
        self._listener: asyncio.Server | None = None
        self._conversations: dict[asyncio.Task[None], None] = {}

    async def bind(self, host: str, port: int) -> tuple[str, int]:
        """Reserve the address, and return it; raises OSError if it cannot be had."""
        self._listener = await asyncio.start_server(
            self._accept, host, port, limit=READ_AHEAD_BYTES, start_serving=False
        )
        return self._listener.sockets[0].getsockname()[:2]

    async def serve(self, context: ControlContext) -> None:
        """Accept connections from now on."""
        self._context = context
        if self._listener is not None:
            await self._listener.start_serving()

    def close(self) -> None:
        """Accept no more connections, and break the conversations off."""
        if self._listener is not None:
            self._listener.close()
        for conversation in self._conversations:
            conversation.cancel()

    async def stop(self) -> None:
        """Close, and return when every conversation has ended."""
        self.close()
        if self._conversations:
            await asyncio.wait(self._conversations)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from .conversation import converse, name_of  # Start-up is imports.

        is_short = writer.get_extra_info("socket").fileno() >= first_refused_descriptor()
        if len(self._conversations) >= MAX_CONNECTIONS or is_short:
            reason = "descriptors are short" if is_short else f"{MAX_CONNECTIONS} are open"
            log.warning("control connection %s refused: %s", name_of(writer), reason)
            writer.transport.abort()
            return
        task = self._loop.create_task(converse(reader, writer, self._context))
        self._conversations[task] = None
        task.add_done_callback(self._conversations.pop)
