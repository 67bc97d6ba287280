"""Waiting for news, with no time but the loop's.

Wakeup   one background task sleeps on it; a call before it falls asleep is not lost

    while True:
        ...look at everything...
        await wakeup.wait(until_ms)

Signal   many wait for the next change of something, each with a deadline

    while not what_i_want():
        if not await signal.wait(deadline_ms):
            raise KafkaTimeout(...)
"""

import asyncio


class Wakeup:
    """One task sleeps, anybody wakes it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nobody sleeps, and nobody has called."""
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


class Signal:
    """Many wait for the next change, each until its own deadline."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nobody waits."""
        self._loop = loop
        self._waiting: list[asyncio.Future[bool]] = []

    def fire(self) -> None:
        """Something has changed: let all who wait look."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            _resolve(future, True)

    async def wait(self, deadline_ms: int) -> bool:
        """Wait for the next change; False when the deadline passed before."""
        if deadline_ms <= self._loop.time() * 1000:
            # Who asks again and again without a wait must not keep the others from working.
            await asyncio.sleep(0)
            return False
        future: asyncio.Future[bool] = self._loop.create_future()
        self._waiting.append(future)
        timer = self._loop.call_at((deadline_ms + 1) / 1000, _resolve, future, False)
        try:
            return await future
        finally:
            timer.cancel()
            if future in self._waiting:
                self._waiting.remove(future)


def _resolve(future: asyncio.Future[bool], result: bool) -> None:
    if not future.done():
        future.set_result(result)
