"""A network between nodes that fails on purpose: a TCP proxy for each pair, in a thread of its own.

Under load it belongs in a process of its own too, `separate_network`: a client library that keeps
the interpreter's lock for seconds would stop every link between the nodes.

    node 1 ──> link 1-2 ──> node 2          what node 1 sends to node 2, whoever of the two has
           <──          <──                 opened the connection, is under the faults of 1 -> 2;
    node 2 ──> link 2-1 ──> node 1          what node 2 sends back is under those of 2 -> 1

Faults belong to a directed pair of nodes and hold for all its connections, open ones too:

    delay      each chunk comes later, by a fixed and a random time; order is kept
    throttle   so many bytes a second
    cut        nothing arrives, and nobody is told: sockets stay open, and what was sent arrives
               after healing, as with TCP
    reset      connections break; half_close: this direction ends, the other one goes on
    corrupt    one bit of the next byte is another one

A new connection is made at once even over a cut: it is the proxy that accepts it. Every method may
be called from any thread.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.managers import BaseManager
from random import Random
from types import TracebackType
from typing import Any, Final, TypeVar

CHUNK_BYTES: Final = 65_536
MAX_CHUNKS: Final = 64
"""How many chunks of one direction may be under way, before the sender has to wait."""
DEADLINE_S: Final = 10.0
Address = tuple[str, int]
Pair = tuple[int, int]
T = TypeVar("T")


@dataclass
class Faults:
    """What happens to bytes from one node to another."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float = 0.0
    is_cut: bool = False
    is_corrupting: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def heal(self) -> None:
        """No faults any more."""
        self.delay_s = self.jitter_s = self.bytes_per_s = 0.0
        self.is_cut = self.is_corrupting = False
        self.changed.set()


