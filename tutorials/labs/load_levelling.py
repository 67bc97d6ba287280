"""Lab 1, load levelling: the same burst of requests, without a queue and with one.

    direct    generator ──HTTP──> service: work, then answer
    queued    generator ──HTTP──> service: into the topic, then answer
                                      topic ──> group of workers: work

Each box is a process of its own, and so is the broker, which the caller starts. The work waits in
`slots`, as many in both runs, so that both can do about half of what is asked. What is told to the
senders and what the sink has written down are compared id by id (accounts.py).

Ctrl-C ends a run where it is, and what was measured until then is the result.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...client.admin import AdminClient, NewTopic
from .child import Child, ChildFailed
from .drain import DrainSettings
from .generator import GeneratorSettings
from .outcomes import Outcomes, from_bytes
from .report import Mode, Report, report_of
from .service import TOPIC, ServiceSettings
from .sink import Sink

LOOK_S: Final = 0.25
SETTLE_S: Final = 1.0
"""When all that was promised is finished, wait so long for what was not promised."""

STALL_S: Final = 60.0
"""A queue of which nothing is finished for so long is stuck: what is left counts as lost.

More than a group takes to notice that a member is dead, and to give its partitions to others.
"""

Progress = Callable[[str, int, int], None]
"""Called now and then with what is counted, how much there is and how much there will be."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The experiment; `slots=0` are as many as do half of the load."""

    rate: float = 5000.0
    seconds: float = 60.0
    timeout_s: float = 2.0
    work_ms: float = 20.0
    slots: int = 0
    backlog: int = 20_000
    workers: int = 2
    partitions: int = 4

    @property
    def count(self) -> int:
        """How many requests there are."""
        return max(1, round(self.rate * self.seconds))

    @property
    def slot_count(self) -> int:
        """How many requests are worked on at once."""
        return self.slots or max(1, round(self.rate / 2 * self.work_ms / 1000))

    @property
    def capacity(self) -> float:
        """How many requests a second can be done."""
        return self.slot_count * 1000 / self.work_ms

    def worker_slots(self) -> list[int]:
        """The slots dealt out to the workers; no more workers than slots."""
        count = min(self.workers, self.slot_count)
        return [self.slot_count // count + (n < self.slot_count % count) for n in range(count)]


class Run:
    """One run: its processes, and what they leave behind in `directory`."""

    def __init__(
        self, plan: Plan, mode: Mode, bootstrap: str, directory: Path, progress: Progress
    ) -> None:
        """`bootstrap` is the broker of a queued run; `directory` exists and is this run's alone."""
        self._plan = plan
        self._mode: Mode = mode
        self._bootstrap = bootstrap
        self._directory = directory
        self._progress = progress
        self._sink = Sink(directory / "sink.db")
        self._outcomes_file = directory / "outcomes"
        self._generator: Child | None = None
        self._service: Child | None = None
        self._members: list[Child] = []

    async def measure(self) -> Report:
        """Live through it. Raises ChildFailed if a process did, KafkaError if the broker did."""
        try:
            return await self._measure()
        finally:
            self._sink.close()

    async def _measure(self) -> Report:
        is_interrupted = False
        try:
            await self._start()
            await self._watch_load()
            if self._mode == "queued":
                await self._watch_drain()
        except asyncio.CancelledError:
            is_interrupted = True
        finally:
            await self._stop()
        if not self._outcomes_file.exists():
            raise asyncio.CancelledError  # Interrupted before there was anything to measure.
        return report_of(self._mode, self._outcomes(), self._sink.finished(), is_interrupted)

    async def _start(self) -> None:
        plan, sink = self._plan, str(self._directory / "sink.db")
        work_s = plan.work_ms / 1000
        if self._mode == "queued":
            await self._create_topic()
            for index, slots in enumerate(plan.worker_slots()):
                member = DrainSettings(self._bootstrap, slots, work_s, sink)
                log = self._directory / f"drain-{index}.log"
                self._members.append(Child("drain", member, log))
                await self._members[-1].start()
        service = ServiceSettings(
            self._mode, plan.slot_count, work_s, plan.backlog, sink, self._bootstrap
        )
        self._service = Child("service", service, self._directory / "service.log")
        port = int(await self._service.start())
        load = GeneratorSettings(
            port, plan.rate, plan.count, plan.timeout_s, str(self._outcomes_file)
        )
        self._generator = Child("generator", load, self._directory / "generator.log")
        await self._generator.start()

    async def _create_topic(self) -> None:
        topic = NewTopic(TOPIC, num_partitions=self._plan.partitions)
        async with AdminClient(bootstrap_servers=self._bootstrap) as admin:
            await admin.create_topics([topic])

    async def _watch_load(self) -> None:
        """Wait until the generator has ended, and tell what is finished meanwhile."""
        generator = self._generator
        if generator is None:
            return
        while generator.is_running:
            self._look()
            await asyncio.sleep(LOOK_S)
        await generator.wait()

    async def _watch_drain(self) -> None:
        """Wait until the queue is empty, or nothing comes out of it any more."""
        loop = asyncio.get_running_loop()
        promised = self._outcomes().answered
        count, since = self._sink.count(), loop.time()
        while loop.time() - since < (SETTLE_S if count >= promised else STALL_S):
            await asyncio.sleep(LOOK_S)
            self._look()
            if self._sink.count() != count:
                count, since = self._sink.count(), loop.time()

    def _look(self) -> None:
        """Tell how far it is; ChildFailed if nobody can go on. One worker is enough for that."""
        if self._service is not None and not self._service.is_running:
            raise ChildFailed(f"a process of the lab has ended too early: {self._service}")
        if self._members and not any(member.is_running for member in self._members):
            raise ChildFailed(f"no worker is left: {self._members[0]}")
        self._progress(f"finished ({self._mode})", self._sink.count(), self._plan.count)

    async def _stop(self) -> None:
        """End all processes: who sends first, who works last."""
        for each in (self._generator, self._service, *self._members):
            if each is not None:
                await each.stop()

    def _outcomes(self) -> Outcomes:
        return from_bytes(self._outcomes_file.read_bytes())
