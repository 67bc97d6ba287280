"""One partition's log, as all polls and acknowledgements tell it. PURE.

    offset   3     4     7     8          offsets have gaps, where transactions end
    values   a     b     c,d   b          c and d: somebody is wrong; b is there twice
    index    0     1     2     3          the dense offset: without gaps

A skip is then a step of more than one index, whatever the offsets are.
"""

from bisect import bisect_left
from collections.abc import Mapping

from .operation import Value


class LogBuilder:
    """Gathers what is said of a log."""

    def __init__(self) -> None:
        self._values: dict[int, Value] = {}
        self._conflicts: dict[int, list[Value]] = {}

    def add(self, offset: int, value: Value) -> None:
        """Somebody says that this value lies at this offset."""
        known = self._values.setdefault(offset, value)
        if known != value:
            others = self._conflicts.setdefault(offset, [known])
            if value not in others:
                others.append(value)

    def order(self) -> "VersionOrder":
        """The log when all has been said."""
        return VersionOrder(self._values, self._conflicts)


class VersionOrder:
    """The log: offsets in order, and what lies there."""

    def __init__(
        self, values: Mapping[int, Value], conflicts: Mapping[int, list[Value]] | None = None
    ) -> None:
        """`values` by offset; `conflicts` has all values of an offset that has several."""
        self.offsets = sorted(values)
        self.conflicts = conflicts or {}
        self._values = values
        self._first: dict[Value, int] = {}
        self._last: dict[Value, int] = {}
        self.duplicates: dict[Value, list[int]] = {}
        """The offsets of each value that has several."""
        for index, offset in enumerate(self.offsets):
            for value in self.values_at(offset):
                first = self._first.setdefault(value, index)
                if first != index:
                    self._last[value] = index
                    self.duplicates.setdefault(value, [self.offsets[first]]).append(offset)

    def __len__(self) -> int:
        """How many offsets are known."""
        return len(self.offsets)

    def values_at(self, offset: int) -> tuple[Value, ...] | list[Value]:
        """What lies at an offset; nothing where nobody saw anything."""
        if offset in self.conflicts:
            return self.conflicts[offset]
        return (self._values[offset],) if offset in self._values else ()

    def first_index(self, value: Value) -> int | None:
        """The index at which a value comes first."""
        return self._first.get(value)

    def last_index(self, value: Value) -> int | None:
        """The index at which a value comes last."""
        return self._last.get(value, self._first.get(value))

    def index(self, offset: int | None, value: Value) -> int | None:
        """The index of a record; by its value if nobody said the offset."""
        if offset is None or offset not in self._values:
            return self._first.get(value)
        return bisect_left(self.offsets, offset)

    def offsets_between(self, after_index: int, before_index: int, limit: int) -> list[int]:
        """The first `limit` offsets with indexes between these two, without them."""
        begin = after_index + 1
        return self.offsets[begin : min(before_index, begin + limit)]
