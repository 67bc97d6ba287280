"""The load, a process of its own: requests by the clock, whatever becomes of the earlier ones.

    due(n) = began + n / rate
      connection: idle ──> waiting for an answer ──> idle          (kept alive)
                    └─ new    └─ timeout: given up, and reset

This is an open loop: a slow service gets no fewer requests, as people do not wait for each other
either. A request's latency counts from when it was due. Behind the schedule the generator hurries,
and its lateness is in the outcomes.

The loop is bare sockets and a selector, a request a few lines: a client library would take both
processors. Client time-outs close with a reset, since 2,500 a second in TIME_WAIT would use up the
machine's ports.

Left out: answers with a body; redirects; names instead of addresses.
"""

import contextlib
import errno
import selectors
import signal
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from . import child
from .outcomes import ANSWERED, FAILED, REFUSED, TIMED_OUT, Outcomes

MAX_BURST: Final = 500
"""Requests started before the answers are looked at, when there is something to catch up on."""

SPARE_FILES: Final = 64
START_DELAY_S: Final = 0.2
ANSWER_BYTES: Final = 4096
ANSWER_END: Final = b"\r\n\r\n"
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, for 0 s: closing sends RST, and no port stays in TIME_WAIT."""


@dataclass(frozen=True, slots=True)
class GeneratorSettings:
    """What the generator is told when it starts."""

    port: int
    rate: float
    count: int
    timeout_s: float
    outcomes: str


class Connection:
    """A connection, and the request that it waits for an answer to."""

    __slots__ = ("id", "is_open", "received", "socket", "unsent")

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        status = self.socket.connect_ex(("127.0.0.1", port))
        if status not in (0, errno.EINPROGRESS):
            self.socket.close()
            raise OSError(status, "cannot connect")
        self.is_open = status == 0
        self.id = -1
        self.unsent = b""
        self.received = b""


class Generator:
    """Starts each request when it is due, and writes down what becomes of it."""

    def __init__(self, settings: GeneratorSettings, max_connections: int) -> None:
        self.outcomes = Outcomes(settings.rate, settings.count)
        self._settings = settings
        self._max_connections = max_connections
        self._selector = selectors.DefaultSelector()
        self._idle: list[Connection] = []
        self._connection_count = 0
        self._expiring: deque[tuple[float, Connection, int]] = deque()
        self._in_flight = 0
        self._next = 0
        self._is_stopped = False

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Start no more requests, and give up those under way (a signal's handler)."""
        self._is_stopped = True

    def run(self) -> None:
        """Send all requests, and return when each has ended."""
        outcomes, total = self.outcomes, self.outcomes.count
        outcomes.began = time.monotonic() + START_DELAY_S
        while not self._is_stopped and (self._next < total or self._in_flight):
            now = time.monotonic() - outcomes.began
            self._start_due(now)
            self._expire(now)
            wait_s = self._next_event_s() - (time.monotonic() - outcomes.began)
            for key, _ in self._selector.select(max(0.0, wait_s)):
                self._progress(key.data)

    def _next_event_s(self) -> float:
        """When there is something to do without an answer."""
        times = [self._expiring[0][0]] if self._expiring else []
        if self._next < self.outcomes.count:
            times.append(self.outcomes.due_s(self._next))
        return min(times, default=0.0)

    def _start_due(self, now: float) -> None:
        end = min(self.outcomes.count, int(now * self._settings.rate) + 1, self._next + MAX_BURST)
        while now >= 0 and self._next < end:
            if not self._idle and self._connection_count >= self._max_connections:
                return  # They become late, which is seen; refusing them would hide it.
            self._start(self._next)
            self._next += 1

    def _start(self, id: int) -> None:
        now = time.monotonic() - self.outcomes.began
        self.outcomes.started_s[id] = now
        try:
            connection = self._idle.pop() if self._idle else self._connect()
        except OSError:
            self._write_down(id, FAILED)
            return
        connection.id = id
        connection.unsent = request(id)
        self._in_flight += 1
        self._expiring.append((now + self._settings.timeout_s, connection, id))
        if connection.is_open:
            self._send(connection)

    def _connect(self) -> Connection:
        connection = Connection(self._settings.port)
        self._connection_count += 1
        events = selectors.EVENT_READ if connection.is_open else selectors.EVENT_WRITE
        self._selector.register(connection.socket, events, connection)
        return connection

    def _progress(self, connection: Connection) -> None:
        """Something has happened on a connection."""
        if connection.is_open:
            self._receive(connection)
            return
        connection.is_open = True
        self._selector.modify(connection.socket, selectors.EVENT_READ, connection)
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        try:
            connection.socket.send(connection.unsent)  # It fits into an empty socket buffer.
        except OSError:
            self._close(connection, FAILED)

    def _receive(self, connection: Connection) -> None:
        try:
            received = connection.socket.recv(ANSWER_BYTES)
        except OSError:
            received = b""
        if not received:
            self._close(connection, FAILED)
            return
        connection.received += received
        if connection.received.endswith(ANSWER_END):
            is_good = connection.received.startswith(b"HTTP/1.1 2")
            self._end(connection, ANSWERED if is_good else REFUSED)
            connection.received = b""
            self._idle.append(connection)

    def _expire(self, now: float) -> None:
        """Give up requests that have waited too long."""
        expiring = self._expiring
        while expiring and expiring[0][0] <= now:
            _, connection, id = expiring.popleft()
            if connection.id == id:
                self._close(connection, TIMED_OUT)

    def _close(self, connection: Connection, status: int) -> None:
        if connection.id >= 0:
            self._end(connection, status)
        else:
            self._idle.remove(connection)  # The service has closed one that nobody used.
        self._selector.unregister(connection.socket)
        connection.socket.close()
        self._connection_count -= 1

    def _end(self, connection: Connection, status: int) -> None:
        self._write_down(connection.id, status)
        connection.id = -1
        self._in_flight -= 1

    def _write_down(self, id: int, status: int) -> None:
        self.outcomes.status[id] = status
        self.outcomes.ended_s[id] = time.monotonic() - self.outcomes.began


def request(id: int) -> bytes:
    """The bytes of a request; its body is the id."""
    return b"POST /requests HTTP/1.1\r\nHost: lab\r\nContent-Length: 10\r\n\r\n%010d" % id


def main() -> None:
    """Run until all requests have ended or SIGTERM comes; what is known is kept either way."""
    settings = child.settings(GeneratorSettings)
    generator = Generator(settings, child.allow_many_files() - SPARE_FILES)
    signal.signal(signal.SIGTERM, generator.stop)
    child.say_ready()
    with contextlib.suppress(KeyboardInterrupt):
        generator.run()
    Path(settings.outcomes).write_bytes(generator.outcomes.to_bytes())


if __name__ == "__main__":
    main()
