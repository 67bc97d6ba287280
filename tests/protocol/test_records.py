"""Batches: our bytes against three other implementations, and against bytes meant to hurt."""

import io
import struct
import warnings
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.records.readers import read_batch
from kio.records.schema import NewRecordBatch
from kio.records.schema import Record as KioRecord
from kio.records.schema import RecordHeader as KioHeader
from kio.records.writers import write_new_batch
from kio.static.primitive import i8, i16, i32, i64

from minikafka.protocol.compression import MIN_EXPANSION_LIMIT_BYTES
from minikafka.protocol.crc32c import crc32c
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.primitives import ProtocolError
from minikafka.protocol.records import (
    RECORDS_AT_ONCE,
    BatchBuilder,
    InvalidBatch,
    Record,
    assign_offset,
    build_batch,
    crc_matches,
    encode_varint,
    iterate,
    iterate_batches,
    iterate_columns,
    read_header,
    stamp_log_append_time,
    validate_batch,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # kafka-python reads its schemas by a deprecated function.
    kafka_python = import_module("kafka.record.default_records")

CODECS = range(5)
HEADERS = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=80)), max_size=3)
RECORDS = st.lists(
    st.builds(
        Record,
        offset=st.just(0),
        timestamp=st.integers(0, 2**42),
        key=st.none() | st.binary(max_size=70),
        value=st.none() | st.binary(max_size=300),
        headers=HEADERS.map(tuple),
    ),
    min_size=1,
    max_size=70,
)


def _numbered(records: list[Record], base_offset: int = 0) -> list[Record]:
    """Return the records with the offsets that a batch gives them."""
    return [one._replace(offset=base_offset + index) for index, one in enumerate(records)]


def _patched(batch: bytes | bytearray, position: int, layout: str, value: int) -> memoryview:
    """Return a copy with another value at `position` and a CRC that matches again."""
    copy = bytearray(batch)
    struct.pack_into(layout, copy, position, value)
    struct.pack_into(">I", copy, 17, crc32c(memoryview(copy)[21:]))
    return memoryview(copy)


@given(RECORDS, st.sampled_from(CODECS), st.integers(0, 2**60), st.integers(-1, 2**31 - 1))
@settings(max_examples=100, deadline=None)
def test_round_trip(records: list[Record], codec: int, base_offset: int, epoch: int) -> None:
    batch = build_batch(records, codec, base_offset, epoch)
    header = read_header(batch)
    assert list(iterate(batch)) == _numbered(records, base_offset)
    assert header.size_bytes == len(batch)
    assert header.next_offset == header.last_offset + 1 == base_offset + len(records)
    assert header.max_timestamp == max(record.timestamp for record in records)
    assert (header.compression, header.partition_leader_epoch) == (codec, epoch)
    assert crc_matches(batch, header)


@given(RECORDS)
@settings(max_examples=60, deadline=None)
def test_kio_reads_ours(records: list[Record]) -> None:
    batch = build_batch(records)
    theirs, size_bytes = read_batch(bytes(batch), 0)
    header = read_header(batch)
    assert size_bytes == len(batch)
    for name in ("base_offset", "batch_length", "crc", "last_offset_delta", "base_timestamp"):
        assert getattr(theirs, name) == getattr(header, name)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for our, their in zip(_numbered(records), theirs.records, strict=True):
        assert (their.offset, their.key, their.value) == (our.offset, our.key, our.value)
        assert (their.timestamp - epoch) // timedelta(seconds=1) == our.timestamp // 1000
        headers = [(one.key.decode() if one.key else "", one.value) for one in their.headers]
        assert headers == list(our.headers)


