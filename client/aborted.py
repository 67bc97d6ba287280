"""Whose batches do not count: the transactions that a broker says were aborted (KIP-98). PURE.

A fetch with `read_committed` brings, per partition, pairs of a producer and an offset: from this
offset up to the abort marker (a control batch of the producer) its transactional batches are void.

    pid 7, first offset 20:   ..[7: 20-24]..[8: 25-29]..[7: 30-31]..[7: ABORT]..[7: 40-44]..
                                 void                      void                   counts
"""

from collections.abc import Iterable
from struct import Struct
from typing import Final

from ..protocol.api.fetch import AbortedTransaction
from ..protocol.batch import BatchHeader
from ..protocol.records import iterate

ABORT: Final = 0
_MARKER: Final = Struct(">hh")  # the key of a control record: version, type (0 abort, 1 commit)


class Aborted:
    """The aborted transactions of one answer; asked batch by batch, in order."""

    def __init__(self, transactions: Iterable[AbortedTransaction]) -> None:
        """None has begun."""
        self._next = sorted(transactions, key=lambda each: each.first_offset, reverse=True)
        self._void: set[int] = set()

    def hides(self, view: memoryview, header: BatchHeader) -> bool:
        """Whether this batch does not count; raises ProtocolError for a marker without a type."""
        if not self._next and not self._void:
            return False
        while self._next and self._next[-1].first_offset <= header.last_offset:
            self._void.add(self._next.pop().producer_id)
        if header.is_control and header.producer_id in self._void and _is_abort(view, header):
            self._void.discard(header.producer_id)
        return header.is_transactional and header.producer_id in self._void


def _is_abort(view: memoryview, header: BatchHeader) -> bool:
    for _, _, key, _, _ in iterate(view, header):
        if key is not None and len(key) >= _MARKER.size:
            return _MARKER.unpack_from(key)[1] == ABORT
    return False
