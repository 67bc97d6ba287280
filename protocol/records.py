"""The records of a batch: build a batch from them, decode them in runs.

They lie behind the header of their batch (see `batch`), compressed as one piece. Every number but
the attributes is a zigzag varint:

    length | attributes int8 | timestamp delta | offset delta
    key length (-1: null) | key | value length (-1: null) | value
    header count | (name length | name | value length (-1: null) | value)*

Both deltas count from the base of the batch. Invariant: nothing is handed out from a record which
does not end where its length says.

This module is also the door for those who work with batches: the names of `batch` are here too.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple, TypeAlias

from .batch import (
    CONTROL_BIT,
    HEADER_BYTES,
    LENGTH_END,
    MAGIC,
    MAX_SEQUENCE,
    MIN_RECORD_BYTES,
    TRANSACTIONAL_BIT,
    BatchHeader,
    InvalidBatch,
    assign_offset,
    crc_matches,
    iterate_batches,
    read_header,
    stamp_log_append_time,
    validate_batch,
    write_header,
)
from .compression import MAX_DECOMPRESSED_BYTES, compress, decompress
from .primitives import Buffer, ProtocolError

__all__ = [
    "HEADER_BYTES",
    "LENGTH_END",
    "MAGIC",
    "MAX_SEQUENCE",
    "NULL",
    "BatchBuilder",
    "BatchHeader",
    "Columns",
    "InvalidBatch",
    "Record",
    "RecordHeader",
    "assign_offset",
    "build_batch",
    "crc_matches",
    "encode_nullable",
    "encode_record_headers",
    "encode_varint",
    "iterate",
    "iterate_batches",
    "iterate_columns",
    "read_header",
    "stamp_log_append_time",
    "validate_batch",
]

RecordHeader: TypeAlias = tuple[str, bytes | None]

NULL: Final = b"\x01"  # the length -1
RECORDS_AT_ONCE: Final = 256
"""Large enough that the work per run does not show, small enough to be no load on memory."""

_MAX_VARINT_SHIFT: Final = 63  # ten bytes of seven bits hold 64 bits
_NO: Final = -(1 << 14)  # more than the other part can make up for
_ONE: Final = tuple(byte >> 1 if byte < 0x80 and not byte & 1 else _NO for byte in range(0x100))
"""The number from 0 on which this byte is, as a varint; below 0: it is none."""
_LOW: Final = tuple((byte & 0x7F) >> 1 if not byte & 1 else _NO for byte in range(0x100))
_HIGH: Final = tuple(byte << 6 if byte < 0x80 else _NO for byte in range(0x100))
"""The number from 0 on which two bytes are is the sum of both; below 0: they are none."""


# A named tuple's own constructor takes twice the time of the tuple's. Its type is not known.
_make: Callable[[type[Any], Iterable[Any]], Any]
_make = tuple.__new__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


class Record(NamedTuple):
    """One record as a consumer sees it; `timestamp` in ms since 1970, -1 for none."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[RecordHeader, ...] = ()


class Columns(NamedTuple):
    """Records of a batch that follow each other: a list for each field, all of one length."""

    offsets: list[int]
    timestamps: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[tuple[RecordHeader, ...]]

    @classmethod
    def empty(cls, count: int) -> "Columns":
        """So many records without anything in them."""
        nothing: list[bytes | None] = [None] * count
        return cls([0] * count, [0] * count, nothing, nothing[:], [()] * count)


def iterate(
    view: Buffer, header: BatchHeader | None = None, max_bytes: int = MAX_DECOMPRESSED_BYTES
) -> Iterator[Record]:
    """Yield the records of one whole batch; see iterate_columns."""
    for columns in iterate_columns(view, header, max_bytes):
        yield from map(_make, repeat(Record), zip(*columns, strict=True))


def iterate_columns(
    view: Buffer, header: BatchHeader | None = None, max_bytes: int = MAX_DECOMPRESSED_BYTES
) -> Iterator[Columns]:
    """Yield the records of one whole batch, RECORDS_AT_ONCE at a time, decoded when asked for.

    The CRC is not looked at (see crc_matches); for any bytes the only error is ProtocolError, also
    when they decompress to more than `max_bytes`. What lies before the damage is yielded first.
    """
    if header is None:
        header = read_header(view)
    if header.magic != MAGIC or header.size_bytes != len(view):
        message = (
            f"batch of magic {header.magic}, length {header.batch_length} in {len(view)} bytes"
        )
        raise ProtocolError(message)
    body = bytes(decompress(header.compression, memoryview(view)[HEADER_BYTES:], max_bytes))
    if not 0 <= header.record_count <= len(body) // MIN_RECORD_BYTES:
        raise ProtocolError(f"{header.record_count} records in {len(body)} bytes")
    position, left, error = 0, header.record_count, None
    while left and error is None:
        count = min(left, RECORDS_AT_ONCE)
        left -= count
        columns = Columns.empty(count)
        position, error = _fill(columns, body, position, header)
        if header.is_log_append_time:
            columns.timestamps[:] = [header.max_timestamp] * len(columns.offsets)
        if columns.offsets:
            yield columns
    if error is not None:
        raise error
    if position != len(body):
        raise ProtocolError("bytes after the last record of a batch", position)


