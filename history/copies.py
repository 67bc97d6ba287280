"""Exactly once: a job copies topics to another one in transactions. PURE.

Each record of the copy names its source: its value is `PARTITION@OFFSET`, as `orders-0@17`, and may
go on behind a `#`, so that a second attempt has a value of its own. Below the highest source that
was copied, each record of a source partition has to be there once.
"""

from collections.abc import Iterator
from typing import NamedTuple

from .evidence import Evidence
from .finding import Finding
from .operation import Key, Value
from .version_order import VersionOrder


class _Copy(NamedTuple):
    """Where one copy lies, and what it is a copy of."""

    key: Key
    offset: int
    value: Value


def miscounted_copies(evidence: Evidence) -> Iterator[Finding]:
    """`exactly-once`: a source record with no copy, or with several."""
    topic = evidence.promises.copies_to
    if topic is None:
        return
    copies: dict[Key, dict[int, list[_Copy]]] = {}
    for key, order in evidence.orders.items():
        if key.rpartition("-")[0] == topic:
            for copy, source, offset in _copies_in(evidence, key, order):
                copies.setdefault(source, {}).setdefault(offset, []).append(copy)
    for source, by_offset in copies.items():
        yield from _miscounted(evidence, source, by_offset)


def _copies_in(
    evidence: Evidence, key: Key, order: VersionOrder
) -> Iterator[tuple[_Copy, Key, int]]:
    """The copies that somebody read."""
    readers = evidence.ok_readers.get(key, {})
    for offset in order.offsets:
        for value in order.values_at(offset):
            source, _, at_offset = str(value).partition("#")[0].rpartition("@")
            if value in readers and source and at_offset.isdecimal():
                yield _Copy(key, offset, value), source, int(at_offset)


def _miscounted(
    evidence: Evidence, source: Key, copies: dict[int, list[_Copy]]
) -> Iterator[Finding]:
    order = evidence.orders.get(source)
    end = max(copies)
    for offset in (each for each in (order.offsets if order else ()) if each <= end):
        count = len(copies.get(offset, ()))
        if count != 1:
            first = (copies.get(offset) or copies[end])[0]
            found = evidence.ok_readers[first.key][first.value]
            sentence = f"offset {offset} was copied {count} times"
            yield Finding("exactly-once", source, sentence, [found], [first.offset])
