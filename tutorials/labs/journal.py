"""When which record was worked on: entries that threads and processes append to a file. PURE.

    id int64 | began float64 | ended float64        seconds on the machine's monotonic clock

An entry is one write, so that nobody needs a lock.
"""

import struct
from typing import Final, NamedTuple

_ENTRY: Final = struct.Struct("<qdd")  # id, began, ended
ENTRY_BYTES: Final = _ENTRY.size


class Entry(NamedTuple):
    """A record was worked on; twice in the journal if it was handled twice."""

    id: int
    began: float
    ended: float


def pack(id: int, began: float, ended: float) -> bytes:
    """The bytes of an entry."""
    return _ENTRY.pack(id, began, ended)


def entries(content: bytes) -> list[Entry]:
    """All entries; one that was cut off in the middle is none."""
    whole = len(content) // ENTRY_BYTES * ENTRY_BYTES
    return [Entry(*values) for values in _ENTRY.iter_unpack(content[:whole])]
