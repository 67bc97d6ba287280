"""The worker against our broker: order, commits, failures, rebalances, ways of running.

The handlers note what they were given; what a group has committed is asked of the broker.
"""

import asyncio
import os
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minikafka import (
    AdminClient,
    Consumer,
    ConsumerRecord,
    Inline,
    NewTopic,
    Pool,
    Processes,
    Producer,
    RebalanceListener,
    Tasks,
    ThreadPerRecord,
    Threads,
    TopicPartition,
    Worker,
)
from minikafka.client.errors import ClientNotRunning
from minikafka.client.work_statistics import WorkStatistics

# By the name under which a process of its own can import it.
from minikafka.tests.client.worker_handlers import misbehave, note

from ..nodes import NodeProcess

COUNT = 300
KEYS = 7
PARTITIONS = 3
DEADLINE_S = 60.0
FAST: dict[str, Any] = {"retry_backoff_ms": 1, "retry_backoff_max_ms": 5, "stop_timeout_s": 30.0}


class Seen:
    """What handlers were given, from whatever thread."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.running: dict[bytes | None, int] = defaultdict(int)
        self.most_at_once = 0
        self.lock = threading.Lock()

    def begin(self, record: ConsumerRecord) -> None:
        """A handler has begun; no other may be at work on its key."""
        with self.lock:
            self.running[record.key] += 1
            assert record.key is None or self.running[record.key] == 1, record
            self.most_at_once = max(self.most_at_once, sum(self.running.values()))

    def end(self, record: ConsumerRecord) -> None:
        """It has done its work."""
        with self.lock:
            self.running[record.key] -= 1
            self.values.append(record.value)

    def plain(self, record: ConsumerRecord) -> None:
        """A handler for threads: waits a little, every time for as long."""
        self.begin(record)
        time.sleep(0.0005)
        self.end(record)

    async def waiting(self, record: ConsumerRecord) -> None:
        """A handler for tasks."""
        self.begin(record)
        await asyncio.sleep(0.0005)
        self.end(record)

    def by_key(self) -> dict[int, list[int]]:
        """The numbers of each key, in the order in which they were done."""
        numbers: dict[int, list[int]] = defaultdict(list)
        for value in self.values:
            numbers[int(value) % KEYS].append(int(value))
        return numbers


IN_ORDER = {key: list(range(key, COUNT, KEYS)) for key in range(KEYS)}


async def create(broker: NodeProcess, name: str) -> None:
    """An empty topic."""
    async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1)])


@pytest.fixture
async def topic(shared_broker: NodeProcess, request: pytest.FixtureRequest) -> str:
    """A topic of this test, with COUNT numbered records of KEYS keys."""
    name = request.node.name.replace("[", "-").replace("]", "")
    await create(shared_broker, name)
    async with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        for number in range(COUNT):
            await producer.send(name, b"%d" % number, key=b"key %d" % (number % KEYS))
    return name


def consumer_of(broker: NodeProcess, topic: str, **options: Any) -> Consumer:
    """A consumer of the topic's own group, from the beginning."""
    defaults: dict[str, Any] = {
        "group_id": f"group of {topic}",
        "auto_offset_reset": "earliest",
        "fetch_max_wait_ms": 50,
    }
    return Consumer(topic, bootstrap_servers=broker.bootstrap, **defaults | options)


def all_done(statistics: WorkStatistics) -> bool:
    """Whether all records have had their handler, or were given up."""
    return statistics.done + statistics.failed >= COUNT


async def committed(broker: NodeProcess, topic: str) -> dict[int, int]:
    """What the group has committed, by partition."""
    async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
        offsets = await admin.list_group_offsets(f"group of {topic}")
    return {name.partition: each.offset for name, each in offsets.items()}


async def ends(broker: NodeProcess, topic: str) -> dict[int, int]:
    """The end of each partition that has records."""
    async with Consumer(topic, bootstrap_servers=broker.bootstrap) as consumer:
        offsets = await consumer.end_offsets([(topic, index) for index in range(PARTITIONS)])
    return {name.partition: offset for name, offset in offsets.items() if offset}


async def read_all(broker: NodeProcess, topic: str, count: int) -> list[ConsumerRecord]:
    """The first so many records of a topic."""
    options: dict[str, Any] = {"group_id": None, "auto_offset_reset": "earliest"}
    async with consumer_of(broker, topic, **options) as consumer:
        return [await consumer.getone(timeout_ms=20_000) for _ in range(count)]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.001)


