"""Requests that wait: for the high watermark, for bytes, for the deadline. PURE.

A wait is watched under keys (partitions, fetch sessions). Whoever changes one calls `notify`, and
each wait under it is asked whether it is ready. Nothing here is a task or a timer: `deadline_ms`
says when `expire` next has something to do.
"""

import heapq
from collections.abc import Hashable, Iterable
from typing import NamedTuple, Protocol

MIN_HEAP_REBUILT = 1000
"""Deadlines of finished waits are left in the heap until they are the most, and as many as this."""


class Wait(Protocol):
    """A parked request. `finish` is called exactly once, unless it is cancelled."""

    def is_ready(self) -> bool:
        """Whether what it waits for has happened."""
        ...

    def finish(self) -> None:
        """Answer, with whatever there is by now."""
        ...


class Watcher(Protocol):
    """Who wants to know when there is more to read, or less."""

    def moved(self) -> Hashable:
        """Take note, and return the key under which a request may wait for it."""
        ...


class _Parked(NamedTuple):
    wait: Wait
    keys: tuple[Hashable, ...]
    deadline_ms: int


class Purgatory:
    """All waits of one node, by key and by deadline."""

    def __init__(self) -> None:
        self._parked: dict[int, _Parked] = {}
        self._watched: dict[Hashable, dict[int, Wait]] = {}
        self._deadlines: list[tuple[int, int]] = []
        self._last_number = 0

    def __len__(self) -> int:
        return len(self._parked)

    def park(self, wait: Wait, keys: Iterable[Hashable], deadline_ms: int) -> int:
        """Keep `wait` until it is ready or `deadline_ms` (monotonic) has come; for `cancel`."""
        self._last_number += 1
        number = self._last_number
        # A request may name one partition twice.
        parked = _Parked(wait, tuple(dict.fromkeys(keys)), deadline_ms)
        self._parked[number] = parked
        for key in parked.keys:
            self._watched.setdefault(key, {})[number] = wait
        heapq.heappush(self._deadlines, (deadline_ms, number))
        return number

    def cancel(self, number: int) -> bool:
        """Nobody wants that wait's answer any more; False if it is finished already."""
        if number not in self._parked:
            return False
        self._forget(number)
        return True

    def notify(self, key: Hashable) -> None:
        """Something changed under `key`: finish the waits that are ready now."""
        watched = self._watched.get(key)
        if not watched:
            return
        for number, wait in list(watched.items()):
            if number in self._parked and wait.is_ready():
                self._forget(number)
                wait.finish()

    def finish(self, key: Hashable) -> None:
        """Finish the waits under `key`, ready or not."""
        for number in list(self._watched.get(key, ())):
            if number in self._parked:
                self._forget(number).finish()

    def deadline_ms(self) -> int | None:
        """When the next wait expires."""
        while self._deadlines and self._deadlines[0][1] not in self._parked:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def expire(self, now_ms: int) -> None:
        """Finish every wait whose deadline has come."""
        while self._deadlines and self._deadlines[0][0] <= now_ms:
            _, number = heapq.heappop(self._deadlines)
            if number in self._parked:
                self._forget(number).finish()

    def finish_all(self) -> None:
        """Finish every wait, ready or not: the node is stopping."""
        self.expire(2**63)

    def _forget(self, number: int) -> Wait:
        parked = self._parked.pop(number)
        for key in parked.keys:
            watched = self._watched[key]
            del watched[number]
            if not watched:
                del self._watched[key]
        if len(self._deadlines) > MIN_HEAP_REBUILT + 2 * len(self._parked):
            self._deadlines = [(each.deadline_ms, n) for n, each in self._parked.items()]
            heapq.heapify(self._deadlines)
        return parked.wait
