"""The demo's writer: every record of the ledger is sent, whatever happens to the nodes meanwhile.

    send ── in flight ── acknowledged ── booked in the ledger
                            └── reached(percent): when a scene of the demo is due

`hold_at` makes it wait for a scene that is to happen in the middle of the writing. Memory is
bounded: MAX_IN_FLIGHT futures.
"""

import asyncio
from typing import Final

from ..client.producer import Producer
from .failure import Failure
from .in_flight import InFlight
from .ledger import Ledger
from .narration import Narrator

TOPIC: Final = "demo"
MAX_IN_FLIGHT: Final = 50_000
IN_FLIGHT_SHARE: Final = 10
"""At most a tenth of the records is in flight, so that a small run is also killed in its middle."""
SETTLE_RECORDS: Final = 500


class Writing:
    """One producer, from the first record to the last acknowledgement."""

    def __init__(self, ledger: Ledger, narrator: Narrator) -> None:
        self._ledger = ledger
        self._narrator = narrator
        self._in_flight = InFlight()
        self._news = asyncio.Event()
        self._hold_at_percent = 100

    @property
    def acknowledged_count(self) -> int:
        """How many records were acknowledged, as far as that is booked."""
        return self._ledger.acknowledged_count

    @property
    def in_flight_count(self) -> int:
        """How many records have no answer at this moment."""
        return self._in_flight.unanswered_count

    async def run(self, bootstrap: str) -> None:
        """Send every record, and await every acknowledgement; Failure if the producer gives up."""
        ledger = self._ledger
        window = min(MAX_IN_FLIGHT, ledger.record_count // IN_FLIGHT_SHARE)
        async with Producer(bootstrap_servers=bootstrap) as producer:
            for id in range(ledger.record_count):
                self._in_flight.add(await producer.send(TOPIC, ledger.record(id)))
                if id % SETTLE_RECORDS == 0:
                    await self._settle(window)
                    await self._hold(id)
            await self._settle(0)

    async def reached(self, percent: int) -> None:
        """Return when so much is acknowledged."""
        while self.acknowledged_count * 100 < self._ledger.record_count * percent:
            await self._news.wait()

    def hold_at(self, percent: int) -> None:
        """Send so much and no more, until this is called with more."""
        self._hold_at_percent = percent
        self._tell()

    def book(self) -> None:
        """Enter what was acknowledged since the last time; ids are acknowledged in their order."""
        self._in_flight.count_answered()
        if self._in_flight.first_error is not None:
            raise Failure(f"the producer gave up: {self._in_flight.first_error}")
        for id in range(self._ledger.acknowledged_count, self._in_flight.acknowledged_count):
            self._ledger.acknowledge(id)

    async def _settle(self, in_flight_limit: int) -> None:
        """Book what is acknowledged, and wait until at most so many records are in flight."""
        await self._in_flight.settle(in_flight_limit)
        self.book()
        ledger = self._ledger
        self._narrator.progress("records written", ledger.acknowledged_count, ledger.record_count)
        self._tell()

    async def _hold(self, id: int) -> None:
        if self._is_held(id):
            await self._settle(0)
        while self._is_held(id):
            await self._news.wait()

    def _is_held(self, id: int) -> bool:
        return id * 100 >= self._ledger.record_count * self._hold_at_percent

    def _tell(self) -> None:
        """Wake those who wait for news."""
        self._news.set()
        self._news.clear()
