"""The network between simulated hosts: links with a delay and faults, listeners, connections.

    host A  ──link A->B──>  host B       each direction has its own delay and its own faults
            <──link B->A──

A host is its address, so that "127.0.0.1" and "127.0.0.2" are two of them. A *cut* link loses what
is sent over it, connections that are being opened too; who sent it sends it again, and it arrives
some time after the link has healed. So a cut holds connections open, and keeps their order. A host
without power is the same as a cut of all links to it. What arrives for a connection that is not
there any more is answered with a reset.
"""

import asyncio
import errno
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from .process import NOBODY, PROCESS, Process
from .transport import Pipe, Protocol, Transport

if TYPE_CHECKING:
    from .loop import SimulatedLoop

Address = tuple[str, int]
LOCAL_HOST = "127.0.0.1"
"""Where those are who belong to no process."""
FIRST_FREE_PORT = 20_001
RETRANSMIT_S = 0.5
"""A healed link brings what it held within this time."""


class Link:
    """One direction between two hosts."""

    def __init__(self, network: "Network", source: str, target: str) -> None:
        self.name = f"{source}>{target}"
        self.delay_s = network.delay_s
        """The least that a segment takes; what it takes more is drawn, up to `jitter_s`."""
        self.jitter_s = network.jitter_s
        self.split = network.split
        """How likely it is that a segment arrives in two pieces."""
        self.is_cut = False
        self.held: dict[Pipe, None] = {}
        """Pipes that have something to send, and cannot."""
        self._network = network
        self._target = target
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def is_open(self) -> bool:
        """Whether anything arrives."""
        return not self.is_cut and self._target not in self._network.without_power

    def draw_delay_s(self) -> float:
        """How long a segment takes that is sent now."""
        random = self._network.random
        return self.delay_s + (self.jitter_s * random.random() ** 3 if self.jitter_s else 0.0)

    async def passage(self) -> None:
        """Be sent over this link, as often as it takes."""
        while True:
            while not self.is_open:
                self._waiting.append(asyncio.get_running_loop().create_future())
                await self._waiting[-1]
                await asyncio.sleep(self._network.random.random() * RETRANSMIT_S)
            await asyncio.sleep(self.draw_delay_s())
            if self.is_open:
                return

    def opened(self) -> None:
        """What was held goes on its way."""
        if self.is_open:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                if not each.done():
                    each.set_result(None)
            held, self.held = self.held, {}
            for pipe in held:
                pipe.go_on(self._network.random.random() * RETRANSMIT_S)


