"""Lab 2, workers: one thread, many threads, a pool, processes; under a heavy and a light load.

    feeder ──by the clock──> topic ──> Worker (a process of its own) ──> journal

The feeder is this process. Each cell of the table has a topic and a worker of its own, which is
warm before the clock starts: it is in its group, and has made its threads or processes.

    matrix    4 ways x 3 kinds of work x 2 loads
    sweep     a pool of 1, 2, 3 ... 64 threads, waiting and computing, under the heavy load
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, get_args

from ...client.admin import AdminClient, NewTopic
from ...client.producer import Producer
from .cell import Cell, Load, measure
from .child import Child, ChildFailed
from .journal import ENTRY_BYTES, entries
from .work import Kind, Way
from .worker_process import WorkerSettings

HEAVY: Final = Load("heavy", rate=5000, seconds=10)
LIGHT: Final = Load("light", rate=100, seconds=50)
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
WAYS: Final[tuple[Way, ...]] = get_args(Way)
SWEEP_KINDS: Final[tuple[Kind, ...]] = ("waiting", "computing")
SWEEP_SIZES: Final = (1, 2, 3, 4, 6, 8, 10, 16, 32, 64)
SWEEP_SHARE: Final = 0.2
"""A sweep's load is so much of the heavy one: the elbow shows as well."""

PARTITIONS: Final = 4
WARM_UP_RECORDS: Final = 40
TICK_S: Final = 0.001
LOOK_S: Final = 0.1
STALL_S: Final = 30.0
"""If nothing is finished for so long, the rest is not waited for, and counts as unfinished."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What one cell tries."""

    way: Way
    kind: Kind
    load: Load
    size: int = 0

    def __str__(self) -> str:
        """As people call it."""
        size = f" of {self.size}" if self.size else ""
        return f"{self.way}{size}, {self.kind}, {self.load.name}"


def matrix(scale: float, kinds: Sequence[Kind] = KINDS, ways: Sequence[Way] = WAYS) -> list[Trial]:
    """All cells of the table; `scale` makes the loads shorter."""
    loads = [Load(load.name, load.rate, load.seconds * scale) for load in (HEAVY, LIGHT)]
    return [Trial(way, kind, load) for load in loads for kind in kinds for way in ways]


def sweep(scale: float, kinds: Sequence[Kind] = SWEEP_KINDS) -> list[Trial]:
    """A pool of each size."""
    load = Load("sweep", HEAVY.rate, HEAVY.seconds * SWEEP_SHARE * scale)
    return [Trial("pool", kind, load, size) for kind in kinds for size in SWEEP_SIZES]


async def measure_all(
    trials: Sequence[Trial], bootstrap: str, directory: Path
) -> AsyncGenerator[Cell]:
    """Measure one cell after the other; whoever stops in between keeps those he has."""
    async with (
        Producer(bootstrap_servers=bootstrap) as producer,
        AdminClient(bootstrap_servers=bootstrap) as admin,
    ):
        for number, trial in enumerate(trials):
            topic = f"trial-{number}"
            await admin.create_topics([NewTopic(topic, num_partitions=PARTITIONS)])
            cell = _CellRun(trial, topic, producer, directory / topic)
            yield await cell.measure(bootstrap)
            await admin.delete_topics([topic])


class _CellRun:
    """One cell being measured."""

    def __init__(self, trial: Trial, topic: str, producer: Producer, journal: Path) -> None:
        self._trial = trial
        self._topic = topic
        self._producer = producer
        self._journal = journal

    async def measure(self, bootstrap: str) -> Cell:
        """Start a worker, feed it, wait until all is finished."""
        trial = self._trial
        settings = WorkerSettings(
            bootstrap, self._topic, trial.way, trial.kind, trial.size, str(self._journal)
        )
        worker = Child("worker_process", settings, self._journal.with_suffix(".log"))
        self._journal.touch()
        try:
            await worker.start()
            await self._warm_up(worker)
            began, late_s = await self._feed()
            await self._wait(worker, trial.load.count + WARM_UP_RECORDS)
        finally:
            await worker.stop()
        names = (trial.way, trial.kind, trial.load, trial.size)
        return measure(names, began, late_s, entries(self._journal.read_bytes()))

    async def _warm_up(self, worker: Child) -> None:
        """Records that do not count, until the worker has done them."""
        for id in range(self._trial.load.count, self._trial.load.count + WARM_UP_RECORDS):
            await self._send(id)
        await self._wait(worker, WARM_UP_RECORDS)

    async def _feed(self) -> tuple[float, list[float]]:
        """Send each record when it is due: when the first was, and how late each left."""
        load = self._trial.load
        late_s: list[float] = []
        began = time.monotonic()
        for id in count():
            while (now := time.monotonic()) < began + id / load.rate:
                await asyncio.sleep(TICK_S)
            if id == load.count:
                break
            await self._send(id)
            late_s.append(now - began - id / load.rate)
        await self._producer.flush()
        return began, late_s

    async def _send(self, id: int) -> None:
        """A key of its own for each record, so that no order holds anybody up."""
        text = str(id).encode()
        await self._producer.send(self._topic, text, key=text)

    async def _wait(self, worker: Child, wanted: int) -> None:
        """Until so many records are finished, or none is any more."""
        loop = asyncio.get_running_loop()
        done, since = self._finished(), loop.time()
        while done < wanted and loop.time() - since < STALL_S:
            if not worker.is_running:
                raise ChildFailed(f"a process of the lab has ended too early: {worker}")
            await asyncio.sleep(LOOK_S)
            if self._finished() != done:
                done, since = self._finished(), loop.time()

    def _finished(self) -> int:
        return self._journal.stat().st_size // ENTRY_BYTES
