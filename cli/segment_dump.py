"""A .log file as lines: its batches, the records in them, and what is wrong with it.

    scan -> batch, batch, CorruptLog -> find_batch -> scan from there -> batch, ... -> sum

The broker's own scan reads the file, through a window of bounded size, and stops at the first bad
batch. Here somebody looks at damage, so a batch behind it is searched and the scan goes on there.
What the damage may have changed is not believed then: offset and leader epoch may begin anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

import msgpack

from ..broker.log.checkpoints import encode_uuid
from ..broker.log.files import File
from ..broker.log.scan import CorruptLog, find_batch, scan
from ..protocol.batch import HEADER_BYTES, MAGIC, BatchHeader, read_header
from ..protocol.compression import MAX_DECOMPRESSED_BYTES, CompressionType
from ..protocol.primitives import ProtocolError
from ..protocol.records import Record, iterate
from .dump_line import (
    NOTHING,
    DumpLine,
    damage,
    heading,
    row,
    shown_bytes,
    shown_field,
    shown_time,
    total,
)
from .record_format import json_value

COLUMNS: Final = (
    ("position", 10),
    ("offsets", 17),
    ("records", 7),
    ("bytes", 8),
    ("epoch", 5),
    ("codec", 6),
    ("max_timestamp", 24),
    ("producer", 0),
)


class Batch(NamedTuple):
    """A sound batch, where it lies."""

    position: int
    header: BatchHeader


class Damage(NamedTuple):
    """Bytes that are no sound batch, up to the next one that is."""

    position: int
    size_bytes: int
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What of the log is wanted; `is_listed` asks for more than damage and the sum."""

    is_listed: bool
    records: bool
    offset: int
    max_batches: int | None


def read_batches(file: File, base_offset: int) -> Iterator[Batch | Damage]:
    """Everything in the file, in order; `base_offset` is the least offset that it may hold."""
    position, offset, leader_epoch = 0, base_offset, -1
    while True:
        try:
            for found in scan(file, offset, leader_epoch, position):
                yield Batch(*found)
            return
        except CorruptLog as error:
            behind = find_batch(file, error.position, base_offset)
            end = file.size_bytes if behind is None else behind
            yield Damage(error.position, end - error.position, error.reason)
            if behind is None:
                return
            position, offset, leader_epoch = behind, base_offset, -1


def dump_segment(
    file: File, base_offset: int, selection: Selection, is_metadata: bool
) -> Iterator[DumpLine]:
    """The lines of a log file; the values of the metadata log are msgpack maps."""
    yield heading(COLUMNS)
    batches = records = damaged = 0
    for found in read_batches(file, base_offset):
        if isinstance(found, Damage):
            damaged += 1
            yield _damage_line(file, found)
            continue
        if found.header.last_offset < selection.offset:
            continue
        if batches == selection.max_batches:
            return  # What was not read is not called sound: no sum.
        batches += 1
        records += found.header.record_count
        if selection.is_listed:
            yield _batch_line(found)
        if selection.records:
            for line in _record_lines(file, found, selection.is_listed, is_metadata):
                damaged += line.kind == "damage"
                yield line
    yield total(damaged, batches=batches, records=records, bytes=file.size_bytes)


def _batch_line(batch: Batch) -> DumpLine:
    position, header = batch
    fields = {
        "position": position,
        "size_bytes": header.size_bytes,
        "base_offset": header.base_offset,
        "last_offset": header.last_offset,
        "record_count": header.record_count,
        "leader_epoch": header.partition_leader_epoch,
        "compression": _codec(header.compression),
        "timestamp_type": "LogAppendTime" if header.is_log_append_time else "CreateTime",
        "base_timestamp": header.base_timestamp,
        "max_timestamp": header.max_timestamp,
        "producer_id": header.producer_id,
        "producer_epoch": header.producer_epoch,
        "base_sequence": header.base_sequence,
        "is_transactional": header.is_transactional,
        "is_control": header.is_control,
        "crc": header.crc,
    }
    values = (
        position,
        _range(header.base_offset, header.last_offset),
        header.record_count,
        header.size_bytes,
        header.partition_leader_epoch,
        _codec(header.compression),
        shown_time(header.max_timestamp),
        _producer(header),
    )
    return DumpLine("batch", fields, row(COLUMNS, values))


