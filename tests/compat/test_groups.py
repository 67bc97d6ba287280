"""Groups of foreign clients, mixed in one group and under churn: nothing lost, nothing twice.

Members are processes (group_worker) that are killed, paused, told to leave and added, while records
flow. What they said is put in order by the one clock of this machine, and then:

- every record was consumed by somebody;
- who was given a partition began at or behind every offset that had been committed for it before;
- what each member read of a partition, it read in order and without gaps.

MINIKAFKA_CHURN is the number of records (`make churn` takes 100,000).
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Producer

from ..nodes import NodeProcess
from .clients import AdminClient, record
from .group_worker import CLIENTS, SESSION_MS
from .kcat_client import PROGRAM

RECORDS = int(os.environ.get("MINIKAFKA_CHURN", "6000"))
PARTITIONS = 6
DEADLINE_S = 60.0 + RECORDS / 500
ROOT = Path(__file__).parent.parent.parent


class Event(NamedTuple):
    """Something that a member said, and when."""

    time_s: float
    what: str
    detail: Any


class Worker:
    """A member; its words are collected by a thread."""

    def __init__(self, client: str, bootstrap: str, group: str, topic: str, *instance: str) -> None:
        self.client = client
        self.events: list[Event] = []
        command = [sys.executable, "-m", "tests.compat.group_worker"]
        self.process = subprocess.Popen(
            [*command, client, bootstrap, group, topic, *instance],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                if line.endswith(b"\n"):
                    self.events.append(Event(*json.loads(line)))

    def of(self, what: str) -> list[Event]:
        """What it said of this kind so far."""
        return [event for event in list(self.events) if event.what == what]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self) -> None:
        """Kill it if it lives, and read its last words."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(10.0)


class Team:
    """All workers that there ever were."""

    def __init__(self, bootstrap: str, group: str, topic: str) -> None:
        self._place = bootstrap, group, topic
        self.workers: list[Worker] = []

    def add(self, client: str, *instance: str) -> Worker:
        """Start one more."""
        worker = Worker(client, *self._place, *instance)
        self.workers.append(worker)
        return worker

    def consumed(self) -> set[str]:
        """The values that somebody has read."""
        return {
            value
            for worker in self.workers
            for event in worker.of("consumed")
            for _, _, value in event.detail
        }

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until it holds."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"{what}: {self.report()}"
            time.sleep(0.05)

    def report(self) -> str:
        """What each of them has done, for a message."""
        return ", ".join(
            f"{worker.client} {worker.process.poll()} "
            f"{sum(len(event.detail) for event in worker.of('consumed'))} records"
            for worker in self.workers
        )


@contextmanager
def team(bootstrap: str, group: str, topic: str) -> Iterator[Team]:
    """A team whose processes end with the test."""
    made = Team(bootstrap, group, topic)
    try:
        yield made
    finally:
        for worker in made.workers:
            worker.end()


def produce(bootstrap: str, topic: str, values: range) -> None:
    """Records that are their own number, dealt to the partitions in turn."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})
    for value in values:
        producer.produce(topic, str(value).encode(), partition=value % PARTITIONS)
        producer.poll(0)
        if value % 1000 == 999:
            producer.flush(20)
    assert producer.flush(20) == 0


def check_ownership(workers: list[Worker]) -> None:
    """Who begins with a partition begins where others have committed; each reads without gaps."""
    commits: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for worker in workers:
        for event in worker.of("committed"):
            for partition, offset in event.detail.items():
                commits[int(partition)].append((event.time_s, offset))
    for worker in workers:
        positions: dict[int, int] = {}
        assigned_s = 0.0
        for event in list(worker.events):
            if event.what == "assigned":
                positions.clear()
                assigned_s = event.time_s
            elif event.what == "consumed":
                for partition, offset, _ in event.detail:
                    if partition in positions:
                        assert offset == positions[partition] + 1, (worker.client, partition)
                    else:
                        before = [each for at_s, each in commits[partition] if at_s < assigned_s]
                        assert offset >= max(before, default=0), (worker.client, partition)
                    positions[partition] = offset


def owned(worker: Worker) -> int:
    """How many partitions a member was given last."""
    given = worker.of("assigned")
    return len(given[-1].detail) if given else 0


def all_work(members: list[Worker]) -> Callable[[], bool]:
    """A condition: each of them owns something and has read something."""
    return lambda: all(member.of("assigned") and member.of("consumed") for member in members)


@pytest.mark.parametrize("kind", CLIENTS)
def test_two_members_of_a_kind_share_the_partitions(
    kind: str, shared_broker: NodeProcess, anybody: AdminClient, topic: str
) -> None:
    anybody.create_topic(topic, PARTITIONS)
    produce(shared_broker.bootstrap, topic, range(600))
    with team(shared_broker.bootstrap, topic, topic) as made:
        first = made.add(kind)
        made.wait(lambda: len(made.consumed()) == 600, "one member reads everything")
        second = made.add(kind)

        made.wait(lambda: owned(first) == owned(second) == 3, "two members share")
        first.signal(signal.SIGTERM)
        first.process.wait(DEADLINE_S)
        made.wait(lambda: owned(second) == 6, "one is left")
        produce(shared_broker.bootstrap, topic, range(600, 1200))
        made.wait(lambda: len(made.consumed()) == 1200, "the other reads on")
        check_ownership(made.workers)
        values = [v for w in made.workers for e in w.of("consumed") for _, _, v in e.detail]
        assert len(values) == 1200  # Both ended cleanly, so nothing was read twice.


def test_kcat_reads_on_where_its_group_left_off(
    shared_broker: NodeProcess, anybody: AdminClient, topic: str
) -> None:
    anybody.create_topic(topic)
    for first in (0, 5):
        anybody.send(topic, [record(b"%d" % number) for number in range(first, first + 5)])
        settings = ["-X", "auto.offset.reset=earliest", "-e", "-q"]
        command = [str(PROGRAM), "-b", shared_broker.bootstrap, *settings, "-G", topic, topic]
        done = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=True)
        assert done.stdout.split() == [b"%d" % number for number in range(first, first + 5)]


def test_a_mixed_group_under_churn_loses_nothing_and_owns_nothing_twice(
    broker: NodeProcess, topic: str
) -> None:
    from .confluent_client import ConfluentClient

    ConfluentClient(broker.bootstrap).create_topic(topic, PARTITIONS)
    random = Random(4711)
    with team(broker.bootstrap, "mixed", topic) as made:
        members = [made.add(client) for client in CLIENTS]
        step = RECORDS // 6
        made.wait(lambda: all(owned(each) == 2 for each in members), "all three have a share")
        produce(broker.bootstrap, topic, range(step))
        made.wait(all_work(members), "all three kinds work in one group")
        for part in range(1, 6):
            produce(broker.bootstrap, topic, range(part * step, (part + 1) * step))
            victim = members.pop(random.randrange(len(members)))
            disturb(victim, part)
            members.append(made.add(victim.client))
            if part == 3:
                victim.signal(signal.SIGCONT)
                victim.signal(signal.SIGTERM)
        made.wait(lambda: len(made.consumed()) == 6 * step, "every record is consumed")
        check_ownership(made.workers)


def disturb(worker: Worker, part: int) -> None:
    """Kill it, pause it for longer than its session, or let it leave."""
    if part % 3 == 0:
        worker.signal(signal.SIGSTOP)
        time.sleep(SESSION_MS / 1000 + 1)
    else:
        worker.signal(signal.SIGKILL if part % 3 == 1 else signal.SIGTERM)
