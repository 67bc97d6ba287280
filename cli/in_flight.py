"""Records that were sent and are not yet known to be written, oldest first.

    add -> [delivery, delivery, delivery] -> count_answered -> acknowledged_count, failed_count

Deliveries are counted in the order of `add`, so that the n-th one counted is the n-th record sent.
Whoever calls `settle` with a limit bounds the memory.
"""

import asyncio
import contextlib
from collections import deque

from ..client.delivery import Delivery
from ..client.errors import KafkaError


class InFlight:
    """The deliveries of a producer, and what became of them."""

    def __init__(self) -> None:
        self.acknowledged_count = 0
        self.failed_count = 0
        self.first_error: BaseException | None = None
        self._deliveries: deque[Delivery] = deque()

    @property
    def unanswered_count(self) -> int:
        """How many records have no answer at this moment."""
        return sum(1 for each in self._deliveries if not each.done())

    def add(self, delivery: Delivery) -> None:
        """A record was sent."""
        self._deliveries.append(delivery)

    def fail(self, error: BaseException) -> None:
        """A record was not written."""
        self.failed_count += 1
        self.first_error = self.first_error or error

    def count_answered(self) -> None:
        """Count the oldest records, up to the first without an answer."""
        deliveries = self._deliveries
        while deliveries and deliveries[0].done():
            error = deliveries.popleft().exception()
            if error is None:
                self.acknowledged_count += 1
            else:
                self.fail(error)

    async def settle(self, limit: int) -> None:
        """Count what is answered, and wait until at most `limit` records are not."""
        self.count_answered()
        while len(self._deliveries) > limit:
            # Not `await delivery`: Ctrl-C would cancel the record, not only the wait.
            with contextlib.suppress(KafkaError):
                await asyncio.shield(self._deliveries[0])
            self.count_answered()