@given(RECORDS)
@settings(max_examples=60, deadline=None)
def test_kio_writes_the_same_bytes(records: list[Record]) -> None:
    # Whole seconds: kio takes timestamps through a float, which may fall short of a millisecond.
    records = [one._replace(timestamp=one.timestamp // 1000 * 1000) for one in records]
    theirs = tuple(
        KioRecord(
            attributes=i8(0),
            timestamp=datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=one.timestamp),
            offset=i64(one.offset),
            key=one.key,
            value=one.value,
            headers=tuple(KioHeader(key=name.encode(), value=to) for name, to in one.headers),
        )
        for one in _numbered(records)
    )
    buffer = io.BytesIO()
    new = NewRecordBatch(
        producer_id=i64(7),
        producer_epoch=i16(3),
        partition_leader_epoch=i32(5),
        base_sequence=i32(11),
        records=theirs,
        attributes=i16(0),
    )
    write_new_batch(buffer, new)
    builder = BatchBuilder()
    for _, timestamp, key, value, headers in records:
        builder.append(timestamp, key, value, headers)
    ours = builder.build(0, 7, 3, 11, 5)
    assert list(iterate(buffer.getvalue())) == _numbered(records)
    assert bytes(ours) == buffer.getvalue()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("batches", "builders"),
    [
        (DefaultRecordBatch, DefaultRecordBatchBuilder),
        (kafka_python.DefaultRecordBatch, kafka_python.DefaultRecordBatchBuilder),
    ],
    ids=["aiokafka", "kafka-python"],
)
def test_python_clients_read_ours_and_we_read_theirs(batches, builders, codec: int) -> None:
    records = [
        Record(index, 1_700_000_000_000 + index, key, b"value " * index, (("h", b"1"), ("n", None)))
        for index, key in enumerate([None, b"", b"key", b"k" * 100] * 30)
    ]
    builder = builders(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1_000_000,
    )
    for record in records:
        builder.append(*record[:4], headers=list(record.headers))
    theirs = bytes(builder.build())
    ours = build_batch(records, codec)
    assert list(iterate(theirs)) == records
    assert validate_batch(memoryview(theirs)).record_count == len(records)
    if codec == 0:
        # Python clients leave the leader epoch 0, which the CRC does not cover.
        assert bytes(ours[16:]) == theirs[16:]
    read = batches(bytes(ours))
    assert read.validate_crc()
    found = [(one.offset, one.timestamp, one.key, one.value, tuple(one.headers)) for one in read]
    assert found == [tuple(record) for record in records]


# Three records of librdkafka 2.16, one batch for each codec: it writes raw snappy.
LIBRDKAFKA = {
    "none": (
        "0000000000000000000000f30000000002ecfbbc1c0000000000020000018bcfe568000000018bcfe56802"
        "00000000114a50b8000000000000000000037a000000016076616c75652076616c75652076616c75652076"
        "616c75652076616c75652076616c75652076616c75652076616c7565200402680278026e01800100020206"
        "6b65796076616c75652076616c75652076616c75652076616c75652076616c75652076616c75652076616c"
        "75652076616c7565200402680278026e018001000404066b65796076616c75652076616c75652076616c75"
        "652076616c75652076616c75652076616c75652076616c75652076616c7565200402680278026e01"
    ),
    "gzip": (
        "00000000000000000000006b0000000002923941d10001000000020000018bcfe568000000018bcfe56802"
        "0000000012c62318000000000000000000031f8b0800000000000003ab626060604c284bcc294d55209e64"
        "61ca60aa60ca636c6064606262cb4eada4c40416168a4c00003915d426c2000000"
    ),
    "snappy": (
        "00000000000000000000005e0000000002764c809b0002000000020000018bcfe568000000018bcfe56802"
        "000000000576aa9800000000000000000003c2012c7a000000016076616c756520a6060040040268027802"
        "6e018001000202066b6579ee4200040404f24200"
    ),
    "lz4": (
        "0000000000000000000000720000000002288a89960003000000020000018bcfe568000000018bcfe56802"
        "000000002387a8480000000000000000000304224d1860408232000000cf7a000000016076616c75652006"
        "0017ff020402680278026e018001000202066b65794200292f0404420025500278026e0100000000"
    ),
    "zstd": (
        "000000000000000000000065000000000213e3d7ef0004000000020000018bcfe568000000018bcfe56802"
        "000000002cc69db00000000000000000000328b52ffd00585d0100f87a000000016076616c756520040268"
        "0278026e018001000202066b65790404030002094f11a435504902"
    ),
}


