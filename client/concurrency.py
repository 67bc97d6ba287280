"""How a worker runs its handler: the choices, as values. PURE.

Which of them is for what: docs/worker.md.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Inline:
    """In the event loop, one record after the other, each partition in its whole order."""


@dataclass(frozen=True, slots=True)
class Threads:
    """So many threads, made beforehand."""

    count: int


@dataclass(frozen=True, slots=True)
class Pool:
    """Threads, as many as there is work for, within these bounds; idle ones end after a while."""

    min: int = 5
    max: int = 10


@dataclass(frozen=True, slots=True)
class ThreadPerRecord:
    """A new thread for each record, `max` of them at once."""

    max: int = 100


@dataclass(frozen=True, slots=True)
class Processes:
    """So many processes, made beforehand; one that dies or is ended is replaced."""

    count: int


@dataclass(frozen=True, slots=True)
class Tasks:
    """So many records at once in the event loop; the handler has to be async."""

    count: int


Concurrency = Inline | Threads | Pool | ThreadPerRecord | Processes | Tasks


def slots_of(concurrency: Concurrency) -> int:
    """How many records are worked on at once; ValueError if that makes no sense."""
    match concurrency:
        case Inline():
            least, most = 1, 1
        case Pool(least, most):
            pass
        case Threads(most) | ThreadPerRecord(most) | Processes(most) | Tasks(most):
            least = 0
    if not 0 <= least <= most or most < 1:
        raise ValueError(f"{concurrency} has no room for a record, or its bounds are swapped")
    return most


def ahead_of(concurrency: Concurrency) -> int:
    """How many records more lie ready for threads, so that none waits for the event loop."""
    return slots_of(concurrency) if isinstance(concurrency, Threads | Pool | Processes) else 0
