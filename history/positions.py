"""Whether each reader goes through a log step by step. PURE.

    log       a b c d e
    reader    a b   d         poll-skip: b, then d, and c is there
              a b a           nonmonotonic-poll: b, then a
    both also within one operation: int-poll-skip, int-nonmonotonic-poll

A process has a position in each partition that it is assigned. It moves with polls that are ok: an
aborted transaction is read again from where it began. An assign forgets the partitions that are not
in it; a rebalance during an operation forgets those that came or went. Under subscribe others read
as well, so between two polls anything may happen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .event import SUBSCRIBE
from .evidence import Evidence
from .finding import Finding
from .group_value import fields_of
from .operation import Key, Operation, Process, Read
from .version_order import VersionOrder

MAX_SKIPPED: Final = 1000
"""Of the records that one step skips, so many are looked at."""


class Step(NamedTuple):
    """Two records of one partition, read by one process one after the other, that are not so."""

    key: Key
    before: Read
    after: Read
    delta: int
    """Indexes between them: 1 would be right."""
    skipped: list[int]
    """The offsets left out, the first of them."""
    operations: tuple[Operation, ...]
    """Who read the one and the other; one operation if it was the same."""
    is_subscribed: bool

    @property
    def is_internal(self) -> bool:
        """Whether it is within one operation."""
        return len(self.operations) == 1


@dataclass(slots=True)
class _Reader:
    """Where a process is."""

    is_subscribed: bool = False
    last: dict[Key, tuple[Read, Operation]] = field(
        default_factory=dict[Key, tuple[Read, Operation]]
    )

    def reassign(self, operation: Operation) -> None:
        """Forget what is not read any more, or from elsewhere."""
        self.is_subscribed = operation.f == SUBSCRIBE
        is_seek = fields_of(operation.value).get("seek")
        self.last = {
            key: last
            for key, last in self.last.items()
            if not is_seek and operation.still_reads(key)
        }


def wrong_steps(evidence: Evidence) -> Iterator[Step]:
    """Every step of every reader that is not one index forward."""
    readers: dict[Process, _Reader] = {}
    for operation in evidence.operations:
        if operation.changes_assignment:
            readers.setdefault(operation.process, _Reader()).reassign(operation)
        elif operation.reads or operation.rebalanced_keys:
            reader = readers.setdefault(operation.process, _Reader())
            for key in operation.rebalanced_keys:
                reader.last.pop(key, None)
            yield from _steps_of(evidence, operation, reader)


def _steps_of(evidence: Evidence, operation: Operation, reader: _Reader) -> Iterator[Step]:
    for key, records in (operation.reads or {}).items():
        if not records:
            continue
        order = evidence.orders[key]
        if key in reader.last:
            before, by = reader.last[key]
            delta = _delta(order, before, records[0])
            if delta != 1:
                skipped = _skipped(order, before, delta)
                operations = (by, operation)
                is_subscribed = reader.is_subscribed
                yield Step(key, before, records[0], delta, skipped, operations, is_subscribed)
        if key not in operation.rebalanced_keys:
            yield from _internal_steps(order, key, operation)
        if operation.is_ok:
            reader.last[key] = records[-1], operation


def _internal_steps(order: VersionOrder, key: Key, operation: Operation) -> Iterator[Step]:
    records = (operation.reads or {})[key]
    before = records[0]
    for after in records[1:]:
        delta = _delta(order, before, after)
        if delta != 1:
            skipped = _skipped(order, before, delta)
            yield Step(key, before, after, delta, skipped, (operation,), is_subscribed=False)
        before = after


def _delta(order: VersionOrder, before: Read, after: Read) -> int:
    """How many indexes lie between two records; 1 if nobody knows where they are."""
    if before[0] is not None and after[0] == before[0] + 1:
        return 1
    first, second = order.index(*before), order.index(*after)
    return 1 if first is None or second is None else second - first


def _skipped(order: VersionOrder, before: Read, delta: int) -> list[int]:
    index = order.index(*before)
    return [] if index is None else order.offsets_between(index, index + delta, MAX_SKIPPED)


def poll_steps(evidence: Evidence) -> Iterator[Finding]:
    """`poll-skip`, `nonmonotonic-poll`, and with `int-` the same within one operation."""
    for step in wrong_steps(evidence):
        prefix = "int-" if step.is_internal else ""
        (offset, value), (next_offset, next_value) = step.before, step.after
        went = f"from {value!r} at {offset} to {next_value!r} at {next_offset}"
        is_allowed = step.is_subscribed and not step.is_internal
        if step.delta > 1:
            first = evidence.orders[step.key].values_at(step.skipped[0])[0]
            witness = evidence.writer(step.key, first)
            proof = [*step.operations, *([witness] if witness is not None else [])]
            left_out = f"over {first!r} at offset {step.skipped[0]}"
            if step.delta > 2:
                left_out += f" and {step.delta - 2} more"
            sentence = f"read {went}, {left_out}"
            name = f"{prefix}poll-skip"
        else:
            proof = list(step.operations)
            sentence = f"read {went}, which is not forward"
            name = f"{prefix}nonmonotonic-poll"
        offsets = [each for each in (offset, *step.skipped[:1], next_offset) if each is not None]
        yield Finding(name, step.key, sentence, proof, offsets, is_allowed)