def _fill(
    columns: Columns, body: bytes, position: int, header: BatchHeader
) -> tuple[int, ProtocolError | None]:
    """Decode as many records as the columns are long; the position after them, or what is wrong.

    Numbers of one and two bytes are looked up in line, since nearly all are: half the time of the
    loop. Lengths are not checked one by one: a slice past the end comes out short, and then the
    record does not end where its length says, which is checked before it is kept.
    """
    offsets, timestamps, keys, values, headers = columns
    base_offset, base_timestamp = header.base_offset, header.base_timestamp
    one, low, high = _ONE, _LOW, _HIGH
    index = 0
    try:
        for index in range(len(offsets)):
            if (number := one[byte := body[position]]) >= 0:
                position += 1
            elif (number := low[byte] + high[body[position + 1]]) >= 0:
                position += 2
            else:
                number, position = _read_varint(body, position)
            end = position + number
            position += 1  # the attributes of a record: none are defined
            if (number := one[byte := body[position]]) >= 0:
                position += 1
            elif (number := low[byte] + high[body[position + 1]]) >= 0:
                position += 2
            else:
                number, position = _read_varint(body, position)
            timestamps[index] = base_timestamp + number
            if (number := one[byte := body[position]]) >= 0:
                position += 1
            elif (number := low[byte] + high[body[position + 1]]) >= 0:
                position += 2
            else:
                number, position = _read_varint(body, position)
            offsets[index] = base_offset + number
            if body[position] == 1:
                position += 1
            else:
                keys[index], position = _read_bytes(body, position)
            if (number := one[byte := body[position]]) >= 0:
                start = position + 1
                position = start + number
                values[index] = body[start:position]
            elif (number := low[byte] + high[body[position + 1]]) >= 0:
                start = position + 2
                position = start + number
                values[index] = body[start:position]
            else:
                values[index], position = _read_bytes(body, position)
            if body[position] == 0:
                position += 1
            else:
                headers[index], position = _read_record_headers(body, position)
            if position != end:
                raise ProtocolError("a record does not end where its length says", position)
    except IndexError:
        error = ProtocolError("a record is cut", len(body))
    except ProtocolError as caught:
        error = caught
    else:
        return position, None
    for column in columns:
        del column[index:]
    return position, error


def _read_varint(body: bytes, position: int) -> tuple[int, int]:
    """Return the zigzag varint at `position` (at most ten bytes) and the position after it."""
    number = body[position]
    position += 1
    if number >= 0x80:
        byte = body[position]
        position += 1
        number += (byte - 1) << 7  # less the bit that said "more follows"
        shift = 7
        while byte >= 0x80:
            byte = body[position]
            position += 1
            shift += 7
            if shift > _MAX_VARINT_SHIFT:
                raise ProtocolError("a varint of more than ten bytes", position)
            number += (byte - 1) << shift
    return (number >> 1) ^ -(number & 1), position


def _read_bytes(body: bytes, position: int) -> tuple[bytes | None, int]:
    """Return the nullable bytes at `position` and the position after them."""
    number = body[position]
    if number < 0x80 and not number & 1:
        position += 1
        end = position + (number >> 1)
        return body[position:end], end
    length, position = _read_varint(body, position)
    if length < 0:
        if length == -1:
            return None, position
        raise ProtocolError(f"bytes of length {length}", position)
    end = position + length
    return body[position:end], end


def _read_record_headers(body: bytes, position: int) -> tuple[tuple[RecordHeader, ...], int]:
    """Return the record's headers and the position after them."""
    count, position = _read_varint(body, position)
    if not 0 <= count <= len(body) - position:
        raise ProtocolError(f"{count} record headers", position)
    headers: list[RecordHeader] = []
    for _ in range(count):
        name, position = _read_bytes(body, position)
        value, position = _read_bytes(body, position)
        if name is None:
            raise ProtocolError("a record header without a name", position)
        try:
            headers.append((name.decode(), value))
        except UnicodeDecodeError:
            raise ProtocolError("a record header's name is not UTF-8", position) from None
    if position > len(body):
        raise ProtocolError("a record header is cut", position)
    return tuple(headers), position


