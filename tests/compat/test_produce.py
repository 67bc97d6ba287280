"""What each client produces, it consumes again, unchanged."""

import time

import pytest

from minikafka.protocol.errors import ErrorCode

from .clients import NOW, AdminClient, Client, Refused, compressed, contents, record

LARGEST_BYTES = 900_000
TIME_MS = 1_700_000_000_123


def test_every_codec_round_trips(client: Client, codec: str, topic: str):
    sent = [record(b"value %d " % index * 20, b"key %d" % index) for index in range(50)]
    client.send(topic, sent, settings=compressed(codec))
    assert contents(client.read(topic, len(sent))) == contents(sent)


def test_keys_and_values_may_be_null_or_empty(client: Client, topic: str):
    sent = [
        record(b"v", b"k"),
        record(b"v"),
        record(None, b"k"),
        record(b"", b"k"),
        record(b"v", b""),
    ]
    client.send(topic, sent)
    assert contents(client.read(topic, len(sent))) == contents(sent)


def test_headers_keep_their_order_and_may_be_empty(client: Client, topic: str):
    sent = [record(b"v", b"k", [("b", b"1"), ("a", b""), ("b", b"2")]), record(b"w")]
    client.send(topic, sent)
    assert contents(client.read(topic, len(sent))) == contents(sent)


def test_a_header_may_be_null(client: Client, topic: str):
    _need(client, "null headers")
    sent = [record(b"v", b"k", [("null", None)])]
    client.send(topic, sent)
    assert contents(client.read(topic, 1)) == contents(sent)


@pytest.mark.parametrize("size_bytes", [1, 1_000, 100_000, LARGEST_BYTES])
def test_records_of_every_size_round_trip(client: Client, topic: str, size_bytes: int):
    sent = [record(b"x" * size_bytes)] * 3
    client.send(topic, sent)
    assert contents(client.read(topic, len(sent))) == contents(sent)


def test_a_record_keeps_the_time_that_its_producer_gave_it(client: Client, topic: str):
    _need(client, "timestamps")
    sent = [record(b"%d" % index, timestamp=TIME_MS + index % 3) for index in range(9)]
    client.send(topic, sent)
    assert [each.timestamp for each in client.read(topic, 9)] == [one.timestamp for one in sent]


def test_a_record_without_a_time_gets_its_producers_clock(client: Client, topic: str):
    before_ms = time.time_ns() // 1_000_000
    client.send(topic, [record(b"v")])
    (read,) = client.read(topic, 1)
    assert before_ms <= read.timestamp <= time.time_ns() // 1_000_000


@pytest.mark.parametrize("acks", [0, 1, "all"])
def test_records_arrive_with_any_acks(client: Client, topic: str, acks: int | str):
    sent = [record(b"%d" % index) for index in range(20)]
    settings = {"acks": acks, "enable.idempotence": acks == "all"}
    client.send(topic, sent, settings=settings)
    assert contents(client.read(topic, len(sent))) == contents(sent)


def test_an_idempotent_producers_records_arrive_once_and_in_order(client: Client, topic: str):
    sent = [record(b"%d" % index) for index in range(2_000)]
    client.send(topic, sent, settings={"enable.idempotence": True})
    assert contents(client.read(topic, len(sent))) == contents(sent)
    assert client.watermarks(topic) == (0, len(sent))


def test_each_partition_has_its_own_records(client: Client, anybody: AdminClient, topic: str):
    anybody.create_topic(topic, partitions=3)
    for partition in range(3):
        client.send(topic, [record(b"%d" % partition)] * (partition + 1), partition)
    for partition in range(3):
        read = client.read(topic, partition + 1, partition)
        assert [each.offset for each in read] == list(range(partition + 1))
        assert {each.value for each in read} == {b"%d" % partition}


def test_a_batch_that_is_too_large_is_refused_by_name(
    client: Client, anybody: AdminClient, topic: str
):
    anybody.create_topic(topic, configs={"max.message.bytes": "1000"})
    with pytest.raises(Refused) as refused:
        client.send(topic, [record(b"x" * 2_000)])
    assert refused.value.error_code == ErrorCode.MESSAGE_TOO_LARGE
    client.send(topic, [record(b"small")])
    assert [each.value for each in client.read(topic, 1)] == [b"small"]


def test_a_compacted_topic_refuses_a_record_without_a_key(
    client: Client, anybody: AdminClient, topic: str
):
    anybody.create_topic(topic, configs={"cleanup.policy": "compact"})
    with pytest.raises(Refused) as refused:
        client.send(topic, [record(b"v")])
    # A client that is older than the error has no name for it.
    assert refused.value.error_code in (ErrorCode.INVALID_RECORD, ErrorCode.UNKNOWN_SERVER_ERROR)
    client.send(topic, [record(b"v", b"k")])
    assert [each.key for each in client.read(topic, 1)] == [b"k"]


def test_log_append_time_replaces_the_producers_time(
    client: Client, anybody: AdminClient, topic: str
):
    anybody.create_topic(topic, configs={"message.timestamp.type": "LogAppendTime"})
    before_ms = time.time_ns() // 1_000_000
    time_ms = NOW if "timestamps" in client.lacks else TIME_MS
    client.send(topic, [record(b"v", timestamp=time_ms), record(b"w", timestamp=time_ms)])
    read = client.read(topic, 2)
    assert all(before_ms <= each.timestamp <= time.time_ns() // 1_000_000 for each in read)


def _need(client: Client, ability: str) -> None:
    if ability in client.lacks:
        pytest.skip(f"{client.name} cannot produce {ability}")