class Direction:
    """One half of a connection: bytes as they come, and later as they go."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        faults: Faults,
        random: Random,
    ) -> None:
        self.writer = writer
        self._reader = reader
        self._faults = faults
        self._random = random
        self._chunks: deque[tuple[float, bytes]] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._is_ending = False

    def end(self) -> None:
        """Let this direction end where it is."""
        self._is_ending = True
        self._chunks.clear()
        self._chunks.append((0.0, b""))
        self._news.set()

    async def read(self) -> None:
        """Take what comes, and give each chunk the time at which it is to go; b"" is the end."""
        loop = asyncio.get_running_loop()
        due_s = 0.0
        while not self._is_ending:
            data = await self._reader.read(CHUNK_BYTES)
            delay_s = self._faults.delay_s + self._random.random() * self._faults.jitter_s
            due_s = max(due_s, loop.time() + delay_s)
            self._chunks.append((due_s, data))
            self._news.set()
            if not data:
                return
            while len(self._chunks) >= MAX_CHUNKS:
                self._room.clear()
                await self._room.wait()

    async def write(self) -> None:
        """Send each chunk when it is due and nothing is cut."""
        while True:
            while not self._chunks:
                self._news.clear()
                await self._news.wait()
            due_s, data = self._chunks.popleft()
            self._room.set()
            await self._wait_until(due_s, len(data))
            if not data:
                with contextlib.suppress(OSError):
                    self.writer.write_eof()
                return
            if self._faults.is_corrupting:
                self._faults.is_corrupting = False
                data = bytes([data[0] ^ 1]) + data[1:]
            self.writer.write(data)
            await self.writer.drain()

    async def _wait_until(self, due_s: float, size: int) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(due_s - loop.time(), 0))
        if self._faults.bytes_per_s:
            await asyncio.sleep(size / self._faults.bytes_per_s)
        while self._faults.is_cut:
            self._faults.changed.clear()
            await self._faults.changed.wait()


class FaultyNetwork:
    """The links between nodes; `with` starts and ends their thread."""

    def __init__(self, seed: int = 0) -> None:
        self._random = Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty network")
        self._faults: dict[Pair, Faults] = {}
        self._links: dict[tuple[Pair, Address], Address] = {}
        self._servers: list[asyncio.Server] = []
        self._open: dict[asyncio.Task[None], tuple[Pair, list[Direction]]] = {}

    def __enter__(self) -> "FaultyNetwork":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to serve links."""
        self._thread.start()

    def stop(self) -> None:
        """Break all connections, and end the thread."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def link(self, source: int, destination: int, address: Address) -> Address:
        """Where `source` finds `destination` from now on, which is at `address`: a Wiring."""
        return self._run(self._link((source, destination), address))

    def delay(self, source: int, destination: int, delay_s: float, jitter_s: float = 0.0) -> None:
        """What goes this way comes later."""
        self._run(self._set((source, destination), delay_s=delay_s, jitter_s=jitter_s))

    def throttle(self, source: int, destination: int, bytes_per_s: float) -> None:
        """What goes this way is slow."""
        self._run(self._set((source, destination), bytes_per_s=bytes_per_s))

    def cut(self, source: int, destination: int) -> None:
        """Nothing goes this way until it is healed."""
        self._run(self._set((source, destination), is_cut=True))

    def cut_off(self, node: int, others: "list[int] | tuple[int, ...]") -> None:
        """Nothing goes between a node and the others, either way."""
        for other in others:
            self.cut(node, other)
            self.cut(other, node)

    def corrupt(self, source: int, destination: int) -> None:
        """The next byte that goes this way is another one."""
        self._run(self._set((source, destination), is_corrupting=True))

    def reset(self, source: int, destination: int) -> None:
        """Break every connection that `source` has opened to `destination`."""
        self._run(self._reset((source, destination)))

    def half_close(self, source: int, destination: int) -> None:
        """End this direction of every connection that `source` has opened to `destination`."""
        self._run(self._half_close((source, destination)))

    def heal(self) -> None:
        """No faults any more, anywhere."""
        self._run(self._heal())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_S)

    def _faults_of(self, pair: Pair) -> Faults:
        return self._faults.setdefault(pair, Faults())

    async def _link(self, pair: Pair, address: Address) -> Address:
        known = self._links.get((pair, address))
        if known is not None:
            return known

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Who cancels it has closed the connection; to asyncio it would look like a failure.
            with contextlib.suppress(asyncio.CancelledError):
                await self._serve(pair, address, reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self._servers.append(server)
        here = server.sockets[0].getsockname()
        self._links[pair, address] = here
        return here

    async def _serve(
        self,
        pair: Pair,
        address: Address,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """One connection, from its opening to its end."""
        task = asyncio.current_task()
        assert task is not None
        try:
            onward_reader, onward = await asyncio.open_connection(*address)
        except OSError:
            _abort(writer)
            return
        back = (pair[1], pair[0])
        directions = [
            Direction(reader, onward, self._faults_of(pair), self._random),
            Direction(onward_reader, writer, self._faults_of(back), self._random),
        ]
        self._open[task] = (pair, directions)
        try:
            async with asyncio.TaskGroup() as group:
                for each in directions:
                    group.create_task(each.read())
                    group.create_task(each.write())
            for each in directions:  # Both have ended, and what was written has to go out.
                each.writer.close()
        except* OSError:
            pass
        finally:
            del self._open[task]
            for each in directions:
                if not each.writer.is_closing():
                    _abort(each.writer)

    async def _set(self, pair: Pair, **faults: Any) -> None:
        for name, value in faults.items():
            setattr(self._faults_of(pair), name, value)

    async def _reset(self, pair: Pair) -> None:
        for task, (between, _) in list(self._open.items()):
            if between == pair:
                task.cancel()

    async def _half_close(self, pair: Pair) -> None:
        for between, (forth, _) in list(self._open.values()):
            if between == pair:
                forth.end()

    async def _heal(self) -> None:
        for faults in self._faults.values():
            faults.heal()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


class _Manager(BaseManager):
    """Of the process in which the network is."""


_Manager.register("network", FaultyNetwork)


@contextlib.contextmanager
def separate_network() -> Iterator[FaultyNetwork]:
    """A faulty network in a process of its own, which has the same methods."""
    with _Manager(ctx=get_context("fork")) as manager:
        network = manager.network()  # type: ignore[attr-defined] # what `register` has made
        network.start()
        try:
            yield network
        finally:
            network.stop()


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close at once, with a reset: what is not sent is lost."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
