"""An event loop without sockets, whose time is a number, and the network in it.

Time stands still while anything can run, and then jumps to the next timer: the same program does
the same at the same time, always. `create_server` gives a listener that only this loop's `connect`
finds. Bytes arrive in the order in which they were sent, one event for each `write`.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

Protocol = asyncio.BufferedProtocol | asyncio.Protocol


class _NoSelector(selectors.SelectSelector):
    """Waits for nothing: lets the time of its loop jump instead."""

    loop: "SimulatedLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen again")
        self.loop.now_s += timeout
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self.now_s = 0.0
        selector = _NoSelector()
        selector.loop = self
        super().__init__(selector)
        self._listeners: dict[tuple[str, int], Listener] = {}
        self._next_port = 20_000

    def time(self) -> float:
        return self.now_s

    async def create_server(self, factory: Any, host: Any = None, port: Any = 0, **_: Any) -> Any:
        self._next_port += 1
        listener = Listener(self, factory, (host, port or self._next_port))
        self._listeners[listener.address] = listener
        return listener

    def forget(self, listener: "Listener") -> None:
        """It listens no longer."""
        self._listeners.pop(listener.address, None)

    def connect(self, factory: Callable[[], Protocol], address: tuple[str, int]) -> Protocol:
        """A connection of a new protocol to whoever listens."""
        listener = self._listeners.get(address)
        if listener is None or not listener.is_serving:
            raise ConnectionRefusedError(str(address))
        ours, theirs = factory(), listener.factory()
        near = Transport(self, ours, ("127.0.0.1", 1), address)
        far = Transport(self, theirs, address, ("127.0.0.1", 1))
        near.other, far.other = far, near
        theirs.connection_made(far)
        ours.connection_made(near)
        return ours


class Listener:
    """What `create_server` gives."""

    def __init__(self, loop: SimulatedLoop, factory: Any, address: tuple[str, int]) -> None:
        self._loop = loop
        self.factory = factory
        self.address = address
        self.is_serving = False

    @property
    def sockets(self) -> list["Listener"]:
        """Stands for its socket too."""
        return [self]

    def getsockname(self) -> tuple[str, int]:
        """Where it listens."""
        return self.address

    async def start_serving(self) -> None:
        """Accept."""
        self.is_serving = True

    def close(self) -> None:
        """Accept no more."""
        self._loop.forget(self)


class Transport(asyncio.Transport):
    """One end of a connection; never full, and without a socket that could be written past it."""

    other: "Transport"

    def __init__(
        self,
        loop: SimulatedLoop,
        protocol: Protocol,
        address: tuple[str, int],
        peer: tuple[str, int],
    ) -> None:
        super().__init__({"sockname": address, "peername": peer})
        self._loop = loop
        self._protocol = protocol
        self._received: list[bytes] = []
        self._is_reading = True
        self._is_closing = False
        self._is_lost = False

    def write(self, data: Any) -> None:
        if not self._is_closing:
            self._loop.call_soon(self.other.receive, bytes(data))

    def receive(self, data: bytes) -> None:
        """Bytes of the peer arrive."""
        self._received.append(data)
        self._deliver()

    def _deliver(self) -> None:
        while self._received and self._is_reading and not self._is_lost:
            data = self._received.pop(0)
            if isinstance(self._protocol, asyncio.Protocol):
                self._protocol.data_received(data)
                continue
            while data:
                buffer = self._protocol.get_buffer(len(data))
                count = min(len(buffer), len(data))
                buffer[:count] = data[:count]
                data = data[count:]
                self._protocol.buffer_updated(count)

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        self._loop.call_soon(self._deliver)

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self.lost)
            self._loop.call_soon(self.other.lost)

    abort = close

    def lost(self) -> None:
        """The connection is over."""
        self._is_closing = True
        if not self._is_lost:
            self._is_lost = True
            self._protocol.connection_lost(None)


def run_simulated(main: Coroutine[Any, Any, Any]) -> Any:
    """Run in a loop of its own; what still waits in the end is dropped, as at a crash."""
    loop = SimulatedLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        asyncio.set_event_loop(None)
        loop.close()