class Network:
    """See the module; `delay_s`, `jitter_s` and `split` are what new links have."""

    def __init__(self, loop: "SimulatedLoop", random: Random | None) -> None:
        self.loop = loop
        self.random = random or Random(0)
        self.delay_s = self.jitter_s = self.split = 0.0
        self.without_power: set[str] = set()
        self.refusing: set[str] = set()
        """Hosts that refuse new connections."""
        self._links: dict[tuple[str, str], Link] = {}
        self._listeners: dict[Address, Listener] = {}
        self._transports: dict[Transport, None] = {}
        self._next_port = FIRST_FREE_PORT

    def link(self, source: str, target: str) -> Link:
        """The way from one host to another."""
        link = self._links.get((source, target))
        if link is None:
            link = self._links[source, target] = Link(self, source, target)
        return link

    # Listening and connecting

    def listen(
        self, factory: Callable[[], Protocol], host: str, port: int, *, is_serving: bool
    ) -> "Listener":
        """A listener; OSError when the address is taken."""
        address = host, port or self._free_port()
        if address in self._listeners:
            raise OSError(errno.EADDRINUSE, "address already in use")
        listener = Listener(self, factory, address, PROCESS.get())
        listener.is_serving = is_serving
        self._listeners[address] = listener
        return listener

    def forget_listener(self, listener: "Listener") -> None:
        """It listens no longer."""
        if self._listeners.get(listener.address) is listener:
            del self._listeners[listener.address]

    async def connect(
        self, factory: Callable[[], Protocol], address: Address
    ) -> tuple[Transport, Protocol]:
        """Open a connection from the host of the running process."""
        process = PROCESS.get()
        source, target = process.host if process is not None else LOCAL_HOST, address[0]
        forth, back = self.link(source, target), self.link(target, source)
        await forth.passage()
        listener = self._listeners.get(address)
        if listener is None or not listener.is_serving or target in self.refusing:
            await back.passage()
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"connect to {address} failed")
        near = Transport(self, process, (source, self._free_port()), address)
        far = Transport(self, listener.process, address, near.address)
        near.connect(far, forth, back)
        self._transports[near] = self._transports[far] = None
        self.soon(listener.process, listener.accept, far)
        try:
            await back.passage()
        except BaseException:
            near.abort()
            raise
        protocol = factory()
        near.open(protocol)
        return near, protocol

    def _free_port(self) -> int:
        self._next_port += 1
        return self._next_port

    # For transports

    def soon(
        self, process: Process | None, function: Callable[..., object], *arguments: Any
    ) -> None:
        """Have a process do something when it comes round to it."""
        context = NOBODY if process is None else process.context
        self.loop.call_soon(function, *arguments, context=context)

    def forget(self, transport: Transport) -> None:
        """It has ended."""
        self._transports.pop(transport, None)

    # Faults

    def cut(self, source: str, target: str) -> None:
        """Let nothing arrive that goes this way."""
        self.link(source, target).is_cut = True

    def heal(self, source: str, target: str) -> None:
        """Let all arrive again."""
        link = self.link(source, target)
        if link.is_cut:
            link.is_cut = False
            link.opened()

    def heal_all(self) -> None:
        """No link is cut, and nobody refuses."""
        self.refusing.clear()
        for source, target in list(self._links):
            self.heal(source, target)

    def reset(self, source: str, target: str, share: float = 1.0) -> int:
        """Break connections between two hosts off, in the middle of what is on its way."""
        broken = 0
        for transport in list(self._transports):
            ends = (transport.address[0], transport.peer[0])
            if ends == (source, target) and self.random.random() < share:
                broken += 1
                transport.break_off()
        return broken

    def process_ended(self, process: Process, *, is_power_loss: bool) -> None:
        """Its listeners are gone, and so are its connections."""
        for listener in list(self._listeners.values()):
            if listener.process is process:
                self.forget_listener(listener)
        for transport in list(self._transports):
            if transport.process is process:
                transport.die(is_power_loss=is_power_loss)

    def lose_power(self, host: str) -> None:
        """Nothing arrives at this host until it boots."""
        self.without_power.add(host)

    def boot(self, host: str) -> None:
        """What is sent to this host arrives again, at nobody."""
        self.without_power.discard(host)
        for (_, target), link in list(self._links.items()):
            if target == host:
                link.opened()


class Listener:
    """What `create_server` gives."""

    def __init__(
        self,
        network: Network,
        factory: Callable[[], Protocol],
        address: Address,
        process: Process | None,
    ) -> None:
        self.factory = factory
        self.address = address
        self.process = process
        self.is_serving = False
        self._network = network

    @property
    def sockets(self) -> list["Listener"]:
        """Stands for its socket too."""
        return [self]

    def getsockname(self) -> Address:
        """Where it listens."""
        return self.address

    def accept(self, transport: Transport) -> None:
        """A connection has come."""
        if self.is_serving:
            transport.open(self.factory())
        else:
            transport.abort()

    async def start_serving(self) -> None:
        """Accept."""
        self.is_serving = True

    def close(self) -> None:
        """Accept no more."""
        self.is_serving = False
        self._network.forget_listener(self)

    async def wait_closed(self) -> None:
        """It is closed at once."""
