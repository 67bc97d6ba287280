"""Segments, indexes and snapshots from any bytes: recovery ends, and takes away nothing valid.

valid batches (0 to 3) | hostile bytes        the last segment of a log that was not closed
"""

from functools import cache

from minikafka.broker.log.log import Log, LogOptions
from minikafka.broker.log.producer_snapshot import decode_snapshot, encode_snapshot
from minikafka.broker.log.scan import CorruptLog
from minikafka.protocol.batch import (
    HEADER_BYTES,
    LENGTH_END,
    crc_matches,
    read_header,
    write_header,
)
from minikafka.protocol.crc32c import crc32c
from minikafka.protocol.records import Record, build_batch, iterate_batches

from .choices import Choices
from .memory_files import MemoryFiles

DIRECTORY = "data/orders-0"
SEGMENT = f"{DIRECTORY}/{0:020d}"
OPTIONS = LogOptions(index_interval_bytes=100, flush_on_write="fsync")
_RECORDS = 2


@cache
def valid_batches(count: int) -> bytes:
    """So many batches of two records each, from offset 0 on."""
    return b"".join(
        build_batch(
            [Record(0, 1000 + number, b"key", bytes(40)) for _ in range(_RECORDS)],
            base_offset=number * _RECORDS,
            leader_epoch=3,
        )
        for number in range(count)
    )


def segments(data: bytes) -> None:
    """A log opens with all that is valid at its start, or is corrupt and left as it was."""
    choices = Choices(data)
    count = choices.below(4)
    confirmed = choices.below(count * _RECORDS + 2)
    prefix = valid_batches(count)
    content = prefix + _tail(choices, count * _RECORDS)
    files = MemoryFiles({f"{SEGMENT}.log": content})
    try:
        log = Log.open(files, DIRECTORY, OPTIONS, recovery_point=confirmed)
    except CorruptLog:
        assert files.contents[f"{SEGMENT}.log"] == content
        assert confirmed > count * _RECORDS
        return
    kept = bytes(files.contents[f"{SEGMENT}.log"])
    assert content.startswith(kept)
    assert kept.startswith(prefix)
    assert log.log_end_offset >= max(count * _RECORDS, confirmed)
    batches = [bytes(batch) for batch in iterate_batches(kept)]
    assert b"".join(batches) == kept
    assert all(crc_matches(batch, read_header(batch)) for batch in batches)
    for path, cut in files.contents.items():
        if path.endswith(".cut"):
            assert kept + bytes(cut) == content
    _read(log)


def _tail(choices: Choices, offset: int) -> bytes:
    """Hostile bytes, some of which are batches with a sound header or even a sound CRC."""
    kind = choices.byte()
    tail = bytearray(choices.rest())
    if kind & 1 and len(tail) >= HEADER_BYTES:
        header = read_header(tail)._replace(magic=2, batch_length=len(tail) - LENGTH_END)
        if kind & 2:
            header = header._replace(base_offset=offset, partition_leader_epoch=3)
        write_header(tail, header)
    return bytes(tail)


def indexes(data: bytes) -> None:
    """A closed log with foreign indexes: a read gives what is in it, or says that it is corrupt."""
    choices = Choices(data)
    content = valid_batches(3)
    end = 3 * _RECORDS
    active = f"{DIRECTORY}/{end:020d}"
    half = choices.byte()
    hostile = choices.rest()
    cut = half * len(hostile) // 255
    files = MemoryFiles(
        {
            f"{SEGMENT}.log": content,
            f"{SEGMENT}.index": hostile[:cut],
            f"{SEGMENT}.timeindex": hostile[cut:],
            f"{active}.log": b"",
        }
    )
    try:
        log = Log.open(files, DIRECTORY, OPTIONS, recovery_point=end, clean=True)
    except CorruptLog:
        return
    assert log.log_end_offset == end
    _read(log)
    assert files.contents[f"{SEGMENT}.log"] == content


def _read(log: Log) -> None:
    """Look things up in every way; CorruptLog alone may come of it."""
    end = log.log_end_offset
    looks = [
        *(lambda offset=offset: log.read(offset, 1 << 20, end) for offset in range(min(end, 8))),
        *(lambda time=time: log.offset_for_time(time, end) for time in (0, 1001, 1 << 62)),
        lambda: log.max_timestamp(end),
        lambda: list(log.headers(0)),
    ]
    for look in looks:
        try:
            look()
        except CorruptLog:
            continue


def snapshots(data: bytes) -> None:
    """A producer snapshot is sound and says the same again, or it is none."""
    choices = Choices(data)
    is_mended = choices.byte() & 1
    content = choices.rest()
    if is_mended:
        content = b"\0\1" + crc32c(content).to_bytes(4, "big") + content
    entries = decode_snapshot(content)
    if entries is not None:
        assert encode_snapshot(entries) == content