@pytest.mark.parametrize("name", LIBRDKAFKA)
def test_batches_of_librdkafka(name: str) -> None:
    batch = bytes.fromhex(LIBRDKAFKA[name])
    header = validate_batch(memoryview(batch))
    assert (header.record_count, header.last_sequence) == (3, 2)
    assert list(iterate(batch)) == [
        Record(index, 1_700_000_000_000 + index, key, b"value " * 8, (("h", b"x"), ("n", None)))
        for index, key in enumerate([None, b"key", b"key"])
    ]


def test_golden_bytes_of_one_record() -> None:
    batch = build_batch([Record(0, 1000, b"k", b"v", (("h", None),))], 0, 258, 3)
    record = bytes.fromhex("16 00 00 00 02 6b 02 76 02 02 68 01")
    body = bytes.fromhex(
        "0000 00000000 00000000000003e8 00000000000003e8 ffffffffffffffff ffff ffffffff 00000001"
    )
    assert batch[:12] == bytes.fromhex("0000000000000102 0000003d")
    assert batch[12:17] == bytes.fromhex("00000003 02")
    assert batch[17:21] == crc32c(body + record).to_bytes(4, "big")
    assert batch[21:] == body + record


@pytest.mark.parametrize(
    ("number", "encoded"),
    [
        (0, "00"),
        (-1, "01"),
        (63, "7e"),
        (-64, "7f"),
        (64, "8001"),
        (8191, "fe7f"),
        (8192, "808001"),
        (2**31 - 1, "feffffff0f"),
        (-(2**63), "ffffffffffffffffff01"),
    ],
)
def test_varints_are_zigzag(number: int, encoded: str) -> None:
    assert encode_varint(number).hex() == encoded


@pytest.mark.parametrize("size", [0, 1, 63, 64, 127, 128, 8191, 8192, 8193, 2**20])
def test_lengths_around_the_widths_of_varints_come_back(size: int) -> None:
    data = bytes(size)
    shapes = [(data, data), (None, data), (data, None), (None, None)]
    records = [
        Record(0, 10**12 + delta_ms, key, value, (("h" * min(size, 100), data),))
        for delta_ms in (0, 63, 64, -1, -64, -65, 8191, 8192, -8192, -8193, 2**40)
        for key, value in shapes
    ]
    assert list(iterate(build_batch(records, 0, 7))) == _numbered(records, 7)


@pytest.mark.parametrize("count", [1, 64, 65, RECORDS_AT_ONCE, RECORDS_AT_ONCE + 1, 9000])
def test_runs_of_records_follow_each_other(count: int) -> None:
    records = [Record(0, 1000, None, b"%d" % index) for index in range(count)]
    batch = build_batch(records, 0, 7)
    assert list(iterate(batch)) == _numbered(records, 7)
    runs = [len(columns.offsets) for columns in iterate_columns(batch)]
    assert runs[:-1] == [RECORDS_AT_ONCE] * (len(runs) - 1)
    assert sum(runs) == count


def test_records_before_a_damaged_one_are_handed_out() -> None:
    batch = bytearray(build_batch([Record(0, 1000, None, b"v")] * 700))
    batch[-1] = 1  # the last record says that it has a header
    read: list[Record] = []
    with pytest.raises(ProtocolError):
        read.extend(iterate(batch))
    assert len(read) == 699


def test_builder_estimates_its_size_and_refuses_an_empty_batch() -> None:
    builder = BatchBuilder()
    with pytest.raises(ValueError, match="needs a record"):
        builder.build()
    builder.append(-1, None, b"x" * 1000)
    assert (builder.record_count, builder.size_bytes) == (1, len(builder.build()))


def test_builder_marks_transactional_and_control_batches() -> None:
    builder = BatchBuilder(transactional=True, control=True)
    builder.append(0, b"\0\0\0\1", b"")
    header = read_header(builder.build())
    assert (header.is_transactional, header.is_control) == (True, True)