def _producer(header: BatchHeader) -> str:
    """Who sent the batch, with its sequence numbers, and what is special about it."""
    parts: list[str] = []
    if header.has_producer_id:
        sequences = _range(header.base_sequence, header.last_sequence)
        parts.append(f"{header.producer_id} epoch {header.producer_epoch} sequence {sequences}")
    parts += ["append time"] * header.is_log_append_time
    parts += ["transactional"] * header.is_transactional
    parts += ["control"] * header.is_control
    return ", ".join(parts) or NOTHING


def _damage_line(file: File, found: Damage) -> DumpLine:
    """What is wrong; with the batch's own words about itself, if it can be heard."""
    head = file.pread(HEADER_BYTES, found.position)
    more = f"; {found.size_bytes} bytes are not read"
    if len(head) == HEADER_BYTES and (header := read_header(head)).magic == MAGIC:
        offsets = _range(header.base_offset, header.last_offset)
        more += f" (the header says: offsets {offsets}, {header.size_bytes} bytes)"
    return damage(found.position, found.reason, more, size_bytes=found.size_bytes)


def _record_lines(
    file: File, batch: Batch, is_listed: bool, is_metadata: bool
) -> Iterator[DumpLine]:
    """The records of a batch, opened even if they are not listed; damage where they can't be."""
    position, header = batch
    if header.size_bytes > MAX_DECOMPRESSED_BYTES:
        yield damage(position, f"a batch of {header.size_bytes} bytes is too large to be opened")
        return
    try:
        for record in iterate(file.pread(header.size_bytes, position), header):
            if is_listed:
                yield _record_line(record, is_metadata)
    except ProtocolError as error:
        yield damage(position, f"the checksum is right, but the records are not: {error}")


def _record_line(record: Record, is_metadata: bool) -> DumpLine:
    decoded = _decode_metadata(record.value) if is_metadata else None
    fields = {
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": json_value(record.key),
        "value": json_value(record.value) if decoded is None else decoded,
        "headers": [[name, json_value(value)] for name, value in record.headers],
    }
    if decoded is None:
        content = f"key {shown_bytes(record.key)}  value {shown_bytes(record.value)}"
    else:
        content = "  ".join(shown_field(name, value) for name, value in decoded.items())
    for name, value in record.headers:
        content += f"  header {shown_bytes(name.encode())} {shown_bytes(value)}"
    text = f"    offset {record.offset}  {shown_time(record.timestamp)}  {content}"
    return DumpLine("record", fields, text)


def _decode_metadata(value: bytes | None) -> dict[str, Any] | None:
    """A record of the metadata log as a map; None if it is none after all."""
    try:
        decoded: Any = cast(Any, msgpack).unpackb(value or b"")
    except (ValueError, msgpack.UnpackException):
        return None
    return _json_ready(decoded) if isinstance(decoded, dict) else None


def _json_ready(value: Any) -> Any:
    """What msgpack gave, as JSON can have it; ids become text as Kafka prints them."""
    match value:
        case bytes():
            return encode_uuid(value)
        case list():
            return [_json_ready(each) for each in cast(list[Any], value)]
        case dict():
            items = cast(dict[Any, Any], value).items()
            return {str(name): _json_ready(each) for name, each in items}
        case int() | float() | str() | None:
            return value
        case other:
            return repr(other)


def _codec(number: int) -> str:
    try:
        return CompressionType(number).name
    except ValueError:
        return f"codec {number}"


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
