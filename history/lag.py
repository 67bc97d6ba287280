"""How far behind readers were: a metric, and no violation. PURE.

The lag of a poll is how long before it began there was certainly something behind the last record
that its process has now read. It is a lower bound.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .event import ASSIGN, FAIL, OK, POLL, TXN
from .group_value import assigned_keys
from .operation import Key, Operation, Process

NOTHING = -1
"""The offset of who has read nothing."""


class Lag(NamedTuple):
    """How far behind a process was in a partition when a poll began."""

    lag_s: float
    process: Process
    key: Key
    time_s: float


class _Known:
    """From when on it was known that a log goes on behind an offset: a rising staircase."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.times_s: list[float] = []

    def note(self, offset: int, time_s: float) -> None:
        """An offset exists."""
        if not self.offsets or offset > self.offsets[-1]:
            self.offsets.append(offset)
            self.times_s.append(time_s)

    def passed_at_s(self, offset: int) -> float:
        """When the log had certainly got behind the offset; infinity if it never did."""
        step = bisect_right(self.offsets, offset)
        return self.times_s[step] if step < len(self.times_s) else float("inf")


def lags(operations: Sequence[Operation]) -> Iterator[Lag]:
    """The lag of each poll in each partition that its process reads, in order."""
    known = _known_offsets(operations)
    positions: dict[Process, dict[Key, int]] = {}
    nothing_known = _Known()
    for operation in operations:
        if operation.outcome != OK:
            continue
        if operation.changes_assignment:
            names = assigned_keys(operation.value)
            before = positions.get(operation.process, {})
            kept = {key: each for key, each in before.items() if operation.still_reads(key)}
            # Who subscribes may be dealt nothing, so only what is assigned begins at nothing.
            fresh = dict.fromkeys(names, NOTHING) if operation.f == ASSIGN else {}
            positions[operation.process] = fresh | kept
        elif operation.f in (POLL, TXN):
            offsets = positions.setdefault(operation.process, {})
            for key, offset in _highest(operation).items():
                offsets[key] = max(offsets.get(key, NOTHING), offset)
            for key, offset in offsets.items():
                passed_at_s = known.get(key, nothing_known).passed_at_s(offset)
                lag_s = max(0.0, operation.began_s - passed_at_s)
                yield Lag(lag_s, operation.process, key, operation.began_s)


def _known_offsets(operations: Sequence[Operation]) -> dict[Key, _Known]:
    ended = [each for each in operations if each.outcome != FAIL and each.ended_s is not None]
    known: dict[Key, _Known] = {}
    for operation in sorted(ended, key=lambda each: each.ended):
        for key, offset in _highest(operation).items():
            known.setdefault(key, _Known()).note(offset, operation.ended_s or 0.0)
    return known


def _highest(operation: Operation) -> dict[Key, int]:
    """The highest offset of each partition that an operation sent to or read."""
    highest: dict[Key, int] = {}
    for send in operation.sends:
        if send.offset is not None:
            highest[send.key] = max(highest.get(send.key, NOTHING), send.offset)
    for key, records in (operation.reads or {}).items():
        for offset, _ in records:
            if offset is not None:
                highest[key] = max(highest.get(key, NOTHING), offset)
    return highest
