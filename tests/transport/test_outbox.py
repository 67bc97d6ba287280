"""The way out of a connection: both twins, over real sockets, in both event loops."""

import asyncio
import os
import random
import socket
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
import uvloop

from minikafka.transport.outbox import (
    MAX_JOINED_BYTES,
    MAX_VECTOR,
    Chunk,
    Outbox,
    SocketOutbox,
    TransportOutbox,
    join_neighbours,
)

DEADLINE_S = 10.0
FILE_BYTES = 3 << 20
SMALL_BUFFER_BYTES = 32 << 10
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}
TWINS = {"socket": SocketOutbox, "transport": TransportOutbox}


@dataclass
class Range:
    """A range of an open file."""

    file: BinaryIO
    position: int
    length: int

    def __len__(self) -> int:
        return self.length

    def read(self) -> bytes:
        return os.pread(self.file.fileno(), self.length, self.position)


class Sender(asyncio.Protocol):
    """The end that owns an outbox."""

    def __init__(self, twin: str, loop: asyncio.AbstractEventLoop) -> None:
        self._twin = twin
        self._loop = loop
        self.outbox: Outbox
        self.transport: asyncio.Transport
        self.drained = 0
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's by class.
        self.transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER_BYTES)
        if self._twin == "socket":
            self.outbox = SocketOutbox(self._loop, self.transport, self._on_drain)
        else:
            self.outbox = TransportOutbox(self.transport, self._on_drain)

    def connection_lost(self, exc: Exception | None) -> None:
        self.outbox.close()
        self.is_lost = True

    def pause_writing(self) -> None:
        self.outbox.pause()

    def resume_writing(self) -> None:
        self.outbox.resume()

    def _on_drain(self) -> None:
        self.drained += 1


@dataclass
class Pair:
    """A sender, and a plain socket that reads only when it is told to."""

    sender: Sender
    reader: socket.socket
    loop: asyncio.AbstractEventLoop

    @property
    def outbox(self) -> Outbox:
        """The sender's."""
        return self.sender.outbox

    async def read(self, count: int, at_once: int = 1 << 16) -> bytes:
        """So many bytes, in small pieces."""
        data = bytearray()
        async with asyncio.timeout(DEADLINE_S):
            while len(data) < count:
                piece = await self.loop.sock_recv(self.reader, min(at_once, count - len(data)))
                if not piece:
                    break
                data += piece
        return bytes(data)

    async def read_to_end(self) -> bytes:
        """Everything up to the end of the connection, which may be a reset."""
        data = bytearray()
        async with asyncio.timeout(DEADLINE_S):
            try:
                while piece := await self.loop.sock_recv(self.reader, 1 << 16):
                    data += piece
            except ConnectionResetError:
                return bytes(data)
        return bytes(data)

    async def until(self, condition: Callable[[], Any]) -> None:
        """Let the loop run until this holds."""
        deadline = self.loop.time() + DEADLINE_S
        while not condition():
            assert self.loop.time() < deadline
            await asyncio.sleep(0)


Test = Callable[[Pair], Coroutine[Any, Any, None]]
Run = Callable[[Test], None]


