"""The codec against tables: bytes written by hand, bytes written in malice, impossible values.

The first table reads both ways, object to bytes and back. Its bytes were put together from Kafka's
protocol guide, not by any codec; a space in the hexadecimal text stands between two fields.
"""

import tracemalloc

import pytest

from minikafka.protocol.api import API_MODULES, api_name, request_class, response_class
from minikafka.protocol.api.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeature,
)
from minikafka.protocol.api.create_topics import CreateTopicsRequest, CreateTopicsRequestTopic
from minikafka.protocol.api.delete_topics import DeleteTopicsRequest, DeleteTopicsRequestTopic
from minikafka.protocol.api.describe_cluster import DescribeClusterRequest
from minikafka.protocol.api.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
)
from minikafka.protocol.api.fetch import (
    CurrentLeader,
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
    FetchResponse,
    FetchResponsePartition,
    FetchResponseTopic,
    ForgottenTopic,
    ReplicaState,
)
from minikafka.protocol.api.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from minikafka.protocol.api.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsResponsePartition,
    ListOffsetsResponseTopic,
)
from minikafka.protocol.api.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseTopic,
)
from minikafka.protocol.api.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from minikafka.protocol.codec import decode, encode
from minikafka.protocol.header import (
    RequestStart,
    decode_client_id,
    decode_request_start,
    encode_request,
    encode_response,
    has_flexible_request_header,
    has_flexible_response_header,
)
from minikafka.protocol.primitives import (
    MAX_COST,
    MAX_PLAIN_BYTES,
    MAX_STRING_BYTES,
    MAX_TAGS,
    ProtocolError,
    encode_varint,
)


def produce(records):
    topic = ProduceRequestTopic(
        name="t", partition_data=[ProduceRequestPartition(index=5, records=records)]
    )
    return ProduceRequest(transactional_id=None, acks=-1, timeout_ms=1000, topic_data=[topic])


def asked(**fields):
    partition = FetchRequestPartition(partition=0, **fields)
    return FetchRequest(topics=[FetchRequestTopic(topic="t", partitions=[partition])])


def fetched(**tagged):
    partition = FetchResponsePartition(
        partition_index=0, error_code=6, high_watermark=-1, records=None, **tagged
    )
    return FetchResponse(responses=[FetchResponseTopic(topic="t", partitions=[partition])])


