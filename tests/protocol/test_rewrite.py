"""Batches made anew: another codec, some of the records, none; the rest is as it was."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.records.readers import read_batch

from minikafka.protocol.batch import DELETE_HORIZON_BIT, BatchHeader, write_header
from minikafka.protocol.compression import MAX_DECOMPRESSED_BYTES, CompressionType, compress
from minikafka.protocol.primitives import ProtocolError
from minikafka.protocol.records import (
    BatchBuilder,
    Record,
    crc_matches,
    iterate,
    read_header,
    stamp_log_append_time,
)
from minikafka.protocol.rewrite import BatchRewriter, empty_batch, recompress, rewrite

CODECS = [codec.value for codec in CompressionType]
NONE = CompressionType.none
RECORDS = st.lists(
    st.builds(
        Record,
        offset=st.just(0),
        timestamp=st.integers(-1, 2**42),
        key=st.none() | st.binary(max_size=70),
        value=st.none() | st.binary(max_size=100),
        headers=st.just(()) | st.just((("a", b"1"), ("a", None))),
    ),
    min_size=1,
    max_size=20,
)
STAYS_THE_SAME = (
    "base_offset",
    "partition_leader_epoch",
    "magic",
    "last_offset_delta",
    "producer_id",
    "producer_epoch",
    "base_sequence",
    "next_offset",
    "last_sequence",
    "is_log_append_time",
    "is_transactional",
)


def batch_of(records: list[Record], codec: int = 0, append_time_ms: int | None = None) -> bytes:
    builder = BatchBuilder(codec, transactional=True)
    for _, timestamp, key, value, headers in records:
        builder.append(timestamp, key, value, headers)
    batch = builder.build(4711, 7, 2, 2**31 - 3, leader_epoch=5)
    if append_time_ms is not None:
        stamp_log_append_time(batch, append_time_ms)
    return bytes(batch)


def check(batch: bytearray, before: BatchHeader) -> BatchHeader:
    """Length and CRC are right, and what must stay has stayed."""
    header = read_header(batch)
    assert header.size_bytes == len(batch)
    assert crc_matches(batch, header)
    for name in STAYS_THE_SAME:
        assert getattr(header, name) == getattr(before, name), name
    return header


@given(RECORDS, st.sampled_from(CODECS), st.sampled_from(CODECS), st.none() | st.integers(0, 2**41))
def test_another_codec_changes_nothing_else(
    records: list[Record], codec: int, other: int, append_time_ms: int | None
) -> None:
    batch = batch_of(records, codec, append_time_ms)
    before = read_header(batch)
    packed = recompress(batch, before, other)
    after = check(packed, before)
    assert after.compression == other
    for name in ("base_timestamp", "max_timestamp", "record_count"):
        assert getattr(after, name) == getattr(before, name)
    assert list(iterate(packed)) == list(iterate(batch))


@pytest.mark.parametrize("codec", CODECS[1:])
def test_what_cannot_be_unpacked_is_a_protocol_error(codec: int) -> None:
    batch = bytearray(batch_of([Record(0, 0, b"k", b"v" * 100)], codec))
    batch[61:] = b"\xff" * (len(batch) - 61)
    with pytest.raises(ProtocolError):
        recompress(batch, read_header(batch), NONE)


def test_a_bomb_is_not_unpacked() -> None:
    batch = bytearray(batch_of([Record(0, 0, b"k", b"v")], CompressionType.zstd))
    batch[61:] = compress(CompressionType.zstd, bytes(MAX_DECOMPRESSED_BYTES + 1))
    header = read_header(batch)._replace(batch_length=len(batch) - 12)
    write_header(batch, header)
    with pytest.raises(ProtocolError):
        recompress(batch, header, NONE)


@settings(deadline=None)
@given(
    RECORDS,
    st.sampled_from(CODECS),
    st.none() | st.integers(0, 2**41),
    st.none() | st.integers(1, 2**41),
    st.data(),
)
def test_some_records_stay_with_their_offsets_and_times(
    records: list[Record],
    codec: int,
    append_time_ms: int | None,
    delete_horizon_ms: int | None,
    data: st.DataObject,
) -> None:
    batch = batch_of(records, codec, append_time_ms)
    before, all_records = read_header(batch), list(iterate(batch))
    indexes = data.draw(st.sets(st.sampled_from(range(len(records))), min_size=1))
    kept = [all_records[index] for index in sorted(indexes)]
    rewritten = rewrite(before, kept, delete_horizon_ms)
    after = check(rewritten, before)
    assert list(iterate(rewritten)) == kept
    assert after.record_count == len(kept)
    assert after.compression == codec
    assert after.max_timestamp == max(record.timestamp for record in kept)
    assert after.delete_horizon_ms == delete_horizon_ms
    assert rewrite(after, kept, delete_horizon_ms) == rewritten


def test_the_delete_horizon_stands_in_place_of_the_base_timestamp() -> None:
    batch = batch_of([Record(0, 1000, b"k", None)])
    before = read_header(batch)
    assert before.delete_horizon_ms is None
    after = read_header(rewrite(before, list(iterate(batch)), 86_400_000))
    assert (after.base_timestamp, after.max_timestamp) == (86_400_000, 1000)
    assert after.attributes == before.attributes | DELETE_HORIZON_BIT


def test_kio_reads_what_is_left() -> None:
    records = [Record(0, 1000 * n, b"k%d" % n, b"v%d" % n) for n in range(5)]
    batch = batch_of(records)
    kept = [record for record in iterate(batch) if record.offset in (4712, 4714)]
    theirs, _ = read_batch(bytes(rewrite(read_header(batch), kept, None)), 0)
    assert [(each.offset, each.key, each.value) for each in theirs.records] == [
        (4712, b"k1", b"v1"),
        (4714, b"k3", b"v3"),
    ]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert [each.timestamp - epoch for each in theirs.records] == [
        timedelta(seconds=1),
        timedelta(seconds=3),
    ]


@pytest.mark.parametrize("codec", CODECS)
def test_an_empty_batch_says_what_its_header_said(codec: int) -> None:
    batch = batch_of([Record(0, 1000, b"k", b"v"), Record(0, 2000, b"k", b"v")], codec)
    before = read_header(batch)
    emptied = empty_batch(before)
    after = check(emptied, before)
    assert (len(emptied), after.record_count, after.max_timestamp) == (61, 0, 2000)
    assert after.delete_horizon_ms is None
    assert list(iterate(emptied)) == []


@pytest.mark.parametrize("timestamp", [2**63, -(2**63) - 1])
def test_a_time_that_no_batch_can_carry_is_a_protocol_error(timestamp: int) -> None:
    record = Record(4711, timestamp, b"k", b"v")
    with pytest.raises(ProtocolError):
        rewrite(read_header(batch_of([record._replace(timestamp=0)])), [record], None)


def test_a_time_too_far_from_the_delete_horizon_is_a_protocol_error() -> None:
    record = Record(4711, -(2**63), b"k", None)
    rewriter = BatchRewriter(read_header(batch_of([record._replace(timestamp=0)])), record, 1)
    with pytest.raises(ProtocolError):
        rewriter.append(record)
