"""How the tests of a log fill it."""

from minikafka.broker.log.files import Files
from minikafka.broker.log.log import Log, LogOptions
from minikafka.protocol.records import (
    Record,
    assign_offset,
    build_batch,
    read_header,
)

SMALL = LogOptions(segment_bytes=300, index_interval_bytes=100)


def stage(log: Log, *timestamps: int, value: bytes = b"value", offset: int | None = None) -> bytes:
    """Stage a batch of a record for each timestamp; return its bytes."""
    batch = build_batch([Record(0, time, None, value) for time in timestamps])
    assign_offset(batch, log.log_end_offset if offset is None else offset, 0)
    log.stage(memoryview(batch), read_header(batch))
    return bytes(batch)


def append(log: Log, *timestamps: int, value: bytes = b"value", offset: int | None = None) -> bytes:
    """Stage and write one batch; return its bytes."""
    batch = stage(log, *timestamps, value=value, offset=offset)
    log.write()
    return batch


def flush(log: Log, files: Files) -> None:
    """One round of flushing."""
    point = log.begin_flush()
    files.flush_now(point.files)
    log.flushed(point)


def bases(log: Log) -> list[int]:
    """The base offsets of the segments."""
    return [segment.base_offset for segment in log.segments]