GOLDEN = {
    "ApiVersions v0 asks with no bytes": (ApiVersionsRequest(), 0, ""),
    "ApiVersions v3 as librdkafka asks": (
        ApiVersionsRequest(client_software_name="librdkafka", client_software_version="2.3.0"),
        3,
        "0b6c696272646b61666b61 06322e332e30 00",
    ),
    "ApiVersions v0 answers UNSUPPORTED_VERSION with one key": (
        ApiVersionsResponse(
            error_code=35, api_keys=[ApiVersion(api_key=18, min_version=0, max_version=4)]
        ),
        0,
        "0023 00000001 0012 0000 0004",
    ),
    "ApiVersions v3 without features": (
        ApiVersionsResponse(
            error_code=0, api_keys=[ApiVersion(api_key=18, min_version=0, max_version=4)]
        ),
        3,
        "0000 02 0012 0000 0004 00 00000000 00",
    ),
    "ApiVersions v3 with two tagged fields": (
        ApiVersionsResponse(
            error_code=0,
            api_keys=[],
            finalized_features_epoch=7,
            finalized_features=[
                FinalizedFeature(name="g", max_version_level=1, min_version_level=1)
            ],
        ),
        3,
        "0000 01 00000000 02 01 08 0000000000000007 02 08 02 0267 0001 0001 00",
    ),
    "Metadata v0 asks for all with an empty array": (MetadataRequest(topics=[]), 0, "00000000"),
    "Metadata v1 asks for all with null": (MetadataRequest(topics=None), 1, "ffffffff"),
    "Metadata v1 asks for one topic": (
        MetadataRequest(topics=[MetadataRequestTopic(name="ab")]),
        1,
        "00000001 00026162",
    ),
    "Metadata v9 asks for all with null": (MetadataRequest(topics=None), 9, "00 01 00 00 00"),
    "Metadata v12 asks by id, with a null name": (
        MetadataRequest(topics=[MetadataRequestTopic(topic_id=bytes(range(16)), name=None)]),
        12,
        "02 000102030405060708090a0b0c0d0e0f 00 00 01 00 00",
    ),
    "Metadata v2 answers without a cluster id": (
        MetadataResponse(brokers=[], cluster_id=None, controller_id=3, topics=[]),
        2,
        "00000000 ffff 00000003 00000000",
    ),
    "Produce v3 with null records": (
        produce(None),
        3,
        "ffff ffff 000003e8 00000001 000174 00000001 00000005 ffffffff",
    ),
    "Produce v3 with records": (
        produce(b"\x01\x02"),
        3,
        "ffff ffff 000003e8 00000001 000174 00000001 00000005 00000002 0102",
    ),
    "Produce v9 with null records": (
        produce(None),
        9,
        "00 ffff 000003e8 02 0274 02 00000005 00 00 00 00",
    ),
    "Produce v9 with no records": (
        produce(b""),
        9,
        "00 ffff 000003e8 02 0274 02 00000005 01 00 00 00",
    ),
    "Fetch v4 answers with null transactions and null records": (
        fetched(),
        4,
        "00000000 00000001 000174 00000001 00000000 0006 ffffffffffffffff ffffffffffffffff"
        "ffffffff ffffffff",
    ),
    "Fetch v12 names the current leader in a tagged field": (
        fetched(current_leader=CurrentLeader(leader_id=2, leader_epoch=9)),
        12,
        "00000000 0000 00000000 02 0274 02 00000000 0006 ffffffffffffffff ffffffffffffffff"
        "ffffffffffffffff 00 ffffffff 00 01 01 09 00000002 00000009 00 00 00",
    ),
    "InitProducerId v0 for an idempotent producer": (
        InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000),
        0,
        "ffff 0000ea60",
    ),
    "InitProducerId v4 answers": (
        InitProducerIdResponse(error_code=0, producer_id=4000, producer_epoch=1),
        4,
        "00000000 0000 0000000000000fa0 0001 00",
    ),
    "DescribeTopicPartitions v0 without a cursor": (
        DescribeTopicPartitionsRequest(topics=[], cursor=None),
        0,
        "01 000007d0 ff 00",
    ),
    "DescribeTopicPartitions v0 with a cursor": (
        DescribeTopicPartitionsRequest(topics=[], cursor=Cursor(topic_name="t", partition_index=1)),
        0,
        "01 000007d0 01 0274 00000001 00 00",
    ),
}


@pytest.mark.parametrize(("message", "version", "text"), GOLDEN.values(), ids=GOLDEN)
def test_bytes_written_by_hand_are_read_and_written(message, version, text):
    golden = bytes.fromhex(text)
    assert b"".join(encode(message, version)) == golden
    assert decode(type(message), memoryview(golden), version) == (message, len(golden))


def test_a_whole_api_versions_request_of_librdkafka():
    frame = bytes.fromhex(
        "0000002400120003000000010007 72646b61666b61 00 0b6c696272646b61666b61 06322e332e30 00"
    )
    request = ApiVersionsRequest(client_software_name="librdkafka", client_software_version="2.3.0")
    start = RequestStart(api_key=18, api_version=3, correlation_id=1)
    flexible = has_flexible_request_header(ApiVersionsRequest, 3)
    assert b"".join(encode_request(encode(request, 3), start, "rdkafka", flexible)) == frame
    body = memoryview(frame)[4:]
    assert decode_request_start(body) == start
    client_id, position = decode_client_id(body, flexible)
    assert client_id == "rdkafka"
    assert decode(ApiVersionsRequest, body, 3, position) == (request, len(body))


