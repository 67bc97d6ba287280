"""The producer against our broker: order, compression, restarts, limits, sentences."""

import asyncio
import gc
from typing import Any

import pytest

from minikafka import (
    AdminClient,
    Consumer,
    Delivery,
    KafkaError,
    NewTopic,
    Producer,
    RecordMetadata,
)
from minikafka.client.errors import CannotConnect, ClientNotRunning, KafkaTimeout
from minikafka.client.producer import CompressionName
from minikafka.protocol.errors import ErrorCode

from ..nodes import NodeProcess
from ..transport.scripted_broker import PRODUCE, SILENCE, ScriptedBroker
from .cluster import Cluster


async def create(broker: NodeProcess, topic: str, partitions: int = 1) -> None:
    """Create a topic."""
    async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
        await admin.create_topics([NewTopic(topic, partitions, 1)])


async def read_all(broker: NodeProcess, topic: str, count: int) -> list[Any]:
    """The topic's records, `count` and whatever more is there, as they come."""
    records: list[Any] = []
    async with Consumer(
        topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        assert sum(ends.values()) == count
        while len(records) < count:
            batches = await consumer.getmany(timeout_ms=10_000, max_records=10_000)
            assert batches, f"{len(records)} of {count} records"
            records += [record for batch in batches.values() for record in batch]
    return records


async def test_everything_about_a_record_arrives(shared_broker: NodeProcess):
    await create(shared_broker, "whole")
    async with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        sent = await producer.send_and_wait(
            "whole", b"value", b"key", {"a": b"1", "b": None}, timestamp_ms=1_700_000_000_000
        )
        await producer.send_and_wait("whole", None, b"")
    assert sent == RecordMetadata("whole", 0, 0, 1_700_000_000_000)
    first, second = await read_all(shared_broker, "whole", 2)
    assert (first.key, first.value) == (b"key", b"value")
    assert first.headers == (("a", b"1"), ("b", None))
    assert (first.timestamp, first.timestamp_type) == (1_700_000_000_000, 0)
    assert (first.topic, first.partition, first.offset) == ("whole", 0, 0)
    assert (second.key, second.value, second.headers) == (b"", None, ())


@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_ten_thousand_records_arrive_in_order(
    shared_broker: NodeProcess, compression: CompressionName | None
):
    topic, count = f"many-{compression}", 10_000
    await create(shared_broker, topic, 3)
    async with Producer(
        bootstrap_servers=shared_broker.bootstrap, compression_type=compression
    ) as producer:
        futures = await producer.send_many(topic, [b"%d" % number for number in range(count)])
        await producer.flush()
    places = {(each.result().partition, each.result().offset) for each in futures}
    assert len(places) == count
    records = await read_all(shared_broker, topic, count)
    for partition in range(3):
        numbers = [int(record.value) for record in records if record.partition == partition]
        assert numbers == sorted(numbers)
    assert sorted(int(record.value) for record in records) == list(range(count))


async def test_a_broker_killed_in_the_middle_loses_and_doubles_nothing(broker: NodeProcess):
    count, kills = 20_000, (5_000, 12_000)
    await create(broker, "t", 3)
    async with Producer(bootstrap_servers=broker.bootstrap, batch_size_bytes=2_000) as producer:
        futures: list[Delivery] = []
        for number in range(count):
            futures.append(await producer.send("t", b"%d" % number))
            if number in kills:
                broker.kill()
                # Batches that were on their way break now, and are tried while nobody listens.
                await asyncio.to_thread(broker.start)
        places = await asyncio.gather(*futures)
    records = await read_all(broker, "t", count)
    assert sorted(int(record.value) for record in records) == list(range(count))
    for record in records:
        place = places[int(record.value)]
        assert (place.partition, place.offset) == (record.partition, record.offset)
    for partition in range(3):
        numbers = [int(record.value) for record in records if record.partition == partition]
        assert numbers == sorted(numbers)


async def test_keys_decide_the_partition(shared_broker: NodeProcess):
    await create(shared_broker, "keys", 5)
    async with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        futures = [await producer.send("keys", b"v", key=b"k%d" % (n % 7)) for n in range(70)]
        places = await asyncio.gather(*futures)
        for index in range(7):
            assert len({place.partition for place in places[index::7]}) == 1
        place = await producer.send_and_wait("keys", b"v", partition=4)
        assert place.partition == 4
        with pytest.raises(ValueError, match="topic keys has partitions 0 to 4, and no 5"):
            await producer.send("keys", b"v", partition=5)


async def test_a_topic_that_is_not_there_is_made_by_the_first_record(shared_broker: NodeProcess):
    async with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        assert (await producer.send_and_wait("made-by-send", b"v")).offset == 0


async def test_a_topic_that_cannot_be_made_is_an_error(shared_broker: NodeProcess):
    async with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        with pytest.raises(KafkaError) as caught:
            await producer.send("no/slashes", b"v")
        assert caught.value.code is ErrorCode.INVALID_TOPIC_EXCEPTION


async def test_serializers_make_bytes(shared_broker: NodeProcess):
    await create(shared_broker, "text")
    async with Producer(
        bootstrap_servers=shared_broker.bootstrap,
        key_serializer=str.encode,
        value_serializer=lambda value: repr(value).encode(),
    ) as producer:
        await producer.send_and_wait("text", [1, 2], key="k")
    (record,) = await read_all(shared_broker, "text", 1)
    assert (record.key, record.value) == (b"k", b"[1, 2]")


async def test_what_is_no_bytes_is_refused_and_harms_nothing(shared_broker: NodeProcess):
    await create(shared_broker, "types")
    async with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        for wrong in ("text", 5, ["x"]):
            with pytest.raises(TypeError, match="value_serializer"):
                await producer.send("types", wrong)
        await producer.send_and_wait("types", b"right")
    assert len(await read_all(shared_broker, "types", 1)) == 1


async def test_a_record_above_the_limit_is_refused(shared_broker: NodeProcess):
    async with Producer(
        bootstrap_servers=shared_broker.bootstrap, max_request_bytes=10_000
    ) as producer:
        with pytest.raises(KafkaError, match="max_request_bytes=10000") as caught:
            await producer.send("large", b"x" * 10_000)
        assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE


async def test_send_waits_for_room_and_then_says_so():
    async with ScriptedBroker({PRODUCE: lambda _: SILENCE}) as broker:
        Cluster(broker)
        async with Producer(
            bootstrap_servers=broker.bootstrap,
            buffer_memory_bytes=1000,
            max_block_ms=50,
            request_timeout_ms=1_000,
            delivery_timeout_ms=1_500,
        ) as producer:
            futures = [await producer.send("t", b"x" * 100) for _ in range(6)]
            with pytest.raises(KafkaTimeout, match="the buffer of 1000 bytes was full for 50 ms"):
                await producer.send("t", b"x" * 500)
            for each in await asyncio.gather(*futures, return_exceptions=True):
                assert isinstance(each, KafkaTimeout)


async def test_flush_says_how_many_records_are_left():
    async with ScriptedBroker({PRODUCE: lambda _: SILENCE}) as broker:
        Cluster(broker)
        producer = await Producer(
            bootstrap_servers=broker.bootstrap, request_timeout_ms=5_000, delivery_timeout_ms=9_000
        ).start()
        futures = await producer.send_many("t", [b"1", b"2", b"3"])
        with pytest.raises(KafkaTimeout, match="3 records are not delivered after 20 ms"):
            await producer.flush(0.02)
        with pytest.raises(KafkaTimeout):
            await producer.close(0.02)
        for each in await asyncio.gather(*futures, return_exceptions=True):
            assert isinstance(each, KafkaTimeout)


async def test_use_before_start_and_after_close_is_refused(shared_broker: NodeProcess):
    producer = Producer(bootstrap_servers=shared_broker.bootstrap)
    with pytest.raises(ClientNotRunning, match="not been started"):
        await producer.send("t", b"v")
    async with producer:
        pass
    with pytest.raises(ClientNotRunning, match="is closed"):
        await producer.send("t", b"v")
    with pytest.raises(ClientNotRunning):
        await producer.flush()
    await producer.close()


async def test_start_without_a_broker_is_a_sentence():
    with pytest.raises(CannotConnect, match="is a broker running there"):
        async with Producer(bootstrap_servers="127.0.0.1:1"):
            pass


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"acks": 2}, "acks=2"),
        ({"acks": 1, "enable_idempotence": True}, 'enable_idempotence needs acks="all"'),
        ({"compression_type": "zip"}, "compression_type='zip'"),
        ({"delivery_timeout_ms": 10}, "delivery_timeout_ms=10"),
        ({"bootstrap_servers": "localhost:kafka"}, "'localhost:kafka' is not HOST:PORT"),
    ],
)
def test_a_bad_option_is_a_sentence(options: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        Producer(**options)


def test_an_unknown_option_names_the_one_that_was_meant():
    with pytest.raises(TypeError, match="did you mean bootstrap_servers"):
        Producer(bootstrap_server="localhost")  # pyright: ignore[reportCallIssue]


async def test_nothing_is_left_open(shared_broker: NodeProcess):
    """Warnings are errors in this run: an unclosed transport or task would be one."""
    async with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        await producer.send_and_wait("open", b"v")
    assert len(asyncio.all_tasks()) == 1
    gc.collect()
