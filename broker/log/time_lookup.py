"""Look-ups by time: from a timestamp to an offset (ListOffsets, KIP-79 and KIP-734).

A look-up narrows down in three steps, each finer and dearer than the one before:

    segment   by its largest timestamp      from memory, or from the end of its time index
    batch     by the max timestamp          in headers, from the place that the indexes give
    record    by its own timestamp          in the one batch that is read and opened

Only here, and in compacted topics, does a broker look at records. They are a producer's bytes that
nobody has checked: a batch whose records cannot be read, or are too many to be read while others
wait, is answered for as a whole, with its base offset and its max timestamp. So is the next, when
a look-up has opened some in vain: their headers promised a time that none of their records has.

Left out: log append time needs no step of its own, for then every record of a batch has the
batch's max timestamp.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...protocol.batch import BatchHeader
from ...protocol.primitives import ProtocolError
from .index import NO_TIMESTAMP
from .opened_batch import open_batch
from .segment import Segment

MAX_OPENED = 8
"""Batches that one look-up opens before it believes the next one's header."""


class FoundOffset(NamedTuple):
    """A record's offset, its timestamp in ms since 1970, and the leader epoch of its batch."""

    offset: int
    timestamp: int
    leader_epoch: int


class Place(NamedTuple):
    """Where a batch lies."""

    segment: Segment
    position: int
    header: BatchHeader


def first_at_or_after(
    segments: Sequence[Segment], timestamp_ms: int, start_offset: int, end_offset: int
) -> FoundOffset | None:
    """Return the first record in [start_offset, end_offset) of `timestamp_ms` or later."""
    opened = 0
    for segment in segments:
        if segment.base_offset >= end_offset:
            return None
        if segment.next_offset <= start_offset or segment.largest.timestamp < timestamp_ms:
            continue
        from_offset = max(segment.indexes.times.floor(timestamp_ms).offset, start_offset)
        for position, header in segment.headers(from_offset):
            if header.base_offset >= end_offset:
                return None
            if header.max_timestamp < timestamp_ms:
                continue
            opened += 1
            if opened > MAX_OPENED:
                return _whole(header)
            for found in _records(segment, position, header):
                if found.timestamp >= timestamp_ms and start_offset <= found.offset < end_offset:
                    return found
    return None


def latest(segments: Sequence[Segment], start_offset: int, end_offset: int) -> FoundOffset | None:
    """Return the record with the largest timestamp in [start_offset, end_offset).

    The first of several that have it; None when there is no record with a timestamp.
    """
    best: Place | None = None
    divided: list[Place] = []
    for segment in segments:
        if segment.base_offset >= end_offset or segment.next_offset <= start_offset:
            continue
        if best is not None and segment.largest.timestamp <= best.header.max_timestamp:
            continue
        for place in _latest_candidates(segment, start_offset, end_offset):
            header = place.header
            if not header.record_count:
                continue  # Compaction has emptied it: its max timestamp is that of nobody.
            if header.base_offset < start_offset or header.next_offset > end_offset:
                divided.append(place)  # Its max timestamp may be that of a record outside.
            elif header.max_timestamp > (best.header.max_timestamp if best else NO_TIMESTAMP):
                best = place
    found = [
        record
        for place in ([*divided, best] if best else divided)
        for record in _records(*place)
        if start_offset <= record.offset < end_offset and record.timestamp > NO_TIMESTAMP
    ]
    return max(found, key=lambda record: (record.timestamp, -record.offset), default=None)


def _latest_candidates(segment: Segment, start_offset: int, end_offset: int) -> Iterator[Place]:
    """Yield the batches among which is the latest of the segment between the two offsets.

    That is one, if the batch which the segment's time index calls the latest lies between them;
    else each, which happens only where the high watermark or the log's start divides the segment.
    """
    largest_offset = segment.largest.offset
    if start_offset <= largest_offset < end_offset:
        for position, header in segment.headers(largest_offset):
            if header.base_offset < start_offset:
                break
            yield Place(segment, position, header)
            return
    for position, header in segment.headers(start_offset):
        if header.base_offset >= end_offset:
            return
        yield Place(segment, position, header)


def _records(segment: Segment, position: int, header: BatchHeader) -> Iterator[FoundOffset]:
    """Yield what is found in the records of the batch at `position`."""
    epoch = header.partition_leader_epoch
    try:
        records = list(open_batch(segment.file.pread(header.size_bytes, position), header))
    except ProtocolError:
        yield _whole(header)
        return
    for record in records:
        yield FoundOffset(record.offset, record.timestamp, epoch)


def _whole(header: BatchHeader) -> FoundOffset:
    """The answer for a batch that is not opened."""
    return FoundOffset(header.base_offset, header.max_timestamp, header.partition_leader_epoch)
