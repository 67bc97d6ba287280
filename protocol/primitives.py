"""Kafka's primitive types: how each lies on the wire, with a bound on every length and count.

    fixed      boolean int8 int16 uint16 int32 uint32 int64 float64 (big-endian), uuid (16 bytes)
    varint     7 bits a byte, lowest first, the high bit says "more follows"; 5 bytes at most
    string     int16 length, UTF-8      compact: varint length + 1      null: -1, or 0 when compact
    bytes      int32 length, bytes      compact: varint length + 1      null: -1, or 0 when compact
    records    like bytes, but passed by reference and never copied
    array      int32 count, elements    compact: varint count + 1       null: -1, or 0 when compact
    tags       varint count, then (varint tag, varint size, bytes) in rising order of tag (KIP-482)

"Compact" is the form in the flexible versions of a message. The generated source (see `compiler`)
calls the functions below; what breaks a rule raises `ProtocolError` with the byte position.

A frame must not cost its reader much more than it cost its sender, so each message has a budget
that arrays and tagged fields spend before anything is allocated for them: a number costs 1, what
has a length 4, a structure 4 and its fields, a tagged field 8. Arrays within arrays spend from the
same budget. Text is bounded as well, for one byte of it may take four in memory; only bytes and
records may fill a frame.
"""

from collections.abc import Sized
from dataclasses import dataclass
from struct import Struct
from typing import Any

MAX_COST = 600_000
"""The budget of one message: less than 32 MiB of objects."""
COST_OF_NUMBER = 1
COST_OF_LENGTH = 4
COST_OF_STRUCTURE = 4
COST_OF_TAG = 8
MAX_PLAIN_BYTES = 8 << 20
"""A message without its bytes and records; text is the greatest part of what is left."""
MAX_STRING_BYTES = 0x7FFF
"""A string in either form, as in Kafka, where the compact one could be longer."""
MAX_TAGS = 64
"""Tagged fields in one structure (CVE-2026-111115: an unbounded count, read before login)."""
MAX_VARINT_BYTES = 5
LEAST_TAG_BYTES = 2

Buffer = bytes | bytearray | memoryview


class ProtocolError(Exception):
    """A peer's bytes break the protocol; `position` is the byte at which they do."""

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message if position is None else f"{message} (at byte {position})")
        self.position = position


@dataclass(frozen=True, slots=True)
class Fixed:
    """A type of constant size: its `struct` format character, bytes, and zero value."""

    name: str
    format: str
    size_bytes: int
    zero: Any


@dataclass(frozen=True, slots=True)
class Variable:
    """A type with a length in front: string, bytes or records."""

    name: str
    zero: Any


BOOLEAN = Fixed("boolean", "?", 1, False)
INT8 = Fixed("int8", "b", 1, 0)
INT16 = Fixed("int16", "h", 2, 0)
UINT16 = Fixed("uint16", "H", 2, 0)
INT32 = Fixed("int32", "i", 4, 0)
UINT32 = Fixed("uint32", "I", 4, 0)
INT64 = Fixed("int64", "q", 8, 0)
FLOAT64 = Fixed("float64", "d", 8, 0.0)
ZERO_UUID = bytes(16)
UUID = Fixed("uuid", "16s", 16, ZERO_UUID)
STRING = Variable("string", "")
BYTES = Variable("bytes", b"")
RECORDS = Variable("records", b"")

_INT16 = Struct(">h")
_INT32 = Struct(">i")
_ONE_BYTE_VARINTS = tuple(bytes((value,)) for value in range(128))
_MAX_INT32 = 0x7FFFFFFF
_NULL_INT16 = _INT16.pack(-1)
_NULL_INT32 = _INT32.pack(-1)


def encode_varint(value: int) -> bytes:
    """An unsigned varint (the wire's lengths, counts and tags)."""
    if 0 <= value < 128:
        return _ONE_BYTE_VARINTS[value]
    if not 0 <= value <= 0xFFFFFFFF:
        raise ValueError(f"{value} does not fit an unsigned 32-bit varint")
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def decode_varint(view: memoryview, position: int) -> tuple[int, int]:
    """The unsigned varint at `position`, and the position behind it."""
    byte = view[position]
    if byte < 128:
        return byte, position + 1
    value = byte & 0x7F
    for length in range(1, MAX_VARINT_BYTES):
        byte = view[position + length]
        value |= (byte & 0x7F) << (7 * length)
        if byte < 128:
            if value > 0xFFFFFFFF:
                raise ProtocolError("a varint exceeds 32 bits", position)
            return value, position + length + 1
    raise ProtocolError(f"a varint is longer than {MAX_VARINT_BYTES} bytes", position)


def encode_string(value: str) -> bytes:
    """A string with its int16 length."""
    encoded = value.encode()
    _check_string_length(encoded)
    return _INT16.pack(len(encoded)) + encoded


def encode_nullable_string(value: str | None) -> bytes:
    """A string or null, with its int16 length."""
    return _NULL_INT16 if value is None else encode_string(value)


def encode_compact_string(value: str) -> bytes:
    """A string with its varint length, as in flexible versions."""
    encoded = value.encode()
    _check_string_length(encoded)
    return encode_varint(len(encoded) + 1) + encoded


def encode_compact_nullable_string(value: str | None) -> bytes:
    """A string or null, with its varint length."""
    return b"\0" if value is None else encode_compact_string(value)


def _check_string_length(encoded: bytes) -> None:
    if len(encoded) > MAX_STRING_BYTES:
        raise ValueError(f"a string of {len(encoded)} bytes exceeds {MAX_STRING_BYTES}")


