"""Producer snapshots: what a partition knows of its producers, so that a start reads less.

`<offset, 20 digits>.snapshot` says what was known when the log ended at that offset. Kafka's
format; big-endian.

    0    int16   version, 1
    2    uint32  CRC-32C of everything behind it
    6    int32   number of entries
    10           entries of 46 bytes
        0    int64   producer id
        8    int16   producer epoch
        10   int32   last sequence of a batch
        14   int64   last offset of the batch
        22   int32   offset delta: its last less its first sequence
        26   int64   its max timestamp
        34   int32   epoch of the transaction coordinator, -1
        38   int64   first offset of the open transaction, -1: none

Kafka writes the last batch of each producer. We write up to five, oldest first: its reader keeps
the last of several entries of one producer, and ours recognizes a batch sent again after a restart.

A snapshot can be made anew from the log: one that is no good is None, and an older one serves.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from ...protocol.crc32c import crc32c

_HEAD = struct.Struct(">hI")  # version, CRC
_COUNT = struct.Struct(">i")  # number of entries
_ENTRY = struct.Struct(">qhiqiqiq")  # an entry, field by field
_VERSION = 1


class ProducerEntry(NamedTuple):
    """One batch of one producer."""

    producer_id: int
    producer_epoch: int
    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp: int
    coordinator_epoch: int = -1
    current_transaction_first_offset: int = -1


def snapshot_name(offset: int) -> str:
    """Return the name of the snapshot taken when the log ended at `offset`."""
    return f"{offset:020d}.snapshot"


def encode_snapshot(entries: Sequence[ProducerEntry]) -> bytes:
    """Return the snapshot file of the entries, which keep their order."""
    body = _COUNT.pack(len(entries)) + b"".join(_ENTRY.pack(*entry) for entry in entries)
    return _HEAD.pack(_VERSION, crc32c(body)) + body


def decode_snapshot(data: bytes) -> list[ProducerEntry] | None:
    """Return the entries; None when the file is no sound snapshot."""
    body = memoryview(data)[_HEAD.size :]
    if len(body) < _COUNT.size or _HEAD.unpack_from(data) != (_VERSION, crc32c(body)):
        return None
    (count,) = _COUNT.unpack_from(body)
    entries = body[_COUNT.size :]
    if len(entries) != count * _ENTRY.size:
        return None
    return list(map(ProducerEntry._make, _ENTRY.iter_unpack(entries)))
