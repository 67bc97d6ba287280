"""`minikafka serve --chapter N`: clients can do what the chapter has built, and no more."""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import confluent_kafka
import kafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka.admin import AdminClient, NewTopic

from minikafka import TopicPartition
from minikafka.broker.handlers.chapters import LAST_CHAPTER, served_until
from minikafka.protocol.api import api_name
from minikafka.sync import Consumer, Producer

from ..nodes import NodeProcess

TIMEOUT_S = 20.0


@contextmanager
def broker_of(chapter: int, directory: Path) -> Iterator[NodeProcess]:
    """A node of this chapter."""
    node = NodeProcess(directory / "node-1", "--chapter", str(chapter)).start()
    try:
        yield node
    finally:
        node.kill()


def frame(api_key: int, version: int) -> bytes:
    """A request without a body, of a client without a name."""
    return struct.pack(">ihhih", 10, api_key, version, 1, -1)


def ask_what_is_served(address: tuple[str, int]) -> set[int]:
    """The API keys that ApiVersions v0 names."""
    with socket.create_connection(address, TIMEOUT_S) as connection:
        connection.sendall(frame(18, 0))
        reader = connection.makefile("rb")
        (length,) = struct.unpack(">i", reader.read(4))
        body = reader.read(length)[4:]
    _, count = struct.unpack_from(">hi", body)
    return {struct.unpack_from(">h", body, 6 + 6 * index)[0] for index in range(count)}


def closes_on(address: tuple[str, int], api_key: int, version: int) -> bool:
    """Whether the broker ends the connection on which this API is asked for."""
    with socket.create_connection(address, TIMEOUT_S) as connection:
        connection.sendall(frame(api_key, version))
        try:
            return connection.recv(1) == b""
        except ConnectionResetError:
            return True


def create_topic(bootstrap: str) -> None:
    """What chapter 4 can do, by librdkafka's admin client."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic("fruit", 2, 1)]).values():
        future.result(TIMEOUT_S)
    assert set(admin.list_topics(timeout=TIMEOUT_S).topics["fruit"].partitions) == {0, 1}


def produce(bootstrap: str) -> None:
    """What chapter 5 can do, by our producer, aiokafka's and kafka-python's."""
    with Producer(bootstrap_servers=bootstrap) as producer:
        assert producer.send("fruit", b"ours", partition=0).result(TIMEOUT_S).offset == 0
    assert asyncio.run(produce_by_aiokafka(bootstrap)) == 1
    kafka_python = kafka.KafkaProducer(bootstrap_servers=bootstrap)
    sent = kafka_python.send("fruit", b"kafka-python", partition=0)
    assert sent.get(timeout=TIMEOUT_S).offset == 2
    kafka_python.close()


async def produce_by_aiokafka(bootstrap: str) -> int:
    """Where its record is."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        return (await producer.send_and_wait("fruit", b"aiokafka", partition=0)).offset


def consume_by_assignment(bootstrap: str) -> None:
    """What chapter 6 can do: read what it assigns itself, and keep the place, without a group."""
    values = [b"ours", b"aiokafka", b"kafka-python"]
    with Consumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition("fruit", 0)])
        assert [consumer.getone(timeout_ms=20_000).value for _ in values] == values
    assert asyncio.run(consume_by_aiokafka(bootstrap, len(values))) == values
    place = confluent_kafka.TopicPartition("fruit", 0, 1)
    librdkafka = confluent_kafka.Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False}
    )
    librdkafka.assign([place])
    message = librdkafka.poll(TIMEOUT_S)
    assert message is not None
    assert message.value() == b"aiokafka"
    librdkafka.commit(message, asynchronous=False)
    assert librdkafka.committed([place], timeout=TIMEOUT_S)[0].offset == 2
    librdkafka.close()


async def consume_by_aiokafka(bootstrap: str, count: int) -> list[bytes | None]:
    """The first values."""
    consumer = AIOKafkaConsumer(
        "fruit", bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id=None
    )
    async with asyncio.timeout(TIMEOUT_S), consumer:
        return [(await consumer.getone()).value for _ in range(count)]


def consume_in_a_group(bootstrap: str) -> None:
    """What chapter 7 can do, by librdkafka."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "g", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["fruit"])
    values = [message.value() for message in consumer.consume(3, timeout=TIMEOUT_S)]
    assert values == [b"ours", b"aiokafka", b"kafka-python"]
    consumer.close()


STEPS: list[tuple[int, Callable[[str], None]]] = [
    (4, create_topic),
    (5, produce),
    (6, consume_by_assignment),
    (7, consume_in_a_group),
]
"""From which chapter on a client can do what, each after those before it."""


@pytest.mark.parametrize("chapter", range(1, LAST_CHAPTER + 1))
def test_clients_can_do_what_the_chapter_has_built(chapter: int, tmp_path: Path) -> None:
    with broker_of(chapter, tmp_path) as node:
        assert ask_what_is_served(("127.0.0.1", node.port)) == set(served_until(chapter))
        for first, step in STEPS:
            if first <= chapter:
                step(node.bootstrap)


@pytest.mark.parametrize("chapter", range(1, LAST_CHAPTER))
def test_what_a_later_chapter_builds_is_not_served(chapter: int, tmp_path: Path) -> None:
    later = served_until(LAST_CHAPTER).keys() - served_until(chapter).keys()
    with broker_of(chapter, tmp_path) as node:
        for key in sorted(later):
            _, last = served_until(LAST_CHAPTER)[key]
            assert closes_on(("127.0.0.1", node.port), key, last), api_name(key)


@pytest.mark.parametrize("chapter", ["0", "11", "ten"])
def test_a_chapter_that_does_not_exist_is_one_sentence(chapter: str, tmp_path: Path) -> None:
    node = NodeProcess(tmp_path / "node-1", "--chapter", chapter)
    assert node.launch().wait(TIMEOUT_S) == 2
    node.kill()
    assert "'chapter' is a whole number from 1 to 10" in node.log
