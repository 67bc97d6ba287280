"""Records that were sent and are not yet known to be written, oldest first.

    add -> [future, future, future] -> count_answered -> acknowledged_count, failed_count

Futures are counted in the order of `add`, so that the n-th one counted is the n-th record sent.
Whoever calls `settle` with a limit bounds the memory.
"""

import asyncio
from asyncio import Future
from collections import deque

from ..client.record import RecordMetadata


class InFlight:
    """The futures of a producer, and what became of them."""

    def __init__(self) -> None:
        self.acknowledged_count = 0
        self.failed_count = 0
        self.first_error: BaseException | None = None
        self._futures: deque[Future[RecordMetadata]] = deque()

    @property
    def unanswered_count(self) -> int:
        """How many records have no answer at this moment."""
        return sum(1 for future in self._futures if not future.done())

    def add(self, future: Future[RecordMetadata]) -> None:
        """A record was sent."""
        self._futures.append(future)

    def fail(self, error: BaseException) -> None:
        """A record was not written."""
        self.failed_count += 1
        self.first_error = self.first_error or error

    def count_answered(self) -> None:
        """Count the oldest records, up to the first without an answer."""
        futures = self._futures
        while futures and futures[0].done():
            error = futures.popleft().exception()
            if error is None:
                self.acknowledged_count += 1
            else:
                self.fail(error)

    async def settle(self, limit: int) -> None:
        """Count what is answered, and wait until at most `limit` records are not."""
        self.count_answered()
        while len(self._futures) > limit:
            # Not `await future`: Ctrl-C would cancel the record, not only the wait.
            await asyncio.wait((self._futures[0],))
            self.count_answered()