async def within_deadline(waiting: Any) -> Any:
    """Wait, but not for ever."""
    async with asyncio.timeout(DEADLINE_S):
        return await waiting


@pytest.mark.parametrize(
    "concurrency",
    [Inline(), Threads(4), Pool(2, 6), ThreadPerRecord(5)],
    ids=lambda each: type(each).__name__,
)
async def test_a_plain_handler_gets_each_record_once_in_the_order_of_its_key(
    shared_broker: NodeProcess, topic: str, concurrency: Any
):
    seen = Seen()
    worker = Worker(consumer_of(shared_broker, topic), seen.plain, concurrency=concurrency)
    async with worker:
        await within_deadline(worker.run(until=all_done))
    assert seen.by_key() == IN_ORDER
    assert await committed(shared_broker, topic) == await ends(shared_broker, topic)
    assert worker.statistics.done == COUNT
    assert worker.statistics.in_flight == 0
    assert worker.statistics.work.count == COUNT


@pytest.mark.parametrize(
    "concurrency", [Inline(), Threads(3), Tasks(20)], ids=lambda each: type(each).__name__
)
async def test_an_async_handler_too(shared_broker: NodeProcess, topic: str, concurrency: Any):
    seen = Seen()
    worker = Worker(consumer_of(shared_broker, topic), seen.waiting, concurrency=concurrency)
    async with worker:
        await within_deadline(worker.run(until=all_done))
    assert seen.by_key() == IN_ORDER
    assert (seen.most_at_once > 1) == (concurrency != Inline())
    assert await committed(shared_broker, topic) == await ends(shared_broker, topic)


async def test_processes_too(shared_broker: NodeProcess, tmp_path: Path):
    name, path = "processes", tmp_path / "notes"
    await create(shared_broker, name)
    async with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        for number in range(50):
            await producer.send(name, b"%d" % number, key=os.fsencode(path))
    worker = Worker(consumer_of(shared_broker, name), note, concurrency=Processes(2))
    async with worker:
        await within_deadline(worker.run(until=lambda statistics: statistics.done == 50))
    notes = [line.split() for line in path.read_text().splitlines()]
    assert [int(number) for number, _ in notes] == list(range(50))
    assert str(os.getpid()) not in {pid for _, pid in notes}
    assert await committed(shared_broker, name) == await ends(shared_broker, name)


async def test_a_handler_that_kills_its_process_is_tried_again_and_then_put_aside(
    shared_broker: NodeProcess, tmp_path: Path
):
    name, path = "killers", tmp_path / "notes"
    await create(shared_broker, name)
    async with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        for value in (b"1", b"kill", b"2", b"hang", b"3"):
            await producer.send(name, value, key=os.fsencode(path), partition=0)
    worker = Worker(
        consumer_of(shared_broker, name),
        misbehave,
        concurrency=Processes(1),
        max_attempts=2,
        dead_letter_topic="killers.dead",
        handler_timeout_s=2.0,
        **FAST,
    )
    async with worker:
        await within_deadline(worker.run(until=lambda each: each.done + each.failed == 5))
    assert [line.split()[0] for line in path.read_text().splitlines()] == ["1", "2", "3"]
    assert (worker.statistics.failed, worker.statistics.retried) == (2, 2)
    assert worker.statistics.overdue == 2
    letters = await read_all(shared_broker, "killers.dead", 2)
    errors = [dict(letter.headers)["dead-letter.error"] for letter in letters]
    assert errors[0] == b"HandlerDied: its process ended with signal 9"
    assert errors[1].startswith(b"HandlerTimeout: ended after 2.0 s")
    assert await committed(shared_broker, name) == await ends(shared_broker, name)


@pytest.mark.parametrize(
    "concurrency", [Inline(), Threads(4)], ids=lambda each: type(each).__name__
)
async def test_what_fails_is_tried_again_before_what_comes_after_it(
    shared_broker: NodeProcess, topic: str, concurrency: Any
):
    seen, tried = Seen(), defaultdict[bytes, int](int)

    def handle(record: ConsumerRecord) -> None:
        tried[record.value] += 1
        if int(record.value) % 10 == 0 and tried[record.value] < 3:
            raise ValueError("not yet")
        seen.plain(record)

    worker = Worker(consumer_of(shared_broker, topic), handle, concurrency=concurrency, **FAST)
    async with worker:
        await within_deadline(worker.run(until=all_done))
    assert seen.by_key() == IN_ORDER
    assert worker.statistics.retried == 2 * COUNT / 10
    assert worker.statistics.wait.count == COUNT
    assert worker.statistics.work.count == COUNT + worker.statistics.retried


