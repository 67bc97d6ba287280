"""minikafka's own client, which has to do what all the others do."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

from minikafka.client.admin import AdminClient, NewTopic
from minikafka.client.consumer import Consumer
from minikafka.client.metadata import TopicPartition
from minikafka.client.producer import Producer
from minikafka.client.record import ConsumerRecord
from minikafka.protocol.errors import KafkaError
from minikafka.protocol.records import Record

from .clients import DEADLINE_S, NOW, Cluster, PartitionView, Refused, Setting, pythonic

DEADLINE_MS = int(DEADLINE_S * 1000)

T = TypeVar("T")


class MinikafkaClient:
    """A new producer, consumer or admin client for each question, in an event loop of its own."""

    name: ClassVar[str] = "minikafka"
    codecs: ClassVar[Sequence[str]] = ("none", "gzip", "snappy", "lz4", "zstd")
    lacks: ClassVar[Sequence[str]] = ()

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def send(
        self,
        topic: str,
        records: Sequence[Record],
        partition: int = 0,
        settings: Mapping[str, Setting] | None = None,
    ) -> None:
        """Produce; the first failed future raises Refused."""

        async def send() -> None:
            options: dict[str, Any] = pythonic(settings)
            async with Producer(bootstrap_servers=self._bootstrap, **options) as producer:
                futures = [
                    await producer.send(
                        topic,
                        each.value,
                        each.key,
                        each.headers,
                        partition,
                        None if each.timestamp == NOW else each.timestamp,
                    )
                    for each in records
                ]
                await producer.flush(DEADLINE_S)
                for future in futures:
                    await future

        with _refusals():
            asyncio.run(send())

    def read(self, topic: str, count: int, partition: int = 0, start: int = 0) -> list[Record]:
        """Assign, seek, and read."""

        async def read(consumer: Consumer) -> list[Record]:
            consumer.assign([(topic, partition)])
            consumer.seek((topic, partition), start)
            return await _take(consumer, count)

        return self._consume(read)

    def read_since(self, topic: str, count: int, timestamp_ms: int) -> list[Record]:
        """Ask for the offset of the time, seek, and read."""

        async def read(consumer: Consumer) -> list[Record]:
            wanted = TopicPartition(topic, 0)
            consumer.assign([wanted])
            found = (await consumer.offsets_for_times({wanted: timestamp_ms}))[wanted]
            assert found is not None
            consumer.seek(wanted, found.offset)
            return await _take(consumer, count)

        return self._consume(read)

    def watermarks(self, topic: str, partition: int = 0) -> tuple[int, int]:
        """Two questions."""

        async def watermarks(consumer: Consumer) -> tuple[int, int]:
            wanted = TopicPartition(topic, partition)
            first = await consumer.beginning_offsets([wanted])
            end = await consumer.end_offsets([wanted])
            return first[wanted], end[wanted]

        return self._consume(watermarks)

    def partitions(self, topic: str) -> dict[int, PartitionView]:
        """By Metadata."""

        async def describe(admin: AdminClient) -> dict[int, PartitionView]:
            (described,) = await admin.describe_topics([topic])
            return {
                each.index: PartitionView(
                    each.leader, list(each.replicas), list(each.in_sync_replicas)
                )
                for each in described.partitions
            }

        return self._ask(describe)

    def topics(self) -> set[str]:
        """By Metadata."""

        async def topics(admin: AdminClient) -> set[str]:
            return set(await admin.list_topics())

        return self._ask(topics)

    def cluster(self) -> Cluster:
        """By Metadata."""

        async def describe(admin: AdminClient) -> Cluster:
            found = await admin.describe_cluster()
            addresses = {each.id: f"{each.host}:{each.port}" for each in found.brokers}
            return Cluster(found.cluster_id, found.controller_id, addresses)

        return self._ask(describe)

    def create_topic(
        self, topic: str, partitions: int = 1, configs: Mapping[str, str] | None = None
    ) -> None:
        """By CreateTopics."""

        async def create(admin: AdminClient) -> None:
            await admin.create_topics([NewTopic(topic, partitions, configs=dict(configs or {}))])

        self._ask(create)

    def delete_topic(self, topic: str) -> None:
        """By DeleteTopics."""

        async def delete(admin: AdminClient) -> None:
            await admin.delete_topics([topic])

        self._ask(delete)

    def _consume(self, work: Callable[[Consumer], Awaitable[T]]) -> T:
        """Run `work` with a consumer."""

        async def run() -> T:
            async with Consumer(bootstrap_servers=self._bootstrap) as consumer:
                return await work(consumer)

        return asyncio.run(run())

    def _ask(self, work: Callable[[AdminClient], Awaitable[T]]) -> T:
        """Run `work` with an admin client."""

        async def run() -> T:
            async with AdminClient(bootstrap_servers=self._bootstrap) as admin:
                return await work(admin)

        with _refusals():
            return asyncio.run(run())


@contextmanager
def _refusals() -> Generator[None]:
    try:
        yield
    except KafkaError as error:
        raise Refused(error.code, error) from error


async def _take(consumer: Consumer, count: int) -> list[Record]:
    return [_record(await consumer.getone(DEADLINE_MS)) for _ in range(count)]


def _record(read: ConsumerRecord) -> Record:
    return Record(read.offset, read.timestamp, read.key, read.value, read.headers)
