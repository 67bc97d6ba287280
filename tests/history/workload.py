"""Senders, a reader of its own and a group of two at work on a topic, and the history of it.

    workload = Workload(bootstrap, replicas=3)
    await workload.run(rounds)                     until all of them are had, and all is read
    workload.judge(path)                           the verdict on the history, as a file has it

Everything sent is read to the end before `run` returns, so a record that nobody has seen is lost.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from minikafka import AdminClient, Consumer, KafkaError, NewTopic, Producer
from minikafka.history.check import Report, check
from minikafka.history.event import Event, format_event, parse_events
from minikafka.history.evidence import Promises
from minikafka.history.recorder import HistoryLog

from .recorded import RecordedConsumer, RecordedProducer

TOPIC, GROUP = "recorded", "readers"
PARTITIONS = (0, 1)
SENDERS = 3
RECORDS_AT_ONCE = 3
POLL_MS = 100
DRAIN_DEADLINE_S = 50.0


class Workload:
    """See the module."""

    def __init__(self, bootstrap: str, *, replicas: int = 1, pause_s: float = 0.0) -> None:
        """Each sender waits `pause_s` between two of its rounds."""
        self.events: list[Event] = []
        self._bootstrap = bootstrap
        self._replicas = replicas
        self._pause_s = pause_s
        self._log = HistoryLog(asyncio.get_running_loop().time, self.events.append)
        self._sent = asyncio.Event()

    async def run(self, rounds: Callable[[], Iterable[int]]) -> None:
        """Send and read at the same time; `rounds` gives each sender the numbers of its rounds."""
        async with AdminClient(bootstrap_servers=self._bootstrap) as admin:
            await admin.create_topics([NewTopic(TOPIC, len(PARTITIONS), self._replicas)])
        async with asyncio.TaskGroup() as readers:
            readers.create_task(self._read())
            for _ in range(2):
                readers.create_task(self._read_in_group())
            await self._send_all(rounds)
            self._sent.set()
        await self._drain()

    def judge(self, path: Path) -> Report:
        """Write the history to a file, and say what is wrong with it."""
        path.write_text("".join(f"{format_event(each)}\n" for each in self.events))
        with path.open("rb") as lines:
            return check(parse_events(lines), Promises(is_drained=True))

    async def _send_all(self, rounds: Callable[[], Iterable[int]]) -> None:
        async with (
            Producer(bootstrap_servers=self._bootstrap) as producer,
            asyncio.TaskGroup() as tasks,
        ):
            for number in range(SENDERS):
                sender = RecordedProducer(producer, self._log)
                tasks.create_task(self._send(sender, number, rounds()))

    async def _send(self, sender: RecordedProducer, number: int, rounds: Iterable[int]) -> None:
        for n in rounds:
            values = [f"{number}-{n}-{each}" for each in range(RECORDS_AT_ONCE)]
            await sender.send(TOPIC, n % len(PARTITIONS), values)
            await asyncio.sleep(self._pause_s)

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[tuple[Consumer, RecordedConsumer]]:
        """One that reads all partitions from their beginning."""
        async with Consumer(
            bootstrap_servers=self._bootstrap, auto_offset_reset="earliest"
        ) as consumer:
            reader = RecordedConsumer(consumer, self._log)
            reader.assign(TOPIC, PARTITIONS)
            yield consumer, reader

    async def _read(self) -> None:
        async with self._reader() as (_, reader):
            while not self._sent.is_set():
                await reader.poll(POLL_MS)

    async def _read_in_group(self) -> None:
        async with Consumer(
            bootstrap_servers=self._bootstrap,
            group_id=GROUP,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        ) as consumer:
            reader = RecordedConsumer(consumer, self._log)
            reader.subscribe(TOPIC)
            while not self._sent.is_set():
                if await reader.poll(POLL_MS):
                    with suppress(KafkaError):  # Nobody tells a position now: the next one will do.
                        await reader.commit(GROUP)
            await reader.committed(GROUP, TOPIC, PARTITIONS)

    async def _drain(self) -> None:
        async with self._reader() as (consumer, reader):
            ends = await consumer.end_offsets([(TOPIC, each) for each in PARTITIONS])
            async with asyncio.timeout(DRAIN_DEADLINE_S):
                while any([await consumer.position(name) < end for name, end in ends.items()]):
                    await reader.poll(1000)
