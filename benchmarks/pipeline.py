"""Requests on few or many connections, and what they cost.

    pump          bursts of one frame on one connection, two bursts in flight
    pump_slices   different frames with large answers on one connection, two in flight
    pump_around   one frame in flight on each of many connections
    ping          one frame in flight, each timed

All count and time from outside: the same functions drive a broker and a limit's server. Frames are
encoded before, answers are not decoded, since a client in Python would else be what is measured;
an answer to the same frame always has the same size, so receiving is counting bytes.
"""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct

from . import process
from .wire import receive_exactly, receive_frame

_SIZE = Struct(">i")  # frame size, not counting itself
MAX_ANSWER_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Rate:
    """What a pump did: how many requests in how long, and the CPU time of the server."""

    requests: int
    seconds: float
    server_s: float | None

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def server_us(self) -> float | None:
        """Microseconds of the server's CPU per request."""
        return None if self.server_s is None else self.server_s * 1e6 / self.requests


class _Meter:
    """The clocks around a pump, and the bounds of its run: time and requests."""

    def __init__(self, pid: int | None, seconds: float, max_requests: int) -> None:
        self._pid = pid
        self._max_requests = max_requests
        self._server_before = process.cpu_seconds(pid) if pid else 0.0
        self._began = time.perf_counter()
        self._deadline = self._began + seconds

    def goes_on(self, requests: int) -> bool:
        """Whether to send more, after that many."""
        return requests < self._max_requests and time.perf_counter() < self._deadline

    def rate(self, requests: int) -> Rate:
        """Stop the clocks."""
        seconds = time.perf_counter() - self._began
        server_s = process.cpu_seconds(self._pid) - self._server_before if self._pid else None
        return Rate(requests, seconds, server_s)


def answer_size(opened: socket.socket, frame: bytes) -> int:
    """Send one frame and return how many bytes came back."""
    opened.sendall(frame)
    return _SIZE.size + len(receive_frame(opened))


def pump(
    opened: socket.socket,
    frame: bytes,
    burst: int,
    pid: int | None,
    seconds: float,
    max_bytes: int,
) -> Rate:
    """Send `frame` in bursts for that long, or until so many bytes, with two bursts in flight."""
    answers = memoryview(bytearray(answer_size(opened, frame) * burst))
    frames = frame * burst
    meter = _Meter(pid, seconds, max_bytes // len(frame))
    opened.sendall(frames)
    sent = burst
    while meter.goes_on(sent):
        opened.sendall(frames)
        sent += burst
        receive_exactly(opened, answers)
    receive_exactly(opened, answers)
    return meter.rate(sent)


def pump_slices(
    opened: socket.socket, frames: Sequence[bytes], pid: int | None, seconds: float
) -> tuple[Rate, int]:
    """Send the frames round and round for that long; return the rate and the bytes received."""
    buffer = memoryview(bytearray(MAX_ANSWER_BYTES))
    meter = _Meter(pid, seconds, 1 << 62)
    opened.sendall(frames[0])
    sent, received_bytes = 1, 0
    while meter.goes_on(sent):
        opened.sendall(frames[sent % len(frames)])
        sent += 1
        received_bytes += _receive_into(opened, buffer)
    received_bytes += _receive_into(opened, buffer)
    return meter.rate(sent), received_bytes


def pump_around(
    connections: Sequence[socket.socket],
    frame: bytes,
    pid: int | None,
    seconds: float,
    max_bytes: int,
) -> Rate:
    """Keep one frame in flight on each connection, in turn, for that long."""
    sizes = [answer_size(opened, frame) for opened in connections]
    answer = memoryview(bytearray(max(sizes)))[: sizes[0]]
    meter = _Meter(pid, seconds, max_bytes // len(frame))
    for opened in connections:
        opened.sendall(frame)
    sent = len(connections)
    while meter.goes_on(sent):
        for opened in connections:
            receive_exactly(opened, answer)
            opened.sendall(frame)
        sent += len(connections)
    for opened in connections:
        receive_exactly(opened, answer)
    return meter.rate(sent)


def ping(opened: socket.socket, frame: bytes, count: int) -> list[float]:
    """Send `frame` that often, one at a time; return the microseconds that each took."""
    answer = memoryview(bytearray(answer_size(opened, frame)))
    latencies_us: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        opened.sendall(frame)
        receive_exactly(opened, answer)
        latencies_us.append((time.perf_counter() - began) * 1e6)
    return latencies_us


def _receive_into(opened: socket.socket, buffer: memoryview) -> int:
    """Receive one answer and return its size; raises ValueError when the buffer is too small."""
    receive_exactly(opened, buffer[: _SIZE.size])
    (size,) = _SIZE.unpack_from(buffer)
    if size > len(buffer):
        raise ValueError(f"an answer of {size} bytes")
    receive_exactly(opened, buffer[:size])
    return size
