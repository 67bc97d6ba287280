"""One client's connection: frames in, answers out in the order of the requests.

    readable event:  socket -> shared buffer -> frames -> handlers (stage, read, park)
                     -> settle: one write per partition -> answers, sent together

Nothing leaves before the whole event has been handled: one system call carries all its answers.

Requests of one connection are carried out one at a time, as in Kafka: the next begins when the
answer has been sent (so who creates a topic may write to it in the same breath). Produce requests
alone go ahead together, because one write and one flush is to carry many of them. So a *turn* of a
connection is a bounded run of produce requests and one other at most; what it has received beyond
that is held, and waits for its next turn behind those of others.

Produce requests and fetch requests that name little are carried out in the event that brings them.
Any other waits for a turn even if it is the first, and there is one turn each time the loop comes
round: however much peers send ahead, and however dear a request is, a record waits for one of them
at most.

A connection that has too much under way (answers waiting, bytes unsent, no buffer for its next
frame, a partition with too much unflushed) is not read until that has changed.

A peer's bytes never stop more than their own connection: what breaks the protocol is one log line
with connection, API, version and byte position.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from struct import error as struct_error
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..protocol.api import api_name
from ..protocol.header import (
    API_VERSIONS_KEY,
    REQUEST_START,
    RequestStart,
    decode_client_id,
    decode_request_start,
)
from ..protocol.primitives import ProtocolError
from ..transport.framing import FrameBuffers, FrameReceiver
from ..transport.outbox import Chunk, Outbox, SocketOutbox, TransportOutbox
from .exchange import RequestExchange
from .handlers.chapters import FindRoute, served_until
from .handlers.context import Context
from .handlers.route import Route
from .handlers.table import FETCH_KEY, PRODUCE_KEY

MAX_EXCHANGES = 1000
"""Produce requests of one connection that have no answer yet."""
MAX_RUN = 250
"""Produce requests in one turn; a loop reads a socket several times before it looks at others."""
MAX_AT_ONCE_BYTES = 4 << 10
"""A fetch request larger than this names so many partitions that it waits for a turn."""
DECODED_FACTOR = 4
"""Roughly what a byte of a request takes in memory once it is decoded."""
MAX_UNSENT_BYTES = 1 << 20
"""With so much that its peer does not take, a connection makes no more answers."""
HELD_TIMEOUT_S = 330.0
"""How long requests may wait behind another that waits. A join may wait for the other members of
its group: five minutes, as a rule."""
_LONGEST_IN_LOG = 256

if TYPE_CHECKING:
    from ..protocol.api.produce import ProduceRequest
    from .handlers.produce_shortcut import Shortcuts

Waiting = Coroutine[Any, Any, Any]

log = logging.getLogger("minikafka.connection")


class Connections(Protocol):
    """What a connection needs of the server."""

    context: Context
    buffers: FrameBuffers
    find_route: FindRoute
    is_stopping: bool
    refused_from: int
    """The lowest number that a descriptor of a socket must not have."""

    def opened(self, connection: "Connection") -> bool:
        """Take it in; False when there are too many."""
        ...

    def closed(self, connection: "Connection") -> None:
        """Forget it."""
        ...

    def has_answers(self, connection: "Connection") -> None:
        """It has answers to send: now if an event is being handled, else soon."""
        ...

    def end_event(self) -> None:
        """Write what was staged, and send all answers that are ready."""
        ...

    def take_turn_later(self, connection: "Connection") -> None:
        """It holds requests that it may carry out: call its `take_turn` when others had theirs."""
        ...

    def charge(self, connection: "Connection", more_bytes: int) -> None:
        """It keeps so much more memory than before, or less."""
        ...

    def run(self, answer: Coroutine[Any, Any, None]) -> None:
        """Run a handler that waits."""
        ...


class Connection(asyncio.BufferedProtocol):
    """The broker's end of one connection."""

    def __init__(self, server: Connections, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._receiver = FrameReceiver(
            server.buffers, server.context.config.socket_request_max_bytes
        )
        self._exchanges: deque[RequestExchange] = deque()
        self._shortcuts: Shortcuts | None = None
        self._current: RequestExchange | None = None  # no produce, and its answer is not sent yet
        self._buffer_bytes = 0
        self._run_length = 0
        self._is_paused = False
        self._is_waiting = False
        self._is_queued = False
        self._has_turn = False
        self._frame_started_at: float | None = None
        self._held_since: float | None = None  # behind a request that waits
        self._unsent_bytes = 0  # at the last sweep
        self.memory_bytes = 0
        """What it keeps of requests held and answers unsent, as the server knows it."""
        self._transport: asyncio.Transport
        self._outbox: Outbox
        self.last_active_at = loop.time()
        self.has_answers = False
        self.name, self.peer_host = "?", "?"
        self.descriptor = -1
        self.client_id: str | None = None
        self.local_address = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket over."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername") or ("?", 0)
        self.name, self.peer_host = f"{peer[0]}:{peer[1]}", peer[0]
        self.local_address = (transport.get_extra_info("sockname") or ("", 0))[:2]
        socket = transport.get_extra_info("socket")
        if socket is not None:
            self.descriptor = socket.fileno()
        if socket is not None and transport.get_extra_info("ssl_object") is None:
            self._outbox = SocketOutbox(
                self._loop, self._transport, self._check_flow, self._server.refused_from
            )
        else:
            self._outbox = TransportOutbox(self._transport, self._check_flow)
        if not self._server.opened(self):
            self._transport.abort()

    @property
    def is_closing(self) -> bool:
        """Whether it has ended or will."""
        return self._transport.is_closing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was under way, here and where it is parked."""
        for exchange in self._exchanges:
            if exchange.cancel is not None:
                exchange.cancel()
        self._outbox.close()
        self._receiver.release()
        self._exchanges.clear()
        self._current = None
        self._charge()
        self._server.closed(self)

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self._outbox.pause()

    def resume_writing(self) -> None:
        """The transport's buffer has room."""
        self._outbox.resume()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        buffer = self._receiver.get_buffer()
        self._buffer_bytes = len(buffer)
        return buffer

    def buffer_updated(self, nbytes: int) -> None:
        """One readable event: a turn, with what it brings."""
        self.last_active_at = self._loop.time()
        self._carry_out(self._receiver.received(nbytes))
        if nbytes < self._buffer_bytes:
            self._run_length = 0  # There is no more for now, so others have their turn.

    def take_turn(self) -> None:
        """Go on with the requests that are held."""
        self._is_queued = False
        self._run_length = 0
        self._held_since = None
        if not self._transport.is_closing() and not self._server.is_stopping:
            self._receiver.is_holding = False
            self._has_turn = True
            self._carry_out(self._receiver.held())
            self._has_turn = False

    def answered(self) -> None:
        """Some exchange has its answer."""
        if not self.has_answers:
            self.has_answers = True
            self._server.has_answers(self)

    def send_answers(self) -> None:
        """Send what is ready, up to the first exchange that is not."""
        self.has_answers = False
        ready: list[Chunk] = []
        exchanges = self._exchanges
        while exchanges and exchanges[0].chunks is not None:
            exchange = exchanges.popleft()
            ready += exchange.chunks or ()
            if exchange is self._current:
                self._current = None
        if ready and not self._transport.is_closing():
            self._outbox.send(ready)
        if (self._current is None and self._receiver.is_holding) or self._is_paused:
            self._check_flow()

    def fail(self, reason: str) -> None:
        """End this connection, with one line that says why."""
        if self._transport.is_closing():
            return
        log.warning("connection %s client %r: %s", self.name, _shortened(self.client_id), reason)
        self._transport.abort()

    def expire(self, now: float, max_idle_s: float, frame_timeout_s: float) -> None:
        """End it if it has been silent, or its frame incomplete, for too long.

        Who takes its answers is not silent; who leaves them there is.
        """
        if self._held_since is not None and now - self._held_since > HELD_TIMEOUT_S:
            self.fail(f"requests have waited for {HELD_TIMEOUT_S:.0f} s behind one that waits")
        unsent_bytes, self._unsent_bytes = self._unsent_bytes, self._outbox.size_bytes
        if self._unsent_bytes != unsent_bytes:
            self.last_active_at = now
        if self._is_paused and not self._unsent_bytes:
            return  # It waits for us.
        started = None if self._is_paused else self._frame_started_at
        if started is not None and now - started > frame_timeout_s:
            self.fail(f"a frame took more than {frame_timeout_s:.0f} s")
        elif now - self.last_active_at > max_idle_s and (self._unsent_bytes or not self._exchanges):
            self._transport.abort()

    @property
    def is_unread(self) -> bool:
        """Whether its socket is not read, because requests wait behind one that waits."""
        is_held = self._held_since is not None and not self._transport.is_closing()
        return is_held and self.descriptor >= 0

    def peer_has_gone(self) -> None:
        """Give up the request that the others wait for; these came in time, and are carried out."""
        waiting = self._current
        if waiting is not None and waiting.cancel is not None:
            waiting.cancel()
            waiting.answer_nothing()

    def stop_reading(self) -> None:
        """Take no further requests, because the node stops."""
        self._pause()

    def close(self) -> None:
        """End it because the node stops."""
        self._transport.close()

    def abort(self) -> None:
        """End it at once, because no answer can be trusted any more."""
        self._transport.abort()

    def _carry_out(self, frames: Iterator[memoryview]) -> None:
        try:
            for frame in frames:
                self._frame_started_at = None
                self._handle(frame)
        except ProtocolError as error:
            self.fail(f"closing: {error}")
        self._server.end_event()
        self._receiver.end_event()
        if self._receiver.has_started_frame and self._frame_started_at is None:
            self._frame_started_at = self.last_active_at
        self._check_flow()

    def _handle(self, frame: memoryview) -> None:
        found = self._shortcuts.find(frame) if self._shortcuts is not None else None
        if found is None:
            self._handle_request(frame)
            return
        shortcut, batch = found
        correlation_id = REQUEST_START.unpack_from(frame)[2]
        exchange = RequestExchange(self, shortcut.route, correlation_id, shortcut.route.version)
        self._exchanges.append(exchange)
        self._count_run()
        shortcut.handle(exchange, batch, self._server.context)

    def _handle_request(self, frame: memoryview) -> None:
        start = decode_request_start(frame)
        api_key, version, correlation_id = start
        if not self._has_turn and not _is_done_at_once(api_key, len(frame)):
            self._receiver.put_back()
            return
        route = self._server.find_route(api_key, version)
        if route is None:
            self._handle_unsupported(frame, start)
            return
        try:
            self.client_id, position = decode_client_id(frame, route.has_flexible_request)
            request, _ = route.decode(frame, position)
        except (ProtocolError, struct_error, IndexError) as error:
            raise _located(error, start, len(frame)) from error
        exchange = RequestExchange(self, route, correlation_id, version)
        self._exchanges.append(exchange)
        if len(frame) > MAX_AT_ONCE_BYTES:
            exchange.memory_bytes = len(frame) * DECODED_FACTOR
        if api_key == PRODUCE_KEY:
            self._count_run()
        else:
            self._hold_others_behind(exchange)
        answer = route.handle(exchange, request, self._server.context)
        if api_key == PRODUCE_KEY:
            self._remember(frame, request, route)
        if answer is None:
            return
        if isinstance(answer, Coroutine):
            self._server.run(_answer_later(exchange, cast(Waiting, answer)))
        else:
            exchange.answer(answer)

    def _remember(self, frame: memoryview, request: "ProduceRequest", route: Route) -> None:
        if self._shortcuts is None:
            from .handlers.produce_shortcut import Shortcuts

            self._shortcuts = Shortcuts()
        self._shortcuts.remember(frame, request, route, self._server.context)

    def _handle_unsupported(self, frame: memoryview, start: RequestStart) -> None:
        self.client_id, _ = decode_client_id(frame, False)
        if start.api_key != API_VERSIONS_KEY:
            chapter = self._server.context.config.chapter
            served = served_until(chapter).get(start.api_key)
            known = f"versions {served[0]} to {served[1]} are served" if served else "not served"
            name = api_name(start.api_key)
            raise ProtocolError(f"asked for {name} v{start.api_version}: {known}")
        from .handlers.api_versions import unsupported_version

        exchange = RequestExchange(self, None, start.correlation_id, 0)
        self._exchanges.append(exchange)
        self._hold_others_behind(exchange)
        exchange.answer(unsupported_version())

    def _count_run(self) -> None:
        self._run_length += 1
        if self._run_length >= MAX_RUN:
            self._receiver.is_holding = True

    def _hold_others_behind(self, exchange: RequestExchange) -> None:
        """The next request begins when this one's answer has been sent."""
        self._current = exchange
        self._receiver.is_holding = True

    def _check_flow(self) -> None:
        """Stop reading while too much is under way; go on when it is not."""
        self._charge()
        if self._transport.is_closing() or self._server.is_stopping:
            return
        receiver = self._receiver
        if receiver.is_stalled and not receiver.resume():
            self._wait_for_room(self._server.buffers.wait)
        elif self._server.context.replicas.is_full:
            self._wait_for_room(self._server.context.replicas.wait_for_room)
        elif len(self._exchanges) > MAX_EXCHANGES or self._outbox.size_bytes > MAX_UNSENT_BYTES:
            self._pause()
        elif receiver.has_held_frames or self._run_length >= MAX_RUN:
            self._pause()
            if self._current is not None:
                self._held_since = self._held_since or self._loop.time()
            elif not self._is_queued:
                self._is_queued = True
                self._server.take_turn_later(self)
        else:
            receiver.is_holding = self._current is not None
            self._resume()

    def _charge(self) -> None:
        """Tell the server how much memory is kept here, when that has changed."""
        memory_bytes = self._receiver.held_bytes + self._outbox.memory_bytes
        if self._current is not None:
            memory_bytes += self._current.memory_bytes
        if memory_bytes != self.memory_bytes:
            more_bytes = memory_bytes - self.memory_bytes
            self.memory_bytes = memory_bytes
            self._server.charge(self, more_bytes)

    def _wait_for_room(self, wait: Callable[[Callable[[], None]], None]) -> None:
        """Be asked again, once, when there is room."""
        self._pause()
        if not self._is_waiting:
            self._is_waiting = True
            wait(self._room_again)

    def _room_again(self) -> None:
        self._is_waiting = False
        self._check_flow()

    def _resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            if self._frame_started_at is not None:  # Its peer has waited for us.
                self._frame_started_at = self._loop.time()
            self._transport.resume_reading()

    def _pause(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()


def _is_done_at_once(api_key: int, size_bytes: int) -> bool:
    return api_key == PRODUCE_KEY or (api_key == FETCH_KEY and size_bytes <= MAX_AT_ONCE_BYTES)


async def _answer_later(exchange: RequestExchange, answer: Waiting) -> None:
    try:
        exchange.answer(await answer)
    except Exception as error:
        # Without this answer, none behind it could ever be sent.
        exchange.close(f"its request cannot be answered: {type(error).__name__}")
        raise


def _located(error: Exception, start: RequestStart, frame_bytes: int) -> ProtocolError:
    """The error of a decoder, with the API and the byte position in the frame."""
    position = getattr(error, "position", None)
    what = f"{api_name(start.api_key)} v{start.api_version}"
    reason = str(error) if position is not None else f"it is cut short (at byte {frame_bytes})"
    return ProtocolError(f"{what} cannot be read: {reason}")


def _shortened(text: str | None) -> str | None:
    return text if text is None else text[:_LONGEST_IN_LOG]
