"""Members of a group that are killed, put to sleep, sent away and replaced while records flow."""

import signal
import threading
from dataclasses import dataclass
from random import Random

from confluent_kafka import Producer

from .group_worker import KINDS
from .team import PARTITIONS, Team, Worker, share_all

TICK_S = 0.05
FLOW_S = 10.0
"""In so much time most of the records flow."""
CHANGES = frozenset({"assigned", "revoked", "lost"})
KNOWS_FENCING = frozenset(KINDS) - {"aiokafka"}
"""aiokafka takes FENCED_INSTANCE_ID for any lost place: it joins again under the name that it lost,
and the two processes fence each other until one of them leaves."""


class Flow:
    """Records that are their own number, dealt to the partitions in turn, for as long as it takes.

    Each tick a share of those that are left is written: so there are always some on their way,
    however long the churn takes, until `finish` writes the rest.
    """

    def __init__(self, bootstrap: str, topic: str, count: int) -> None:
        self._topic = topic
        self._count = count
        self._next = 0
        settings = {"bootstrap.servers": bootstrap, "linger.ms": 5, "log_level": 0}
        self._producer = Producer(settings)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Flow":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop where it is."""
        self._stop.set()
        self._thread.join()

    def finish(self) -> None:
        """Write what is left, and see that all of it has been taken."""
        self._stop.set()
        self._thread.join()
        while self._next < self._count:
            self._write(1000)
        assert self._producer.flush(30) == 0

    def _run(self) -> None:
        while not self._stop.wait(TICK_S):
            self._write(int((self._count - self._next) * TICK_S / FLOW_S) + 1)

    def _write(self, count: int) -> None:
        last = min(self._next + count, self._count)
        for value in range(self._next, last):
            self._producer.produce(self._topic, str(value).encode(), partition=value % PARTITIONS)
            self._producer.poll(0)
        self._next = last


@dataclass(slots=True)
class Churn:
    """What is done to the members; `members` are those that are expected to work."""

    team: Team
    members: list[Worker]
    random: Random

    def settle(self) -> None:
        """Wait until the members have all partitions, and each of them something."""
        self.team.wait(self._share_all, "the members share all partitions")

    def fell_some_and_wake_them(self) -> None:
        """One dies and one falls asleep, for longer than its session; others take their place."""
        self.settle()
        sleeper, dead = self._take(), self._take()
        sleeper.signal(signal.SIGSTOP)
        dead.signal(signal.SIGKILL)
        self._replace(dead)
        self.settle()
        sleeper.signal(signal.SIGCONT)
        self.members.append(sleeper)

    def let_one_leave(self) -> None:
        """One leaves in good order, and another one joins at the same time."""
        self.settle()
        leaver = self._take()
        leaver.signal(signal.SIGTERM)
        self._replace(leaver)

    def replace_one_in_its_session(self) -> None:
        """A static member dies and is back at once: it has what it had, and nobody else notices."""
        self.settle()
        dead = self._take()
        before = [self._changes(each) for each in self.members]
        dead.signal(signal.SIGKILL)
        new = self._replace(dead)
        self.team.wait(lambda: new.owned == dead.owned, f"{new.kind} has what it had")
        assert share_all(self.members)
        assert [self._changes(each) for each in self.members[:-1]] == before

    def fence_one(self) -> None:
        """A static member sleeps; another process takes its name, and it wakes up."""
        self.settle()
        sleeper = self._take(KNOWS_FENCING)
        sleeper.signal(signal.SIGSTOP)
        self._replace(sleeper)
        self.settle()
        sleeper.signal(signal.SIGCONT)
        sleeper.signal(signal.SIGTERM)

    def _share_all(self) -> bool:
        assert not any(each.count("failed") for each in self.members), self.team.report()
        return share_all(self.members)

    def _take(self, kinds: frozenset[str] = frozenset(KINDS)) -> Worker:
        """One of these kinds, which is a member no more."""
        taken = self.random.choice([each for each in self.members if each.kind in kinds])
        self.members.remove(taken)
        return taken

    def _replace(self, gone: Worker) -> Worker:
        """One of its kind, and under its name if it had one."""
        new = self.team.add(gone.kind, *gone.instance)
        self.members.append(new)
        return new

    @staticmethod
    def _changes(worker: Worker) -> int:
        return sum(event.what in CHANGES for event in list(worker.events))
