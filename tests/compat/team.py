"""Members of one group, each a process, with all that they said and that was done to them."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path

from confluent_kafka import Producer

from .group_worker import EAGER
from .ownership import Event, Finding, judge

PARTITIONS = 6
SESSION_MS = 6_000
ROOT = Path(__file__).parent.parent.parent

_NOTES = {
    signal.SIGKILL: "killed",
    signal.SIGSTOP: "paused",
    signal.SIGCONT: "resumed",
    signal.SIGTERM: "asked to leave",
}


class Worker:
    """A member; its words are collected by a thread."""

    def __init__(self, kind: str, *post: str) -> None:
        """`post` is the rest of what group_worker takes."""
        self.kind = kind
        self.instance = post[5:]
        self.events: list[Event] = []
        self.owned: frozenset[int] = frozenset()
        """What it says that it owns."""
        self.values: set[str] = set()
        """What it has read."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.compat.group_worker", kind, *post],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def count(self, what: str) -> int:
        """How often it has said this so far."""
        return sum(event.what == what for event in list(self.events))

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, and take a note of it first: what follows may follow from it."""
        self.events.append(Event(time.monotonic(), _NOTES[number]))
        self.process.send_signal(number)

    def end(self) -> None:
        """Kill it if it lives, and read its last words."""
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.wait()
        self._reader.join(10.0)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                if line.endswith(b"\n"):
                    self._take(Event(*json.loads(line)))

    def _take(self, event: Event) -> None:
        match event.what:
            case "assigned":
                self.owned |= frozenset(event.detail)
            case "revoked" | "lost":
                self.owned -= frozenset(event.detail)
            case "leaving" | "failed":
                self.owned = frozenset()
            case "consumed":
                self.values.update(value for _, _, value in event.detail)
        self.events.append(event)


class Team:
    """All workers that there ever were in a group."""

    def __init__(
        self, bootstrap: str, topic: str, deadline_s: float, strategy: str, session_ms: int
    ) -> None:
        """Nobody yet. The group has the topic's name; `deadline_s` bounds each wait."""
        self.deadline_s = deadline_s
        self.workers: list[Worker] = []
        self._post = bootstrap, topic, topic, strategy, str(session_ms)

    def add(self, kind: str, *instance: str) -> Worker:
        """Start one more, static if it has the name of an instance."""
        worker = Worker(kind, *self._post, *instance)
        self.workers.append(worker)
        return worker

    def values(self) -> set[str]:
        """What somebody has read."""
        return set[str]().union(*[worker.values for worker in self.workers])

    def findings(self) -> list[Finding]:
        """What is wrong with all that was said."""
        return judge({name: list(worker.events) for name, worker in self._names().items()})

    def write_story(self, path: Path) -> None:
        """Everything that happened, in order, a line an event, for whoever looks for the reason."""
        told = [(*each, name) for name, worker in self._names().items() for each in worker.events]
        path.write_text(
            "".join(f"{json.dumps(each)}\n" for each in sorted(told, key=itemgetter(0)))
        )

    def count(self, what: str) -> int:
        """How often somebody said this, or had it done to it."""
        return sum(worker.count(what) for worker in self.workers)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until it holds."""
        deadline = time.monotonic() + self.deadline_s
        while not condition():
            assert time.monotonic() < deadline, f"{what}: {self.report()}"
            time.sleep(0.05)

    def report(self) -> str:
        """What each of them has done, for a message."""
        return ", ".join(
            f"{name} {worker.process.poll()} owns {sorted(worker.owned)}, has read "
            f"{len(worker.values)}, said {worker.events[-1:]}"
            for name, worker in self._names().items()
        )

    def _names(self) -> dict[str, Worker]:
        return {f"{number} {worker.kind}": worker for number, worker in enumerate(self.workers)}


def share_all(members: list[Worker]) -> bool:
    """Whether these own all partitions, each of them something and nobody anything twice."""
    shares = [member.owned for member in members]
    return all(shares) and sorted(each for share in shares for each in share) == [
        *range(PARTITIONS)
    ]


@contextmanager
def team(
    bootstrap: str,
    topic: str,
    deadline_s: float,
    strategy: str = EAGER,
    session_ms: int = SESSION_MS,
) -> Iterator[Team]:
    """A team whose processes end with the test."""
    made = Team(bootstrap, topic, deadline_s, strategy, session_ms)
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
