"""What this machine can reach: servers that do the least which a broker must do.

    answer           splits frames, answers each with 60 bytes; blocking, one connection
    crc-write        the same, and computes each frame's CRC-32C and writes it to a file
    sendfile         answers each frame with 1 MiB of a file, by sendfile(2)
    loop-answer      an uvloop protocol that answers each read with 60 bytes
    loop-write       the same, and writes what it read to a file
    loop-fdatasync   the same, and syncs the file before it answers

The blocking ones bound throughput: nothing in Python moves these bytes with less work. The others
bound latency: a broker serves many connections and so pays for an event loop.

`running_limit` starts one as a process, which prints its port and ends when its stdin closes.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from struct import Struct
from typing import cast

import uvloop

from minikafka.protocol.crc32c import crc32c

from . import process
from .wire import Address

ANSWER_BYTES = 60
SLICE_BYTES = 1 << 20
FIRST_READ_BYTES = 128 << 10
"""How much is read while the next frame's size is unknown."""
MAX_FRAME_BYTES = 2 << 20
ROOT = Path(__file__).parent.parent

_SIZE = Struct(">i")  # frame size, not counting itself
_ANSWER = _SIZE.pack(ANSWER_BYTES - _SIZE.size) + bytes(ANSWER_BYTES - _SIZE.size)


@contextlib.contextmanager
def running_limit(name: str, cpu: int | None = None) -> Generator[tuple[Address, int]]:
    """Yield the address and the process id of a limit's server."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as directory:
        server = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.limits", name, directory],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with server:
            process.pin(server.pid, cpu)
            port = server.stdout.readline() if server.stdout else b""
            yield Address("127.0.0.1", int(port)), server.pid
            if server.stdin:
                server.stdin.close()


def main() -> None:
    """Serve the limit named in argv, with files in the directory named in argv."""
    name, directory = sys.argv[1:]
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    file = os.open(Path(directory) / "log", os.O_RDWR | os.O_CREAT)
    if name.startswith("loop-"):
        uvloop.run(_serve_loop(file, name))
        return
    serve: dict[str, Callable[[socket.socket, int], None]] = {
        "answer": _answer,
        "crc-write": _crc_write,
        "sendfile": _sendfile,
    }
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                serve[name](connection, file)


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


def _answer(connection: socket.socket, file: int) -> None:
    for _, frames in _read_frames(connection):
        connection.sendall(_ANSWER * len(frames))


def _crc_write(connection: socket.socket, file: int) -> None:
    os.truncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    for view, frames in _read_frames(connection):
        for frame in frames:
            crc32c(frame)
        os.write(file, view)
        connection.sendall(_ANSWER * len(frames))


def _read_frames(connection: socket.socket) -> Generator[tuple[memoryview, list[memoryview]]]:
    """Yield what was read, as whole frames: all their bytes, and each without its size.

    Once the size of a frame is known no more than the frame is read, so that nothing large is
    ever moved to the front of the buffer.
    """
    view = memoryview(bytearray(MAX_FRAME_BYTES))
    filled, wanted = 0, FIRST_READ_BYTES
    while count := connection.recv_into(view[filled:wanted]):
        filled += count
        position, frames = 0, list[memoryview]()
        wanted = FIRST_READ_BYTES
        while filled - position >= _SIZE.size:
            end = position + _SIZE.size + _SIZE.unpack_from(view, position)[0]
            if end > filled:
                wanted = end - position
                break
            frames.append(view[position + _SIZE.size : end])
            position = end
        if frames:
            yield view[:position], frames
            view[: filled - position] = bytes(view[position:filled])
            filled -= position
        wanted = max(wanted, filled + 1)


def _sendfile(connection: socket.socket, file: int) -> None:
    os.truncate(file, 0)
    os.pwrite(file, bytes(SLICE_BYTES), 0)
    for _, frames in _read_frames(connection):
        for _ in frames:
            connection.sendall(_SIZE.pack(SLICE_BYTES))
            position = 0
            while position < SLICE_BYTES:
                position += os.sendfile(connection.fileno(), file, position, SLICE_BYTES - position)


class _LoopServer(asyncio.Protocol):
    """One connection of a `loop-` limit; a read is a request, as long as requests are small."""

    def __init__(self, file: int, writes: bool, syncs: bool) -> None:
        self._file = file
        self._writes = writes
        self._syncs = syncs

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is not a subclass

    def data_received(self, data: bytes) -> None:
        """Answer."""
        if self._writes:
            os.write(self._file, data)
        if self._syncs:
            os.fdatasync(self._file)
        self._transport.write(_ANSWER)


async def _serve_loop(file: int, name: str) -> None:
    writes, syncs = name != "loop-answer", name == "loop-fdatasync"
    server = await asyncio.get_running_loop().create_server(
        lambda: _LoopServer(file, writes, syncs), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    main()
