"""Requests that wait: for the high watermark, for bytes, for the deadline. PURE.

A wait is watched under keys (partitions). Whoever changes a partition calls `notify`, and each
wait under it is asked whether it is ready. Nothing here is a task or a timer: `deadline_ms` says
when `expire` next has something to do.
"""

import heapq
from collections.abc import Hashable, Iterable
from typing import Protocol


class Wait(Protocol):
    """A parked request. `finish` is called exactly once."""

    def is_ready(self) -> bool:
        """Whether what it waits for has happened."""
        ...

    def finish(self) -> None:
        """Answer, with whatever there is by now."""
        ...


class Purgatory:
    """All waits of one node, by key and by deadline."""

    def __init__(self) -> None:
        self._watched: dict[Hashable, dict[int, Wait]] = {}
        self._keys: dict[int, tuple[Hashable, ...]] = {}
        self._deadlines: list[tuple[int, int, Wait]] = []
        self._last_number = 0

    def __len__(self) -> int:
        return len(self._keys)

    def park(self, wait: Wait, keys: Iterable[Hashable], deadline_ms: int) -> None:
        """Keep `wait` until it is ready or `deadline_ms` (monotonic) has come."""
        self._last_number += 1
        number = self._last_number
        self._keys[number] = tuple(keys)
        for key in self._keys[number]:
            self._watched.setdefault(key, {})[number] = wait
        heapq.heappush(self._deadlines, (deadline_ms, number, wait))

    def notify(self, key: Hashable) -> None:
        """Something changed under `key`: finish the waits that are ready now."""
        watched = self._watched.get(key)
        if not watched:
            return
        for number, wait in list(watched.items()):
            if number in self._keys and wait.is_ready():
                self._forget(number)
                wait.finish()

    def deadline_ms(self) -> int | None:
        """When the next wait expires."""
        while self._deadlines and self._deadlines[0][1] not in self._keys:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def expire(self, now_ms: int) -> None:
        """Finish every wait whose deadline has come."""
        while self._deadlines and self._deadlines[0][0] <= now_ms:
            _, number, wait = heapq.heappop(self._deadlines)
            if number in self._keys:
                self._forget(number)
                wait.finish()

    def finish_all(self) -> None:
        """Finish every wait, ready or not: the node is stopping."""
        self.expire(2**63)

    def _forget(self, number: int) -> None:
        for key in self._keys.pop(number):
            watched = self._watched[key]
            watched.pop(number, None)
            if not watched:
                del self._watched[key]
