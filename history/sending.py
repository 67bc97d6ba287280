"""Whether records lie in the order in which they were sent. PURE.

    nonmonotonic-send       a process sends a, then b, and b lies before a
    int-nonmonotonic-send   the same within one operation
    real-time-order         a was acknowledged before somebody else began to send b: a lies before b

A record that was never acknowledged may still arrive behind those sent after it: its client has
given it up, and goes on with a new producer id. So it is only asked whether something lies before
what was acknowledged, or is of a transaction that took place.

Left out, as Kafka allows it: other records between those of one operation (int-send-skip), and two
transactions that lie in one order here and in the other there (G0). It never isolates writes.
"""

from collections.abc import Iterator
from operator import attrgetter
from typing import NamedTuple

from .event import TXN
from .evidence import Evidence, acknowledged
from .finding import Finding
from .operation import Key, Operation, Process, Send


class _Sent(NamedTuple):
    """A send and where it lies."""

    offset: int
    send: Send
    operation: Operation


def falling_sends(evidence: Evidence) -> Iterator[Finding]:
    """`nonmonotonic-send` and `int-nonmonotonic-send`."""
    is_allowed = not evidence.promises.is_idempotent
    last: dict[tuple[Process, Key], _Sent] = {}
    for operation, send in evidence.committed_sends():
        offset = _offset_of(evidence, send)
        if offset is None:
            continue
        sent = _Sent(offset, send, operation)
        before = last.get((operation.process, send.key))
        if before is not None and before.offset >= offset:
            is_internal = before.operation is operation
            yield Finding(
                "int-nonmonotonic-send" if is_internal else "nonmonotonic-send",
                send.key,
                f"{before.send.value!r} at offset {before.offset} was sent before "
                f"{send.value!r} at offset {offset}",
                [operation] if is_internal else [before.operation, operation],
                [before.offset, offset],
                is_allowed,
            )
        if operation.f == TXN or acknowledged(operation, send):
            last[operation.process, send.key] = sent


def overtaken_sends(evidence: Evidence) -> Iterator[Finding]:
    """`real-time-order`: a sweep over time that keeps the highest offset acknowledged so far."""
    ends = sorted((each for each in evidence.operations if each.sends), key=attrgetter("ended"))
    highest: dict[Key, _Sent] = {}
    next_end = 0
    for operation in evidence.operations:
        if not operation.sends:
            continue
        while ends[next_end].ended < operation.began:
            _note_acknowledged(ends[next_end], highest)
            next_end += 1
        for send in operation.sends:
            before = highest.get(send.key)
            if before is None or not evidence.is_committed(operation, send):
                continue
            offset = _offset_of(evidence, send)
            if offset is not None and offset <= before.offset:
                yield Finding(
                    "real-time-order",
                    send.key,
                    f"{before.send.value!r} was acknowledged at offset {before.offset} before "
                    f"{send.value!r} was sent, which lies at {offset}",
                    [before.operation, operation],
                    [before.offset, offset],
                )


def _note_acknowledged(operation: Operation, highest: dict[Key, _Sent]) -> None:
    for send in operation.sends:
        if send.offset is not None and acknowledged(operation, send):
            before = highest.get(send.key)
            if before is None or before.offset < send.offset:
                highest[send.key] = _Sent(send.offset, send, operation)


def _offset_of(evidence: Evidence, send: Send) -> int | None:
    """Where a send lies: as acknowledged, or as read."""
    if send.offset is not None:
        return send.offset
    order = evidence.orders.get(send.key)
    index = None if order is None else order.first_index(send.value)
    return None if order is None or index is None else order.offsets[index]
