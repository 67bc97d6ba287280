"""aiokafka: the client for asyncio. Each question runs in an event loop of its own."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from typing import Any, ClassVar, TypeVar

from minikafka.protocol.records import Record

from .clients import DEADLINE_S, NOW, Cluster, PartitionView, Refused, Setting, pythonic

# The types that it comes with leave most things unknown.
aiokafka: Any = import_module("aiokafka")
admin: Any = import_module("aiokafka.admin")
errors: Any = import_module("aiokafka.errors")

T = TypeVar("T")


class AiokafkaClient:
    """A new producer, consumer or admin client for each question."""

    name: ClassVar[str] = "aiokafka"
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

        async def send(producer: Any) -> None:
            futures = [
                await producer.send(
                    topic,
                    each.value,
                    each.key,
                    partition,
                    None if each.timestamp == NOW else each.timestamp,
                    list(each.headers),
                )
                for each in records
            ]
            with _refusals():
                answers = await asyncio.gather(*futures, return_exceptions=True)
                for answer in answers:
                    if isinstance(answer, BaseException):
                        raise answer

        self._run(send, aiokafka.AIOKafkaProducer, pythonic(settings))

    def read(self, topic: str, count: int, partition: int = 0, start: int = 0) -> list[Record]:
        """Assign, seek, and read."""

        async def read(consumer: Any) -> list[Record]:
            wanted = aiokafka.TopicPartition(topic, partition)
            consumer.assign([wanted])
            consumer.seek(wanted, start)
            return [_record(await consumer.getone()) for _ in range(count)]

        return self._run(read, aiokafka.AIOKafkaConsumer)

    def read_since(self, topic: str, count: int, timestamp_ms: int) -> list[Record]:
        """Ask for the offset of the time, seek, and read."""

        async def read(consumer: Any) -> list[Record]:
            wanted = aiokafka.TopicPartition(topic, 0)
            consumer.assign([wanted])
            found = await consumer.offsets_for_times({wanted: timestamp_ms})
            consumer.seek(wanted, found[wanted].offset)
            return [_record(await consumer.getone()) for _ in range(count)]

        return self._run(read, aiokafka.AIOKafkaConsumer)

    def watermarks(self, topic: str, partition: int = 0) -> tuple[int, int]:
        """Two questions."""

        async def watermarks(consumer: Any) -> tuple[int, int]:
            wanted = aiokafka.TopicPartition(topic, partition)
            first = await consumer.beginning_offsets([wanted])
            end = await consumer.end_offsets([wanted])
            return first[wanted], end[wanted]

        return self._run(watermarks, aiokafka.AIOKafkaConsumer)

    def partitions(self, topic: str) -> dict[int, PartitionView]:
        """By Metadata."""

        async def describe(client: Any) -> dict[int, PartitionView]:
            (described,) = await client.describe_topics([topic])
            if described["error_code"]:
                raise Refused(described["error_code"], topic)
            return {
                each["partition"]: PartitionView(each["leader"], each["replicas"], each["isr"])
                for each in described["partitions"]
            }

        return self._run(describe, admin.AIOKafkaAdminClient)

    def topics(self) -> set[str]:
        """By Metadata."""

        async def topics(client: Any) -> set[str]:
            return set(await client.list_topics())

        return self._run(topics, admin.AIOKafkaAdminClient)

    def cluster(self) -> Cluster:
        """By Metadata."""

        async def describe(client: Any) -> Cluster:
            found = await client.describe_cluster()
            addresses = {
                each["node_id"]: f"{each['host']}:{each['port']}" for each in found["brokers"]
            }
            return Cluster(found["cluster_id"], found["controller_id"], addresses)

        return self._run(describe, admin.AIOKafkaAdminClient)

    def create_topic(
        self, topic: str, partitions: int = 1, configs: Mapping[str, str] | None = None
    ) -> None:
        """By CreateTopics."""

        async def create(client: Any) -> None:
            new = admin.NewTopic(topic, partitions, 1, topic_configs=dict(configs or {}))
            answer = await client.create_topics([new])
            ((_, error_code, message),) = answer.topic_errors
            if error_code:
                raise Refused(error_code, message)

        self._run(create, admin.AIOKafkaAdminClient)

    def delete_topic(self, topic: str) -> None:
        """By DeleteTopics."""

        async def delete(client: Any) -> None:
            answer = await client.delete_topics([topic])
            ((_, error_code),) = answer.topic_error_codes
            if error_code:
                raise Refused(error_code, topic)

        self._run(delete, admin.AIOKafkaAdminClient)

    def _run(
        self,
        work: Callable[[Any], Coroutine[Any, Any, T]],
        make: Any,
        settings: Mapping[str, Setting] | None = None,
    ) -> T:
        """Run `work` with a client of its own."""

        async def run() -> T:
            client = make(bootstrap_servers=self._bootstrap, **(settings or {}))
            async with started(client), asyncio.timeout(DEADLINE_S):
                return await work(client)

        return asyncio.run(run())


@asynccontextmanager
async def started(client: Any) -> AsyncGenerator[None]:
    """Start a client of any kind, and end it whatever happens."""
    await client.start()
    try:
        yield
    finally:
        # An admin client is closed, all others are stopped.
        await (client.close() if hasattr(client, "close") else client.stop())


@contextmanager
def _refusals() -> Generator[None]:
    try:
        yield
    except errors.BrokerResponseError as error:
        raise Refused(error.errno, error) from error


def _record(message: Any) -> Record:
    headers = tuple(message.headers)
    return Record(message.offset, message.timestamp, message.key, message.value, headers)
