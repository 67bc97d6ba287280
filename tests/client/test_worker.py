"""The worker against our broker: order, commits, failures, rebalances, ways of running.

The handlers note what they were given; what a group has committed is asked of the broker.
"""

import asyncio
import threading
import time
from collections import defaultdict
from typing import Any

import pytest

from minikafka import (
    AdminClient,
    Consumer,
    ConsumerRecord,
    Inline,
    NewTopic,
    Pool,
    Producer,
    Tasks,
    ThreadPerRecord,
    Threads,
    Worker,
)
from minikafka.client.work_statistics import WorkStatistics

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


@pytest.fixture
async def topic(shared_broker: NodeProcess, request: pytest.FixtureRequest) -> str:
    """A topic of this test, with COUNT numbered records of KEYS keys."""
    name = request.node.name.replace("[", "-").replace("]", "")
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
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
