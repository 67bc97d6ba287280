"""The two indexes of a segment: from offset to position, and from time to offset.

Kafka's formats, byte for byte; big-endian, without a header, entries in rising order.

    offset index  <base offset>.index
        0   int32   offset, less the segment's base offset: the last offset of a batch
        4   int32   position of that batch in the .log file
    time index    <base offset>.timeindex
        0   int64   the largest timestamp of the segment so far, ms since 1970
        8   int32   offset, less the base offset: the last offset of the first batch that has it

An entry of each is added for the first batch after more than `index.interval.bytes` of others, so
both are sparse: a look-up gives a place from where to walk forward over batch headers.

An index in memory *is* the file: the same bytes, searched by bisection where they lie. Those of the
active segment live in memory only and are written when the segment is closed: a crash loses them,
and recovery, which reads the segment anyway, makes them anew. A closed segment's indexes are read
when somebody first looks something up, and never mapped, so that no fault of the disk comes as a
signal instead of an error.

A batch that compaction has emptied has the time of a record that is gone: the time index passes it
over.

Left out: preallocation, which Kafka needs for its mapping; it trims at closing, so that a cleanly
closed file is the same. The transaction index comes with transactions.
"""

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final, NamedTuple

from ...protocol.batch import BatchHeader

NO_TIMESTAMP = -1

_OFFSET_ENTRY = struct.Struct(">ii")  # relative offset, position
_TIME_ENTRY = struct.Struct(">qi")  # timestamp, relative offset


class TimestampOffset(NamedTuple):
    """A timestamp in ms since 1970 and the last offset of the first batch that has it."""

    timestamp: int
    offset: int


class OffsetIndex:
    """From an offset to the position of a batch at or before it."""

    __slots__ = ("_base_offset", "_entries")

    ENTRY_BYTES: Final = _OFFSET_ENTRY.size

    def __init__(self, base_offset: int, entries: bytes = b"") -> None:
        self._base_offset = base_offset
        self._entries: bytes | bytearray = entries or bytearray()

    def __len__(self) -> int:
        return len(self._entries) // _OFFSET_ENTRY.size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield (last offset, position) of each entry."""
        for index in range(len(self)):
            yield self._base_offset + self._offset(index), self._position(index)

    def append(self, last_offset: int, position: int) -> None:
        """Add the batch at `position`, which ends with `last_offset`."""
        self._entries += _OFFSET_ENTRY.pack(last_offset - self._base_offset, position)

    def floor(self, offset: int) -> int:
        """Return the position of a batch that ends at or before `offset`, the last indexed."""
        index = bisect_right(range(len(self)), offset - self._base_offset, key=self._offset)
        return self._position(index - 1) if index else 0

    def floor_position(self, position: int) -> int:
        """Return the position of the last indexed batch that begins at or before `position`."""
        index = bisect_right(range(len(self)), position, key=self._position)
        return self._position(index - 1) if index else 0

    @property
    def last_position(self) -> int:
        """The position of the last indexed batch, 0 when there is none."""
        return self._position(len(self) - 1) if len(self) else 0

    def truncate(self, offset: int) -> None:
        """Forget every batch that ends at or after `offset`."""
        index = bisect_left(range(len(self)), offset - self._base_offset, key=self._offset)
        self._entries = self._entries[: index * _OFFSET_ENTRY.size]

    def resume(self) -> None:
        """Make ready for entries: what was read from a file is not copied before."""
        self._entries = bytearray(self._entries)

    def is_sound(self, log_bytes: int) -> bool:
        """Return whether the bytes can be the index of a log file of `log_bytes`.

        Like Kafka it looks at the ends only: what comes from a torn write is short or zeros.
        """
        count, rest = divmod(len(self._entries), _OFFSET_ENTRY.size)
        if rest or not count:
            return not rest
        last = count - 1
        return self._offset(last) >= last and self._position(0) <= self._position(last) < log_bytes

    def __bytes__(self) -> bytes:
        """Return what the file holds."""
        return bytes(self._entries)

    def _offset(self, index: int) -> int:
        """Return the relative offset of an entry."""
        return _OFFSET_ENTRY.unpack_from(self._entries, index * _OFFSET_ENTRY.size)[0]

    def _position(self, index: int) -> int:
        """Return the position of an entry."""
        return _OFFSET_ENTRY.unpack_from(self._entries, index * _OFFSET_ENTRY.size)[1]


