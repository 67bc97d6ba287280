"""One violation, with the operations that prove it. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass

from .operation import Key, Operation


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    check: str
    key: Key
    """The partition, or whatever else it is about."""
    sentence: str
    operations: Sequence[Operation] = ()
    """As few as prove it; none if it is proven by whoever said what lies at `offsets`."""
    offsets: Sequence[int] = ()
    """Where to look in what the operations read."""
    is_allowed: bool = False
    """Whether Kafka may do this here: it is counted, and is no violation."""


def at(offset: int | None) -> str:
    """An offset as sentences have it."""
    return "an unknown offset" if offset is None else f"offset {offset}"