def test_timestamps_that_fall_keep_their_values() -> None:
    times = [1000, 5, 2000, -1]
    batch = build_batch([Record(0, time, None, b"v") for time in times])
    assert [record.timestamp for record in iterate(batch)] == times
    assert read_header(batch).max_timestamp == 2000


def test_last_sequence_wraps_to_zero() -> None:
    builder = BatchBuilder()
    for _ in range(3):
        builder.append(0, None, b"v")
    header = read_header(builder.build(0, 1, 0, 2**31 - 2))
    assert header.last_sequence == 0
    assert read_header(build_batch([Record(0, 0, None, None)])).last_sequence == -1


def test_assigning_an_offset_leaves_the_crc_alone() -> None:
    batch = build_batch([Record(0, 1000, None, b"v")] * 3)
    before = bytes(batch)
    assign_offset(memoryview(batch), 2**40, 7)
    header = validate_batch(memoryview(batch))
    assert (header.base_offset, header.partition_leader_epoch) == (2**40, 7)
    assert batch[16:] == before[16:]


def test_log_append_time_is_every_records_time() -> None:
    batch = build_batch([Record(0, 1000 + index, None, b"v") for index in range(3)])
    stamp_log_append_time(memoryview(batch), 99)
    header = validate_batch(memoryview(batch))
    assert header.is_log_append_time
    assert header.max_timestamp == 99
    assert [record.timestamp for record in iterate(batch)] == [99, 99, 99]


BATCH = bytes(build_batch([Record(0, 1000, b"k", b"v")] * 3))
COMPRESSED = bytes(build_batch([Record(0, 1000, b"k", b"v")] * 3, 4))


def _counting(batch: bytes, count: int) -> memoryview:
    """The batch with another count of records, and the last offset delta that belongs to it."""
    return _patched(bytes(_patched(batch, 57, ">i", count)), 23, ">i", count - 1)