@pytest.fixture(params=[(loop, twin) for loop in LOOPS for twin in TWINS], ids="-".join)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a test over a pair of sockets: each twin in each loop."""
    loop_name, twin = request.param

    async def with_pair(test: Test) -> None:
        loop = asyncio.get_running_loop()
        sender = Sender(twin, loop)
        server = await loop.create_server(lambda: sender, "127.0.0.1", 0)
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        reader.setblocking(False)
        await loop.sock_connect(reader, server.sockets[0].getsockname())
        pair = Pair(sender, reader, loop)
        await pair.until(lambda: hasattr(sender, "outbox"))
        try:
            await test(pair)
        finally:
            reader.close()
            sender.transport.abort()
            server.close()
            await pair.until(lambda: sender.is_lost)

    def run_test(test: Test) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop_name]) as runner:
            runner.run(with_pair(test))

    return run_test


@pytest.fixture
def content() -> bytes:
    """The content of a file, of which no stretch looks like another."""
    return random.Random(1).randbytes(FILE_BYTES)


@pytest.fixture
def file(tmp_path: Path, content: bytes) -> Iterator[BinaryIO]:
    """A file with that content, open."""
    path = tmp_path / "log"
    path.write_bytes(content)
    with path.open("rb") as opened:
        yield opened


def bytes_of(chunks: list[Chunk]) -> bytes:
    """What must come out."""
    return b"".join(bytes(c) if isinstance(c, bytes | memoryview) else c.read() for c in chunks)


def mixed_chunks(file: BinaryIO, content: bytes, seed: int) -> list[list[Chunk]]:
    """Several sends of bytes, views and ranges, none to large."""
    chance = random.Random(seed)

    def chunk() -> Chunk:
        size = chance.choice([0, 1, 100, 5000, MAX_JOINED_BYTES, 300_000])
        position = chance.randrange(FILE_BYTES - size)
        match chance.randrange(3):
            case 0:
                return content[position : position + size]
            case 1:
                return memoryview(content)[position : position + size]
            case _:
                return Range(file, position, size)

    return [[chunk() for _ in range(chance.randrange(7))] for _ in range(8)]


@pytest.mark.parametrize("seed", range(3))
def test_bytes_and_ranges_come_out_in_order_to_a_slow_reader(
    run: Run, file: BinaryIO, content: bytes, seed: int
) -> None:
    async def test(pair: Pair) -> None:
        sends = mixed_chunks(file, content, seed)
        expected = bytes_of([chunk for chunks in sends for chunk in chunks])
        for chunks in sends:
            pair.outbox.send(chunks)
        assert await pair.read(len(expected), at_once=7001) == expected
        await pair.until(lambda: pair.outbox.size_bytes == 0)

    run(test)


def test_a_full_socket_is_waited_for_and_its_drain_is_told_once(run: Run, content: bytes) -> None:
    async def test(pair: Pair) -> None:
        pair.outbox.send([content])
        await pair.until(lambda: pair.outbox.size_bytes or pair.sender.transport)
        pair.outbox.send([b"the", b"rest"])
        assert pair.sender.drained == 0
        assert await pair.read(FILE_BYTES + 7) == content + b"therest"
        await pair.until(lambda: pair.sender.drained)
        assert (pair.outbox.size_bytes, pair.sender.drained) == (0, 1)
        pair.outbox.send([b"more"])
        assert await pair.read(4) == b"more"
        assert pair.sender.drained == 1

    run(test)


def test_what_waits_is_counted(run: Run, file: BinaryIO) -> None:
    async def test(pair: Pair) -> None:
        for _ in range(4):
            pair.outbox.send([Range(file, 0, FILE_BYTES), Range(file, 0, FILE_BYTES)])
        assert 5 * FILE_BYTES < pair.outbox.size_bytes <= 8 * FILE_BYTES
        await pair.read(8 * FILE_BYTES, at_once=1 << 20)
        await pair.until(lambda: pair.outbox.size_bytes == 0)

    run(test)


def test_many_small_chunks_leave_together(run: Run) -> None:
    async def test(pair: Pair) -> None:
        chunks: list[Chunk] = [b"%06d" % number for number in range(20 * MAX_VECTOR)]
        pair.outbox.send(chunks)
        large: list[Chunk] = [bytes([number]) * 3000 for number in range(3 * MAX_VECTOR)]
        pair.outbox.send(large)
        expected = bytes_of(chunks + large)
        assert await pair.read(len(expected)) == expected

    run(test)


def test_nothing_to_send_is_nothing(run: Run, file: BinaryIO) -> None:
    async def test(pair: Pair) -> None:
        pair.outbox.send([])
        pair.outbox.send([b"", Range(file, 5, 0), b""])
        pair.outbox.send([b"" for _ in range(100)] + [bytes(MAX_JOINED_BYTES), b"", b"end"])
        assert await pair.read(MAX_JOINED_BYTES + 3) == bytes(MAX_JOINED_BYTES) + b"end"
        assert pair.outbox.size_bytes == 0

    run(test)


def test_a_peer_that_is_gone_ends_the_connection(run: Run, content: bytes) -> None:
    async def test(pair: Pair) -> None:
        pair.outbox.send([content])
        pair.reader.close()
        await pair.until(lambda: pair.sender.is_lost)
        assert pair.outbox.size_bytes == 0

    run(test)


@pytest.mark.parametrize("length", [100, MAX_JOINED_BYTES, 2 * FILE_BYTES])
def test_a_file_that_was_cut_short_ends_the_connection(
    run: Run, tmp_path: Path, file: BinaryIO, content: bytes, length: int
) -> None:
    async def test(pair: Pair) -> None:
        kept = min(length // 2, FILE_BYTES)
        os.truncate(tmp_path / "log", kept)
        pair.outbox.send([b"head", Range(file, 0, length), b"tail"])
        received = await pair.read_to_end()
        assert (b"head" + content[:kept]).startswith(received)
        await pair.until(lambda: pair.sender.is_lost)
        assert pair.outbox.size_bytes == 0

    run(test)


@pytest.mark.parametrize("length", [100, FILE_BYTES])
def test_a_file_that_was_closed_ends_the_connection(run: Run, file: BinaryIO, length: int) -> None:
    async def test(pair: Pair) -> None:
        file.close()
        pair.outbox.send([Range(file, 0, length)])
        await pair.until(lambda: pair.sender.is_lost)
        assert await pair.read_to_end() == b""

    run(test)


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="Linux lists open descriptors")
def test_a_connection_that_ends_while_it_waits_leaves_no_descriptor(
    run: Run, content: bytes
) -> None:
    async def test(pair: Pair) -> None:
        before = len(os.listdir("/proc/self/fd"))
        pair.outbox.send([content])
        await pair.until(lambda: pair.outbox.size_bytes or pair.sender.transport)
        pair.sender.transport.abort()
        await pair.until(lambda: pair.sender.is_lost)
        assert len(os.listdir("/proc/self/fd")) <= before
        assert pair.outbox.size_bytes == 0

    run(test)


def test_a_full_socket_without_a_descriptor_to_spare_ends_alone(run: Run, content: bytes) -> None:
    async def scenario(pair: Pair) -> None:
        outbox = pair.outbox
        if isinstance(outbox, TransportOutbox):
            return  # It needs none.
        outbox._refused_from = 0  # every number is too high
        outbox.send([content])
        assert outbox.size_bytes == 0
        await pair.until(lambda: pair.sender.is_lost)

    run(scenario)


def test_the_memory_of_what_waits_is_its_bytes_and_no_file_ranges(
    run: Run, file: BinaryIO, content: bytes
) -> None:
    async def scenario(pair: Pair) -> None:
        assert pair.outbox.memory_bytes == 0
        pair.outbox.send([content, Range(file, 0, len(content)), Range(file, 0, len(content))])
        assert pair.outbox.size_bytes >= 2 * len(content)
        assert pair.outbox.memory_bytes < len(content) + 1000
        await pair.read(3 * len(content))
        await pair.until(lambda: not pair.outbox.memory_bytes)

    run(scenario)


def test_neighbours_are_joined_in_order(content: bytes) -> None:
    large = content[:100_000]
    chunks = [b"a", b"b", large, b"c", memoryview(b"d"), large, b"e"]
    joined = join_neighbours(chunks)
    assert joined == [b"ab", large, b"cd", large, b"e"]
    assert joined[1] is large
