"""Runs a handler in the event loop: Inline with one task, Tasks with many.

Each task takes a record, calls the handler, waits for it if it is async, and takes the next one. A
plain handler that returns soon is run again and again without a turn of the loop; after TURN_S the
loop gets one, so that heartbeats and fetches go on.
"""

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from .handler import Handler, HandlerTimeout
from .work_ledger import Work

TURN_S: Final = 0.01

Finished = Callable[[Work, float, BaseException | None], None]
"""Called in the event loop: the work, when it ended by time.perf_counter, what it raised."""


class TaskRunner:
    """So many tasks that run the handler."""

    def __init__(
        self, handler: Handler, count: int, timeout_s: float | None, finished: Finished
    ) -> None:
        """Within a running loop; `timeout_s` can end only a handler that awaits something."""
        self._handler = handler
        self._timeout_s = timeout_s
        self._finished = finished
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Work] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._tasks = [self._loop.create_task(self._serve()) for _ in range(count)]

    def run(self, work: Work) -> None:
        """Begin soon; never more at once than there are tasks."""
        self._queue.append(work)
        while self._idle:
            idle = self._idle.pop()
            if not idle.done():
                idle.set_result(None)
                break

    def take_back(self) -> list[Work]:
        """What has not begun."""
        works = list(self._queue)
        self._queue.clear()
        return works

    async def close(self) -> None:
        """End the tasks, in the middle of a record if need be."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self) -> None:
        turn_ends_s = 0.0
        while True:
            while not self._queue:
                idle = self._loop.create_future()
                self._idle.append(idle)
                await idle
                turn_ends_s = time.perf_counter() + TURN_S
            work = self._queue.popleft()
            work.began_s = time.perf_counter()
            error = None
            try:
                result = self._handler(work.record)
                if inspect.isawaitable(result):
                    await self._await(result)
            except asyncio.CancelledError as cancelled:
                if _is_being_cancelled():
                    raise
                error = cancelled  # the handler's own doing
            except Exception as failure:  # noqa: BLE001 - whatever it is, the record failed with it
                error = failure
            ended_s = time.perf_counter()
            self._finished(work, ended_s, error)
            if ended_s > turn_ends_s:
                await asyncio.sleep(0)
                turn_ends_s = time.perf_counter() + TURN_S

    async def _await(self, result: Awaitable[object]) -> None:
        if self._timeout_s is None:
            await result
            return
        limit = asyncio.timeout(self._timeout_s)
        try:
            async with limit:
                await result
        except TimeoutError:
            if not limit.expired():
                raise  # the handler's own
            raise HandlerTimeout(f"ended after {self._timeout_s} s") from None


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