def bytes_length(value: Sized) -> bytes:
    """The int32 length that stands before bytes and records."""
    if len(value) > _MAX_INT32:
        raise ValueError(f"{len(value)} bytes exceed an int32 length")
    return _INT32.pack(len(value))


def nullable_bytes_length(value: Sized | None) -> bytes:
    """The same, where null is allowed."""
    return _NULL_INT32 if value is None else bytes_length(value)


def compact_bytes_length(value: Sized) -> bytes:
    """The varint length that stands before bytes, records and arrays in flexible versions."""
    return encode_varint(len(value) + 1)


def compact_nullable_bytes_length(value: Sized | None) -> bytes:
    """The same, where null is allowed."""
    return b"\0" if value is None else encode_varint(len(value) + 1)


def decode_length(view: memoryview, position: int) -> tuple[int, int]:
    """An int32 length or count (-1: null), and the position behind it."""
    (length,) = _INT32.unpack_from(view, position)
    if length < -1:
        raise ProtocolError(f"a length of {length}", position)
    return length, position + 4


def decode_compact_length(view: memoryview, position: int) -> tuple[int, int]:
    """A varint length or count (-1: null), and the position behind it."""
    encoded = view[position]
    if encoded < 128:
        return encoded - 1, position + 1
    encoded, position = decode_varint(view, position)
    return encoded - 1, position


def _decode_string_length(view: memoryview, position: int) -> tuple[int, int]:
    (length,) = _INT16.unpack_from(view, position)
    if length < -1:
        raise ProtocolError(f"a string length of {length}", position)
    return length, position + 2


def _text(view: memoryview, position: int, length: int) -> tuple[str, int]:
    end = position + length
    if end > len(view) or length > MAX_STRING_BYTES:
        possible = min(MAX_STRING_BYTES, len(view) - position)
        raise ProtocolError(f"a string of {length} bytes where {possible} are possible", position)
    try:
        return str(view[position:end], "utf-8"), end
    except UnicodeDecodeError as error:
        raise ProtocolError("a string is not UTF-8", position + error.start) from error


def decode_nullable_string(view: memoryview, position: int) -> tuple[str | None, int]:
    """The string or null at `position`, and the position behind it."""
    length, position = _decode_string_length(view, position)
    return _text(view, position, length) if length >= 0 else (None, position)


def decode_string(view: memoryview, position: int) -> tuple[str, int]:
    """The string at `position`; null is refused."""
    length, start = _decode_string_length(view, position)
    if length < 0:
        raise ProtocolError("null where a string is required", position)
    return _text(view, start, length)


def decode_compact_nullable_string(view: memoryview, position: int) -> tuple[str | None, int]:
    """The compact string or null at `position`, and the position behind it."""
    length, position = decode_compact_length(view, position)
    return _text(view, position, length) if length >= 0 else (None, position)


def decode_compact_string(view: memoryview, position: int) -> tuple[str, int]:
    """The compact string at `position`; null is refused."""
    length, start = decode_compact_length(view, position)
    if length < 0:
        raise ProtocolError("null where a string is required", position)
    return _text(view, start, length)


def slice_bytes(view: memoryview, position: int, length: int) -> memoryview:
    """`length` bytes at `position`, by reference."""
    end = position + length
    if end > len(view):
        raise ProtocolError(f"{length} bytes exceed the frame", position)
    return view[position:end]


def spend(
    budget: int, count: int, cost: int, view: memoryview, position: int, least_bytes: int
) -> int:
    """What is left of a message's budget once an array claims `count` elements.

    An element costs `cost` and takes `least_bytes` or more, so a count that lies is refused before
    anything is allocated for it (CVE-2026-111108).
    """
    if count * least_bytes > len(view) - position:
        raise ProtocolError(f"an array of {count} elements exceeds the frame", position)
    budget -= count * cost
    if budget < 0:
        raise ProtocolError("too many values in one message", position)
    return budget


def too_long(position: int) -> ProtocolError:
    """The error for a message that passes MAX_PLAIN_BYTES at `position`."""
    return ProtocolError(f"more than {MAX_PLAIN_BYTES} bytes of numbers and text", position)


def encode_tags(tags: list[tuple[int, list[Buffer]]], append: Any) -> None:
    """Append the section of tagged fields: (tag, chunks) in rising order of tag."""
    append(encode_varint(len(tags)))
    for tag, chunks in tags:
        append(encode_varint(tag))
        append(encode_varint(sum(map(len, chunks))))
        for chunk in chunks:
            append(chunk)


def decode_tag_count(view: memoryview, position: int, budget: int) -> tuple[int, int, int]:
    """How many tagged fields follow, at most `MAX_TAGS`; the position behind; the budget left."""
    count, behind = decode_varint(view, position)
    if not count:
        return 0, behind, budget
    if count > MAX_TAGS:
        raise ProtocolError(f"{count} tagged fields in one structure", position)
    return count, behind, spend(budget, count, COST_OF_TAG, view, behind, LEAST_TAG_BYTES)


def decode_tag(view: memoryview, position: int, previous: int) -> tuple[int, int, int]:
    """(tag, position of its content, end of its content); tags must rise."""
    tag, behind = decode_varint(view, position)
    if tag <= previous:
        raise ProtocolError(f"tag {tag} after tag {previous}", position)
    size, start = decode_varint(view, behind)
    if start + size > len(view):
        raise ProtocolError(f"a tagged field of {size} bytes exceeds the frame", start)
    return tag, start, start + size


def skip_tags(view: memoryview, position: int, budget: int = MAX_COST) -> tuple[int, int]:
    """The position behind a section of tagged fields none of which we know; the budget left."""
    count, position, budget = decode_tag_count(view, position, budget)
    tag = -1
    for _ in range(count):
        tag, _, position = decode_tag(view, position, tag)
    return position, budget
