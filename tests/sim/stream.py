"""A client's end of a simulated connection, with the methods of asyncio's streams that tests use.

asyncio's own complain, when they are collected, of loops that were closed before them; here a loop
ends as suddenly as a machine does.
"""

import asyncio
from typing import Any


class Stream(asyncio.Protocol):
    """Reader and writer in one."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._received = bytearray()
        self._has_ended = False
        self._waiter: asyncio.Future[None] | None = None

    @staticmethod
    async def connect(address: tuple[str, int]) -> "Stream":
        """A new connection in the running loop."""
        _, stream = await asyncio.get_running_loop().create_connection(Stream, *address)
        return stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # it is one for both ways

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def readexactly(self, count: int) -> bytes:
        """So many bytes; ConnectionResetError when the peer is gone before."""
        while len(self._received) < count:
            if self._has_ended:
                raise ConnectionResetError("the node has broken off")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        data = bytes(self._received[:count])
        del self._received[:count]
        return data

    def write(self, data: Any) -> None:
        """Send."""
        self._transport.write(data)

    def close(self) -> None:
        """Go away."""
        self._transport.close()

    async def wait_closed(self) -> None:
        """It is closed at once."""
