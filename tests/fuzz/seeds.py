"""What every target begins with: real messages and files, made anew by the code at hand.

So a new API, version or codec has its seeds from its first day. Beside them come the stored inputs
(`corpus`).
"""

from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from struct import pack

from minikafka.broker.handlers.table import find_route
from minikafka.broker.log import checkpoints
from minikafka.broker.log.log import Log
from minikafka.broker.log.producer_snapshot import ProducerEntry, encode_snapshot
from minikafka.protocol.batch import read_header
from minikafka.protocol.compression import CompressionType, compress
from minikafka.protocol.control import (
    DescribeSegments,
    Event,
    Events,
    ReadEvents,
    Refused,
    Segment,
    Segments,
)
from minikafka.protocol.control_frame import SIZE, encode
from minikafka.protocol.records import HEADER_BYTES, Record, build_batch

from . import corpus
from .grammar import Greedy, Writer
from .log_files import DIRECTORY, OPTIONS, SEGMENT, valid_batches
from .memory_files import MemoryFiles
from .messages import cases

_RANDOM_SEEDS = 12
_RECORDS = [Record(0, 5, b"key", b"value " * 9, (("header", b"x"),)), Record(1, 6, None, None, ())]
_ID = bytes(range(16))


@cache
def seeds(target: str) -> tuple[bytes, ...]:
    """The seeds of a target: made ones and stored ones."""
    made = _MADE.get(target, _random)
    return (*made(), *corpus.load(target))


def _random() -> Iterator[bytes]:
    """For targets whose input is decisions, bytes that make some."""
    random = Random(3)
    for length in range(_RANDOM_SEEDS):
        yield random.randbytes(8 * length)


def _messages(is_request: bool) -> Iterator[bytes]:
    for (key, version), (cls, _) in cases(is_request).items():
        hand = Greedy(1_000_000, 0, text=b"orders")
        yield bytes((key, version)) + Writer(cls, version, hand).message()


def _decisions(is_request: bool) -> Iterator[bytes]:
    """Each version, honestly written (the byte behind it is even) and with a lie."""
    random = Random(4)
    for key, version in cases(is_request):
        for is_lying in (0, 1):
            yield bytes((key, version, is_lying, random.randrange(1, 9))) + random.randbytes(40)


def _conversations() -> Iterator[bytes]:
    random = Random(5)
    for key, version in cases(True):
        for number in range(2):
            yield bytes((number, key, version, number)) + random.randbytes(60)


def _request_headers() -> Iterator[bytes]:
    for key, version in cases(True):
        route = find_route(key, version)
        tags = b"\0" if route is not None and route.has_flexible_request else b""
        yield pack(">hhih", key, version, 7, 4) + b"fuzz" + tags


def _frames() -> Iterator[bytes]:
    for sizes in ((0,), (5, 70), (300, 0, 9), (3,)):
        stream = b"".join(pack(">i", size) + bytes(size) for size in sizes)
        yield b"\0\0" + stream
        yield b"\2\0\0\0\7\0" + stream
        yield b"\1\0\x03\xff" + stream
        yield b"\2\0\0\x80\0\xff" + stream


def _batches() -> Iterator[bytes]:
    for codec in CompressionType:
        for is_mended in (b"\0", b"\1"):
            yield is_mended + bytes(build_batch(_RECORDS, codec))


def _record_bodies() -> Iterator[bytes]:
    body = bytes(build_batch(_RECORDS)[HEADER_BYTES:])
    for codec in CompressionType:
        for attributes in (0, 8, 0x20):
            yield bytes((codec, attributes, len(_RECORDS))) + body + b"\0"
            yield bytes((codec, attributes, len(_RECORDS))) + compress(codec, body) + b"\1"


def _compressed(codec: CompressionType) -> Iterator[bytes]:
    for content in (b"", b"text", b"a longer text, " * 60, bytes(100_000)):
        yield compress(codec, content)
        yield compress(codec, content) * 2


def _segments() -> Iterator[bytes]:
    batch = bytes(build_batch(_RECORDS, base_offset=4, leader_epoch=3))
    for count in range(4):
        for kind in range(4):
            yield bytes((count, count, kind)) + batch
        yield bytes((count, 0, 0)) + bytes(90) + batch


def _indexes() -> Iterator[bytes]:
    files = MemoryFiles()
    log = Log.open(files, DIRECTORY, OPTIONS)
    view, position = memoryview(bytearray(valid_batches(3))), 0
    while position < len(view):
        header = read_header(view, position)
        log.stage(view[position : position + header.size_bytes], header)
        position += header.size_bytes
    log.roll()
    offsets, times = (bytes(files.contents[f"{SEGMENT}.{end}"]) for end in ("index", "timeindex"))
    yield bytes((255 * len(offsets) // (len(offsets) + len(times)) + 1,)) + offsets + times
    yield b"\0" + times
    yield b"\xff" + offsets


def _snapshots() -> Iterator[bytes]:
    snapshot = encode_snapshot(
        [ProducerEntry(7, 0, 4, 9, 4, 1000), ProducerEntry(8, 1, 0, 3, 0, 5)]
    )
    yield b"\0" + snapshot
    yield b"\1" + snapshot[6:]
    yield b"\0" + encode_snapshot([])


def _small_files() -> Iterator[bytes]:
    yield checkpoints.encode_offsets({("orders", 0): 7, ("a.b", 1): 0})
    yield checkpoints.encode_leader_epochs([(0, 0), (3, 17)])
    yield checkpoints.encode_partition_metadata(_ID)
    yield checkpoints.encode_meta_properties(checkpoints.MetaProperties("c", 1, _ID))
    yield checkpoints.encode_clean_shutdown(7)
    yield b'{"flush":"fsync","boot_id":"x"}'


def _controls() -> Iterator[bytes]:
    segment = Segment(0, 5, 400, 5, 7, f"{0:020d}.log")
    event = Event(0, 1, 1, {"type": "TopicDeleted", "topic_id": _ID})
    for message in (
        DescribeSegments("orders", 0),
        Segments(0, 5, 5, False, (segment, segment)),
        ReadEvents(1),
        Events(1, (event,)),
        Refused("OFFSET_OUT_OF_RANGE", "no"),
    ):
        yield b"\xff" + encode(message, "c")[SIZE.size :]
    yield from _random()


def _addresses() -> Iterator[bytes]:
    yield from (b"127.0.0.1:9092", b"[::1]:0", b"host:65535", b":1", b"a:b", b"\xff:1")


_MADE: dict[str, Callable[[], Iterator[bytes]]] = {
    "frames": _frames,
    "request_header": _request_headers,
    "requests": lambda: _messages(True),
    "responses": lambda: _messages(False),
    "written_requests": lambda: _decisions(True),
    "written_responses": lambda: _decisions(False),
    "batches": _batches,
    "records": _record_bodies,
    "gzip": lambda: _compressed(CompressionType.gzip),
    "snappy": lambda: _compressed(CompressionType.snappy),
    "lz4": lambda: _compressed(CompressionType.lz4),
    "zstd": lambda: _compressed(CompressionType.zstd),
    "segments": _segments,
    "indexes": _indexes,
    "snapshots": _snapshots,
    "small_files": _small_files,
    "addresses": _addresses,
    "conversation": _conversations,
    "control": _controls,
}
