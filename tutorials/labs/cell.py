"""One cell of the second lab's table: a work, a way to work, a load; and what it took. PURE.

    due ─── waits in the queue and in the worker ───> began ─── work ───> ended
     └────────────────────────── latency ─────────────────────────────────┘

A record's latency counts from when it was due to be sent, so that a feeder who is late, as on a
busy machine, does not hide it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .accounts import percentile
from .journal import Entry

LATE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Load:
    """So many records a second, for so long."""

    name: str
    rate: float
    seconds: float

    @property
    def count(self) -> int:
        """How many records there are."""
        return max(1, round(self.rate * self.seconds))


@dataclass(frozen=True, slots=True)
class Cell:
    """What was measured; durations are means where no percentile is named."""

    way: str
    kind: str
    load: str
    size: int
    sent: int
    finished: int
    handled_again: int
    latency_ms: float
    latency_p50_ms: float
    latency_p99_ms: float
    wait_ms: float
    work_ms: float
    finished_per_s: float
    feeder_late_percent: float


def measure(
    names: tuple[str, str, Load, int],
    began: float,
    sent_late_s: Sequence[float],
    journal: Sequence[Entry],
) -> Cell:
    """Sum up a run; `names` are way, kind, load and the pool's size."""
    way, kind, load, size = names
    first: dict[int, Entry] = {}
    for entry in journal:
        first.setdefault(entry.id, entry)
    done = [entry for id, entry in first.items() if 0 <= id < load.count]
    due = [began + entry.id / load.rate for entry in done]
    latencies = sorted(entry.ended - at for entry, at in zip(done, due, strict=True)) or [0.0]
    waits = [entry.began - at for entry, at in zip(done, due, strict=True)]
    works = [entry.ended - entry.began for entry in done]
    took_s = max((entry.ended for entry in done), default=began) - began
    return Cell(
        way=way,
        kind=kind,
        load=load.name,
        size=size,
        sent=len(sent_late_s),
        finished=len(done),
        handled_again=len(journal) - len(first),
        latency_ms=mean_ms(latencies),
        latency_p50_ms=percentile(latencies, 50) * 1000,
        latency_p99_ms=percentile(latencies, 99) * 1000,
        wait_ms=mean_ms(waits),
        work_ms=mean_ms(works),
        finished_per_s=len(done) / took_s if took_s > 0 else 0.0,
        feeder_late_percent=100 * sum(late > LATE_S for late in sent_late_s) / len(sent_late_s),
    )


def mean_ms(durations_s: Sequence[float]) -> float:
    """The mean, 0 of none."""
    return sum(durations_s) * 1000 / len(durations_s) if durations_s else 0.0
