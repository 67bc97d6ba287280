"""The control port of a node: it accepts a few connections, and each is a conversation of its own.

A conversation is a task that handles one question at a time, so peers cannot make a node keep more
than MAX_CONNECTIONS frames and answers. When there are so many, the next takes the place of the
oldest that is no node's, so whoever holds connections open keeps no node out.

What a conversation is made of is imported when the first peer comes.
"""

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from ..descriptors import first_refused_descriptor
from .context import ControlContext

if TYPE_CHECKING:
    from .door import Door

MAX_CONNECTIONS = 100
"""Nodes of a cluster and people who look at it."""
READ_AHEAD_BYTES = 64 << 10
"""What a peer may send ahead: with twice as much it is not read."""

log = logging.getLogger("minikafka.control")


class ControlServer:
    """Listens on one address and owns its conversations."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._context: ControlContext
        self._listener: asyncio.Server | None = None
        self._conversations: dict[asyncio.Task[None], Door] = {}

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
        from .door import Door

        is_short = writer.get_extra_info("socket").fileno() >= first_refused_descriptor()
        if is_short or not self._has_room():
            reason = "descriptors are short" if is_short else f"{MAX_CONNECTIONS} nodes are here"
            log.warning("control connection %s refused: %s", name_of(writer), reason)
            writer.transport.abort()
            return
        door = Door(self._context.secret, self._context.controller.random.randbytes)
        task = self._loop.create_task(converse(reader, writer, self._context, door))
        self._conversations[task] = door
        task.add_done_callback(partial(self._ended, writer))

    def _ended(self, writer: asyncio.StreamWriter, task: "asyncio.Task[None]") -> None:
        del self._conversations[task]
        writer.transport.abort()  # One that was cancelled before it began has not done so.

    def _has_room(self) -> bool:
        """Whether one more may come, in somebody's place if need be."""
        if len(self._conversations) < MAX_CONNECTIONS:
            return True
        strangers = (
            task
            for task, door in self._conversations.items()
            if not door.has_entered and not task.cancelling()
        )
        oldest = next(strangers, None)
        if oldest is not None:
            log.warning("%d control connections: the oldest stranger's is closed", MAX_CONNECTIONS)
            oldest.cancel()
        return oldest is not None
