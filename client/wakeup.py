"""A wake-up call: what a background task sleeps on.

    while True:
        await wakeup.wait(until_ms)     until somebody calls `set`, or until that time of the loop
        ...look at everything...

Several calls before the task runs are one. There is one sleeper, and no time but the loop's.
"""

import asyncio


class Wakeup:
    """One task sleeps, anybody wakes it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._is_set = False
        self._sleeper: asyncio.Future[None] | None = None

    def now_ms(self) -> int:
        """The loop's time in ms."""
        return int(self._loop.time() * 1000)

    def set(self) -> None:
        """Wake the sleeper, or keep it from falling asleep the next time."""
        self._is_set = True
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    async def wait(self, until_ms: int | None) -> None:
        """Sleep until `set` is called or the time has come; None is no time."""
        if not self._is_set and (until_ms is None or until_ms > self.now_ms()):
            self._sleeper = self._loop.create_future()
            # One ms late rather than early: the sleeper looks at a clock that was rounded down.
            timer = until_ms and self._loop.call_at((until_ms + 1) / 1000, self.set)
            try:
                await self._sleeper
            finally:
                self._sleeper = None
                if timer:
                    timer.cancel()
        self._is_set = False
