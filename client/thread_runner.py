"""Runs a handler in threads: Threads, Pool, ThreadPerRecord, and Processes with one for each.

    event loop ──work──> queue ──> a thread: call(record) ──finished──> event loop

All decisions are made in the event loop: how many threads there are, who is busy. A thread only
takes, calls and tells. Threads are daemons: one that hangs does not keep the program from ending.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from .record import ConsumerRecord
from .task_runner import Finished
from .wakeup import Signal
from .work_ledger import Work

IDLE_S: Final = 10.0
"""A pool looks so often whether it had more threads than it needed."""
CLOSE_TIMEOUT_MS: Final = 10_000


class Call(Protocol):
    """What a thread calls, made in it and for it alone."""

    def __call__(self, record: ConsumerRecord) -> None:
        """Work on a record; raises its failure."""

    def close(self) -> None:
        """Let go of what it has."""


class ThreadRunner:
    """A pool of threads within bounds."""

    def __init__(
        self,
        make_call: Callable[[], Call],
        minimum: int,
        maximum: int,
        finished: Finished,
        *,
        is_thread_per_record: bool = False,
    ) -> None:
        """Within a running loop; the minimum is started."""
        self._make_call = make_call
        self._minimum = minimum
        self._maximum = maximum
        self._finished = finished
        self._is_thread_per_record = is_thread_per_record
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._ended = Signal(self._loop)
        self._alive = 0
        self._wanted = 0
        """Threads that serve, without those that were told to end."""
        self._busy = 0
        """Records that were given to them and have not come back."""
        self._peak = 0
        for _ in range(minimum):
            self._add_thread()
        self._timer: asyncio.TimerHandle | None = None
        if minimum < maximum and not is_thread_per_record:
            self._timer = self._loop.call_later(IDLE_S, self._shrink)

    def run(self, work: Work) -> None:
        """Begin as soon as a thread is free; there are `maximum` of them at the most."""
        self._busy += 1
        self._peak = max(self._peak, self._busy)
        if self._wanted < min(self._busy, self._maximum):
            self._add_thread()
        self._queue.put(work)

    def take_back(self) -> list[Work]:
        """What has not begun."""
        works: list[Work] = []
        with contextlib.suppress(Empty):
            while (work := self._queue.get_nowait()) is not None:
                works.append(work)
        self._busy -= len(works)
        return works

    async def close(self) -> None:
        """End the idle threads; one in the middle of a record ends after it, and unheard."""
        if self._timer is not None:
            self._timer.cancel()
        self.take_back()
        for _ in range(self._wanted):
            self._queue.put(None)
        self._wanted = 0
        deadline_ms = int(self._loop.time() * 1000) + CLOSE_TIMEOUT_MS
        while self._alive > self._busy and await self._ended.wait(deadline_ms):
            pass

    def _add_thread(self) -> None:
        self._wanted += 1
        self._alive += 1
        threading.Thread(target=self._serve, name="minikafka-worker", daemon=True).start()

    def _serve(self) -> None:
        """In a thread."""
        call = self._make_call()
        try:
            while (work := self._queue.get()) is not None:
                error = None
                work.began_s = time.perf_counter()
                try:
                    call(work.record)
                except BaseException as failure:  # noqa: BLE001 - SystemExit too
                    error = failure
                ended_s = time.perf_counter()
                self._tell(self._came_back, work, ended_s, error)
                if self._is_thread_per_record:
                    break
        finally:
            call.close()
            self._tell(self._has_ended)

    def _tell(self, function: Callable[..., None], *arguments: object) -> None:
        """Call in the event loop, unless that is gone and nobody is left to hear it."""
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            if not self._loop.is_closed():
                raise

    def _came_back(self, work: Work, ended_s: float, error: BaseException | None) -> None:
        self._busy -= 1
        if self._is_thread_per_record:
            self._wanted -= 1
        self._finished(work, ended_s, error)

    def _has_ended(self) -> None:
        self._alive -= 1
        self._ended.fire()

    def _shrink(self) -> None:
        """End the threads that nobody needed since the last look."""
        for _ in range(self._wanted - max(self._peak, self._minimum)):
            self._queue.put(None)
            self._wanted -= 1
        self._peak = self._busy
        self._timer = self._loop.call_later(IDLE_S, self._shrink)
