"""From a time to an offset, in batches that are as producers made them."""

import struct
from pathlib import Path

import pytest

from minikafka.broker.log.files import Files
from minikafka.broker.log.log import Log, LogOptions
from minikafka.broker.log.opened_batch import MAX_OPENED_BYTES, MAX_OPENED_RECORDS
from minikafka.broker.log.time_lookup import MAX_OPENED
from minikafka.protocol.records import (
    BatchBuilder,
    Record,
    assign_offset,
    build_batch,
    read_header,
    stamp_log_append_time,
)

from .appending import append


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "orders-0")


def test_time_look_ups_see_append_time_compressed_and_unreadable_batches(directory: str) -> None:
    log = Log.open(Files(), directory, LogOptions())

    def add(batch: bytearray) -> None:
        assign_offset(batch, log.log_end_offset, 7)
        log.stage(memoryview(batch), read_header(batch))
        log.write()

    stamped = build_batch([Record(0, 1, None, b"v")] * 3)
    stamp_log_append_time(stamped, 1000)
    add(stamped)
    add(build_batch([Record(0, time, None, b"v") for time in (1100, 1300, 1200, 1300)], 4))
    unreadable = BatchBuilder(4)
    unreadable.append(2000, None, b"v")
    damaged = unreadable.build()
    damaged[61:] = bytes(len(damaged) - 61)
    add(damaged)
    assert log.offset_for_time(500, 8) == (0, 1000, 7)
    assert log.offset_for_time(1250, 8) == (4, 1300, 7)
    assert log.offset_for_time(1301, 8) == (7, 2000, 7)
    assert log.offset_for_time(1301, 7) is None
    assert log.offset_for_time(1250, 4) is None
    assert log.offset_for_time(2001, 8) is None
    assert log.max_timestamp(8) == (7, 2000, 7)
    assert log.max_timestamp(7) == (4, 1300, 7)
    assert log.max_timestamp(4) == (3, 1100, 7)
    assert log.max_timestamp(0) is None


def test_a_lying_max_timestamp_is_passed_over(directory: str) -> None:
    """A producer's header may promise a time that none of its records has."""
    log = Log.open(Files(), directory, LogOptions())
    batch = build_batch([Record(0, 1000, None, b"v")])
    struct.pack_into(">q", batch, 35, 9999)
    log.stage(memoryview(batch), read_header(batch))
    log.write()
    append(log, 5000)
    assert log.offset_for_time(2000, 2) == (1, 5000, 0)
    assert log.offset_for_time(6000, 2) is None


def test_the_latest_record_of_a_divided_log_is_one_inside_it(directory: str) -> None:
    """The log's start and the high watermark may lie within a batch, and divide it."""
    log = Log.open(Files(), directory, LogOptions())
    append(log, 9000, 1000)
    append(log, 3000, 2000)
    append(log, 2500, 8000)
    append(log, -1)
    log.advance_start(1)
    assert log.max_timestamp(7) == (5, 8000, 0)
    assert log.max_timestamp(5) == (2, 3000, 0)
    assert log.max_timestamp(2) == (1, 1000, 0)
    log.advance_start(3)
    assert log.max_timestamp(5) == (4, 2500, 0)
    log.advance_start(6)
    assert log.max_timestamp(7) is None


def staged(log: Log, batch: bytearray) -> None:
    """Append a batch as it is."""
    assign_offset(batch, log.log_end_offset, 7)
    log.stage(memoryview(batch), read_header(batch))
    log.write()


def test_a_batch_that_is_too_much_to_open_is_answered_for_as_a_whole(directory: str) -> None:
    log = Log.open(Files(), directory, LogOptions())
    many = BatchBuilder(4)
    for number in range(MAX_OPENED_RECORDS + 1):
        many.append(1000 + number % 2, None, None)
    staged(log, many.build())
    start = log.log_end_offset
    large = BatchBuilder(4)
    large.append(2000, None, None)
    large.append(3000, None, bytes(MAX_OPENED_BYTES))
    staged(log, large.build())
    assert log.offset_for_time(1001, start) == (0, 1001, 7)
    assert log.offset_for_time(2500, log.log_end_offset) == (start, 3000, 7)


def test_a_look_up_opens_some_batches_and_believes_the_next(directory: str) -> None:
    log = Log.open(Files(), directory, LogOptions())
    for _ in range(MAX_OPENED + 2):
        lying = build_batch([Record(0, 1000, None, b"v")])
        struct.pack_into(">q", lying, 35, 9999)
        staged(log, lying)
    assert log.offset_for_time(2000, log.log_end_offset) == (MAX_OPENED, 9999, 7)
