"""A history by value: who wrote it, who read it, in which order all lie. PURE.

A log is told by all polls, those of aborted transactions too, since a consumer never may hand out
what is not so; and by each send that certainly took place (`Evidence.is_committed`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .event import FAIL, TXN, MalformedHistory
from .operation import Key, Operation, Send, Value
from .version_order import LogBuilder, VersionOrder


@dataclass(frozen=True, slots=True)
class Promises:
    """What the clients of a history were promised."""

    is_idempotent: bool = True
    """Producers retry without duplicates and keep their order."""
    is_drained: bool = False
    """In the end somebody read each partition to its end."""
    copies_to: str | None = None
    """The topic of a copy job, see copies.py."""


class Evidence:
    """The indexes over a history that checks share."""

    def __init__(self, operations: Sequence[Operation], promises: Promises) -> None:
        """Build them; raises MalformedHistory if a value is sent twice."""
        self.operations = operations
        self.promises = promises
        self.writers: dict[Key, dict[Value, Operation]] = {}
        self.ok_readers: dict[Key, dict[Value, Operation]] = {}
        """Who read a value first, of the polls that are ok."""
        self._index_values()
        self._proven = {id(each) for each in operations if self._is_proven(each)}
        self.orders: dict[Key, VersionOrder] = self._order()

    def is_committed(self, operation: Operation, send: Send) -> bool:
        """Whether a send certainly took place.

        It was acknowledged; or it is in doubt and was read. A transaction in doubt took place as a
        whole if any record of it was read; its acknowledged offsets alone say nothing.
        """
        if operation.is_ok:
            return True
        if operation.outcome == FAIL:
            return False
        if operation.f == TXN:
            return id(operation) in self._proven
        return send.offset is not None or send.value in self.ok_readers.get(send.key, ())

    def writer(self, key: Key, value: Value) -> Operation | None:
        """Who wrote a value, or tried to."""
        return self.writers.get(key, {}).get(value)

    def committed_sends(self) -> Iterator[tuple[Operation, Send]]:
        """The sends that certainly took place."""
        for operation in self.operations:
            for send in operation.sends:
                if self.is_committed(operation, send):
                    yield operation, send

    def witnesses(self, key: Key, offsets: Sequence[int]) -> list[Operation]:
        """Who said first what lies at these offsets, for each different thing that was said."""
        wanted = set(offsets)
        found: dict[tuple[int, Value], Operation] = {}
        for operation in self.operations:
            for send in operation.sends:
                if send.key == key and send.offset in wanted and self.is_committed(operation, send):
                    found.setdefault((send.offset, send.value), operation)
            for offset, value in (operation.reads or {}).get(key, ()):
                if offset in wanted:
                    found.setdefault((offset, value), operation)
        return list({id(each): each for each in found.values()}.values())

    def _index_values(self) -> None:
        for operation in self.operations:
            for send in operation.sends:
                writers = self.writers.setdefault(send.key, {})
                if send.value in writers:
                    why = f"{send.value!r} was sent to {send.key} before; values must be unique"
                    raise MalformedHistory(operation.began, why)
                writers[send.value] = operation
            if operation.reads and operation.is_ok:
                for key, records in operation.reads.items():
                    readers = self.ok_readers.setdefault(key, {})
                    for _, value in records:
                        readers.setdefault(value, operation)

    def _is_proven(self, operation: Operation) -> bool:
        return operation.f == TXN and any(
            send.value in self.ok_readers.get(send.key, ()) for send in operation.sends
        )

    def _order(self) -> dict[Key, VersionOrder]:
        logs: dict[Key, LogBuilder] = {}
        for _, send in self.committed_sends():
            if send.offset is not None:
                logs.setdefault(send.key, LogBuilder()).add(send.offset, send.value)
        for operation in self.operations:
            for key, records in (operation.reads or {}).items():
                log = logs.setdefault(key, LogBuilder())
                for offset, value in records:
                    if offset is not None:
                        log.add(offset, value)
        return {key: logs[key].order() for key in sorted(logs)}


def acknowledged(operation: Operation, send: Send) -> bool:
    """Whether the client was told that this record is kept.

    In an operation that is in doubt as a whole, those records that have an offset were; in a
    transaction they hang on its end.
    """
    if operation.f == TXN or operation.is_ok:
        return operation.is_ok
    return operation.outcome != FAIL and send.offset is not None
