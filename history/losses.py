"""What was written and never read. PURE.

`lost-write`: whoever reads the log in order and got to some record must have come by all before it.
A value may lie at several offsets, and an offset may have several values, so this is careful: how
far was read is the highest *first* index of a value that was read, and a value must have been read
if its *last* index is not above that.

It takes for granted that somebody read from the beginning, and that nothing was removed (no
retention, no compaction).
"""

from collections.abc import Iterator
from typing import NamedTuple

from .evidence import Evidence, acknowledged
from .finding import Finding
from .operation import Key, Operation, Value
from .version_order import VersionOrder


class _Bound(NamedTuple):
    """How far a log certainly was read, and who got there."""

    top_index: int
    value: Value
    reader: Operation


def lost_writes(evidence: Evidence) -> Iterator[Finding]:
    """A record that certainly was written, lies below what was read, and was read by nobody."""
    bounds = {key: _bound(evidence, key, order) for key, order in evidence.orders.items()}
    for operation, send in evidence.committed_sends():
        bound = bounds.get(send.key)
        if bound is None or send.value in evidence.ok_readers[send.key]:
            continue
        order = evidence.orders[send.key]
        index = order.last_index(send.value)
        if index is None or index > bound.top_index:
            continue
        offset, top = order.offsets[index], order.offsets[bound.top_index]
        yield Finding(
            "lost-write",
            send.key,
            f"{send.value!r} was written at offset {offset} and nobody read it, "
            f"though {bound.value!r} at offset {top} was read",
            [operation, bound.reader],
            [offset, top],
        )


def _bound(evidence: Evidence, key: Key, order: VersionOrder) -> _Bound | None:
    best: _Bound | None = None
    for value, reader in evidence.ok_readers.get(key, {}).items():
        index = order.first_index(value)
        if index is not None and (best is None or index > best.top_index):
            best = _Bound(index, value, reader)
    return best


def unseen(evidence: Evidence) -> Iterator[Finding]:
    """A record that was acknowledged and read by nobody, though all was read in the end."""
    for operation in evidence.operations:
        for send in operation.sends:
            readers = evidence.ok_readers.get(send.key, {})
            if send.value not in readers and acknowledged(operation, send):
                yield Finding(
                    "unseen",
                    send.key,
                    f"{send.value!r} was acknowledged and nobody read it",
                    [operation],
                    () if send.offset is None else (send.offset,),
                    is_allowed=not evidence.promises.is_drained,
                )
