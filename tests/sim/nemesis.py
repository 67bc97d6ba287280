"""What goes wrong in a cluster while it works: one fault after another, some of them at one time.

Each is begun and, after a while that the dice decide, ended; some have no end of their own, and a
node that is off is started again. All have had their turn before one comes again. A quarter of the
time nothing happens.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from math import inf
from random import Random

from .clients import Client
from .loop import SimulatedLoop
from .machine import Machine
from .setup import Setup
from .watch import Watch

MAX_CLOCK_JUMP_MS = 3_300_000
LOOK_S = 0.1
PATIENCE_S = 15.0
"""Who was told to stop and has not by then is killed."""


class Nemesis:
    """See the module."""

    def __init__(
        self,
        loop: SimulatedLoop,
        setup: Setup,
        machines: list[Machine],
        clients: list[Client],
        random: Random,
        watch: Watch,
    ) -> None:
        self.fired: Counter[str] = Counter()
        self.first_s = inf
        """When things began to go wrong."""
        self._loop = loop
        self._network = loop.network
        self._setup = setup
        self._machines = machines
        self._clients = clients
        self._random = random
        self._watch = watch
        self._running: dict[asyncio.Task[None], None] = {}

    async def run(self, seconds: float) -> None:
        """Let things go wrong for so long; what has begun then goes on until `heal`."""
        self.first_s = self._loop.now_s
        end_s = self._loop.now_s + seconds
        bag: list[str] = []
        while self._setup.faults and (self._loop.now_s < end_s or self._is_left_out()):
            await asyncio.sleep(self._random.expovariate(1.2))
            if self._random.random() < 0.25:
                await asyncio.sleep(1.5)
                continue
            if not bag:
                bag = self._random.sample(self._setup.faults, len(self._setup.faults))
            task = self._loop.create_task(self._faults[bag.pop()]())
            self._running[task] = None
            task.add_done_callback(self._ended)
        await asyncio.sleep(max(end_s - self._loop.now_s, 0))

    def _is_left_out(self) -> bool:
        """Whether something has not had its turn yet: a run without it would not count."""
        return any(not self.fired[each] for each in self._setup.faults)

    def heal(self) -> None:
        """End every fault, and have all nodes on."""
        for task in self._running:
            task.cancel()
        self._tell("all is healed")
        self._network.heal_all()
        for machine in self._machines:
            machine.clock.ahead_ms = 0
            machine.set_flush_s(0.001)
            machine.fill_disk(is_full=False)
            machine.resume()
            self._slow(machine, 0.0)
            if not machine.is_on:
                machine.start()
        for client in self._clients:
            if client.process is None or client.process.is_dead:
                client.start()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task)
        if not task.cancelled():
            task.result()

    @property
    def _faults(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "kill": self._kill,
            "power": self._lose_power,
            "stop": self._stop,
            "pause": self._pause,
            "isolate": self._isolate,
            "one-way": self._cut_one_way,
            "pair": self._cut_pair,
            "reset": self._reset,
            "refuse": self._refuse,
            "slow-link": self._slow_link,
            "slow-disk": self._slow_disk,
            "bad-disk": self._fail_disk,
            "full-disk": self._fill_disk,
            "clock": self._jump,
            "client": self._kill_client,
        }

    # A node

    async def _kill(self) -> None:
        machine = self._victim("kill")
        if machine.is_on:
            machine.kill()
            await self._start_again(machine)

    async def _lose_power(self) -> None:
        if self._setup.flush == "os" and self._setup.replication_factor > 1:
            await self._forget()
            return
        everybody = self._random.random() < 0.1
        machines = self._machines if everybody else [self._victim("power")]
        for machine in machines:
            if machine.is_on:
                machine.lose_power()
        for machine in machines:
            await self._start_again(machine)

    async def _forget(self) -> None:
        """A power cut where nothing was flushed; others have it, or it would be lost by right."""
        machine = self._random.choice(self._machines)
        while not (machine.is_on and self._watch.stands_loss_of(machine)):
            await asyncio.sleep(LOOK_S)
        self.fired["power"] += 1
        machine.lose_power()
        await self._start_again(machine)

    async def _stop(self) -> None:
        machine = self._victim("stop")
        if machine.is_on:
            machine.stop()
            give_up_s = self._loop.now_s + PATIENCE_S
            while machine.is_on and self._loop.now_s < give_up_s:
                await asyncio.sleep(0.2)
            if machine.is_on:
                machine.kill()
            await self._start_again(machine)

    async def _start_again(self, machine: Machine) -> None:
        await self._a_while(4)
        if not machine.is_on:
            machine.start()

    async def _pause(self) -> None:
        machine = self._victim("pause")
        machine.pause()
        await self._a_while(15)
        machine.resume()

    async def _slow_disk(self) -> None:
        machine = self._victim("slow-disk")
        machine.set_flush_s(self._random.choice((0.02, 0.2, 1.0)))
        await self._a_while(8)
        machine.set_flush_s(0.001)

    async def _fail_disk(self) -> None:
        machine = self._victim("bad-disk")
        kind, nth = self._random.choice(("fsync", "fsync", "write")), self._random.randrange(1, 20)
        machine.fail_disk(kind, nth)
        await self._a_while(6)
        machine.fill_disk(is_full=False)
        await self._start_again(machine)

    async def _fill_disk(self) -> None:
        machine = self._victim("full-disk")
        machine.fill_disk(is_full=True)
        await self._a_while(6)
        machine.fill_disk(is_full=False)
        await self._start_again(machine)

    async def _jump(self) -> None:
        machine = self._victim("clock")
        jump_ms = self._random.randrange(-MAX_CLOCK_JUMP_MS, MAX_CLOCK_JUMP_MS)
        self._tell(f"the clock of {machine.name} jumps by {jump_ms} ms")
        machine.clock.ahead_ms = jump_ms
        await self._a_while(10)
        machine.clock.ahead_ms = 0

    # The network

    async def _isolate(self) -> None:
        machine = self._victim("isolate")
        others = [each.host for each in self._machines if each is not machine]
        if self._random.random() < 0.5:
            others += [each.host for each in self._clients]
        ways = [(machine.host, each) for each in others] + [(each, machine.host) for each in others]
        await self._cut(ways, f"{machine.name} is cut off from {len(others)}")

    async def _cut_one_way(self) -> None:
        machine = self._victim("one-way")
        hosts = [each.host for each in (*self._machines, *self._clients) if each is not machine]
        if self._random.random() < 0.5:
            hosts = self._random.sample(hosts, 1)
        ways = [(machine.host, each) for each in hosts]
        if self._random.random() < 0.5:
            ways = [(target, source) for source, target in ways]
        await self._cut(ways, f"{ways[0][0]} no longer reaches {ways[0][1]}, {len(ways)} ways")

    async def _cut_pair(self) -> None:
        self.fired["pair"] += 1
        one, other = self._random.sample(self._machines, 2)
        ways = [(one.host, other.host), (other.host, one.host)]
        await self._cut(ways, f"{one.name} and {other.name} are cut apart")

    async def _cut(self, ways: list[tuple[str, str]], what: str) -> None:
        self._tell(what)
        for source, target in ways:
            self._network.cut(source, target)
        await self._a_while(10)
        self._tell(f"healed: {what}")
        for source, target in ways:
            self._network.heal(source, target)

    async def _reset(self) -> None:
        machine = self._victim("reset")
        share = self._random.choice((0.3, 1.0))
        broken = 0
        for other in (*self._machines, *self._clients):
            broken += self._network.reset(other.host, machine.host, share)
        self._tell(f"{broken} connections to {machine.name} are reset")

    async def _refuse(self) -> None:
        machine = self._victim("refuse")
        self._tell(f"{machine.name} refuses connections")
        self._network.refusing.add(machine.host)
        await self._a_while(5)
        self._network.refusing.discard(machine.host)

    async def _slow_link(self) -> None:
        machine = self._victim("slow-link")
        self._tell(f"{machine.name} is far away")
        self._slow(machine, self._random.choice((0.05, 0.3, 1.0)))
        await self._a_while(8)
        self._slow(machine, 0.0)

    def _slow(self, machine: Machine, more_s: float) -> None:
        for other in (*self._machines, *self._clients):
            if other is not machine:
                for ends in ((machine.host, other.host), (other.host, machine.host)):
                    self._network.link(*ends).jitter_s = self._setup.jitter_s + more_s

    # Clients

    async def _kill_client(self) -> None:
        self.fired["client"] += 1
        client = self._random.choice(self._clients)
        client.kill()
        await self._a_while(2)
        if client.process is None or client.process.is_dead:
            client.start()

    def _victim(self, fault: str) -> Machine:
        self.fired[fault] += 1
        return self._random.choice(self._machines)

    async def _a_while(self, most_s: float) -> None:
        await asyncio.sleep(most_s * self._random.random() ** 2)

    def _tell(self, what: str) -> None:
        self._loop.trace.event(self._loop.now_s, "nemesis", what)