async def test_what_fails_every_time_becomes_a_dead_letter(shared_broker: NodeProcess, topic: str):
    async def handle(record: ConsumerRecord) -> None:
        if record.value == b"100":
            raise ValueError("never")

    consumer = consumer_of(shared_broker, topic)
    dead = f"{topic}.dead"
    worker = Worker(consumer, handle, concurrency=Tasks(5), dead_letter_topic=dead, **FAST)
    async with worker:
        await within_deadline(worker.run(until=all_done))
    [letter] = await read_all(shared_broker, dead, 1)
    assert (letter.key, letter.value) == (b"key 2", b"100")
    headers = dict(letter.headers)
    assert headers["dead-letter.topic"] == topic.encode()
    assert headers["dead-letter.error"] == b"ValueError: never"
    assert headers["dead-letter.attempts"] == b"3"
    assert await committed(shared_broker, topic) == await ends(shared_broker, topic)


@pytest.mark.parametrize(
    "concurrency", [Inline(), Pool(1, 3)], ids=lambda each: type(each).__name__
)
async def test_without_a_place_for_dead_letters_the_worker_stops_before_the_record(
    shared_broker: NodeProcess, topic: str, concurrency: Any
):
    seen, failing = Seen(), b"150"

    def handle(record: ConsumerRecord) -> None:
        if record.value == failing:
            raise ValueError("never")
        seen.plain(record)

    consumer = consumer_of(shared_broker, topic)
    async with Worker(consumer, handle, concurrency=concurrency, **FAST) as worker:
        with pytest.raises(ValueError, match="never") as failure:
            await within_deadline(worker.run(until=all_done))
        assert f"the worker stopped at {topic}-" in failure.value.__notes__[0]
        failing = b""
        await within_deadline(worker.run(until=lambda _: b"297" in seen.values))
    seen.values = list(dict.fromkeys(seen.values))
    assert seen.by_key()[150 % KEYS] == IN_ORDER[150 % KEYS]


async def test_a_letter_that_cannot_be_sent_stops_the_worker(
    shared_broker: NodeProcess, topic: str
):
    def handle(record: ConsumerRecord) -> None:
        raise ValueError("never")

    consumer = consumer_of(shared_broker, topic, value_deserializer=int)
    dead = f"{topic}.dead"
    async with Worker(consumer, handle, dead_letter_topic=dead, max_attempts=1) as worker:
        with pytest.raises(TypeError, match="value_serializer"):
            await within_deadline(worker.run())
    assert await committed(shared_broker, topic) == {}


async def test_stop_waits_for_what_runs_and_hands_back_what_waits(
    shared_broker: NodeProcess, topic: str
):
    release, seen = asyncio.Event(), Seen()

    async def handle(record: ConsumerRecord) -> None:
        seen.begin(record)
        if len(seen.running) == 4 and not release.is_set():
            worker.stop()
        await release.wait()
        seen.end(record)

    consumer = consumer_of(shared_broker, topic)
    worker = Worker(consumer, handle, concurrency=Tasks(4), **FAST)
    async with worker:
        running = asyncio.create_task(worker.run())
        await until(lambda: worker._is_draining)
        release.set()
        await within_deadline(running)
        assert len(seen.values) == 4
        assert worker.statistics.in_flight == 0
        await within_deadline(worker.run(until=lambda _: len(set(seen.values)) == COUNT))
    firsts = Seen()
    firsts.values = list(dict.fromkeys(seen.values))
    assert firsts.by_key() == IN_ORDER


async def test_to_close_a_worker_that_runs_lets_it_come_to_its_end(
    shared_broker: NodeProcess, topic: str
):
    seen = Seen()
    async with Worker(
        consumer_of(shared_broker, topic), seen.plain, concurrency=Threads(2)
    ) as worker:
        running = asyncio.create_task(worker.run())
        await until(lambda: len(seen.values) >= 5)
    assert running.done()
    assert sum((await committed(shared_broker, topic)).values()) <= len(seen.values) < COUNT
    assert not any(seen.running.values())


