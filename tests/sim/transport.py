"""One connection: two ends, and a pipe in each direction.

    protocol ──write──> Transport ──send──> Pipe ──arrive──> Transport ──read──> protocol

A pipe keeps order. What is written in one instant is a segment, with a time of its own to arrive,
never before the one ahead of it. Segments that arrive while the reader is busy are read as one, and
a segment may come in two pieces, of which the first may be a single byte. At the end there is END,
for a close, or RESET. A sender that is far ahead is asked to pause, as asyncio does.

What the kernel does (arrivals, resets) belongs to no process; what the program does runs in its
process's context, so that a paused one reads late and a dead one never.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from .process import NOBODY, Process

if TYPE_CHECKING:
    from .network import Address, Link, Network

Protocol = asyncio.BufferedProtocol | asyncio.Protocol
HIGH_WATER_BYTES = 192 << 10
"""What may be on its way before the sender must pause: a socket's buffers, and asyncio's own."""
LOW_WATER_BYTES = 64 << 10
READ_BYTES = 256 << 10
END, RESET = b"", None
"""What comes last in a pipe: the peer has closed, or has broken off."""


class Socket:
    """Stands for the socket of a transport, for those who only ask for its number."""

    def fileno(self) -> int:
        """No number that any limit would refuse."""
        return 3


class Pipe:
    """One direction of a connection."""

    def __init__(self, network: "Network", link: "Link", to: "Transport") -> None:
        self.unread_bytes = 0
        """Sent, and not yet read by the peer."""
        self._network = network
        self._link = link
        self._to = to
        self._queue: deque[tuple[float, bytes | None]] = deque()
        self._last_s = 0.0
        self._sent_s = -1.0
        self._timer: asyncio.TimerHandle | None = None

    def send(self, item: bytes | None) -> None:
        """Bytes, END or RESET."""
        self.unread_bytes += len(item or b"")
        now_s = self._network.loop.now_s
        if item and self._sent_s == now_s and self._queue and self._queue[-1][1]:
            when_s, data = self._queue[-1]
            self._queue[-1] = when_s, (data or b"") + item
            return
        self._sent_s = now_s
        self._last_s = max(self._last_s, now_s + self._link.draw_delay_s())
        self._queue.append((self._last_s, item))
        self._arm()

    def cut_short(self) -> None:
        """What is on its way arrives in part: perhaps it ends in the middle of a frame."""
        random = self._network.random
        kept = random.randrange(len(self._queue) + 1)
        while len(self._queue) > kept:
            when_s, item = self._queue.pop()
            if item and len(self._queue) == kept and random.random() < 0.5:
                self._queue.append((when_s, item[: random.randrange(len(item)) + 1]))
                break

    def go_on(self, after_s: float) -> None:
        """The link is open again: send what is held once more."""
        if self._queue and self._timer is None:
            when_s = self._network.loop.now_s + after_s
            self._queue[0] = (max(self._queue[0][0], when_s), self._queue[0][1])
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None or not self._queue:
            return
        if not self._link.is_open:
            self._link.held[self] = None
        else:
            self._timer = self._network.loop.call_at(
                self._queue[0][0], self._arrive, context=NOBODY
            )

    def _arrive(self) -> None:
        self._timer = None
        if not self._queue or not self._link.is_open:
            self._arm()
            return
        when_s, item = self._queue.popleft()
        random = self._network.random
        if item and len(item) > 1 and self._link.split and random.random() < self._link.split:
            at = min(random.choice((1, 2, 3, 5, random.randrange(len(item)))) or 1, len(item) - 1)
            self._queue.appendleft((when_s + self._link.draw_delay_s(), item[at:]))
            self._last_s = max(self._last_s, self._queue[0][0])
            item = item[:at]
        loop = self._network.loop
        loop.trace.arrival(loop.now_s, self._link.name, item or (b"\0" if item is None else b"\1"))
        self._to.arrive(item)
        self._arm()


class Transport(asyncio.Transport):
    """One end of a connection; there is no socket that could be written past it."""

    outgoing: Pipe
    incoming: Pipe

    def __init__(
        self, network: "Network", process: Process | None, address: "Address", peer: "Address"
    ) -> None:
        super().__init__({"sockname": address, "peername": peer})
        self.process = process
        self.address = address
        self.peer = peer
        self._network = network
        self._other: Transport
        self._protocol: Protocol | None = None
        self._received: deque[bytes | None] = deque()
        self._is_reading = True
        self._is_woken = False
        self._is_closing = False
        self._is_lost = False
        self._is_full = False  # the protocol was asked to pause
        self._waits_to_end = False  # closed, but full

    def connect(self, other: "Transport", forth: "Link", back: "Link") -> None:
        """Lay the pipes to the other end, which is connected by this as well."""
        self._other, other._other = other, self
        self.outgoing = other.incoming = Pipe(self._network, forth, other)
        self.incoming = other.outgoing = Pipe(self._network, back, self)

    def open(self, protocol: Protocol) -> None:
        """The program takes it over."""
        self._protocol = protocol
        if isinstance(protocol, asyncio.StreamReaderProtocol):
            self._extra["socket"] = Socket()
        protocol.connection_made(self)
        self._wake()

    # The kernel's side

    def arrive(self, item: bytes | None) -> None:
        """Something comes out of the pipe."""
        is_gone = self._is_lost or (self.process is not None and self.process.is_dead)
        if is_gone:
            if item is not RESET:
                self.outgoing.send(RESET)
            return
        self._received.append(item)
        self._wake()

    def _wake(self) -> None:
        if self._received and not self._is_woken and self._protocol is not None:
            self._is_woken = True
            self._network.soon(self.process, self._read)

    def die(self, *, is_power_loss: bool) -> None:
        """The process has ended: its kernel says so, now or behind what was written, or cannot."""
        if self._is_lost:
            return
        self._is_lost = self._is_closing = True
        self._network.forget(self)
        if is_power_loss or self._network.random.random() < 0.5:
            self.outgoing.cut_short()
        if not is_power_loss:
            self.outgoing.send(self._network.random.choice((END, RESET)))

    def break_off(self) -> None:
        """Something between the two ends breaks the connection, perhaps in a frame."""
        self.outgoing.cut_short()
        self.outgoing.send(RESET)
        self.incoming.cut_short()
        self.incoming.send(RESET)

    def read_by_peer(self, count: int) -> None:
        """The peer has taken so many bytes: there is room for more."""
        self.outgoing.unread_bytes -= count
        if self._is_full and self.outgoing.unread_bytes <= LOW_WATER_BYTES and not self._is_lost:
            self._is_full = False
            self._network.soon(self.process, self._drained)

    def _drained(self) -> None:
        if self._waits_to_end:
            self._lose(None)
        elif not self._is_lost and self._protocol is not None:
            self._protocol.resume_writing()

    # The program's side

    def _read(self) -> None:
        """One readable event."""
        self._is_woken = False
        if not self._received or not self._is_reading or self._is_lost:
            return
        item = self._received.popleft()
        if item is RESET:
            self._lose(ConnectionResetError("connection reset by peer"))
        elif not self._is_closing:
            self._read_end() if item is END else self._read_bytes(item)
        self._wake()

    def _read_end(self) -> None:
        assert self._protocol is not None
        if not self._protocol.eof_received():
            self.close()

    def _read_bytes(self, data: bytes) -> None:
        if self._received and self._received[0]:
            pieces, size = [data], len(data)
            while self._received and self._received[0] and size < READ_BYTES:
                pieces.append(self._received.popleft() or b"")
                size += len(pieces[-1])
            data = b"".join(pieces)
        count = len(data)
        if isinstance(self._protocol, asyncio.BufferedProtocol):
            buffer = self._protocol.get_buffer(count)
            count = min(len(buffer), count)
            buffer[:count] = data[:count]  # type: ignore[index] # a writable buffer
            if count < len(data):
                self._received.appendleft(data[count:])
            self._other.read_by_peer(count)
            self._protocol.buffer_updated(count)
        else:
            self._other.read_by_peer(count)
            assert isinstance(self._protocol, asyncio.Protocol)
            self._protocol.data_received(data)

    def write(self, data: Any) -> None:
        if self._is_closing or self._is_inert or not data:
            return
        self.outgoing.send(bytes(data))
        if not self._is_full and self.outgoing.unread_bytes > HIGH_WATER_BYTES:
            self._is_full = True
            if self._protocol is not None:
                self._protocol.pause_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._is_closing and not self._is_inert:
            self.outgoing.send(END)

    def get_write_buffer_size(self) -> int:
        return max(self.outgoing.unread_bytes - LOW_WATER_BYTES, 0)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """They are what they are."""

    def get_protocol(self) -> Any:
        return self._protocol

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def is_reading(self) -> bool:
        return self._is_reading and not self._is_closing

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        if not self._is_inert:
            self._wake()

    def is_closing(self) -> bool:
        return self._is_closing or self._is_inert

    def close(self) -> None:
        if self._is_closing or self._is_inert:
            return
        self._is_closing = True
        self.outgoing.send(END)
        if self._is_full:
            self._waits_to_end = True
        else:
            self._network.soon(self.process, self._lose, None)

    def abort(self) -> None:
        if self._is_lost or self._is_inert:
            return
        self._is_closing = True
        self.outgoing.cut_short()
        self.outgoing.send(RESET)
        self._network.soon(self.process, self._lose, None)

    @property
    def _is_inert(self) -> bool:
        """Whether nothing that its program does has an effect: it is dead."""
        is_dead = self.process is not None and self.process.is_dead
        return is_dead or self._network.loop.is_closed()

    def _lose(self, error: Exception | None) -> None:
        """The connection is over."""
        self._is_closing = True
        if self._is_lost:
            return
        self._is_lost = True
        self._received.clear()
        self._network.forget(self)
        if self._protocol is not None:
            self._protocol.connection_lost(error)
