"""A program of a user, for a strict type checker: see test_public_face. It never runs.

A line that ends with `# wrong` has to be an error, all others must not.
"""

from concurrent.futures import Future
from typing import assert_type

import minikafka.sync
from minikafka import (
    AdminClient,
    Consumer,
    ConsumerRecord,
    ElectionType,
    NewTopic,
    Producer,
    RecordMetadata,
    TopicPartition,
    sync,
)
from minikafka.serializers import json_serializer, utf8_deserializer

with sync.Producer(linger_ms=5, value_serializer=json_serializer) as producer:
    assert_type(producer, sync.Producer)
    assert_type(producer.send("t", b"v", key=b"k"), Future[RecordMetadata])
    assert_type(producer.send_many("t", [b"v"]), list[Future[RecordMetadata]])
    assert_type(producer.send_and_wait("t", b"v", timestamp_ms=5), RecordMetadata)
    assert_type(producer.flush(timeout=1.0), None)
    producer.send_and_wait("t", wrong=1)  # wrong
    producer.send_and_wait(5)  # wrong
    producer.send(5)  # wrong

with sync.Consumer("a", "b", key_deserializer=utf8_deserializer) as consumer:
    for record in consumer:
        assert_type(record, ConsumerRecord)
    assert_type(consumer.getmany(timeout_ms=5), dict[TopicPartition, list[ConsumerRecord]])
    assert_type(consumer.assignment(), set[TopicPartition])
    consumer.pause(("a", 0), TopicPartition("a", 1))
    consumer.seek(("a", 0))  # wrong

with sync.AdminClient() as admin:
    assert_type(admin.list_topics(include_internal=True), list[str])
    admin.create_topics([NewTopic("t", 1, 1)], validate_only=True)
    admin.create_topics(["t"])  # wrong
    first = TopicPartition("t", 0)
    assert_type(admin.elect_leaders(ElectionType.PREFERRED, [first]), list[TopicPartition])
    admin.alter_partition_reassignments({first: [1, 2], TopicPartition("t", 1): None})
    assert_type([each.lag for each in admin.describe_quorum().voters], list[int | None])
    admin.elect_leaders([first])  # wrong

with sync.Cluster() as cluster:
    partition = cluster.topics["t"].partitions[0]
    assert_type(partition.leader, int | None)
    assert_type([segment.size_bytes for segment in partition.segments()], list[int])
    partition.seek()  # wrong

assert_type(minikafka.sync.Producer().start(), sync.Producer)
assert_type(sync.Consumer.from_config({"group.id": "g"}, "t"), sync.Consumer)
sync.Producer(bootstrap_server="localhost")  # wrong
sync.Producer("localhost")  # wrong
sync.Consumer(5)  # wrong


async def asynchronous() -> None:
    """The same in asyncio."""
    async with Producer(acks="all") as producer, Consumer("t") as consumer, AdminClient() as admin:
        assert_type(await producer.send_and_wait("t", b"v"), RecordMetadata)
        assert_type(await (await producer.send("t", b"v")), RecordMetadata)
        assert_type(await admin.list_topics(), list[str])
        async for record in consumer:
            assert_type(record, ConsumerRecord)
    Producer(acks="most")  # wrong
