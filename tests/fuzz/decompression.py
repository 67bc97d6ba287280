"""The four codecs: what they make of any bytes is bounded, and ProtocolError is the only error."""

import struct
from contextlib import suppress

from minikafka.protocol.compression import CompressionType, compress, decompress
from minikafka.protocol.primitives import ProtocolError

from .choices import Choices

MAX_BYTES = 1 << 16
_XERIAL = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)


def gzip(data: bytes) -> None:
    """Members of gzip."""
    _decompress(CompressionType.gzip, data)


def snappy(data: bytes) -> None:
    """Raw blocks, and xerial frames whose lengths may lie."""
    _decompress(CompressionType.snappy, data)
    choices = Choices(data)
    frames = [_XERIAL]
    for _ in range(choices.below(4)):
        size = choices.below(64)
        block = compress(CompressionType.snappy, choices.take(size))[20:]
        claimed = choices.one_of((len(block), 0, -1, 0x7FFFFFFF, len(block) + 1, -0x80000000))
        frames += (struct.pack(">i", claimed), block)
    _decompress(CompressionType.snappy, b"".join(frames))


def lz4(data: bytes) -> None:
    """Frames of lz4."""
    _decompress(CompressionType.lz4, data)


def zstd(data: bytes) -> None:
    """Frames of zstd."""
    _decompress(CompressionType.zstd, data)


def _decompress(codec: CompressionType, data: bytes) -> None:
    with suppress(ProtocolError):
        content = decompress(codec, data, MAX_BYTES)
        assert len(content) <= MAX_BYTES
