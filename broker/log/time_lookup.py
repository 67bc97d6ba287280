"""Look-ups by time: from a timestamp to an offset (ListOffsets, KIP-79 and KIP-734).

A look-up narrows down in three steps, each finer and dearer than the one before:

    segment   by its largest timestamp      from memory, or from the end of its time index
    batch     by the max timestamp          in headers, from the place that the indexes give
    record    by its own timestamp          in the one batch that is read and opened

Only here, and for compacted topics, does a broker open records. They are a producer's bytes that
nobody has checked: a batch whose records cannot be read is answered for as a whole, with its base
offset and its max timestamp.

Left out: log append time needs no step of its own, for then every record of a batch has the
batch's max timestamp.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...protocol.batch import BatchHeader
from ...protocol.primitives import ProtocolError
from ...protocol.records import iterate
from .index import NO_TIMESTAMP
from .segment import Segment


class FoundOffset(NamedTuple):
    """A record's offset, its timestamp in ms since 1970, and the leader epoch of its batch."""

    offset: int
    timestamp: int
    leader_epoch: int


def first_at_or_after(
    segments: Sequence[Segment], timestamp_ms: int, start_offset: int, end_offset: int
) -> FoundOffset | None:
    """Return the first record in [start_offset, end_offset) of `timestamp_ms` or later."""
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
            for found in _records(segment, position, header):
                if found.timestamp >= timestamp_ms and start_offset <= found.offset < end_offset:
                    return found
    return None


def latest(segments: Sequence[Segment], start_offset: int, end_offset: int) -> FoundOffset | None:
    """Return the record with the largest timestamp in [start_offset, end_offset).

    The first of several that have it; None when no record has a timestamp.
    """
    best: tuple[Segment, int, BatchHeader] | None = None
    for segment in segments:
        if segment.base_offset >= end_offset or segment.next_offset <= start_offset:
            continue
        best_timestamp = best[2].max_timestamp if best else NO_TIMESTAMP
        if segment.largest.timestamp <= best_timestamp:
            continue
        for position, header in _latest_candidates(segment, start_offset, end_offset):
            if header.max_timestamp > best_timestamp:
                best, best_timestamp = (segment, position, header), header.max_timestamp
    if best is None:
        return None
    records = [one for one in _records(*best) if start_offset <= one.offset < end_offset]
    return max(records, key=lambda found: found.timestamp, default=None)


def _latest_candidates(
    segment: Segment, start_offset: int, end_offset: int
) -> Iterator[tuple[int, BatchHeader]]:
    """Yield the batches among which is the latest of the segment between the two offsets.

    That is one, if the batch which the whole segment's time index calls the latest lies between
    them; else each, which happens only where the high watermark or the log's start divides it.
    """
    from_offset = segment.largest.offset
    whole = start_offset <= from_offset < end_offset
    for position, header in segment.headers(from_offset if whole else start_offset):
        if header.base_offset >= end_offset:
            return
        yield position, header
        if whole:
            return


def _records(segment: Segment, position: int, header: BatchHeader) -> Iterator[FoundOffset]:
    """Yield what is found in the records of the batch at `position`."""
    epoch = header.partition_leader_epoch
    try:
        records = list(iterate(segment.file.pread(header.size_bytes, position), header))
    except ProtocolError:
        yield FoundOffset(header.base_offset, header.max_timestamp, epoch)
        return
    for record in records:
        yield FoundOffset(record.offset, record.timestamp, epoch)
