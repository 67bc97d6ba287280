"""Operations: beginning and end of a history's events, put together and understood. PURE.

A well-formed history:

- its indexes rise, and its times do not fall;
- a process does one thing at a time, and nothing after an `info` (it is crashed: what is in doubt
  may still happen; whoever goes on is another process);
- an end is of what began, and sends the same;
- a value is sent to a partition once in the whole history, so it names its record.

An operation that never ends is `info`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from .event import (
    ASSIGN,
    CRASH,
    FAIL,
    FUNCTIONS,
    INFO,
    INVOKE,
    OK,
    POLL,
    SEND,
    SUBSCRIBE,
    TXN,
    TYPES,
    Event,
    MalformedHistory,
    Process,
)
from .group_value import assigned_keys, check_value

NEVER: Final = 1 << 62
"""The line at which an operation ends that does not."""

Key = str
"""A partition, as TOPIC-PARTITION; any name will do."""
Value = int | str
Read = tuple[int | None, Value]
"""Offset and value; None where the client could not tell the offset."""
_RECORDS: Final = frozenset({SEND, POLL, TXN})
_MICRO: Final = {SEND: frozenset({SEND}), POLL: frozenset({POLL}), TXN: frozenset({SEND, POLL})}


class Send(NamedTuple):
    """A record that an operation sends; `offset` is None if nobody said it."""

    key: Key
    value: Value
    offset: int | None


@dataclass(slots=True, eq=False)
class Operation:
    """What one process did, from line to line."""

    process: Process
    f: str
    outcome: str
    began: int
    ended: int
    began_s: float
    ended_s: float | None
    sends: tuple[Send, ...] = ()
    reads: Mapping[Key, Sequence[Read]] | None = None
    """What its polls returned, by partition, in order."""
    value: Any = None
    """Of all other operations."""
    rebalanced_keys: tuple[Key, ...] = ()
    error: str | None = None

    @property
    def is_ok(self) -> bool:
        """Whether it happened."""
        return self.outcome == OK

    @property
    def changes_assignment(self) -> bool:
        """Whether it is an assign or subscribe which took place, or may have."""
        return self.f in (ASSIGN, SUBSCRIBE) and self.outcome != FAIL

    def still_reads(self, key: Key) -> bool:
        """Whether a partition is read after this assign or subscribe, which may name topics."""
        names = assigned_keys(self.value)
        return key in names or key.rpartition("-")[0] in names


def operations_of(events: Iterable[Event]) -> list[Operation]:
    """The operations in the order in which they began; raises MalformedHistory."""
    operations: list[Operation] = []
    pairing = _Pairing(operations)
    for line, event in enumerate(events, 1):
        pairing.take(line, event)
    return operations


class _Pairing:
    """Which operations are open, and which processes are gone."""

    def __init__(self, operations: list[Operation]) -> None:
        self._operations = operations
        self._open: dict[Process, Operation] = {}
        self._gone: set[Process] = set()
        self._last_index = -1
        self._last_time_s = float("-inf")

    def take(self, line: int, event: Event) -> None:
        """One more event."""
        try:
            if event.i <= self._last_index:
                raise MalformedHistory(line, f"i {event.i} is not above {self._last_index}")
            if event.time_s < self._last_time_s:
                raise MalformedHistory(line, "ts_mono is less than on the line before")
            self._last_index, self._last_time_s = event.i, event.time_s
            if event.type == INVOKE:
                self._begin(line, event)
            else:
                self._end(line, event)
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            if isinstance(error, MalformedHistory):
                raise
            raise MalformedHistory(line, f"a value of another shape: {error}") from None

    def _begin(self, line: int, event: Event) -> None:
        if event.f not in FUNCTIONS:
            raise MalformedHistory(line, f"unknown f {event.f!r}")
        if event.process in self._gone:
            raise MalformedHistory(line, f"process {event.process} goes on after an info")
        if event.process in self._open:
            raise MalformedHistory(line, f"process {event.process} has not ended what it began")
        operation = Operation(
            event.process, event.f, INFO, line, NEVER, event.time_s, None, value=event.value
        )
        if event.f in _RECORDS:
            operation.sends, _ = _records(event.f, event.value)
            operation.value = None
        elif event.value is not None:
            check_value(event.f, event.value)
        self._open[event.process] = operation
        self._operations.append(operation)

    def _end(self, line: int, event: Event) -> None:
        if event.type not in TYPES:
            raise MalformedHistory(line, f"unknown type {event.type!r}")
        operation = self._open.pop(event.process, None)
        if operation is None:
            raise MalformedHistory(line, f"process {event.process} ends what it has not begun")
        if operation.f != event.f:
            raise MalformedHistory(line, f"a {operation.f} ends as {event.f}")
        operation.outcome = event.type
        operation.ended, operation.ended_s = line, event.time_s
        operation.rebalanced_keys, operation.error = event.rebalanced_keys, event.error
        if event.type == INFO or event.f == CRASH:
            self._gone.add(event.process)
        if event.value is None:
            return
        if event.f not in _RECORDS:
            operation.value = event.value
            check_value(event.f, event.value)
            return
        sends, operation.reads = _records(event.f, event.value)
        if [each[:2] for each in sends] != [each[:2] for each in operation.sends]:
            raise MalformedHistory(line, "it sent something else than it had begun to send")
        operation.sends = sends


def _records(f: str, value: Any) -> tuple[tuple[Send, ...], dict[Key, list[Read]] | None]:
    """What a list of sends and polls carries."""
    sends: list[Send] = []
    reads: dict[Key, list[Read]] = {}
    for micro in cast(list[list[Any]], value or ()):
        if micro[0] not in _MICRO[f]:
            raise ValueError(f"{micro[0]!r} in a {f}")
        if micro[0] == SEND:
            _, key, sent = micro
            offset, sent = cast(Read, sent if isinstance(sent, list | tuple) else (None, sent))
            sends.append(Send(str(key), _value(sent), _offset(offset)))
        elif len(micro) > 1:
            for key, records in micro[1].items():
                reads.setdefault(str(key), []).extend(
                    [(_offset(offset), _value(read)) for offset, read in records]
                )
    return tuple(sends), reads or None


def _offset(offset: Any) -> int | None:
    if offset is not None and not isinstance(offset, int):
        raise TypeError(f"{offset!r} is no offset")
    return offset


def _value(value: Any) -> Value:
    if not isinstance(value, int | str):
        raise TypeError(f"{value!r} is neither a number nor a text")
    return value
