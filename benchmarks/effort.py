"""How long, how often and how many: the sizes of the raw measurements."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """The defaults give figures to quote, `QUICK` shows in a minute that all works."""

    seconds: float = 1.5
    max_bytes: int = 1 << 30
    """At most so much is written per measurement: far below the kernel's dirty limits."""
    fetched_slices: int = 256
    latency_requests: int = 5_000
    connections: int = 1_000
    partitions: int = 1_000
    starts: int = 10
    long_log_bytes: int = 10 << 30
    rounds: int = 3


QUICK = Effort(
    seconds=0.4,
    max_bytes=1 << 28,
    latency_requests=1_000,
    starts=3,
    long_log_bytes=1 << 30,
    rounds=1,
)