@pytest.mark.parametrize(
    ("hostile", "code"),
    [
        (memoryview(BATCH)[:60], ErrorCode.CORRUPT_MESSAGE),
        (memoryview(b""), ErrorCode.CORRUPT_MESSAGE),
        (memoryview(BATCH)[:-1], ErrorCode.CORRUPT_MESSAGE),
        (memoryview(BATCH + BATCH), ErrorCode.INVALID_RECORD),
        (memoryview(BATCH[:-1] + b"?"), ErrorCode.CORRUPT_MESSAGE),
        (_patched(BATCH, 8, ">i", -1), ErrorCode.CORRUPT_MESSAGE),
        (_patched(BATCH, 8, ">i", 10), ErrorCode.CORRUPT_MESSAGE),
        (_patched(BATCH, 16, ">b", 0), ErrorCode.INVALID_RECORD),
        (_patched(BATCH, 16, ">b", 1), ErrorCode.INVALID_RECORD),
        (_patched(BATCH, 16, ">b", 3), ErrorCode.INVALID_RECORD),
        (_patched(BATCH, 21, ">h", 0x20), ErrorCode.INVALID_RECORD),
        (_patched(BATCH, 21, ">h", 5), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
        (_patched(BATCH, 23, ">i", 3), ErrorCode.INVALID_RECORD),
        (_patched(BATCH, 57, ">i", 0), ErrorCode.INVALID_RECORD),
        (_patched(BATCH, 57, ">i", -1), ErrorCode.INVALID_RECORD),
        (_patched(_patched(BATCH, 57, ">i", 0), 23, ">i", -1), ErrorCode.INVALID_RECORD),
        (_patched(BATCH, 43, ">q", 7), ErrorCode.INVALID_RECORD),
        (_counting(BATCH, 8), ErrorCode.INVALID_RECORD),
        (_counting(BATCH, 2**31 - 1), ErrorCode.INVALID_RECORD),
        (_counting(COMPRESSED, 2**31 - 1), ErrorCode.INVALID_RECORD),
        (_counting(COMPRESSED, MIN_EXPANSION_LIMIT_BYTES // 7 + 1), ErrorCode.INVALID_RECORD),
    ],
)
def test_validation_answers_with_kafkas_code(hostile: memoryview, code: ErrorCode) -> None:
    with pytest.raises(InvalidBatch) as caught:
        validate_batch(hostile)
    assert caught.value.error_code == code


def test_as_many_records_pass_as_can_be_there() -> None:
    for possible in (
        bytearray(build_batch([Record(0, 1000, None, None)] * 60)),
        _counting(COMPRESSED, MIN_EXPANSION_LIMIT_BYTES // 7),
    ):
        validate_batch(memoryview(possible))


def test_batches_of_a_fetch_answer_without_the_last_that_is_cut() -> None:
    answer = BATCH * 3
    assert list(iterate_batches(answer)) == [BATCH] * 3
    for cut in range(1, len(BATCH) + 1):
        assert list(iterate_batches(memoryview(answer)[:-cut])) == [BATCH] * 2
    with pytest.raises(ProtocolError):
        list(iterate_batches(_patched(BATCH, 8, ">i", 48)))


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_hostile_records_give_only_protocol_errors(data: st.DataObject) -> None:
    codec = data.draw(st.sampled_from(CODECS))
    batch = build_batch([Record(0, 1000, b"key", b"value", (("h", b"x"),))] * 3, codec)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(21, len(batch) - 1))
        batch[position] = data.draw(st.integers(0, 255))
    with suppress(ProtocolError):
        assert len(list(iterate(batch))) <= len(batch)


@given(st.binary(max_size=60), st.integers(0, 5))
@settings(max_examples=400, deadline=None)
def test_hostile_bodies_give_only_protocol_errors(body: bytes, count: int) -> None:
    batch = bytearray(BATCH[:61]) + body
    struct.pack_into(">i", batch, 8, len(batch) - 12)
    struct.pack_into(">i", batch, 57, count)
    with suppress(ProtocolError):
        list(iterate(batch))


@pytest.mark.parametrize(
    "body",
    [
        "12 00 00 00 02 6b 02 76 00",  # its length says nine bytes, it has eight
        "0e 00 00 00 02 6b 02 76 00",  # its length says seven
        "20 00 00 00 02 6b 02 76 02 02 68 0a 01 01",  # a header's value that is cut
        "24 00 80 80 80 80 80 80 80 80 80 80 00 00 02 6b 02 76 00",  # a varint of eleven bytes
        "10 00 00 00 03 02 76 00 00",  # a key of length -2
        "10 00 00 00 02 6b 02 76 03",  # minus two headers
        "10 00 00 00 02 6b 02 76 7e",  # sixty-three headers
        "14 00 00 00 02 6b 02 76 02 01 01",  # a header without a name
        "16 00 00 00 02 6b 02 76 02 02 ff 01",  # a name that is not UTF-8
        "10 00 00 00 02 6b 7e 76 00",  # a value that is longer than the batch
        "ff ff ff ff ff ff ff ff ff ff ff 01 00 00",  # a varint of twelve bytes
    ],
)
def test_a_record_that_lies_is_refused(body: str) -> None:
    batch = bytearray(BATCH[:61]) + bytes.fromhex(body)
    struct.pack_into(">i", batch, 8, len(batch) - 12)
    struct.pack_into(">ii", batch, 53, -1, 1)
    with pytest.raises(ProtocolError):
        next(iterate(batch))


def test_bytes_behind_the_last_record_are_refused() -> None:
    batch = bytearray(BATCH) + b"\0"
    struct.pack_into(">i", batch, 8, len(batch) - 12)
    with pytest.raises(ProtocolError, match="after the last record"):
        list(iterate(batch))


def test_a_count_that_lies_is_refused_before_anything_is_read() -> None:
    for count in (2**31 - 1, -1, 4):
        with pytest.raises(ProtocolError):
            list(iterate(_patched(BATCH, 57, ">i", count)))