async def test_a_handler_that_hangs_is_named_and_holds_up_no_other_partition(
    shared_broker: NodeProcess, topic: str, caplog: pytest.LogCaptureFixture
):
    release = threading.Event()
    stuck: list[ConsumerRecord] = []

    def handle(record: ConsumerRecord) -> None:
        if record.value == b"0":
            stuck.append(record)
            release.wait(DEADLINE_S)

    worker = Worker(
        consumer_of(shared_broker, topic),
        handle,
        concurrency=Threads(2),
        handler_timeout_s=0.05,
        stop_timeout_s=0.05,
    )
    same_key = len(IN_ORDER[0])
    async with worker:
        await within_deadline(
            worker.run(until=lambda each: each.done == COUNT - same_key and each.overdue == 1)
        )
    release.set()
    [record] = stuck
    name = f"{topic}-{record.partition} offset {record.offset}"
    assert f"{name}: its handler has been at work for more than 0.05 s" in caplog.text
    assert "records are still in work after 0.05 s" in caplog.text
    expected = await ends(shared_broker, topic)
    offsets = await committed(shared_broker, topic)
    assert offsets.pop(record.partition, 0) <= record.offset
    del expected[record.partition]
    assert offsets == expected


async def test_a_full_worker_takes_no_more_than_it_may(shared_broker: NodeProcess, topic: str):
    most = 0

    async def handle(record: ConsumerRecord) -> None:
        nonlocal most
        most = max(most, worker._ledger.in_flight)
        await asyncio.sleep(0)

    consumer = consumer_of(shared_broker, topic)
    worker = Worker(consumer, handle, concurrency=Tasks(3), max_in_flight=20)
    async with worker:
        await within_deadline(worker.run(until=all_done))
    assert 3 <= most <= 20


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
async def test_partitions_that_move_are_finished_and_committed_first(
    shared_broker: NodeProcess, topic: str, strategy: str
):
    """A second worker comes and goes while the first one works; nothing is handled twice."""
    seen, have_gone = Seen(), asyncio.Event()

    def worker_of() -> Worker:
        return Worker(
            consumer_of(
                shared_broker,
                topic,
                heartbeat_interval_ms=50,
                partition_assignment_strategy=strategy,
            ),
            seen.waiting,
            concurrency=Tasks(4),
            commit_interval_ms=20,
            **FAST,
        )

    async def produce_more() -> int:
        """Records as long as workers come and go; how many there are then."""
        number = COUNT
        async with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
            while not have_gone.is_set():
                await producer.send(topic, b"%d" % number, key=b"key %d" % (number % KEYS))
                number += 1
                if not number % 20:
                    await producer.flush()
        return number

    async with worker_of() as first:
        more = asyncio.create_task(produce_more())
        run = asyncio.create_task(
            first.run(until=lambda _: more.done() and len(seen.values) >= more.result())
        )
        for _ in range(3):
            async with worker_of() as second:
                await within_deadline(second.run(until=lambda each: each.done >= 30))
        have_gone.set()
        await within_deadline(asyncio.gather(run, more))
    total = more.result()
    assert seen.by_key() == {key: list(range(key, total, KEYS)) for key in range(KEYS)}
    assert await committed(shared_broker, topic) == await ends(shared_broker, topic)


async def test_what_was_at_work_when_its_partition_was_lost_is_handled_again(
    shared_broker: NodeProcess, topic: str
):
    """The member is thrown out of its group in the middle of its first records, and comes back."""
    release, seen = threading.Event(), Seen()

    def handle(record: ConsumerRecord) -> None:
        seen.begin(record)
        release.wait(DEADLINE_S)
        seen.end(record)

    consumer = consumer_of(shared_broker, topic, heartbeat_interval_ms=50)
    worker = Worker(consumer, handle, concurrency=Threads(3), commit_interval_ms=10, **FAST)
    async with worker, AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        run = asyncio.create_task(worker.run(until=lambda _: len(set(seen.values)) == COUNT))
        await until(lambda: sum(seen.running.values()) == 3)
        at_work = list(worker._ledger.running)
        [(name, group)] = (await admin.describe_groups([consumer.group_id or ""])).items()
        members = [member.member_id for member in group.members]
        await admin.remove_group_members(name, member_ids=members)
        await until(lambda: not any(worker._ledger.owns(work) for work in at_work))
        assert await committed(shared_broker, topic) == {}
        release.set()
        await within_deadline(run)
    twice = [value for value in set(seen.values) if seen.values.count(value) == 2]
    assert len(seen.values) == COUNT + 3
    assert len(twice) == 3
    assert worker.statistics.done == COUNT
    assert await committed(shared_broker, topic) == await ends(shared_broker, topic)


