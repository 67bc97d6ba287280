"""How fast replicas that are being added may be fetched: a bucket of bytes (KIP-73). PURE.

    rate       bytes a second; read anew each time, since it may be changed; 0 is no bound
    credit     what may be fetched now: it grows with time, up to BURST_S seconds of the rate
    debt       a batch is never cut, so an answer may be larger than what there was; then nothing
               is fetched until time has paid for it

All leaders of a node share one bucket. What is in sync is never throttled: producers wait for it.
"""

from collections.abc import Callable

BURST_S = 1.0
"""How long nothing can be fetched and yet be made up for."""


class Throttle:
    """The bucket of one node; `now_s` is monotonic."""

    def __init__(self, rate: Callable[[], int]) -> None:
        self._rate = rate
        self._credit_bytes = 0.0
        self._credited_s = 0.0

    @property
    def is_on(self) -> bool:
        """Whether there is a bound."""
        return self._rate() > 0

    def share_bytes(self, count: int, now_s: float) -> int:
        """What each of `count` replicas may fetch now; 0: they have to wait."""
        rate = self._rate()
        grown_bytes = self._credit_bytes + rate * (now_s - self._credited_s)
        self._credit_bytes = min(grown_bytes, rate * BURST_S)
        self._credited_s = now_s
        return max(int(self._credit_bytes) // count, 1) if self._credit_bytes > 0 else 0

    def spend(self, size_bytes: int) -> None:
        """So much has come."""
        self._credit_bytes -= size_bytes
