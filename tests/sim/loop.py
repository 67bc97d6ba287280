"""An event loop without sockets, whose time is a number.

Time stands still while anything can run, and then jumps to the next timer: the same program does
the same at the same time, always. Callbacks run in asyncio's order; with a `random`, timers of the
same instant run in an order of its choice, as does with them what arrives from the network.

Each turn takes TURN_S, so that who waits for time to pass by `sleep(0)` does not wait for ever.
Connections are those of a `Network`; threads and names of hosts there are none. Whose callback
runs, and whether it may, is said in `process`.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import groupby
from random import Random
from typing import Any, NoReturn

from .network import Network
from .process import PROCESS, Process
from .trace import Trace

TURN_S = 1e-6
MIN_CANCELLED_TO_SWEEP = 100


class NothingWillHappen(Exception):
    """Everybody waits, and no timer is set."""


class NeverEnds(Exception):
    """There were more turns than anything here needs."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """See the module."""

    def __init__(self, random: Random | None = None) -> None:
        super().__init__()
        self.now_s = 0.0
        self.turns = 0
        self.max_turns = 1 << 62
        self.trace = Trace()
        self.processes: list[Process] = []
        self.network = Network(self, random)
        self.after_turn: Callable[[list[Process]], None] | None = None
        """Told after each turn which processes have done something in it."""
        self._random = random
        self._orphans: list[asyncio.Task[Any]] = []
        self.set_task_factory(_make_task)

    def time(self) -> float:
        return self.now_s

    def new_process(self, host: str, name: str) -> Process:
        """A program that runs on this host, beginning with nothing."""
        process = Process(self, host, name)
        self.processes.append(process)
        return process

    def kill(self, process: Process, *, is_power_loss: bool = False) -> None:
        """End a process; its kernel closes its connections, unless the power is gone."""
        process.end()
        self.network.process_ended(process, is_power_loss=is_power_loss)

    # What asyncio asks of a loop

    async def create_server(  # type: ignore[override] # a Listener is no Server, but acts like one
        self, protocol_factory: Any, host: Any = None, port: Any = 0, **options: Any
    ) -> Any:
        is_serving = options.get("start_serving", True)
        return self.network.listen(protocol_factory, host, port, is_serving=is_serving)

    async def create_connection(  # type: ignore[override] # no names are resolved, and no TLS
        self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any
    ) -> Any:
        return await self.network.connect(protocol_factory, (host, port))

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> NoReturn:
        raise RuntimeError(f"there are no threads in a simulation, not even for {func}")

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> NoReturn:
        raise RuntimeError(f"there are no names in a simulation: {host}")

    def add_signal_handler(self, sig: Any, callback: Any, *args: Any) -> NoReturn:
        raise RuntimeError("there are no signals in a simulation")

    # Turns

    def _run_once(self) -> None:
        ready, ran = self._ready, dict[Process, None]()  # type: ignore[attr-defined]
        self._sweep()
        if not ready and not self._stopping:  # type: ignore[attr-defined]
            if not self._scheduled:  # type: ignore[attr-defined]
                raise NothingWillHappen("everybody waits, and no timer is set")
            self.now_s = max(self.now_s, self._scheduled[0]._when)  # type: ignore[attr-defined]
        self._take_due()
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(PROCESS)
            if process is None:
                handle._run()
            elif process.admits(handle):
                ran[process] = None
                handle._run()
        self.turns += 1
        if self.turns > self.max_turns:
            raise NeverEnds(f"more than {self.max_turns} turns")
        self.now_s += TURN_S
        if ran and self.after_turn is not None:
            self.after_turn(list(ran))

    def _take_due(self) -> None:
        """Make ready what is due."""
        timers, due = self._scheduled, []  # type: ignore[attr-defined]
        while timers and timers[0]._when <= self.now_s:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            due.append(timer)
        if len(due) > 1 and self._random is not None:
            for _, group in groupby(due, key=lambda timer: timer._when):
                together = list(group)
                self._random.shuffle(together)
                self._ready.extend(together)  # type: ignore[attr-defined]
        else:
            self._ready.extend(due)  # type: ignore[attr-defined]

    def _sweep(self) -> None:
        """Forget timers that were cancelled: those in front, and all when they are many."""
        timers, cancelled = self._scheduled, self._timer_cancelled_count
        if cancelled > MIN_CANCELLED_TO_SWEEP and cancelled > len(timers) / 2:
            kept = [timer for timer in timers if not timer._cancelled]
            for timer in timers:
                timer._scheduled = not timer._cancelled
            heapq.heapify(kept)
            self._scheduled, self._timer_cancelled_count = kept, 0
            timers = kept
        while timers and timers[0]._cancelled:
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
            heapq.heappop(timers)._scheduled = False

    def own(self, task: asyncio.Task[Any]) -> None:
        """Keep a task that belongs to no process."""
        self._orphans = [each for each in self._orphans if not each.done()]
        self._orphans.append(task)

    def end(self) -> None:
        """Close; whoever still waits is let go, as at a crash."""
        for process in self.processes:
            process.end()
        for task in self._orphans:
            task.cancel()
        self.max_turns = 1 << 62
        with suppress(NothingWillHappen):
            self.run_until_complete(asyncio.sleep(0))
        self.close()
        for process in self.processes:
            process.bury()


def _make_task(loop: Any, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    task = asyncio.Task(coroutine, loop=loop, **options)
    context = options.get("context")
    process = PROCESS.get() if context is None else context.get(PROCESS)
    (loop if process is None else process).own(task)
    return task


def run_simulated(main: Coroutine[Any, Any, Any]) -> Any:
    """Run in a loop of its own; what still waits in the end is dropped, as at a crash."""
    loop = SimulatedLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        asyncio.set_event_loop(None)
        loop.end()
