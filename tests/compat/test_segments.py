"""The files of a partition that every client wrote to, read without the node.

Each batch decodes to the same records by kio, by minikafka and as a client consumed it; each entry
of an index points at a batch that is there.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from kio.records.readers import read_batch

from minikafka.broker.handlers.table import SERVED_VERSIONS
from minikafka.protocol.batch import write_header
from minikafka.protocol.compression import CompressionType, decompress
from minikafka.protocol.records import (
    HEADER_BYTES,
    LENGTH_END,
    BatchHeader,
    crc_matches,
    iterate,
    iterate_batches,
    read_header,
)

from ..nodes import NodeProcess
from .clients import AdminClient, compressed, record
from .confluent_client import ConfluentClient
from .conftest import CLIENTS
from .kcat_client import PROGRAM

TOPIC = "written-by-all"
CONFIGS = {"segment.bytes": "32768", "index.interval.bytes": "1024"}
RECORDS_PER_SEND = 30
LOWEST_SEGMENTS = 4
FIND_COORDINATOR_KEY = 10
LZ4_NEEDS_GROUPS = FIND_COORDINATOR_KEY not in SERVED_VERSIONS
"""Librdkafka packs with lz4 only where FindCoordinator is served, of which it is as old."""
CODEC_MASK = 0x07
OFFSET_ENTRY = struct.Struct(">ii")  # last offset of a batch less the base offset, position
TIME_ENTRY = struct.Struct(">qi")  # timestamp, last offset of its batch less the base offset


@pytest.fixture(scope="module")
def partition_dir(shared_broker: NodeProcess) -> Path:
    """The directory of a partition of several segments, with batches of every client and codec."""
    ConfluentClient(shared_broker.bootstrap).create_topic(TOPIC, configs=CONFIGS)
    random = Random(1)  # Less than a codec can pack well, more than it would leave alone.
    for make in CLIENTS:
        if make.name == "kcat" and PROGRAM is None:
            continue
        for codec in make.codecs:
            sent = [
                record(
                    random.randbytes(75).hex().encode() * 2,
                    b"key %d" % index,
                    [("codec", codec.encode()), ("client", make.name.encode())],
                )
                for index in range(RECORDS_PER_SEND)
            ]
            make(shared_broker.bootstrap).send(TOPIC, sent, settings=compressed(codec))
    return shared_broker.data_dir / f"{TOPIC}-0"


def test_every_batch_on_disk_is_what_a_client_consumes(partition_dir: Path, anybody: AdminClient):
    on_disk = [each for batch in _batches(partition_dir) for each in iterate(batch)]
    assert anybody.watermarks(TOPIC) == (0, len(on_disk))
    assert anybody.read(TOPIC, len(on_disk)) == on_disk


def test_every_batch_on_disk_is_what_kio_reads(partition_dir: Path):
    for batch in _batches(partition_dir):
        ours, header = list(iterate(batch)), read_header(batch)
        assert crc_matches(batch, header)
        theirs, _ = read_batch(_uncompressed(batch, header), 0)
        assert theirs.base_offset == header.base_offset
        assert theirs.producer_id == header.producer_id
        for our, their in zip(ours, theirs.records, strict=True):
            assert (their.offset, their.key, their.value) == (our.offset, our.key, our.value)
            assert int(their.timestamp.timestamp()) == our.timestamp // 1000
            names = [(each.key or b"").decode() for each in their.headers]
            values = [each.value for each in their.headers]
            assert tuple(zip(names, values, strict=True)) == our.headers


def test_every_codec_is_on_disk_as_its_producer_sent_it(partition_dir: Path):
    for batch in _batches(partition_dir):
        codec = CompressionType(read_header(batch).compression).name.encode()
        for each in iterate(batch):
            headers = dict(each.headers)
            is_librdkafka = headers["client"] in (b"confluent", b"kcat")
            if headers["codec"] == b"lz4" and is_librdkafka and LZ4_NEEDS_GROUPS:
                assert codec == b"none"
            else:
                assert codec == headers["codec"]


def test_every_index_entry_points_at_a_batch(partition_dir: Path):
    for path in _rolled(partition_dir):
        ends = {position: header.last_offset for position, header in _headers(path)}
        content = path.with_suffix(".index").read_bytes()
        entries = list(OFFSET_ENTRY.iter_unpack(content))
        assert entries
        assert entries == sorted(set(entries))
        assert all(ends[position] == int(path.stem) + offset for offset, position in entries)


def test_every_time_index_entry_is_the_largest_time_so_far(partition_dir: Path):
    for path in _rolled(partition_dir):
        headers = [header for _, header in _headers(path)]
        content = path.with_suffix(".timeindex").read_bytes()
        entries = list(TIME_ENTRY.iter_unpack(content))
        assert entries[-1][0] == max(each.max_timestamp for each in headers)
        for timestamp, offset in entries:
            until = [each for each in headers if each.last_offset <= int(path.stem) + offset]
            assert until[-1].last_offset == int(path.stem) + offset
            assert until[-1].max_timestamp == timestamp
            assert all(each.max_timestamp < timestamp for each in until[:-1])


def _segments(partition_dir: Path) -> list[Path]:
    paths = sorted(partition_dir.glob("*.log"))
    assert len(paths) >= LOWEST_SEGMENTS
    return paths


def _rolled(partition_dir: Path) -> list[Path]:
    """All but the active segment, whose indexes are in memory."""
    return _segments(partition_dir)[:-1]


def _batches(partition_dir: Path) -> Iterator[memoryview]:
    for path in _segments(partition_dir):
        yield from iterate_batches(path.read_bytes())


def _headers(path: Path) -> Iterator[tuple[int, BatchHeader]]:
    """Each batch of a segment: its position and its header."""
    position = 0
    for batch in iterate_batches(path.read_bytes()):
        yield position, read_header(batch)
        position += len(batch)


def _uncompressed(batch: memoryview, header: BatchHeader) -> bytes:
    """The same batch as if it had been sent without compression, which kio does not know."""
    body = decompress(header.compression, batch[HEADER_BYTES:])
    twin = bytearray(HEADER_BYTES) + body
    attributes = header.attributes & ~CODEC_MASK
    length = len(twin) - LENGTH_END
    write_header(twin, header._replace(attributes=attributes, batch_length=length))
    return bytes(twin)
