"""Every codec reads what clients write, and no input makes it take more memory than its bound."""

import gzip
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import aiokafka.codec as aiokafka_codec
import cramjam
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minikafka.protocol.compression import (
    MAX_DECOMPRESSED_BYTES,
    MIN_EXPANSION_LIMIT_BYTES,
    CompressionType,
    compress,
    decompress,
)
from minikafka.protocol.primitives import ProtocolError

CODECS = list(CompressionType)
MIB = 1024 * 1024


@given(st.sampled_from(CODECS), st.binary(max_size=5000), st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_round_trip(codec: CompressionType, data: bytes, times: int) -> None:
    data *= times
    assert bytes(decompress(codec, memoryview(compress(codec, memoryview(data))))) == data


@pytest.mark.parametrize("name", ["gzip", "snappy", "lz4", "zstd"])
def test_aiokafka_reads_ours_and_we_read_its(name: str) -> None:
    codec, data = CompressionType[name], b"some text, and the same again; " * 4000
    encode: Callable[[bytes], bytes] = getattr(aiokafka_codec, f"{name}_encode")
    decode: Callable[[bytes], bytes] = getattr(aiokafka_codec, f"{name}_decode")
    assert decompress(codec, bytes(encode(data))) == data
    assert bytes(decode(compress(codec, data))) == data


@pytest.mark.parametrize("name", ["lz4", "zstd"])
def test_several_frames_are_one_stream(name: str) -> None:
    codec = CompressionType[name]
    assert decompress(codec, compress(codec, b"one") + compress(codec, b"two")) == b"onetwo"


def test_several_gzip_members_are_one_stream() -> None:
    members = gzip.compress(b"one") + gzip.compress(b"two")
    assert decompress(CompressionType.gzip, members) == b"onetwo"


def _xxh32(data: bytes) -> int:
    """Return the xxHash of less than 16 bytes, a multiple of 4 or not: lz4's checksum."""
    mask, rest = 0xFFFFFFFF, len(data) % 4
    state = 374761393 + len(data)
    for (word,) in struct.iter_unpack("<I", data[: len(data) - rest]):
        state = (state + word * 3266489917) & mask
        state = ((state << 17 | state >> 15) & mask) * 668265263 & mask
    for byte in data[len(data) - rest :]:
        state = (state + byte * 374761393) & mask
        state = ((state << 11 | state >> 21) & mask) * 2654435761 & mask
    state = (state ^ state >> 15) * 2246822519 & mask
    state = (state ^ state >> 13) * 3266489917 & mask
    return state ^ state >> 16


@pytest.mark.parametrize("block_checksum", [False, True])
@pytest.mark.parametrize("content_checksum", [False, True])
def test_lz4_frame_by_hand_without_content_size(
    block_checksum: bool, content_checksum: bool
) -> None:
    """One block, stored as it is, as the format's description has it."""
    flags = 0x60 | block_checksum << 4 | content_checksum << 2
    descriptor = bytes((flags, 0x40))
    frame = struct.pack("<I", 0x184D2204) + descriptor + bytes((_xxh32(descriptor) >> 8 & 0xFF,))
    frame += struct.pack("<I", 0x80000000 | 5) + b"hello"
    if block_checksum:
        frame += struct.pack("<I", _xxh32(b"hello"))
    frame += bytes(4)
    if content_checksum:
        frame += struct.pack("<I", _xxh32(b"hello"))
    assert decompress(CompressionType.lz4, frame) == b"hello"
    if block_checksum:
        with pytest.raises(ProtocolError):
            decompress(CompressionType.lz4, frame.replace(b"hello", b"jello"))


@given(st.binary(max_size=200_000))
@settings(max_examples=20, deadline=None)
@example(b"")
@example(b"x" * 32 * 1024)
@example(b"x" * (32 * 1024 + 1))
def test_snappy_reads_raw_blocks_and_writes_xerial_frames(data: bytes) -> None:
    assert decompress(CompressionType.snappy, bytes(cramjam.snappy.compress_raw(data))) == data
    framed = compress(CompressionType.snappy, data)
    assert framed[:16] == b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
    assert decompress(CompressionType.snappy, framed) == data


NOISE = random.Random(1).randbytes(MIB)


def _bomb(name: str, size_bytes: int, noise: bytes = b"") -> bytes:
    """Return what decompresses to so many bytes: zeros, behind some noise."""
    data = noise + bytes(size_bytes - len(noise))
    if name == "raw snappy":
        return bytes(cramjam.snappy.compress_raw(data))
    return compress(CompressionType[name], data)


@pytest.mark.parametrize("name", ["gzip", "snappy", "raw snappy", "lz4", "zstd"])
def test_more_than_the_bound_is_refused(name: str) -> None:
    codec = CompressionType[name.removeprefix("raw ")]
    largest = _bomb(name, MAX_DECOMPRESSED_BYTES, NOISE)
    assert len(decompress(codec, largest)) == MAX_DECOMPRESSED_BYTES
    with pytest.raises(ProtocolError):
        decompress(codec, _bomb(name, MAX_DECOMPRESSED_BYTES + 1, NOISE))
    with pytest.raises(ProtocolError):
        decompress(codec, _bomb(name, 1001), max_bytes=1000)


def test_expansion_is_bounded_but_small_input_may_grow_to_sixteen_mebibytes() -> None:
    honest = _bomb("zstd", MIN_EXPANSION_LIMIT_BYTES)
    assert len(decompress(CompressionType.zstd, honest)) == MIN_EXPANSION_LIMIT_BYTES
    bomb = _bomb("zstd", MIN_EXPANSION_LIMIT_BYTES + 1)
    assert len(bomb) * 1000 < MIN_EXPANSION_LIMIT_BYTES
    with pytest.raises(ProtocolError):
        decompress(CompressionType.zstd, bomb)


@pytest.mark.parametrize("name", ["gzip", "snappy", "raw snappy", "lz4", "zstd"])
def test_a_bomb_of_a_gibibyte_takes_no_more_memory_than_the_bound(name: str) -> None:
    """A fresh process meets the bomb, since the peak of this one is no measure."""
    piece = _bomb(name, 64 * MIB)
    if name == "raw snappy":
        bomb = b"\xff\xff\xff\xff\x0f" + piece[4:]  # It declares four gibibytes.
    elif name == "snappy":
        bomb = piece + piece[16:] * 15
    else:
        bomb = piece * 16
    code = (
        "import resource, sys, cramjam\n"
        "from minikafka.protocol.compression import decompress\n"
        "from minikafka.protocol.primitives import ProtocolError\n"
        "bomb = sys.stdin.buffer.read()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        f"    decompress({CompressionType[name.removeprefix('raw ')].value}, bomb)\n"
        "except ProtocolError:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=bomb, capture_output=True, check=True)
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout) * unit_bytes < 150 * MIB


@given(st.sampled_from(CODECS[1:]), st.binary(max_size=300), st.integers(0, 10_000), st.binary())
@settings(max_examples=300, deadline=None)
def test_hostile_bytes_give_only_protocol_errors(
    codec: CompressionType, data: bytes, position: int, noise: bytes
) -> None:
    good = bytearray(compress(codec, data))
    position %= len(good) + 1
    good[position : position + len(noise)] = noise
    for hostile in (bytes(good), noise, bytes(good[:position])):
        with suppress(ProtocolError):
            decompress(codec, hostile)


@pytest.mark.parametrize("codec", [5, 6, 7, -1, 99])
def test_unknown_codec_is_refused(codec: int) -> None:
    with pytest.raises(ProtocolError):
        decompress(codec, b"x")
    with pytest.raises(ValueError, match="is not a valid"):
        compress(codec, b"x")


def test_no_codec_hands_back_the_object_itself() -> None:
    data = memoryview(b"abc")
    assert decompress(CompressionType.none, data) is data
