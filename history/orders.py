"""Whether there is one order: one value at an offset, one offset of a value. PURE."""

from collections.abc import Iterator

from .evidence import Evidence
from .finding import Finding


def inconsistent_offsets(evidence: Evidence) -> Iterator[Finding]:
    """Two values at the same offset, of which somebody saw one and somebody the other."""
    for key, order in evidence.orders.items():
        for offset, values in sorted(order.conflicts.items()):
            names = " and ".join(map(repr, values))
            which = "both" if len(values) == 2 else "all"
            yield Finding(
                "inconsistent-offsets",
                key,
                f"{names} {which} lie at offset {offset}",
                offsets=[offset],
            )


def duplicates(evidence: Evidence) -> Iterator[Finding]:
    """A value at two offsets; producers without idempotence may do that."""
    for key, order in evidence.orders.items():
        for value, offsets in order.duplicates.items():
            places = " and ".join(map(str, offsets))
            yield Finding(
                "duplicate",
                key,
                f"{value!r} was sent once and lies at offsets {places}",
                offsets=offsets,
                is_allowed=not evidence.promises.is_idempotent,
            )
