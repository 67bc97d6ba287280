"""One hostile connection: a bare socket that sends what it likes, and the tally of what came of it.

    async with Peer.open(address, tally) as peer:
        await peer.send(b"\\x7f\\xff\\xff\\xff")
        await peer.until_closed()

Nothing is buffered or repaired in between: what an attack sends is what the node gets.
"""

import asyncio
import resource
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
CHUNK_BYTES = 64 << 10

Tally = Counter[str]
"""What an attack did and what it met: connections, refused, requests, answer_bytes, closed."""


class Closed(Exception):
    """The node ended the connection, or never took it."""


class Peer:
    """A connection that owes the node nothing."""

    def __init__(self, sock: socket.socket, tally: Tally) -> None:
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self._tally = tally
        self._received = bytearray()  # and not yet taken as a frame

    @staticmethod
    @asynccontextmanager
    async def open(
        address: tuple[str, int], tally: Tally, receive_buffer_bytes: int = 0
    ) -> AsyncIterator["Peer"]:
        """Connect; at the end the connection is reset."""
        peer = await Peer.connect(address, tally, receive_buffer_bytes)
        try:
            yield peer
        finally:
            peer.reset()

    @staticmethod
    async def connect(
        address: tuple[str, int], tally: Tally, receive_buffer_bytes: int = 0
    ) -> "Peer":
        """Connect; raises Closed when nobody takes the connection."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        try:
            await asyncio.get_running_loop().sock_connect(sock, address)
        except OSError:
            sock.close()
            tally["refused"] += 1
            raise Closed from None
        except asyncio.CancelledError:
            sock.close()
            raise
        tally["connections"] += 1
        return Peer(sock, tally)

    async def send(self, data: bytes, requests: int = 0) -> None:
        """Send all of it, which are so many requests."""
        try:
            await self._loop.sock_sendall(self._socket, data)
        except OSError:
            self._closed()
        self._tally["requests"] += requests
        await asyncio.sleep(0)  # A socket that takes all at once would never let others send.

    async def receive(self) -> bytes:
        """Whatever comes next."""
        try:
            data = await self._loop.sock_recv(self._socket, CHUNK_BYTES)
        except OSError:
            self._closed()
        if not data:
            self._closed()
        self._tally["answer_bytes"] += len(data)
        return data

    async def receive_frame(self) -> bytes:
        """One answer, correlation id included."""
        data = self._received
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
            data += await self.receive()
        end = 4 + int.from_bytes(data[:4], "big")
        frame = bytes(data[4:end])
        del data[:end]
        return frame

    async def until_closed(self) -> None:
        """Read until the node ends the connection, which it must."""
        while True:
            await self.receive()

    def half_close(self) -> None:
        """Send no more."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._closed()

    def count(self, what: str) -> None:
        """One more of these in the tally."""
        self._tally[what] += 1

    def reset(self) -> None:
        """Go away without a goodbye."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._socket.close()

    def _closed(self) -> NoReturn:
        self._tally["closed"] += 1
        raise Closed


def raise_file_limit() -> None:
    """As many sockets as this user may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
