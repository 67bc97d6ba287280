"""A queue that does everything right, with clients that overlap, fail, doubt and abort.

Its histories must have no violation. Every step is drawn from one Random:

    a send begins; its records are appended, at once or never or after its end; it ends
    a transaction appends, and its records are seen when it has committed; aborted ones never are
    readers poll up to the first record of an open transaction, alone or by subscription
    a group's offset is committed, and asked for

In the end all is settled, and one reader reads everything.
"""

from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from minikafka.history.event import Event
from minikafka.history.recorder import Begun, HistoryLog, Recorder

KEYS = ("t-0", "t-1")
MAX_OPEN = 6


@dataclass
class Sending:
    """A send or transaction on its way."""

    begun: Begun
    f: str
    sends: list[list[Any]]
    is_open: bool = True
    """Whether the fate of its records is not known."""
    is_aborted: bool = False
    offsets: list[int] = field(default_factory=list[int])

    def told(self, *, with_offsets: bool) -> list[Any]:
        """The sends as their end has them."""
        if not with_offsets or not self.offsets:
            return self.sends
        pairs = zip(self.sends, self.offsets, strict=True)
        return [["send", key, [offset, value]] for (_, key, value), offset in pairs]


class Reader:
    """A process that reads both partitions."""

    def __init__(self, recorder: Recorder, f: str) -> None:
        self.recorder = recorder
        self.positions = dict.fromkeys(KEYS, 0)
        self.is_subscribed = f == "subscribe"
        recorder.invoke(f, [*KEYS]).ok()


class Model:
    """The queue, its clients, and what they wrote down."""

    def __init__(self, random: Random, steps: int) -> None:
        self.events: list[Event] = []
        self._random = random
        ticks = count()
        self._log = HistoryLog(lambda: next(ticks) / 1000, self.events.append)
        self._records: dict[str, list[tuple[int, Any, Sending]]] = {key: [] for key in KEYS}
        self._ends = dict.fromkeys(KEYS, 0)
        self._values = count()
        self._idle = [self._log.recorder() for _ in range(3)]
        self._open: list[tuple[Sending, Recorder]] = []
        self._late: list[Sending] = []
        self._readers = [self._reader("assign"), self._reader("assign"), self._reader("subscribe")]
        self._member = self._log.recorder()
        self._committed = 0
        acts = [self._begin, self._append, self._end, self._poll, self._commit]
        for _ in range(steps):
            random.choice(acts)()
        self._drain()

    def _reader(self, f: str) -> Reader:
        return Reader(self._log.recorder(), f)

    def _begin(self) -> None:
        """A send or a transaction begins."""
        if not self._idle or len(self._late) > MAX_OPEN:
            return
        recorder = self._idle.pop()
        f = self._random.choice(["send", "send", "txn"])
        sends = [
            ["send", self._random.choice(KEYS), next(self._values)]
            for _ in range(self._random.randint(1, 3))
        ]
        micro = [*sends, ["poll"]] if f == "txn" else sends
        self._open.append((Sending(recorder.invoke(f, micro), f, sends), recorder))

    def _append(self) -> None:
        """The records of one of those under way get their places."""
        waiting = [each for each, _ in self._open] + self._late
        waiting = [each for each in waiting if not each.offsets]
        if not waiting:
            return
        sending = self._random.choice(waiting)
        for _, key, value in sending.sends:
            offset = self._ends[key] + self._random.choice([0, 0, 0, 2])
            self._ends[key] = offset + 1
            self._records[key].append((offset, value, sending))
            sending.offsets.append(offset)
        if sending.f == "send" or sending in self._late:
            sending.is_open = False

    def _end(self) -> None:
        """One of those under way ends; who is in doubt may be appended or committed later."""
        if not self._open:
            return
        sending, recorder = self._open.pop(self._random.randrange(len(self._open)))
        outcome = self._random.choice(["ok", "ok", "other"])
        polls = [["poll"]] if sending.f == "txn" else []
        if sending.offsets and outcome == "ok":
            sending.is_open = False
            sending.begun.ok(sending.told(with_offsets=True) + polls)
        elif not sending.offsets and self._random.random() < 0.5:
            sending.begun.fail("NOT_ENOUGH_REPLICAS")
        elif sending.f == "txn" and self._random.random() < 0.5:
            sending.is_aborted, sending.is_open = True, False
            sending.begun.fail("aborted", sending.told(with_offsets=True) + polls)
        else:
            sending.begun.info("NETWORK_EXCEPTION")
            self._late.append(sending)
        self._idle.append(recorder)

    def _visible(self, key: str) -> list[tuple[int, Any]]:
        """What may be read now."""
        visible: list[tuple[int, Any]] = []
        for offset, value, sending in self._records[key]:
            if sending.is_open:
                break
            if not sending.is_aborted:
                visible.append((offset, value))
        return visible

    def _poll(self, reader: Reader | None = None, room: int = 3) -> bool:
        """A reader takes what is next; an aborted transaction will take it again."""
        drains = reader is not None
        reader = reader or self._random.choice(self._readers)
        if reader.is_subscribed and self._random.random() < 0.2:
            reader.positions = {key: self._random.randrange(self._ends[key] + 1) for key in KEYS}
        got: dict[str, list[list[Any]]] = {}
        for key in KEYS:
            ahead = [each for each in self._visible(key) if each[0] >= reader.positions[key]]
            got[key] = [[*each] for each in ahead[:room]]
        found = [["poll", {key: records for key, records in got.items() if records}]]
        if not drains and self._random.random() < 0.2:
            reader.recorder.invoke("txn", [["poll"]]).fail("aborted", found)
            return True
        reader.recorder.invoke("poll", [["poll"]]).ok(found)
        for key, records in got.items():
            if records:
                reader.positions[key] = records[-1][0] + 1
        return any(got.values())

    def _commit(self) -> None:
        """The group commits, or is asked."""
        value = {"group": "g", "generation": 1, "offsets": {KEYS[0]: self._committed}}
        if self._random.random() < 0.5:
            asked = self._member.invoke("committed", {"group": "g"})
            value["offsets"] = {KEYS[0]: self._committed or None}
            asked.ok(value)
            return
        self._committed += self._random.randint(1, 3)
        value["offsets"] = {KEYS[0]: self._committed}
        begun = self._member.invoke("commit", value)
        if self._random.random() < 0.2:
            begun.info("NETWORK_EXCEPTION")
        else:
            begun.ok()

    def _drain(self) -> None:
        """Everything ends, and is read."""
        while self._open:
            self._end()
        for sending in self._late:
            sending.is_open = False
        reader = self._reader("assign")
        while self._poll(reader):
            pass
