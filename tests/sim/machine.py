"""A machine of a simulated cluster: a host, its disk, its clock, and the node that runs on it.

    start ──> running ──stop──────────> off      SIGTERM: flushed and marked clean
                  ├─────kill──────────> off      SIGKILL: the page cache stays
                  ├─────lose_power────> off      of what was not flushed, the dice decide
                  └─────pause, resume            SIGSTOP, SIGCONT

Each life of the node has a process of its own (see `process`) and its disk to itself: what a crash
leaves is another disk, so that nothing a dead node still holds can touch it.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from minikafka.broker.clock import WallClock
from minikafka.broker.config import BrokerConfig
from minikafka.broker.node import Node

from .crash import Way, crash
from .disk import SimulatedDisk
from .faults import ENOSPC, NO_FAULT, Fault
from .files import SimulatedFiles
from .loop import SimulatedLoop
from .process import Process

EPOCH_MS = 1_700_000_000_000
POWER_LOSSES = (Way.NOTHING, Way.EVERYTHING, Way.PREFIX, Way.SUBSET, Way.SUBSET)


class HostClock(WallClock):
    """A host's wall clock: the loop's time, and how wrong it is."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.ahead_ms = 0
        self._loop = loop

    def now_ms(self) -> int:
        return EPOCH_MS + int(self._loop.now_s * 1000) + self.ahead_ms


class Machine:
    """See the module."""

    def __init__(
        self,
        loop: SimulatedLoop,
        host: str,
        config: BrokerConfig,
        random: Random,
        program: Callable[..., Any] = Node,
    ) -> None:
        """The `program` is made, started and stopped as a Node is."""
        self.host = host
        self.config = config
        self.name = f"node-{config.node_id}"
        self.disk = SimulatedDisk()
        self.clock = HostClock(loop)
        self.flush_s = 0.001
        """What it takes to flush a file."""
        self.lives = 0
        self.node: Any = None
        """The node while it runs."""
        self.process: Process | None = None
        self.is_ready = False
        self.may_have_lost = False
        """Whether its power failed over records that only the page cache had."""
        self.on_end: Callable[[Machine, str], None] = lambda machine, reason: None
        """Told when a node ends that nobody ended."""
        self._files: SimulatedFiles
        self._loop = loop
        self._random = random
        self._program = program
        self._is_stopping = False
        self._is_clean = True
        self._may_end = False
        """Its disk is to fail: then a node ends by itself."""

    @property
    def is_on(self) -> bool:
        """Whether a node runs, or is about to."""
        return self.process is not None

    def start(self) -> None:
        """Begin another life."""
        self.lives += 1
        self._tell("starts")
        self._loop.network.boot(self.host)
        self.process = self._loop.new_process(self.host, f"{self.name}.{self.lives}")
        self._files = SimulatedFiles(self.disk, Random(self._random.random()), clock=self.clock)
        self._files.flush_s = self.flush_s
        self.node = self._program(
            self.config,
            files=self._files,
            clock=self.clock,
            random=Random(self._random.random()),
        )
        self._is_stopping = False
        self._is_clean = False
        self._may_end = self.disk.fault is not NO_FAULT
        self.process.create_task(self._live(self.node))

    async def _live(self, node: Any) -> None:
        try:
            await node.start()
            self.is_ready = True
            self._tell("is ready")
            failure = await node._stopping
            if failure is not None:
                raise failure
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the node
            self._ended_by_itself(f"{type(error).__name__}: {error}")

    def stop(self) -> None:
        """SIGTERM."""
        if self.process is not None and self.node is not None and not self._is_stopping:
            self._is_stopping = True
            self._tell("stops")
            self.process.create_task(self._stop(self.node))

    async def _stop(self, node: Any) -> None:
        try:
            if self.is_ready:
                await node.stop()
                self._is_clean = True
                self._tell("has stopped")
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the node
            self._ended_by_itself(f"while it stopped: {type(error).__name__}: {error}")
        self._end(is_power_loss=False)

    def _ended_by_itself(self, reason: str) -> None:
        self._tell(f"ends: {reason}")
        if not self._may_end:
            self.on_end(self, reason)
        self._end(is_power_loss=False)

    def kill(self) -> None:
        """SIGKILL."""
        self._tell("is killed")
        self._end(is_power_loss=False)

    def lose_power(self) -> None:
        """The plug is pulled."""
        way = self._random.choice(POWER_LOSSES)
        self._tell(f"loses its power: {way.value}")
        self.may_have_lost |= self.config.flush == "os" and not self._is_clean
        self._loop.network.lose_power(self.host)
        self._end(is_power_loss=True)
        self.disk = crash(self.disk, way, self._random)

    def pause(self) -> None:
        """SIGSTOP."""
        if self.process is not None and not self.process.is_paused:
            self._tell("is paused")
            self.process.pause()

    def resume(self) -> None:
        """SIGCONT."""
        if self.process is not None and self.process.is_paused:
            self._tell("goes on")
            self.process.resume()

    def fail_disk(self, kind: str, nth: int) -> None:
        """One call to the disk fails, and the node must end."""
        if self.is_on:
            self._tell(f"the {kind} number {nth} from now fails")
            self._may_end = True
            self.disk.fault = Fault(kind, nth)

    def fill_disk(self, *, is_full: bool) -> None:
        """Let no write find room, or every write again."""
        if is_full:
            self._tell("the disk is full")
            self._may_end = True
        self.disk.fault = Fault("write", 1, ENOSPC, stays=True) if is_full else NO_FAULT

    def set_flush_s(self, flush_s: float) -> None:
        """Make the disk slow, or fast again."""
        self.flush_s = flush_s
        if self.is_on:
            self._files.flush_s = flush_s

    def _end(self, *, is_power_loss: bool) -> None:
        process, self.process, self.node = self.process, None, None
        self.is_ready = False
        if process is not None:
            self._loop.kill(process, is_power_loss=is_power_loss)
            self.disk = crash(self.disk, Way.KILLED, self._random)

    def _tell(self, what: str) -> None:
        self._loop.trace.event(self._loop.now_s, self.name, what)
