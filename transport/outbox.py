"""The way out of a connection: chunks of bytes and ranges of files, in order, corked by the caller.

Where the transport has a real socket, `SocketOutbox` writes past it: `writev` for bytes, `sendfile`
for ranges of files, so that a fetched slice of the log never enters this process. It owns the
write side alone; the transport's own queue stays empty. A socket that is full is watched through a
duplicate of its descriptor, because the loop has the original. TLS and simulated transports have
no such socket: `TransportOutbox` gives the same bytes by `read` and `transport.write`.

Both are bounded by their user: `size_bytes` is what waits, and a connection with too much of it
must stop reading requests.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from ..protocol.primitives import Buffer

log = logging.getLogger("minikafka.outbox")

MAX_JOINED_BYTES = 64 << 10
"""Chunks up to this sum are joined into one before writing: cheaper than a vector of them."""
MAX_VECTOR = 64
NO_LIMIT = 1 << 31
CHUNK_OVERHEAD_BYTES = 128
"""What a chunk takes beside its bytes, roughly."""
_JOINED_BELOW_BYTES = 32 << 10
"""Chunks below this are joined with their neighbours, longer ones left where they lie."""
BYTES_LIKE = (bytes, bytearray, memoryview)


class OpenFile(Protocol):
    """A file that stays open as long as it is referred to."""

    def fileno(self) -> int:
        """Its descriptor; raises OSError or ValueError when it was closed all the same."""
        ...


class FileRange(Protocol):
    """A range of a file that goes out as it lies on disk."""

    @property
    def file(self) -> OpenFile:
        """The file."""
        ...

    @property
    def position(self) -> int:
        """Where in the file it begins, in bytes."""
        ...

    def __len__(self) -> int: ...

    def read(self) -> bytes:
        """Its bytes; fewer than its length if the file was cut meanwhile."""
        ...


Chunk = Buffer | FileRange
AnyChunk = TypeVar("AnyChunk", bound=Chunk)


class Outbox(Protocol):
    """What a connection writes into."""

    @property
    def size_bytes(self) -> int:
        """Bytes accepted and not yet given to the operating system."""
        ...

    @property
    def memory_bytes(self) -> int:
        """The memory that these bytes take: a range of a file takes next to none."""
        ...

    def send(self, chunks: Sequence[Chunk]) -> None:
        """Send these after all earlier ones."""
        ...

    def pause(self) -> None:
        """The transport asks for it (asyncio's `pause_writing`)."""
        ...

    def resume(self) -> None:
        """The transport asks for it (asyncio's `resume_writing`)."""
        ...

    def close(self) -> None:
        """Forget what has not been sent, and who sends it: no cycle is left to the collector."""
        ...


class TransportOutbox:
    """The plain twin: any asyncio transport, filled no faster than it drains."""

    def __init__(self, transport: asyncio.Transport, on_drain: Callable[[], None]) -> None:
        self._transport = transport
        self._on_drain = on_drain
        self._queue: deque[Chunk] = deque()
        self._is_paused = False
        self.size_bytes = 0

    @property
    def memory_bytes(self) -> int:
        """The memory that waiting chunks take."""
        return _memory_bytes(self._queue)

    def send(self, chunks: Sequence[Chunk]) -> None:
        """Hand the chunks to the transport until it asks for a pause."""
        self._queue.extend(chunks)
        self.size_bytes += sum(map(len, chunks))
        self._pump()

    def pause(self) -> None:
        """The transport's buffer is full."""
        self._is_paused = True

    def resume(self) -> None:
        """The transport takes more."""
        self._is_paused = False
        self._pump()
        if not self._queue:
            self._on_drain()

    def close(self) -> None:
        """Forget what has not been sent, and who sends it."""
        self._queue.clear()
        self.size_bytes = 0
        self._on_drain = _nobody_waits

    def _pump(self) -> None:
        while self._queue and not self._is_paused:
            chunk = self._queue.popleft()
            self.size_bytes -= len(chunk)
            data = chunk if isinstance(chunk, BYTES_LIKE) else _content(chunk)
            if len(data) != len(chunk):
                self.close()
                self._transport.abort()
                return
            self._transport.write(data)


class SocketOutbox:
    """The fast twin: writes to the transport's socket directly."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        on_drain: Callable[[], None],
        refused_from: int = NO_LIMIT,
    ) -> None:
        """Duplicates numbered `refused_from` and above are not used: other files need them."""
        self._loop = loop
        self._refused_from = refused_from
        self._transport = transport
        self._descriptor = transport.get_extra_info("socket").fileno()
        self._on_drain = on_drain
        self._queue: deque[Chunk] = deque()
        self._sent_of_head = 0
        self._watched = -1  # a duplicate of the descriptor, while the socket is full
        self.size_bytes = 0

    @property
    def memory_bytes(self) -> int:
        """The memory that waiting chunks take."""
        return _memory_bytes(self._queue) if self._queue else 0

    def send(self, chunks: Sequence[Chunk]) -> None:
        """Write at once as much as the socket takes, and the rest when it takes more."""
        size = sum(map(len, chunks))
        if size <= MAX_JOINED_BYTES:
            chunks = [_joined(chunks)]
            if len(chunks[0]) != size:
                self._break()
                return
        elif len(chunks) > MAX_VECTOR:
            chunks = join_neighbours(chunks)
        self._queue.extend(chunks)
        self.size_bytes += size
        if self._watched < 0:
            self._pump()

    def pause(self) -> None:
        """Never asked: the transport's own queue stays empty."""

    def resume(self) -> None:
        """Never asked."""

    def close(self) -> None:
        """Forget what has not been sent, and who sends it, and stop watching the socket."""
        self._queue.clear()
        self.size_bytes = 0
        self._unwatch()
        self._on_drain = _nobody_waits

    def _pump(self) -> None:
        try:
            while self._queue:
                self._sent(self._write_some())
        except BlockingIOError:
            self._watch()
        except (OSError, ValueError):
            self._break()
        else:
            if self._watched >= 0:
                self._unwatch()
                self._on_drain()

    def _break(self) -> None:
        """The peer is gone, or a range of a file is: there is no way to go on."""
        self.close()
        self._transport.abort()

    def _write_some(self) -> int:
        head = self._queue[0]
        if isinstance(head, BYTES_LIKE):
            return os.writev(self._descriptor, self._vector())
        sent = os.sendfile(
            self._descriptor,
            head.file.fileno(),
            head.position + self._sent_of_head,
            len(head) - self._sent_of_head,
        )
        if sent == 0 and len(head) > self._sent_of_head:
            raise OSError("the file ends before the range that was promised")
        return sent

    def _vector(self) -> list[Buffer]:
        vector: list[Buffer] = []
        for chunk in self._queue:
            if not isinstance(chunk, BYTES_LIKE) or len(vector) == MAX_VECTOR:
                break
            vector.append(chunk)
        if self._sent_of_head:
            vector[0] = memoryview(vector[0])[self._sent_of_head :]
        return vector

    def _sent(self, count: int) -> None:
        self.size_bytes -= count
        count += self._sent_of_head
        while self._queue and count >= len(self._queue[0]):
            count -= len(self._queue.popleft())
        self._sent_of_head = count

    def _watch(self) -> None:
        if self._watched < 0:
            watched = self._duplicate()
            if watched is None:
                log.warning("a peer does not take its answer, and descriptors are short: closing")
                self._break()
                return
            self._watched = watched
            self._loop.add_writer(watched, self._pump)

    def _duplicate(self) -> int | None:
        """Another descriptor of the socket, if there is one to spare."""
        try:
            duplicate = os.dup(self._descriptor)
        except OSError:
            return None
        if duplicate >= self._refused_from:
            os.close(duplicate)
            return None
        return duplicate

    def _unwatch(self) -> None:
        if self._watched >= 0:
            self._loop.remove_writer(self._watched)
            os.close(self._watched)
            self._watched = -1


def _nobody_waits() -> None:
    """Instead of the callback of a connection that has ended."""


def join_neighbours(chunks: Sequence[AnyChunk]) -> list[AnyChunk | bytes]:
    """The chunks in few: small neighbours joined, large ones and ranges of files as they are."""
    joined: list[AnyChunk | bytes] = []
    small: list[Buffer] = []
    for chunk in chunks:
        if isinstance(chunk, BYTES_LIKE) and len(chunk) < _JOINED_BELOW_BYTES:
            small.append(chunk)
            continue
        if small:
            joined.append(b"".join(small))
            small = []
        joined.append(chunk)
    if small:
        joined.append(b"".join(small))
    return joined


def _memory_bytes(chunks: Iterable[Chunk]) -> int:
    return sum(
        CHUNK_OVERHEAD_BYTES + (len(each) if isinstance(each, BYTES_LIKE) else 0) for each in chunks
    )


def _joined(chunks: Sequence[Chunk]) -> bytes:
    """Small answers go out in one system call: reading a small range costs less than a second."""
    return b"".join([each if isinstance(each, BYTES_LIKE) else _content(each) for each in chunks])


def _content(file_range: FileRange) -> bytes:
    """Its bytes; none if it cannot be read, and then this connection ends, and no other."""
    try:
        return file_range.read()
    except Exception as error:  # noqa: BLE001 - the range's owner has errors of its own
        log.warning("a promised range of a file cannot be read: %s", error)
        return b""
