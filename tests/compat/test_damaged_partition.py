"""A topic of which one partition is damaged: what each client can still do with the other."""

from collections.abc import Iterator
from pathlib import Path

import confluent_kafka
import kafka
import pytest

from ..nodes import NodeProcess
from .aiokafka_client import AiokafkaClient
from .clients import DEADLINE_S, AdminClient, Client, record
from .confluent_client import ConfluentClient
from .conftest import ADMIN_CLIENTS, CLIENTS
from .minikafka_client import MinikafkaClient

TOPIC = "half"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node whose topic has lost the records of partition 0, and kept those of partition 1."""
    data_dir: Path = tmp_path_factory.mktemp("damaged") / "node"
    process = NodeProcess(data_dir).start()
    for topic in (TOPIC, *(each.name for each in ADMIN_CLIENTS)):
        client = ConfluentClient(process.bootstrap)
        client.create_topic(topic, partitions=2)
        for partition in range(2):
            client.send(topic, [record(b"before")], partition=partition)
    process.stop()
    for log in data_dir.glob("*-0/*.log"):
        if not log.parent.name.startswith("__"):
            log.write_bytes(b"")
    yield process.start()
    process.kill()


@pytest.mark.parametrize("kind", CLIENTS, ids=lambda each: each.name)
def test_the_other_partition_is_written_and_read(broker: NodeProcess, kind: type[Client]) -> None:
    client = kind(broker.bootstrap)
    first, end = client.watermarks(TOPIC, partition=1)
    client.send(TOPIC, [record(b"v")] * 3, partition=1)
    assert len(client.read(TOPIC, end - first + 3, partition=1, start=first)) == end - first + 3


def test_records_without_a_key_go_to_the_other_partition(broker: NodeProcess) -> None:
    """Not with librdkafka, which also takes a partition without a leader, and waits."""
    producer = kafka.KafkaProducer(bootstrap_servers=broker.bootstrap)
    sent = [producer.send(TOPIC, b"v") for _ in range(50)]
    assert [future.get(DEADLINE_S).partition for future in sent] == [1] * 50
    producer.close()


def test_a_consumer_of_both_partitions_gets_the_records_of_the_other(broker: NodeProcess) -> None:
    MinikafkaClient(broker.bootstrap).send(TOPIC, [record(b"v")], partition=1)
    consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "any"})
    consumer.assign([confluent_kafka.TopicPartition(TOPIC, index, 0) for index in range(2)])
    message = consumer.poll(DEADLINE_S)
    assert message is not None
    assert (message.error(), message.partition()) == (None, 1)
    consumer.close()
    plain = kafka.KafkaConsumer(bootstrap_servers=broker.bootstrap)
    plain.assign([kafka.TopicPartition(TOPIC, index) for index in range(2)])
    plain.seek(kafka.TopicPartition(TOPIC, 0), 0)
    plain.seek(kafka.TopicPartition(TOPIC, 1), 0)
    records = plain.poll(DEADLINE_S * 1000)
    assert [each.partition for each in records] == [1]
    plain.close()


@pytest.mark.parametrize("kind", [AiokafkaClient, MinikafkaClient], ids=lambda each: each.name)
def test_the_partition_is_seen_without_a_leader(broker: NodeProcess, kind: type[Client]) -> None:
    views = kind(broker.bootstrap).partitions(TOPIC)
    assert [views[index].leader for index in sorted(views)] == [-1, 1]


@pytest.mark.parametrize("kind", ADMIN_CLIENTS, ids=lambda each: each.name)
def test_its_topic_can_be_deleted(broker: NodeProcess, kind: type[AdminClient]) -> None:
    client = kind(broker.bootstrap)
    client.delete_topic(kind.name)
    assert kind.name not in client.topics()