async def test_the_users_listener_hears_of_partitions_when_their_work_is_committed(
    shared_broker: NodeProcess, topic: str
):
    heard: list[tuple[str, dict[int, int]]] = []

    class Listener(RebalanceListener):
        async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
            heard.append(("assigned", {}))

        async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
            heard.append(("revoked", await committed(shared_broker, topic)))

    consumer = consumer_of(shared_broker, topic)
    consumer.subscribe([topic], listener=Listener())
    async with Worker(consumer, lambda _: None) as worker:
        await within_deadline(worker.run(until=all_done))
    assert heard == [("assigned", {}), ("revoked", await ends(shared_broker, topic))]


async def test_what_until_raises_is_raised(shared_broker: NodeProcess, topic: str):
    def until(statistics: WorkStatistics) -> bool:
        raise ZeroDivisionError

    async with Worker(consumer_of(shared_broker, topic), lambda _: None) as worker:
        with pytest.raises(ZeroDivisionError):
            await within_deadline(worker.run(until=until))


async def test_without_a_group_nothing_is_committed(shared_broker: NodeProcess, topic: str):
    seen = Seen()
    consumer = Consumer(bootstrap_servers=shared_broker.bootstrap, auto_offset_reset="earliest")
    consumer.assign([(topic, index) for index in range(PARTITIONS)])
    async with Worker(consumer, seen.plain, commit_interval_ms=1) as worker:
        await within_deadline(worker.run(until=all_done))
    assert seen.by_key() == IN_ORDER


async def test_what_makes_no_sense_is_a_sentence(shared_broker: NodeProcess):
    def consumer() -> Consumer:
        return Consumer("t", bootstrap_servers=shared_broker.bootstrap)

    def plain(record: ConsumerRecord) -> None: ...

    with pytest.raises(TypeError, match="Tasks needs an async handler"):
        Worker(consumer(), plain, concurrency=Tasks(3))
    with pytest.raises(TypeError, match="Processes needs a handler that another process can"):
        Worker(consumer(), plain, concurrency=Processes(3))
    with pytest.raises(ValueError, match="leaves some of Threads"):
        Worker(consumer(), plain, concurrency=Threads(30), max_in_flight=20)
    with pytest.raises(ValueError, match="1 or more"):
        Worker(consumer(), plain, max_attempts=0)
    with pytest.raises(TypeError, match="did you mean dead_letter_topic"):
        Worker(consumer(), plain, dead_letters_topic="x")  # pyright: ignore[reportCallIssue]
    with pytest.raises(ClientNotRunning, match="async with"):
        await Worker(consumer(), plain).run()
    async with consumer() as started:
        with pytest.raises(ValueError, match="the Worker starts and closes it"):
            Worker(started, plain)


async def test_the_program_in_the_documents_ends_in_good_order_with_sigterm(
    shared_broker: NodeProcess, topic: str
):
    text = (Path(__file__).parents[2] / "docs" / "worker.md").read_text()
    _, _, rest = text.partition("```python\n")
    program, _, _ = rest.partition("```")
    for old, new in {
        "localhost:9092": shared_broker.bootstrap,
        "orders": topic,
        "billing": f"group of {topic}",
        "Pool(min=5, max=10)": "Pool(min=1, max=1)",  # or lines might be mixed
    }.items():
        assert program.count(old) == 1
        program = program.replace(old, new)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"{program}print('end')", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    lines = [await within_deadline(process.stdout.readline()) for _ in range(COUNT)]
    assert sorted(map(int, lines)) == list(range(COUNT))
    process.send_signal(signal.SIGTERM)
    assert await within_deadline(process.stdout.read()) == b"end\n"
    assert await process.wait() == 0
    assert await committed(shared_broker, topic) == await ends(shared_broker, topic)


async def test_a_script_that_works_when_it_is_imported_is_told_so(
    shared_broker: NodeProcess, topic: str, tmp_path: Path
):
    script = tmp_path / "script.py"
    script.write_text(
        "from minikafka import Consumer, Processes, Worker\n"
        "def handle(record): print(record)\n"
        f"consumer = Consumer({topic!r}, bootstrap_servers={shared_broker.bootstrap!r},\n"
        f"    group_id='group of {topic}', auto_offset_reset='earliest')\n"
        "worker = Worker(consumer, handle, concurrency=Processes(1), dead_letter_topic='dead')\n"
        "worker.run_forever()\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await within_deadline(process.communicate())
    assert process.returncode == 1
    assert out == b""
    assert errors.count(b"RuntimeError: this process is for a handler") >= 3
    assert b"CannotStartHandler: a process for the handler ended 3 times" in errors
    assert await committed(shared_broker, topic) == {}