class BatchBuilder:
    """Collects records and makes one batch of them; offsets follow each other from the base.

    A builder makes one batch: after build() it is used up.
    """

    __slots__ = (
        "_attributes",
        "_base_timestamp",
        "_buffer",
        "_compression",
        "_max_timestamp",
        "record_count",
    )

    def __init__(
        self, compression: int = 0, *, transactional: bool = False, control: bool = False
    ) -> None:
        self._compression = compression
        self._attributes = compression
        if transactional:
            self._attributes |= TRANSACTIONAL_BIT
        if control:
            self._attributes |= CONTROL_BIT
        self._buffer = bytearray(HEADER_BYTES)
        self._base_timestamp = self._max_timestamp = -1
        self.record_count = 0

    @property
    def size_bytes(self) -> int:
        """The size that the batch has so far without compression, header included."""
        return len(self._buffer)

    def append(
        self,
        timestamp: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[RecordHeader] = (),
    ) -> int:
        """Add a record and return `size_bytes`; `timestamp` in ms since 1970, -1 for none."""
        count = self.record_count
        if count == 0:
            self._base_timestamp = self._max_timestamp = timestamp
        varint = _VARINTS
        body = b"".join(
            (
                b"\0",  # attributes
                varint[timestamp - self._base_timestamp],
                varint[count],
                NULL if key is None else varint[len(key)] + key,
                NULL if value is None else varint[len(value)],
                value or b"",
                encode_record_headers(headers) if headers else b"\0",
            )
        )
        buffer = self._buffer
        buffer += varint[len(body)]
        buffer += body
        if timestamp > self._max_timestamp:
            self._max_timestamp = timestamp
        self.record_count = count + 1
        return len(buffer)

    def build(
        self,
        base_offset: int = 0,
        producer_id: int = -1,
        producer_epoch: int = -1,
        base_sequence: int = -1,
        leader_epoch: int = -1,
    ) -> bytearray:
        """Return the batch, with its CRC; ValueError when there is no record."""
        if self.record_count == 0:
            raise ValueError("a batch needs a record")
        batch = self._buffer
        if self._compression:
            batch = bytearray(HEADER_BYTES)
            batch += compress(self._compression, memoryview(self._buffer)[HEADER_BYTES:])
            self._buffer = batch  # the records as they were are needed no more
        header = BatchHeader(
            base_offset=base_offset,
            batch_length=len(batch) - LENGTH_END,
            partition_leader_epoch=leader_epoch,
            magic=MAGIC,
            crc=0,
            attributes=self._attributes,
            last_offset_delta=self.record_count - 1,
            base_timestamp=self._base_timestamp,
            max_timestamp=self._max_timestamp,
            producer_id=producer_id,
            producer_epoch=producer_epoch,
            base_sequence=base_sequence,
            record_count=self.record_count,
        )
        write_header(batch, header)
        return batch


def build_batch(
    records: Iterable[Record], compression: int = 0, base_offset: int = 0, leader_epoch: int = -1
) -> bytearray:
    """Return one batch of `records`, whose own offsets are not looked at."""
    builder = BatchBuilder(compression)
    for _, timestamp, key, value, headers in records:
        builder.append(timestamp, key, value, headers)
    return builder.build(base_offset, leader_epoch=leader_epoch)


def encode_varint(number: int) -> bytes:
    """Return `number` (64-bit, signed) as a zigzag varint."""
    number = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


class _Varints(dict[int, bytes]):
    """Varints by their numbers; those of one and two bytes are kept once they were needed."""

    def __missing__(self, number: int) -> bytes:
        encoded = encode_varint(number)
        if len(encoded) <= 2:
            self[number] = encoded
        return encoded


_VARINTS: Final = _Varints()


def encode_nullable(data: bytes | None) -> bytes:
    """Return nullable bytes with their length."""
    return NULL if data is None else _VARINTS[len(data)] + data


def encode_record_headers(headers: Sequence[RecordHeader]) -> bytes:
    """Return the count of `headers` and the headers."""
    chunks = [_VARINTS[len(headers)]]
    for name, value in headers:
        chunks += (encode_nullable(name.encode()), encode_nullable(value))
    return b"".join(chunks)
