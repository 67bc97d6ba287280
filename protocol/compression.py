"""Compression of record batches: gzip, snappy, lz4, zstd behind one function each way.

A batch's records are compressed as one piece; the codec is in the low three bits of the batch's
attributes (KIP-98; zstd: KIP-110).

    number  name    what lies in the batch
    0       none    the records
    1       gzip    gzip members (RFC 1952), one or several
    2       snappy  xerial frames as Java writes them, or one raw snappy block
    3       lz4     lz4 frames, one or several
    4       zstd    zstd frames (RFC 8878), one or several

Xerial framing, from the Java library of that name: a header of 16 bytes, then blocks.

    82 "SNAPPY" 00 | version int32 | oldest compatible version int32 | (length int32 | raw block)*

Invariants:
- Output is bounded while it is made, never after: the destination has the size of the bound and its
  pages are mapped lazily, so a bomb ends with the bound and an honest batch costs only what it
  fills. Snappy declares its length first, which is checked before a byte is written.
- Whatever the input, the only error is ProtocolError.

Left out: compression levels (the codecs' defaults serve) and dictionaries (Kafka has none).
cramjam is imported at the first use, since a broker that reads only batch headers never needs it.
"""

import enum
import mmap
import struct
from collections.abc import Callable, Iterator
from typing import Any, cast

from .primitives import Buffer, ProtocolError

MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024
MAX_EXPANSION = 1000
"""A batch may grow by this factor when it is decompressed ..."""
MIN_EXPANSION_LIMIT_BYTES = 16 * 1024 * 1024
"""... or to this size: a few bytes of zstd are an honest megabyte of zeros."""

_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER = _XERIAL_MAGIC + struct.pack(">ii", 1, 1)
_XERIAL_BLOCK_BYTES = 32 * 1024
_INT32 = struct.Struct(">i")  # length of a xerial block


class CompressionType(enum.IntEnum):
    """The codecs by the numbers of a batch's attributes and the names of Kafka's configuration."""

    none = 0
    gzip = 1
    snappy = 2
    lz4 = 3
    zstd = 4


def compress(codec: int, data: Buffer) -> bytes:
    """Return `data` compressed; ValueError for a number that is no codec."""
    match CompressionType(codec):
        case CompressionType.none:
            return bytes(data)
        case CompressionType.snappy:
            return _compress_xerial(memoryview(data))
        case other:
            return bytes(_cramjam(other).compress(data))


def decompress(codec: int, data: Buffer, max_bytes: int = MAX_DECOMPRESSED_BYTES) -> Buffer:
    """Return `data` decompressed; for codec 0 the very object that came in.

    ProtocolError when the codec is unknown, the bytes are no such stream, or the output would pass
    `max_bytes` or the factor MAX_EXPANSION.
    """
    if codec == CompressionType.none:
        return data
    limit_bytes = min(max_bytes, expansion_limit_bytes(len(data)))
    if codec == CompressionType.snappy:
        return _decompress_snappy(memoryview(data), limit_bytes)
    try:
        module = _cramjam(CompressionType(codec))
    except ValueError:
        raise ProtocolError(f"unknown compression codec {codec}") from None
    return _fill(module.decompress_into, data, limit_bytes)


def expansion_limit_bytes(size_bytes: int) -> int:
    """What so many compressed bytes may grow to."""
    expanded_bytes = max(size_bytes * MAX_EXPANSION, MIN_EXPANSION_LIMIT_BYTES)
    return min(expanded_bytes, MAX_DECOMPRESSED_BYTES)


def _cramjam(codec: CompressionType) -> Any:
    """Return cramjam's module for `codec`."""
    import cramjam

    return getattr(cramjam, codec.name)


def _fill(decompress_into: Callable[[Buffer, mmap.mmap], int], data: Buffer, limit: int) -> bytes:
    """Return what `decompress_into` writes, into a destination that cannot grow past `limit`."""
    import cramjam

    with mmap.mmap(-1, limit) as destination:
        try:
            size_bytes = decompress_into(data, destination)
        except cramjam.DecompressionError as error:
            message = f"cannot decompress {len(data)} bytes into at most {limit}: {error}"
            raise ProtocolError(message) from None
        return destination[:size_bytes]


def _compress_xerial(data: memoryview) -> bytes:
    """Return `data` as xerial frames, which every Kafka client reads (raw snappy: not all)."""
    compress_raw = _cramjam(CompressionType.snappy).compress_raw
    chunks = [_XERIAL_HEADER]
    for position in range(0, len(data), _XERIAL_BLOCK_BYTES):
        block = bytes(compress_raw(data[position : position + _XERIAL_BLOCK_BYTES]))
        chunks += (_INT32.pack(len(block)), block)
    return b"".join(chunks)


def _decompress_snappy(data: memoryview, limit_bytes: int) -> bytes:
    """Return the content of xerial frames or of one raw block."""
    if bytes(data[: len(_XERIAL_MAGIC)]) == _XERIAL_MAGIC:
        return b"".join(_xerial_contents(data, limit_bytes))
    return _decompress_raw_snappy(data, limit_bytes)


def _xerial_contents(data: memoryview, limit_bytes: int) -> Iterator[bytes]:
    """Yield the content of each xerial block, in all at most `limit_bytes`."""
    position = len(_XERIAL_HEADER)
    while position < len(data):
        if position + _INT32.size > len(data):
            raise ProtocolError("a xerial block's length is cut", position)
        (size_bytes,) = cast("tuple[int]", _INT32.unpack_from(data, position))
        position += _INT32.size
        if not 0 < size_bytes <= len(data) - position:
            raise ProtocolError(f"a xerial block of {size_bytes} bytes does not fit", position)
        content = _decompress_raw_snappy(data[position : position + size_bytes], limit_bytes)
        limit_bytes -= len(content)
        position += size_bytes
        yield content


def _decompress_raw_snappy(block: memoryview, limit_bytes: int) -> bytes:
    """Return the content of one raw block, whose declared length is checked first."""
    import cramjam

    try:
        declared_bytes = cramjam.snappy.decompress_raw_len(block)
        if declared_bytes > limit_bytes:
            raise ProtocolError(f"snappy block of {declared_bytes} bytes, at most {limit_bytes}")
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise ProtocolError(f"cannot decompress a snappy block: {error}") from None
