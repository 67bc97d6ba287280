"""HTTP/1.1 as far as the lab's service needs it: small requests in, a status out.

    b"POST /requests HTTP/1.1\\r\\nContent-Length: 6\\r\\n\\r\\n000042"
        -> answer(exchange) with exchange.body == b"000042"
    exchange.respond(202)
        -> b"HTTP/1.1 202 Accepted\\r\\nContent-Length: 0\\r\\n\\r\\n"

Connections are kept alive and answer one request after the other; what a client sends ahead waits,
and no more is read from it meanwhile. Every input is bounded: MAX_HEAD_BYTES, MAX_BODY_BYTES, and
a connection that breaks the rules is answered and closed.

Left out: chunked bodies (411), paths, response bodies, time-outs of idle clients, TLS.
"""

import asyncio
import re
import socket
from collections.abc import Callable
from typing import Any, Final, cast

MAX_HEAD_BYTES: Final = 8192
MAX_BODY_BYTES: Final = 65_536
BACKLOG: Final = 4096
MAX_ARRIVALS: Final = 500
HEAD_END: Final = b"\r\n\r\n"
CONTENT_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)

REASONS: Final = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
RESPONSES: Final = {
    status: f"HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\n\r\n".encode()
    for status, reason in REASONS.items()
}

Answer = Callable[["Exchange"], None]
"""Called with each request; somebody calls respond() once, now or later."""


class BadRequest(Exception):
    """The bytes are no request that is served here; the status says why."""

    def __init__(self, status: int) -> None:
        super().__init__(REASONS[status])
        self.status = status


class Exchange(asyncio.Protocol):
    """A connection, and the one request on it that is being answered."""

    def __init__(self, answer: Answer) -> None:
        self.body = b""
        self.is_closed = False
        """Whether the client has hung up: nobody will read an answer."""
        self._answer = answer
        self._received = b""
        self._is_busy = False
        self._is_paused = False
        self._is_reading = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self.is_closed = True

    def data_received(self, data: bytes) -> None:
        """Bytes have come: answer the request that they complete."""
        self._received = self._received + data if self._received else data
        if self._is_busy:
            self._is_paused = True
            self._transport.pause_reading()
        else:
            self._read()

    def respond(self, status: int) -> None:
        """Answer the request, and read the next one."""
        self._is_busy = False
        if self.is_closed:
            return
        self._transport.write(RESPONSES[status])
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        if self._received and not self._is_reading:
            self._read()

    def _read(self) -> None:
        """Hand out what has come, as long as each request is answered at once."""
        self._is_reading = True
        while self._received and not self._is_busy and not self.is_closed:
            try:
                parsed = parse(self._received)
            except BadRequest as error:
                self._transport.write(RESPONSES[error.status])
                self._transport.close()
                self.is_closed = True
                break
            if parsed is None:
                break
            self.body, self._received = parsed
            self._is_busy = True
            self._answer(self)
        self._is_reading = False


def parse(received: bytes) -> tuple[bytes, bytes] | None:
    """The first request's body and what follows it; None: not all is here. Raises BadRequest."""
    head_end = received.find(HEAD_END)
    if head_end < 0:
        if len(received) > MAX_HEAD_BYTES:
            raise BadRequest(431)
        return None
    if head_end > MAX_HEAD_BYTES:
        raise BadRequest(431)
    if not received.startswith((b"POST ", b"PUT ")):
        raise BadRequest(405 if received[:1].isalpha() else 400)
    length = CONTENT_LENGTH.search(received, 0, head_end + 2)
    if length is None:
        raise BadRequest(411)
    body_length = int(length[1])
    if body_length > MAX_BODY_BYTES:
        raise BadRequest(413)
    begin = head_end + len(HEAD_END)
    end = begin + body_length
    return (received[begin:end], received[end:]) if len(received) >= end else None


class Listener:
    """Takes connections on 127.0.0.1 and hands their requests to `answer`.

    Not `loop.create_server`: libuv takes one connection a turn of the loop, and a turn is long when
    thousands of connections have something to say. Those who wait to be let in would time out
    there, while those who are inside are served at once.
    """

    def __init__(self, answer: Answer, port: int = 0) -> None:
        """Listen; port 0 takes a free one."""
        self._loop = asyncio.get_running_loop()
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
        self._socket.setblocking(False)
        self._arrivals: set[asyncio.Task[Any]] = set()
        self._loop.add_reader(self._socket, self._let_in)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._socket.getsockname()[1]

    def close(self) -> None:
        """Take no more connections."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _let_in(self) -> None:
        for _ in range(MAX_ARRIVALS):
            try:
                connection, _ = self._socket.accept()
            except OSError:  # Nobody is left, or no descriptor is.
                return
            arrival = self._loop.create_task(
                self._loop.connect_accepted_socket(lambda: Exchange(self._answer), connection)
            )
            self._arrivals.add(arrival)
            arrival.add_done_callback(self._arrivals.discard)
