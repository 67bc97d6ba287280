"""Produce: each error, acks, offsets and times; idempotence is in test_produce_sequences."""

import struct
from pathlib import Path

import pytest

from minikafka.protocol.api.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from minikafka.protocol.batch import CRC_END, CRC_POSITION
from minikafka.protocol.compression import CompressionType
from minikafka.protocol.crc32c import crc32c
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import Record, crc_matches, iterate_batches, read_header

from ..in_process import (
    ServedNode,
    SetClock,
    batch_of,
    fetch_request,
    produce_request,
    serving,
)

HOUR_MS = 3_600_000
NOW_MS = SetClock().now


def patched(batch: bytearray, position: int, data: bytes, *, fix_crc: bool = True) -> bytearray:
    """The batch with other bytes at `position`, and the CRC of what it is then."""
    batch[position : position + len(data)] = data
    if fix_crc:
        struct.pack_into(">I", batch, CRC_POSITION, crc32c(memoryview(batch)[CRC_END:]))
    return batch


REFUSED = {
    "no batch": (None, ErrorCode.INVALID_RECORD),
    "an empty batch": (b"", ErrorCode.INVALID_RECORD),
    "half a header": (bytes(30), ErrorCode.CORRUPT_MESSAGE),
    "magic 1": (patched(batch_of(), 16, b"\x01"), ErrorCode.INVALID_RECORD),
    "a wrong CRC": (patched(batch_of(), 61, b"\xff", fix_crc=False), ErrorCode.CORRUPT_MESSAGE),
    "a batch cut short": (batch_of()[:-1], ErrorCode.CORRUPT_MESSAGE),
    "two batches": (batch_of() + batch_of(), ErrorCode.INVALID_RECORD),
    "no records": (patched(batch_of(), 57, bytes(4)), ErrorCode.INVALID_RECORD),
    "fewer records than offsets": (
        patched(batch_of(), 23, b"\0\0\0\x05"),
        ErrorCode.INVALID_RECORD,
    ),
    "a base offset of its own": (patched(batch_of(), 7, b"\x09"), ErrorCode.INVALID_RECORD),
    "a control batch": (batch_of(control=True), ErrorCode.INVALID_RECORD),
    "a transactional batch": (
        batch_of(transactional=True, producer=(1, 0, 0)),
        ErrorCode.INVALID_TXN_STATE,
    ),
    "an unknown codec": (patched(batch_of(), 22, b"\x05"), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
    "a producer without a sequence": (batch_of(producer=(1, 0, -1)), ErrorCode.INVALID_RECORD),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_batch_is_refused_with_its_own_error(node: ServedNode, case: str) -> None:
    batch, error_code = REFUSED[case]
    await node.create("orders")
    answer = await node.produce("orders", batch)
    assert ErrorCode(answer.error_code) is error_code
    assert answer.base_offset == -1
    assert answer.error_message
    assert (await node.produce("orders", batch_of())).base_offset == 0


@pytest.mark.parametrize("acks", [-2, 2, 32767])
async def test_acks_other_than_minus_1_0_1_are_refused(node: ServedNode, acks: int) -> None:
    await node.create("orders")
    answer = await node.produce("orders", batch_of(), acks=acks)
    assert answer.error_code == ErrorCode.INVALID_REQUIRED_ACKS
    assert await node.records("orders") == []


async def test_a_transactional_id_is_refused_with_a_reason(node: ServedNode) -> None:
    await node.create("orders")
    request = produce_request("orders", batch_of())
    request.transactional_id = "payments"
    answer = (await node.call(request, 9)).responses[0].partition_responses[0]
    assert answer.error_code == ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert "transactions" in answer.error_message


async def test_an_unknown_topic_is_refused_and_not_created(node: ServedNode) -> None:
    answer = await node.produce("orders", batch_of())
    assert answer.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert node.node._controller.image.topics == {}


@pytest.mark.parametrize("index", [1, -1, 2**31 - 1])
async def test_an_unknown_partition_is_refused(node: ServedNode, index: int) -> None:
    await node.create("orders")
    answer = await node.produce("orders", batch_of(), index=index)
    assert answer.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert answer.index == index


async def test_topics_are_named_by_id_from_v13_on(node: ServedNode) -> None:
    topic_id = await node.create("orders")
    good = await node.call(produce_request("", batch_of(), topic_id=topic_id), 13)
    bad = await node.call(produce_request("", batch_of(), topic_id=b"\x01" * 16), 13)
    assert good.responses[0].topic_id == topic_id
    assert good.responses[0].partition_responses[0].base_offset == 0
    assert bad.responses[0].partition_responses[0].error_code == ErrorCode.UNKNOWN_TOPIC_ID


async def test_clients_cannot_write_to_internal_topics(node: ServedNode) -> None:
    await node.create("__consumer_offsets")
    answer = await node.produce("__consumer_offsets", batch_of())
    assert answer.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION


async def test_each_partition_succeeds_or_fails_alone(node: ServedNode) -> None:
    await node.create("orders", partitions=2)
    partitions = [
        ProduceRequestPartition(index=0, records=batch_of()),
        ProduceRequestPartition(index=7, records=batch_of()),
        ProduceRequestPartition(index=1, records=b"nonsense"),
    ]
    topics = [
        ProduceRequestTopic(name="orders", partition_data=partitions),
        ProduceRequestTopic(name="gone", partition_data=partitions[:1]),
    ]
    answer = await node.call(ProduceRequest(acks=-1, timeout_ms=5000, topic_data=topics), 9)
    codes = [[each.error_code for each in one.partition_responses] for one in answer.responses]
    assert codes == [
        [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.CORRUPT_MESSAGE],
        [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ]


async def test_a_partition_named_twice_takes_both_batches(node: ServedNode) -> None:
    await node.create("orders")
    partitions = [
        ProduceRequestPartition(index=0, records=batch_of(value)) for value in (b"a", b"b")
    ]
    topics = [ProduceRequestTopic(name="orders", partition_data=partitions)]
    answer = await node.call(ProduceRequest(acks=-1, timeout_ms=5000, topic_data=topics), 9)
    assert [each.base_offset for each in answer.responses[0].partition_responses] == [0, 1]
    assert (await node.produce("orders", batch_of())).base_offset == 2


@pytest.mark.parametrize("version", range(3, 13))
async def test_every_version_by_name_appends(node: ServedNode, version: int) -> None:
    await node.create("orders")
    answer = await node.produce("orders", batch_of(b"a", b"b"), version=version)
    again = await node.produce("orders", batch_of(b"c"), version=version)
    assert (answer.error_code, answer.base_offset, again.base_offset) == (0, 0, 2)
    assert [each.value for each in await node.records("orders")] == [b"a", b"b", b"c"]


async def test_a_batch_of_max_message_bytes_is_taken_and_one_more_is_too_large(
    node: ServedNode,
) -> None:
    batch = batch_of(b"x" * 100)
    await node.create("orders", max_message_bytes=str(len(batch)))
    assert (await node.produce("orders", batch)).error_code == ErrorCode.NONE
    larger = await node.produce("orders", batch_of(b"x" * 101))
    assert larger.error_code == ErrorCode.MESSAGE_TOO_LARGE


async def test_only_offset_and_epoch_are_rewritten(node: ServedNode) -> None:
    await node.create("orders")
    sent = batch_of(b"a", producer=(5, 0, 0))
    await node.produce("orders", batch_of(b"first"))
    await node.produce("orders", sent)
    stored = (await node.fetch("orders", 1)).records
    header = read_header(stored)
    assert (header.base_offset, header.partition_leader_epoch) == (1, 0)
    assert bytes(stored)[16:] == bytes(sent)[16:]
    assert crc_matches(stored, header)


@pytest.mark.parametrize("acks", [1, -1])
async def test_create_time_answers_no_append_time(node: ServedNode, acks: int) -> None:
    await node.create("orders")
    assert (await node.produce("orders", batch_of(), acks=acks)).log_append_time_ms == -1


@pytest.mark.parametrize("codec", CompressionType)
async def test_log_append_time_stamps_the_batch_with_a_new_crc(
    node: ServedNode, codec: CompressionType
) -> None:
    await node.create("orders", message_timestamp_type="LogAppendTime")
    sent = batch_of(b"a", b"b", timestamps=(1, 2 * NOW_MS), compression=codec)
    answer = await node.produce("orders", sent)
    stored = (await node.fetch("orders", 0)).records
    header = read_header(stored)
    assert answer.log_append_time_ms == NOW_MS
    assert header.is_log_append_time
    assert header.max_timestamp == NOW_MS
    assert header.compression == codec
    assert crc_matches(stored, header)
    assert await node.records("orders") == [
        Record(0, NOW_MS, b"key", b"a"),
        Record(1, NOW_MS, b"key", b"b"),
    ]


@pytest.mark.parametrize(
    ("timestamp", "error_code"),
    [
        (NOW_MS + HOUR_MS, ErrorCode.NONE),
        (NOW_MS + HOUR_MS + 1, ErrorCode.INVALID_TIMESTAMP),
        (NOW_MS - 5000, ErrorCode.NONE),
        (NOW_MS - 5001, ErrorCode.INVALID_TIMESTAMP),
        (-1, ErrorCode.NONE),  # no timestamp at all
    ],
)
async def test_a_timestamp_may_be_so_far_ahead_and_so_far_behind(
    node: ServedNode, timestamp: int, error_code: ErrorCode
) -> None:
    await node.create("orders", message_timestamp_before_max_ms="5000")
    answer = await node.produce("orders", batch_of(timestamps=(timestamp,)))
    assert ErrorCode(answer.error_code) is error_code


async def test_a_compacted_topic_names_the_records_without_a_key(node: ServedNode) -> None:
    await node.create("orders", cleanup_policy="compact")
    records = [Record(0, 0, key, b"v") for key in (b"k", None, b"", None)]
    batch = batch_of_records(records)
    answer = await node.produce("orders", batch)
    assert answer.error_code == ErrorCode.INVALID_RECORD
    assert [each.batch_index for each in answer.record_errors] == [1, 3]
    assert all(each.batch_index_error_message for each in answer.record_errors)
    older = await node.produce("orders", batch, version=7)
    assert older.error_code == ErrorCode.INVALID_RECORD
    assert (await node.produce("orders", batch_of(key=b"k"))).base_offset == 0


def batch_of_records(records: list[Record], compression: int = 0) -> bytearray:
    """One batch with keys of their own."""
    from minikafka.protocol.records import build_batch

    return build_batch(records, compression)


@pytest.mark.parametrize("codec", CompressionType)
async def test_a_compacted_topic_opens_every_codec(
    node: ServedNode, codec: CompressionType
) -> None:
    await node.create("orders", cleanup_policy="compact,delete")
    keyless = batch_of_records([Record(0, 0, None, b"v")], codec)
    assert (await node.produce("orders", keyless)).error_code == ErrorCode.INVALID_RECORD
    keyed = batch_of_records([Record(0, 0, b"k", b"v")], codec)
    assert (await node.produce("orders", keyed)).error_code == ErrorCode.NONE


async def test_a_compacted_topic_refuses_what_it_cannot_open(node: ServedNode) -> None:
    await node.create("orders", cleanup_policy="compact")
    garbled = patched(batch_of(b"x" * 50, compression=CompressionType.gzip), 65, b"\xff" * 8)
    assert (await node.produce("orders", garbled)).error_code == ErrorCode.INVALID_RECORD


@pytest.mark.parametrize(("version", "is_taken"), [(3, False), (6, False), (7, True), (9, True)])
async def test_zstd_needs_produce_v7(node: ServedNode, version: int, is_taken: bool) -> None:
    await node.create("orders")
    batch = batch_of(b"x" * 100, compression=CompressionType.zstd)
    answer = await node.produce("orders", batch, version=version)
    expected = ErrorCode.NONE if is_taken else ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    assert ErrorCode(answer.error_code) is expected


@pytest.mark.parametrize("codec", CompressionType)
async def test_compressed_batches_stay_as_they_were_sent(
    node: ServedNode, codec: CompressionType
) -> None:
    await node.create("orders")
    sent = batch_of(b"x" * 100, b"y" * 100, compression=codec)
    await node.produce("orders", sent)
    assert bytes((await node.fetch("orders", 0)).records)[16:] == bytes(sent)[16:]


async def test_acks_0_has_no_answer_and_the_connection_goes_on(node: ServedNode) -> None:
    await node.create("orders")
    client = await node.connect()
    client.send(produce_request("orders", batch_of(b"silent"), acks=0), 9)
    answer = await client.call(produce_request("orders", batch_of(b"loud")), 9)
    assert answer.responses[0].partition_responses[0].base_offset == 1
    assert [each.value for each in await node.records("orders")] == [b"silent", b"loud"]


async def test_an_error_with_acks_0_closes_the_connection(node: ServedNode) -> None:
    await node.create("orders")
    client = await node.connect()
    client.send(produce_request("gone", batch_of(), acks=0), 9)
    assert await client.closed_by_peer() == b""
    assert (await node.produce("orders", batch_of())).error_code == ErrorCode.NONE


async def test_acks_0_followed_by_a_close_is_still_appended(node: ServedNode) -> None:
    await node.create("orders")
    client = await node.connect()
    client.send(produce_request("orders", batch_of(b"last words"), acks=0), 9)
    client.half_close()
    assert await client.closed_by_peer() == b""
    answer = await node.fetch("orders", 0)
    assert [read_header(each).record_count for each in iterate_batches(answer.records)] == [1]


async def test_acks_1_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    async with serving(tmp_path, flush="os") as node:
        await node.create("orders")
        assert (await node.produce("orders", batch_of(), acks=1)).base_offset == 0
        answer = await node.call(fetch_request("orders", 0), 12)
        assert answer.responses[0].partitions[0].high_watermark == 1


async def test_a_failed_partition_does_not_hold_up_acks_all(node: ServedNode) -> None:
    await node.create("orders", partitions=2)
    partitions = [
        ProduceRequestPartition(index=0, records=b"x"),
        ProduceRequestPartition(index=1, records=batch_of()),
    ]
    topics = [ProduceRequestTopic(name="orders", partition_data=partitions)]
    answer = await node.call(ProduceRequest(acks=-1, timeout_ms=60_000, topic_data=topics), 9)
    codes = [each.error_code for each in answer.responses[0].partition_responses]
    assert codes == [ErrorCode.CORRUPT_MESSAGE, ErrorCode.NONE]


async def test_a_produce_without_topics_is_answered(node: ServedNode) -> None:
    answer = await node.call(ProduceRequest(acks=-1, timeout_ms=0, topic_data=[]), 9)
    assert answer.responses == []
