"""Our clients at a real node, written down and judged; and the node killed in the middle of it."""

import asyncio
from pathlib import Path

from minikafka import AdminClient, Consumer, Producer
from minikafka.client.admin import NewTopic
from minikafka.history.check import Report, check
from minikafka.history.event import Event, format_event, parse_events
from minikafka.history.evidence import Promises
from minikafka.history.recorder import HistoryLog

from ..nodes import NodeProcess
from .recorded import RecordedConsumer, RecordedProducer

TOPIC = "recorded"
PARTITIONS = (0, 1)
SENDERS = 3
ROUNDS = 40
DEADLINE_S = 90.0


class Workload:
    """Senders, a reader of its own, a group of two, and a history."""

    def __init__(self, bootstrap: str) -> None:
        self.events: list[Event] = []
        self._bootstrap = bootstrap
        self._log = HistoryLog(asyncio.get_running_loop().time, self.events.append)
        self._sent = asyncio.Event()

    async def run(self) -> None:
        """Send and read at the same time; in the end read all."""
        async with AdminClient(bootstrap_servers=self._bootstrap) as admin:
            await admin.create_topics([NewTopic(TOPIC, len(PARTITIONS), 1)])
        async with asyncio.TaskGroup() as readers:
            readers.create_task(self._read())
            for _ in range(2):
                readers.create_task(self._read_in_group())
            await self._send_all()
            self._sent.set()
        await self._drain()

    async def _send_all(self) -> None:
        async with Producer(bootstrap_servers=self._bootstrap) as producer:
            senders = [RecordedProducer(producer, self._log) for _ in range(SENDERS)]
            async with asyncio.TaskGroup() as tasks:
                for number, sender in enumerate(senders):
                    tasks.create_task(self._send(sender, number))

    async def _send(self, sender: RecordedProducer, number: int) -> None:
        for n in range(ROUNDS):
            values = [f"{number}-{n}-{each}" for each in range(3)]
            await sender.send(TOPIC, n % len(PARTITIONS), values)

    async def _read(self) -> None:
        async with Consumer(
            bootstrap_servers=self._bootstrap, auto_offset_reset="earliest"
        ) as consumer:
            reader = RecordedConsumer(consumer, self._log)
            reader.assign(TOPIC, PARTITIONS)
            while not self._sent.is_set():
                await reader.poll(100)

    async def _read_in_group(self) -> None:
        async with Consumer(
            bootstrap_servers=self._bootstrap,
            group_id="readers",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        ) as consumer:
            reader = RecordedConsumer(consumer, self._log)
            reader.subscribe(TOPIC)
            while not self._sent.is_set():
                if await reader.poll(100):
                    await reader.commit("readers")
            await reader.committed("readers", TOPIC, PARTITIONS)

    async def _drain(self) -> None:
        async with Consumer(
            bootstrap_servers=self._bootstrap, auto_offset_reset="earliest"
        ) as consumer:
            reader = RecordedConsumer(consumer, self._log)
            reader.assign(TOPIC, PARTITIONS)
            ends = await consumer.end_offsets([(TOPIC, each) for each in PARTITIONS])
            while any([await consumer.position(name) < end for name, end in ends.items()]):
                await reader.poll(1000)


def judge_by_file(events: list[Event], path: Path) -> Report:
    """The verdict on the history as a file has it."""
    path.write_text("".join(f"{format_event(each)}\n" for each in events))
    with path.open("rb") as lines:
        return check(parse_events(lines), Promises(is_drained=True))


async def test_what_clients_of_a_node_saw_is_valid(broker: NodeProcess, tmp_path: Path) -> None:
    workload = Workload(broker.bootstrap)
    async with asyncio.timeout(DEADLINE_S):
        await workload.run()
    report = judge_by_file(workload.events, tmp_path / "history.jsonl")
    assert report.is_valid, report.text()
    assert report.records_sent == SENDERS * ROUNDS * 3
    assert report.counts["ok"] > SENDERS * ROUNDS
    assert report.records_read >= 2 * report.records_sent


async def test_it_stays_valid_when_the_node_is_killed(broker: NodeProcess, tmp_path: Path) -> None:
    workload = Workload(broker.bootstrap)
    async with asyncio.timeout(DEADLINE_S):
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(workload.run())
            while len(workload.events) < 60 and not running.done():
                await asyncio.sleep(0)
            broker.kill()
            await asyncio.to_thread(broker.start)
    report = judge_by_file(workload.events, tmp_path / "history.jsonl")
    assert report.is_valid, report.text()


async def test_a_record_left_out_of_the_history_is_found(
    broker: NodeProcess, tmp_path: Path
) -> None:
    workload = Workload(broker.bootstrap)
    async with asyncio.timeout(DEADLINE_S):
        await workload.run()
    lost = "1-7-1"
    for event in workload.events:
        if event.f == "poll" and event.type == "ok":
            for _, read in event.value:
                for key, records in read.items():
                    read[key] = [each for each in records if each[1] != lost]
    report = judge_by_file(workload.events, tmp_path / "history.jsonl")
    assert {"lost-write", "unseen"} <= set(report.violated)
    assert f"{lost!r} was written" in report.text()