def test_an_api_versions_response_has_no_tagged_fields_in_its_header():
    response = ApiVersionsResponse(error_code=0, api_keys=[])
    flexible = has_flexible_response_header(ApiVersionsResponse, 3)
    framed = b"".join(encode_response(encode(response, 3), 1, flexible))
    assert framed == bytes.fromhex("0000000c 00000001 0000 01 00000000 00")


METADATA = MetadataRequest
HOSTILE = {
    "an array count below -1": (METADATA, 1, "fffffffe", 0),
    "a null array where null is not allowed": (METADATA, 0, "ffffffff", 4),
    "a compact null array where null is not allowed": (
        ApiVersionsResponse,
        3,
        "0000 00 00000000 00",
        3,
    ),
    "an array count far beyond the frame": (METADATA, 1, "7fffffff 000161", 4),
    "an array count one beyond the frame": (METADATA, 1, "00000002 000161", 4),
    "a compact array count far beyond the frame": (METADATA, 9, "ffffffff0f 0261", 5),
    "an array that ends before its count": (METADATA, 1, "00000002 000161 00", 8),
    "a null string where null is not allowed": (METADATA, 1, "00000001 ffff", 4),
    "a compact null string where null is not allowed": (ApiVersionsRequest, 3, "00 01 00", 0),
    "a string length below -1": (METADATA, 1, "00000001 fffe", 4),
    "a string beyond the frame": (METADATA, 1, "00000001 7fff61", 6),
    "a compact string beyond the frame": (ApiVersionsRequest, 3, "ffffffff0f 61", 5),
    "a string that is not UTF-8": (METADATA, 1, "00000001 000361ff62", 7),
    "a string with half of a surrogate pair": (METADATA, 1, "00000001 0003eda080", 6),
    "records of a length below -1": (
        ProduceRequest,
        3,
        "ffff ffff 00000000 00000001 000174 00000001 00000000 fffffffe",
        23,
    ),
    "records beyond the frame": (
        ProduceRequest,
        3,
        "ffff ffff 00000000 00000001 000174 00000001 00000000 7fffffff 00",
        27,
    ),
    "a varint of six bytes": (ApiVersionsRequest, 3, "808080808000 01 00", 0),
    "a varint that never ends": (ApiVersionsRequest, 3, "ffffffffffff", 0),
    "a varint beyond 32 bits": (ApiVersionsRequest, 3, "ffffffff1f 01 00", 0),
    "a varint cut short": (ApiVersionsRequest, 3, "80", 1),
    "more tagged fields than allowed": (ApiVersionsRequest, 3, f"01 01 {MAX_TAGS + 1:02x}", 2),
    "billions of tagged fields": (ApiVersionsRequest, 3, "01 01 ffffffff0f", 2),
    "an unknown tag twice": (ApiVersionsRequest, 3, "01 01 02 0500 0500", 5),
    "unknown tags in falling order": (ApiVersionsRequest, 3, "01 01 02 0500 0400", 5),
    "a known tag twice": (
        ApiVersionsResponse,
        3,
        "0000 01 00000000 02 03 01 01 03 01 01",
        11,
    ),
    "a tagged field beyond the frame": (ApiVersionsRequest, 3, "01 01 01 05 7f00", 5),
    "a tagged field shorter than its type": (
        ApiVersionsResponse,
        3,
        "0000 01 00000000 01 01 04 0000000000000007",
        18,
    ),
    "a tagged field longer than its type": (
        ApiVersionsResponse,
        3,
        "0000 01 00000000 01 03 02 0100",
        11,
    ),
    "nothing at all": (METADATA, 1, "", 0),
}


