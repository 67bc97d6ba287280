"""What a worker counts: records, and how long they waited and took. PURE.

A duration falls into one of 400 buckets, each 5 % wider than the one before, from a microsecond to
five minutes. So a percentile is right within 5 % however many durations there are, in the memory of
400 numbers; average and maximum are exact.
"""

from dataclasses import dataclass, field
from math import log
from typing import Final

BUCKETS: Final = 400
SMALLEST_S: Final = 1e-6
GROWTH: Final = 1.05
_SCALE: Final = 1 / log(GROWTH)


class Durations:
    """Many durations, summed up."""

    __slots__ = ("_buckets", "_sum_s", "count", "max_s")

    def __init__(self) -> None:
        """None yet."""
        self._buckets = [0] * BUCKETS
        self._sum_s = 0.0
        self.count = 0
        self.max_s = 0.0

    def add(self, duration_s: float) -> None:
        """One more."""
        self.count += 1
        self._sum_s += duration_s
        if duration_s > self.max_s:
            self.max_s = duration_s
        steps = int(log(duration_s / SMALLEST_S) * _SCALE) if duration_s > SMALLEST_S else 0
        self._buckets[min(steps, BUCKETS - 1)] += 1

    @property
    def average_ms(self) -> float:
        """The arithmetic mean; 0 of none."""
        return self._sum_s * 1000 / self.count if self.count else 0.0

    def percentile_ms(self, percent: float) -> float:
        """What `percent` of the durations do not exceed, within 5 %; 0 of none."""
        if not 0 < percent <= 100:
            raise ValueError(f"percent={percent} is not above 0 and up to 100")
        wanted = self.count * percent / 100
        seen = 0
        for index, count in enumerate(self._buckets):
            seen += count
            if count and seen >= wanted:
                upper_s = SMALLEST_S * GROWTH ** (index + 1)
                # The last bucket has no upper end, and no bucket knows more than the maximum.
                is_last = index == BUCKETS - 1
                return (self.max_s if is_last else min(upper_s, self.max_s)) * 1000
        return 0.0


@dataclass(slots=True)
class WorkStatistics:
    """The counters of one worker, since it was made."""

    in_flight: int = 0
    """Records read and neither done nor given up: those that wait and those in work."""
    done: int = 0
    """Records whose handler came to its end."""
    failed: int = 0
    """Records given up after their last attempt: dead letters, or the one that stopped it."""
    retried: int = 0
    """Failed attempts that were followed, or will be, by another one."""
    overdue: int = 0
    """Attempts that took longer than they should have; each was logged once."""
    wait: Durations = field(default_factory=Durations)
    """From when a record was read until its handler first began."""
    work: Durations = field(default_factory=Durations)
    """Of each attempt."""
