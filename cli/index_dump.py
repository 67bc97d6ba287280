"""A segment's two indexes as lines, held against the log beside them.

    offset index   the entry's position is where a batch begins that ends with the entry's offset
    time index     the batch with the entry's offset has the entry's time, and none before it a
                   later one

Entries rise, as batches do, so one walk over the batches beside the entries is enough, and no batch
is kept. Kafka reserves room, as zeros, behind the entries of an index that it still writes; they
are no entries.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ..broker.log.index import NO_TIMESTAMP, OffsetIndex, TimeIndex, TimestampOffset
from .dump_line import DumpLine, damage, heading, row, shown_time, total
from .segment_dump import Batch

OFFSET_COLUMNS: Final = (("at", 10), ("last_offset", 12), ("position", 0))
TIME_COLUMNS: Final = (("at", 10), ("last_offset", 12), ("max_timestamp", 0))


def dump_offset_index(
    data: bytes, base_offset: int, batches: Iterator[Batch] | None
) -> Iterator[DumpLine]:
    """The lines of an offset index; `batches` are those of the log, None where there is none."""
    size_bytes = OffsetIndex.ENTRY_BYTES
    index = OffsetIndex(base_offset, _without_room(data, size_bytes))
    yield from _dump(data, size_bytes, OFFSET_COLUMNS, index, offset_problems(index, batches))


def dump_time_index(
    data: bytes, base_offset: int, batches: Iterator[Batch] | None
) -> Iterator[DumpLine]:
    """The lines of a time index; `batches` are those of the log, None where there is none."""
    size_bytes = TimeIndex.ENTRY_BYTES
    index = TimeIndex(base_offset, _without_room(data, size_bytes))
    entries = ((offset, timestamp) for timestamp, offset in index)
    yield from _dump(data, size_bytes, TIME_COLUMNS, entries, time_problems(index, batches))


def offset_problems(
    entries: Iterable[tuple[int, int]], batches: Iterator[Batch] | None
) -> Iterator[str | None]:
    """For each entry (last offset, position) what is wrong with it, or None."""
    last_offset = last_position = -1
    batch = None if batches is None else next(batches, None)
    for offset, position in entries:
        rises = offset > last_offset and position > last_position
        last_offset, last_position = max(offset, last_offset), max(position, last_position)
        while batches and batch and batch.position < position:
            batch = next(batches, None)
        if not rises:
            yield "it is not above the entry before"
        elif batches is None:
            yield None
        elif batch is None or batch.position != position:
            yield f"no sound batch of the log begins at position {position}"
        elif batch.header.last_offset != offset:
            ends = batch.header.last_offset
            yield f"the batch at position {position} ends with offset {ends}, not {offset}"
        else:
            yield None


def time_problems(
    entries: Iterable[TimestampOffset], batches: Iterator[Batch] | None
) -> Iterator[str | None]:
    """For each entry what is wrong with it, or None."""
    last, largest = TimestampOffset(NO_TIMESTAMP, -1), NO_TIMESTAMP
    batch = None if batches is None else next(batches, None)
    for timestamp, offset in entries:
        rises = timestamp > last.timestamp and offset >= last.offset
        last = TimestampOffset(max(timestamp, last.timestamp), max(offset, last.offset))
        while batches and batch and batch.header.last_offset < offset:
            largest = max(largest, batch.header.max_timestamp)
            batch = next(batches, None)
        if not rises:
            yield "it is not above the entry before"
        elif batches is None:
            yield None
        elif batch is None:
            yield f"offset {offset} is behind the log's last sound batch"
        elif batch.header.max_timestamp != timestamp:
            found = shown_time(batch.header.max_timestamp)
            yield f"the batch with offset {offset} has the max timestamp {found}"
        elif largest > timestamp:
            yield f"a batch before offset {offset} has the later time {shown_time(largest)}"
        else:
            yield None


def _dump(
    data: bytes,
    entry_bytes: int,
    columns: Sequence[tuple[str, int]],
    entries: Iterable[tuple[int, int]],
    problems: Iterable[str | None],
) -> Iterator[DumpLine]:
    """The heading, each entry with its problem behind it, the sum."""
    names = [name for name, _ in columns]
    yield heading(columns)
    count = damaged = 0
    for (offset, other), problem in zip(entries, problems, strict=True):
        fields = dict(zip(names, (count * entry_bytes, offset, other), strict=True))
        shown = shown_time(other) if "max_timestamp" in fields else other
        text = row(columns, (count * entry_bytes, offset, shown))
        yield DumpLine("entry", fields, text)
        if problem is not None:
            damaged += 1
            yield damage(count * entry_bytes, problem)
        count += 1
    if rest_bytes := len(data) % entry_bytes:
        damaged += 1
        reason = f"{rest_bytes} bytes are no whole entry of {entry_bytes}"
        yield damage(len(data) - rest_bytes, reason)
    yield total(damaged, entries=count)


def _without_room(data: bytes, entry_bytes: int) -> bytes:
    """The entries without the zeros that are reserved behind them."""
    used = -(-len(data.rstrip(b"\0")) // entry_bytes)
    return data[: used * entry_bytes]