@pytest.mark.parametrize(("cls", "version", "text", "position"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_are_refused_at_their_position_and_allocate_little(
    cls, version, text, position
):
    view = memoryview(bytes.fromhex(text))
    assert refused_at(cls, version, view) == position  # compiles the decoder, too
    tracemalloc.start()
    try:
        refused_at(cls, version, view)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16_384


def refused_at(cls, version, view):
    with pytest.raises(ProtocolError) as refused:
        decode(cls, view, version)
    return refused.value.position


PARTITION_COST = 9  # a structure, a number, and records with their length
TOPIC_COST = 8  # a structure and a name


def test_the_budget_is_spent_by_all_arrays_of_a_message():
    count = MAX_COST // PARTITION_COST
    inner = b"\0\x01t" + count.to_bytes(4, "big") + bytes(8 * count)
    body = bytes.fromhex("ffff ffff 00000000 00000001") + inner
    with pytest.raises(ProtocolError, match="too many values") as refused:
        decode(ProduceRequest, memoryview(body), 3)
    assert refused.value.position == 19


def test_a_message_may_spend_all_of_its_budget():
    count = MAX_COST // TOPIC_COST
    body = count.to_bytes(4, "big") + bytes(2 * count)
    message, position = decode(MetadataRequest, memoryview(body), 1)
    assert len(message.topics) == count
    assert position == len(body)


def test_tagged_fields_spend_the_budget_too():
    tags = bytes((MAX_TAGS, *(byte for tag in range(MAX_TAGS) for byte in (tag, 0))))
    count = 2000  # topics, each with a null id, a null name and the tags: 2000 * 64 * 8
    body = encode_varint(count + 1) + (bytes(17) + tags) * count + bytes(4)
    with pytest.raises(ProtocolError, match="too many values"):
        decode(MetadataRequest, memoryview(body), 12)


def test_a_string_has_32767_bytes_at_most_in_either_form():
    longest = MetadataRequest(topics=[MetadataRequestTopic(name="x" * MAX_STRING_BYTES)])
    for version in (8, 9):
        data = memoryview(b"".join(encode(longest, version)))
        assert decode(MetadataRequest, data, version)[0] == longest
    body = b"\2" + encode_varint(MAX_STRING_BYTES + 2) + b"x" * (MAX_STRING_BYTES + 1) + bytes(4)
    with pytest.raises(ProtocolError, match="32768"):
        decode(MetadataRequest, memoryview(body), 9)
    too_long = MetadataRequest(topics=[MetadataRequestTopic(name="x" * (MAX_STRING_BYTES + 1))])
    for version in (8, 9):
        with pytest.raises(ValueError, match="32768"):
            encode(too_long, version)


def test_only_records_and_bytes_may_fill_a_frame():
    names = [MetadataRequestTopic(name="x" * MAX_STRING_BYTES)] * (MAX_PLAIN_BYTES >> 15)
    fits, too_much = MetadataRequest(topics=names), MetadataRequest(topics=names + names[:2])
    data = memoryview(b"".join(encode(fits, 9)))
    assert len(decode(MetadataRequest, data, 9)[0].topics) == len(names)
    with pytest.raises(ProtocolError, match="numbers and text"):
        decode(MetadataRequest, memoryview(b"".join(encode(too_much, 9))), 9)


def test_a_batch_as_large_as_a_frame_is_read():
    data = memoryview(b"".join(encode(produce(bytes(16 << 20)), 9)))
    assert (
        len(decode(ProduceRequest, data, 9)[0].topic_data[0].partition_data[0].records) == 16 << 20
    )


def test_records_are_read_and_written_by_reference():
    records = b"a batch"
    chunks = encode(produce(records), 9)
    assert any(chunk is records for chunk in chunks)
    frame = b"".join(chunks)
    message, _ = decode(ProduceRequest, memoryview(frame), 9)
    taken = message.topic_data[0].partition_data[0].records
    assert isinstance(taken, memoryview)
    assert taken.obj is frame


IMPOSSIBLE = {
    "a field that came later": (asked(last_fetched_epoch=3), 11),
    "a false that came later": (MetadataRequest(topics=[], allow_auto_topic_creation=False), 3),
    "a list that came later": (
        FetchRequest(forgotten_topics_data=[ForgottenTopic(partitions=[1])]),
        6,
    ),
    "a structure that came later": (
        FetchRequest(replica_state=ReplicaState(replica_id=1, replica_epoch=1)),
        14,
    ),
    "a field that was taken out": (FetchRequest(replica_id=1), 15),
    "a field in a list that came later": (
        DeleteTopicsRequest(topics=[DeleteTopicsRequestTopic(name="t")], timeout_ms=0),
        5,
    ),
    "an option that came later": (DescribeClusterRequest(include_fenced_brokers=True), 1),
    "a null array too early": (MetadataRequest(topics=None), 0),
    "a null string too early": (
        MetadataResponse(
            brokers=[], topics=[MetadataResponseTopic(error_code=0, name=None, partitions=[])]
        ),
        11,
    ),
    "a null compact array": (ApiVersionsResponse(error_code=0, api_keys=None), 3),
    "a null integer": (InitProducerIdResponse(error_code=None, producer_epoch=0), 0),
    "an integer out of range": (InitProducerIdResponse(error_code=40_000, producer_epoch=0), 0),
    "a string in place of an integer": (ListOffsetsRequest(replica_id="1", topics=[]), 1),
    "a string of 32768 bytes": (
        CreateTopicsRequest(
            topics=[
                CreateTopicsRequestTopic(name="x" * 32_768, num_partitions=1, replication_factor=1)
            ]
        ),
        2,
    ),
    "half of a surrogate pair": (MetadataRequest(topics=[MetadataRequestTopic(name="\ud800")]), 1),
    "a version before the first": (produce(None), 2),
    "a version after the last": (produce(None), 14),
}


@pytest.mark.parametrize(("message", "version"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_value_that_a_version_cannot_carry_raises(message, version):
    with pytest.raises(ValueError):  # noqa: PT011 - the kinds of messages differ
        encode(message, version)


def test_an_ignorable_field_is_dropped_from_older_versions():
    leader = CurrentLeader(leader_id=2, leader_epoch=9)
    assert encode(fetched(current_leader=leader), 11) == encode(fetched(), 11)
    found = ListOffsetsResponsePartition(
        partition_index=0, error_code=0, timestamp=1, offset=2, leader_epoch=3
    )
    topic = ListOffsetsResponseTopic(name="t", partitions=[found])
    assert b"".join(encode(ListOffsetsResponse(topics=[topic]), 1)) == bytes.fromhex(
        "00000001 000174 00000001 00000000 0000 0000000000000001 0000000000000002"
    )


def test_a_default_array_is_never_shared_between_messages():
    one, other = (
        FetchRequest(max_wait_ms=0, min_bytes=0, topics=[]),
        FetchRequest(max_wait_ms=0, min_bytes=0, topics=[]),
    )
    assert one.forgotten_topics_data == other.forgotten_topics_data == []
    assert one.forgotten_topics_data is not other.forgotten_topics_data


def test_a_structure_equal_to_its_default_is_omitted_like_the_default():
    one, other = fetched(), fetched(current_leader=CurrentLeader(leader_id=-1, leader_epoch=-1))
    assert b"".join(encode(one, 12)) == b"".join(encode(other, 12))


def test_every_key_of_the_map_leads_to_its_classes():
    for key in API_MODULES:
        assert request_class(key).__name__ == api_name(key) + "Request"
        assert response_class(key).__name__ == api_name(key) + "Response"


def test_a_key_that_nobody_serves_leads_nowhere():
    assert request_class(9999) is None
    assert response_class(-1) is None
    assert api_name(9999) == "API 9999"
