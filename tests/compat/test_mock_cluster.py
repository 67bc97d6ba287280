"""Our client against a cluster that is not ours: the three mock brokers inside librdkafka.

They store records for real and know neither configurations nor how to create a topic: one that is
asked for has four partitions. They answer each Produce with the time 1234 and tell no controller.
ApiVersions they refuse above version 2, in a form that Kafka does not use.
"""

from importlib import import_module
from typing import Any

import pytest

from minikafka import AdminClient, Consumer, NewTopic, Producer, TopicPartition
from minikafka.client.errors import UnsupportedByCluster

confluent: Any = import_module("confluent_kafka")

DEADLINE_S = 30.0
PARTITIONS = 4


def partitions_of(topic: str) -> list[TopicPartition]:
    """All partitions of a topic of the mock cluster."""
    return [TopicPartition(topic, index) for index in range(PARTITIONS)]


async def read(bootstrap: str, topic: str, count: int) -> list[Any]:
    """So many records of all partitions, by assignment."""
    records: list[Any] = []
    async with Consumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign(partitions_of(topic))
        while len(records) < count:
            batches = await consumer.getmany(timeout_ms=int(DEADLINE_S * 1000))
            assert batches, f"{len(records)} of {count} records"
            records += [record for batch in batches.values() for record in batch]
        assert sum((await consumer.end_offsets(partitions_of(topic))).values()) == count
    return records


@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_records_reach_the_leaders_of_all_partitions_and_come_back(
    mock_cluster: str, compression: Any
):
    topic, count = f"ours-{compression}", 1000
    async with Producer(bootstrap_servers=mock_cluster, compression_type=compression) as producer:
        sent = [
            await producer.send(topic, b"%d" % number, key=b"k%d" % (number % 50))
            for number in range(count)
        ]
        await producer.flush()
        places = [(await each)[:3] for each in sent]
    assert {partition for _, partition, _ in places} == set(range(PARTITIONS))
    records = await read(mock_cluster, topic, count)
    for record in records:
        assert places[int(record.value)] == (topic, record.partition, record.offset)
    for partition in range(PARTITIONS):
        numbers = [int(record.value) for record in records if record.partition == partition]
        assert numbers == sorted(numbers)


async def test_every_one_of_three_brokers_leads_some_partitions(mock_cluster: str):
    names = [f"spread-{number}" for number in range(10)]
    async with Producer(bootstrap_servers=mock_cluster) as producer:
        for name in names:
            assert await producer.partitions_for(name) == list(range(PARTITIONS))
        # They are chosen at random: with forty partitions, each broker has some.
        sent = [
            await producer.send(name, b"v", partition=index)
            for name in names
            for index in range(PARTITIONS)
        ]
        await producer.flush()
        assert {(await each).offset for each in sent} == {0}
    async with AdminClient(bootstrap_servers=mock_cluster) as admin:
        topics = await admin.describe_topics(names)
        assert {each.leader for topic in topics for each in topic.partitions} == {1, 2, 3}
        assert [broker.id for broker in (await admin.describe_cluster()).brokers] == [1, 2, 3]
        assert set(names) <= set(await admin.list_topics())


async def test_librdkafka_reads_what_we_wrote_there(mock_cluster: str):
    async with Producer(bootstrap_servers=mock_cluster) as producer:
        place = await producer.send_and_wait("there", b"value", b"key", {"a": b"1", "b": None})
    reader = confluent.Consumer({"bootstrap.servers": mock_cluster, "group.id": "any"})
    reader.assign([confluent.TopicPartition("there", place.partition, place.offset)])
    message = reader.poll(DEADLINE_S)
    assert (message.key(), message.value()) == (b"key", b"value")
    assert message.headers() == [("a", b"1"), ("b", None)]
    reader.close()


async def test_we_read_what_librdkafka_wrote_there(mock_cluster: str):
    writer = confluent.Producer({"bootstrap.servers": mock_cluster, "compression.type": "lz4"})
    for number in range(100):
        writer.produce("theirs", b"%d" % number, partition=number % PARTITIONS)
    assert writer.flush(DEADLINE_S) == 0
    records = await read(mock_cluster, "theirs", 100)
    assert sorted(int(record.value) for record in records) == list(range(100))


async def test_a_position_can_be_chosen_there(mock_cluster: str):
    async with Producer(bootstrap_servers=mock_cluster) as producer:
        await producer.send_many("seek", [b"%d" % number for number in range(10)], partition=2)
    async with Consumer(bootstrap_servers=mock_cluster) as consumer:
        consumer.assign([("seek", 2)])
        consumer.seek(("seek", 2), 7)
        record = await consumer.getone(timeout_ms=int(DEADLINE_S * 1000))
        assert (record.offset, record.value) == (7, b"7")
        await consumer.seek_to_beginning()
        assert (await consumer.getone(timeout_ms=int(DEADLINE_S * 1000))).offset == 0
        assert await consumer.end_offsets([("seek", 2)]) == {TopicPartition("seek", 2): 10}


async def test_what_this_cluster_cannot_do_is_said(mock_cluster: str):
    async with AdminClient(bootstrap_servers=mock_cluster) as admin:
        with pytest.raises(UnsupportedByCluster, match="serves no version of CreateTopics"):
            await admin.create_topics([NewTopic("orders", 1, 1)])