class TimeIndex:
    """From a time to an offset before which everything is older."""

    __slots__ = ("_base_offset", "_entries")

    ENTRY_BYTES: Final = _TIME_ENTRY.size

    def __init__(self, base_offset: int, entries: bytes = b"") -> None:
        self._base_offset = base_offset
        self._entries: bytes | bytearray = entries or bytearray()

    def __len__(self) -> int:
        return len(self._entries) // _TIME_ENTRY.size

    def __iter__(self) -> Iterator[TimestampOffset]:
        """Yield each entry."""
        return map(self._entry, range(len(self)))

    @property
    def last(self) -> TimestampOffset:
        """The last entry: the largest timestamp so far; NO_TIMESTAMP when there is none."""
        return self._entry(len(self) - 1) if len(self) else self._none()

    def append(self, entry: TimestampOffset) -> None:
        """Add an entry, unless its timestamp is no larger than the last one's."""
        if entry.timestamp > self.last.timestamp:
            self._entries += _TIME_ENTRY.pack(entry.timestamp, entry.offset - self._base_offset)

    def floor(self, timestamp: int) -> TimestampOffset:
        """Return the last entry at or before `timestamp`; all before its batch is older."""
        index = bisect_right(range(len(self)), timestamp, key=self._timestamp)
        return self._entry(index - 1) if index else self._none()

    def truncate(self, offset: int) -> None:
        """Forget every entry whose batch ends at or after `offset`."""
        index = bisect_left(range(len(self)), offset - self._base_offset, key=self._offset)
        self._entries = self._entries[: index * _TIME_ENTRY.size]

    def resume(self) -> None:
        """Make ready for entries: what was read from a file is not copied before."""
        self._entries = bytearray(self._entries)

    def is_sound(self) -> bool:
        """Return whether the bytes can be a time index; looks at the ends only."""
        count, rest = divmod(len(self._entries), _TIME_ENTRY.size)
        if rest or not count:
            return not rest
        last = count - 1
        return self._offset(last) >= last and self._timestamp(last) >= self._timestamp(0) >= 0

    def __bytes__(self) -> bytes:
        """Return what the file holds."""
        return bytes(self._entries)

    def _none(self) -> TimestampOffset:
        """Return what Kafka answers for an empty index."""
        return TimestampOffset(NO_TIMESTAMP, self._base_offset)

    def _entry(self, index: int) -> TimestampOffset:
        """Return an entry with its absolute offset."""
        timestamp, offset = _TIME_ENTRY.unpack_from(self._entries, index * _TIME_ENTRY.size)
        return TimestampOffset(timestamp, self._base_offset + offset)

    def _timestamp(self, index: int) -> int:
        """Return the timestamp of an entry."""
        return _TIME_ENTRY.unpack_from(self._entries, index * _TIME_ENTRY.size)[0]

    def _offset(self, index: int) -> int:
        """Return the relative offset of an entry."""
        return _TIME_ENTRY.unpack_from(self._entries, index * _TIME_ENTRY.size)[1]


class Indexes:
    """Both indexes of one segment, kept as its batches come."""

    __slots__ = ("_bytes_since_entry", "_interval_bytes", "largest", "offsets", "times")

    def __init__(
        self, base_offset: int, interval_bytes: int, offsets: bytes = b"", times: bytes = b""
    ) -> None:
        self.offsets = OffsetIndex(base_offset, offsets)
        self.times = TimeIndex(base_offset, times)
        self._interval_bytes = interval_bytes
        self._bytes_since_entry = 0
        self.largest = self.times.last
        """The largest timestamp of the segment, with the last offset of its batch."""

    def note(self, position: int, size_bytes: int, header: BatchHeader) -> None:
        """Take notice of the batch at `position`, the last of the segment so far."""
        if header.max_timestamp > self.largest.timestamp and header.record_count:
            self.largest = TimestampOffset(header.max_timestamp, header.last_offset)
        if self._bytes_since_entry > self._interval_bytes:
            self.offsets.append(header.last_offset, position)
            self.times.append(self.largest)
            self._bytes_since_entry = 0
        self._bytes_since_entry += size_bytes

    def note_tail(self, header: BatchHeader) -> None:
        """Take notice of a batch at or behind the last entry that is there already."""
        if header.max_timestamp > self.largest.timestamp and header.record_count:
            self.largest = TimestampOffset(header.max_timestamp, header.last_offset)

    def truncate(self, offset: int) -> None:
        """Forget every entry of a batch that ends at or after `offset`; then resume()."""
        self.offsets.truncate(offset)
        self.times.truncate(offset)

    def resume(self, end_position: int) -> None:
        """Go on from the last entries, in a segment that ends at `end_position`.

        The tail behind the last offset entry must be noted again with note_tail().
        """
        self.offsets.resume()
        self.times.resume()
        self.largest = self.times.last
        self._bytes_since_entry = end_position - self.offsets.last_position

    def finish(self) -> None:
        """Add the last time entry, as Kafka does when a segment is closed."""
        self.times.append(self.largest)

    def are_sound(self, log_bytes: int) -> bool:
        """Return whether these can be the indexes of a log file of `log_bytes`."""
        return self.offsets.is_sound(log_bytes) and self.times.is_sound()
