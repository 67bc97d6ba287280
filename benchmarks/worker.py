"""`python -m benchmarks.worker`: what the Worker costs beside its handler, for each way of running.

    empty handler       records a second, and the CPU time for each of them, of the worker's
                        process alone: children are not counted
    10 ms of waiting    the rate as a share of the ideal one, slots / 10 ms; and how much of their
                        time the slots were in a handler, which is the worker's part in it: that a
                        sleep of 10 ms takes longer on a busy machine is not

The records are written beforehand, and a round handles as many for each way as take it about
`--seconds`. The rate of an empty handler depends on who else uses the machine; CPU time much less.
What the consumer alone costs is the first row: getmany() and nothing else.
"""

import argparse
import asyncio
import statistics
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

from minikafka import (
    AdminClient,
    Consumer,
    ConsumerRecord,
    Inline,
    NewTopic,
    Pool,
    Processes,
    Producer,
    Tasks,
    ThreadPerRecord,
    Threads,
    Worker,
)
from minikafka.client.concurrency import Concurrency, slots_of

from . import process
from .target import parse_target, running

TOPIC = "work"
PARTITIONS = 4
KEYS = 1000
VALUE = b"x" * 100
WAIT_S = 0.010
WARM_UP = 200
"""Records before the clock starts: threads and processes are there then."""
MAX_ROUNDS = 20
HEAD = (
    "| `concurrency` | empty: records/s | CPU, µs each | 10 ms: of the ideal | slots at work |",
    "|---|---|---|---|---|",
)


def empty(record: ConsumerRecord) -> None:
    """Do nothing."""


async def empty_async(record: ConsumerRecord) -> None:
    """Do nothing."""


def wait(record: ConsumerRecord) -> None:
    """Wait, as for a database, in a thread."""
    time.sleep(WAIT_S)


async def wait_async(record: ConsumerRecord) -> None:
    """Wait in a task."""
    await asyncio.sleep(WAIT_S)


@dataclass(frozen=True, slots=True)
class Way:
    """A way of running, and about how many empty handlers it runs in a second."""

    concurrency: Concurrency
    empty_rate: int

    @property
    def is_async(self) -> bool:
        """Whether the handler is."""
        return isinstance(self.concurrency, Tasks)


WAYS = (
    Way(Inline(), 80_000),
    Way(Tasks(10), 40_000),
    Way(Tasks(100), 40_000),
    Way(Threads(1), 15_000),
    Way(Threads(10), 15_000),
    Way(Pool(min=5, max=10), 15_000),
    Way(ThreadPerRecord(max=10), 5_000),
    Way(Processes(2), 5_000),
)


@dataclass(frozen=True, slots=True)
class Result:
    """Of one run."""

    rate: float
    cpu_us: float
    work_ms: float = 0.0


async def fill(bootstrap: str, count: int) -> None:
    """Write so many records with keys."""
    async with AdminClient(bootstrap_servers=bootstrap) as admin:
        await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
    async with Producer(bootstrap_servers=bootstrap) as producer:
        for number in range(count):
            await producer.send(TOPIC, VALUE, key=b"%d" % (number % KEYS))


def consumer_of(bootstrap: str, group: str) -> Consumer:
    """From the beginning, for a group of its own."""
    return Consumer(
        TOPIC, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest"
    )


class Stopwatch:
    """Runs from the end of the warm-up until so many records later."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._began: tuple[float, float, int] | None = None
        self.result: Result | None = None

    def is_over(self, done: int) -> bool:
        """Look at it, when so many records are done in all."""
        if self._began is None:
            if done >= WARM_UP:
                self._began = time.perf_counter(), time.process_time(), done
        elif self.result is None and done - self._began[2] >= self._count:
            wall_s, cpu_s, records = self._began
            records = done - records
            wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
            self.result = Result(records / wall_s, cpu_s * 1e6 / records)
        return self.result is not None


async def work(bootstrap: str, group: str, way: Way, handler: Any, count: int) -> Result:
    """Handle so many records after the warm-up."""
    stopwatch = Stopwatch(count)
    worker = Worker(consumer_of(bootstrap, group), handler, concurrency=way.concurrency)
    async with worker:
        await worker.run(until=lambda statistics: stopwatch.is_over(statistics.done))
    assert stopwatch.result is not None
    return replace(stopwatch.result, work_ms=worker.statistics.work.average_ms)


async def read(bootstrap: str, group: str, count: int) -> Result:
    """Take so many records from a consumer, and do nothing with them."""
    stopwatch, records = Stopwatch(count), 0
    async with consumer_of(bootstrap, group) as consumer:
        while not stopwatch.is_over(records):
            records += sum(map(len, (await consumer.getmany(100)).values()))
    assert stopwatch.result is not None
    return stopwatch.result


async def measure(bootstrap: str, rounds: int, seconds: float) -> list[str]:
    """The rows of the table."""
    most = int(max(way.empty_rate for way in WAYS) * seconds)
    await fill(bootstrap, most + 2 * WARM_UP + 1000)
    alone = [await read(bootstrap, f"alone {index}", most) for index in range(rounds)]
    rows = [_row("the consumer alone", alone, " | ")]
    for way in WAYS:
        slots, name = slots_of(way.concurrency), str(way.concurrency)
        of_empty, of_waits = (empty_async, wait_async) if way.is_async else (empty, wait)
        empties: list[Result] = []
        waits: list[Result] = []
        for index in range(rounds):
            count = int(way.empty_rate * seconds)
            empties.append(await work(bootstrap, f"empty {name} {index}", way, of_empty, count))
            count = int(slots / WAIT_S * seconds)
            waits.append(await work(bootstrap, f"wait {name} {index}", way, of_waits, count))
        share = median(waits, "rate") * WAIT_S / slots
        at_work = statistics.median(each.rate * each.work_ms / 1000 / slots for each in waits)
        rows.append(_row(f"`{name}`", empties, f"{share:.1%} | {at_work:.1%}"))
    return rows


def _row(name: str, empties: list[Result], share: str) -> str:
    return (
        f"| {name} | {median(empties, 'rate'):,.0f} | {median(empties, 'cpu_us'):.1f} | {share} |"
    )


def median(results: list[Result], field: str) -> float:
    """Of one figure, over the rounds."""
    return statistics.median(getattr(each, field) for each in results)


def main() -> int:
    """Measure against a broker of our own, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker", description=__doc__)
    parser.add_argument("--rounds", type=int, choices=range(1, MAX_ROUNDS + 1), default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run, about")
    options = parser.parse_args()
    process.end_in_order_when_terminated()
    with running(parse_target("minikafka")) as server:
        bootstrap = f"{server.address.host}:{server.address.port}"
        rows = asyncio.run(measure(bootstrap, options.rounds, options.seconds))
    print("\n".join([*HEAD, *rows]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
