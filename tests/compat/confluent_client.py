"""confluent-kafka: librdkafka in Python.

A consumer must be given a group id even if it never joins a group, and then commits its offsets
when it is closed unless it is told not to.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar

from minikafka.protocol.records import Record

from .clients import DEADLINE_S, NOW, Cluster, PartitionView, Refused, Setting

# The types that it comes with leave most things unknown.
confluent: Any = import_module("confluent_kafka")
admin: Any = import_module("confluent_kafka.admin")


class ConfluentClient:
    """A new producer, consumer or admin client for each question."""

    name: ClassVar[str] = "confluent"
    codecs: ClassVar[Sequence[str]] = ("none", "gzip", "snappy", "lz4", "zstd")
    lacks: ClassVar[Sequence[str]] = ()

    def __init__(self, bootstrap: str) -> None:
        self._address = {"bootstrap.servers": bootstrap}

    def send(
        self,
        topic: str,
        records: Sequence[Record],
        partition: int = 0,
        settings: Mapping[str, Setting] | None = None,
    ) -> None:
        """Produce; the first failed delivery raises Refused."""
        producer = confluent.Producer({**self._address, **(settings or {})})
        failed: list[Any] = []

        def delivered(error: Any, message: Any) -> None:
            del message
            if error is not None:
                failed.append(error)

        for each in records:
            given = {} if each.timestamp == NOW else {"timestamp": each.timestamp}
            producer.produce(
                topic,
                each.value,
                each.key,
                partition,
                on_delivery=delivered,
                headers=list(each.headers),
                **given,
            )
        undelivered = producer.flush(DEADLINE_S)
        if undelivered:
            raise TimeoutError(f"{undelivered} records were not delivered")
        if failed:
            raise _refused(failed[0])

    def read(self, topic: str, count: int, partition: int = 0, start: int = 0) -> list[Record]:
        """Assign at the offset, and poll."""
        with _Consumer(self._address) as consumer:
            consumer.assign([confluent.TopicPartition(topic, partition, start)])
            return _poll(consumer, count)

    def read_since(self, topic: str, count: int, timestamp_ms: int) -> list[Record]:
        """Ask for the offset of the time, assign there, and poll."""
        with _Consumer(self._address) as consumer:
            wanted = confluent.TopicPartition(topic, 0, timestamp_ms)
            consumer.assign(consumer.offsets_for_times([wanted], timeout=DEADLINE_S))
            return _poll(consumer, count)

    def watermarks(self, topic: str, partition: int = 0) -> tuple[int, int]:
        """Ask the broker, not the cache."""
        with _Consumer(self._address) as consumer:
            wanted = confluent.TopicPartition(topic, partition)
            return consumer.get_watermark_offsets(wanted, timeout=DEADLINE_S)

    def partitions(self, topic: str) -> dict[int, PartitionView]:
        """By DescribeTopics, which is Metadata on the wire."""
        names = confluent.TopicCollection([topic])
        described = self._finish(self._admin.describe_topics(names))
        return {
            each.id: PartitionView(
                each.leader.id, [node.id for node in each.replicas], [node.id for node in each.isr]
            )
            for each in described.partitions
        }

    def topics(self) -> set[str]:
        """By Metadata."""
        return set(self._admin.list_topics(timeout=DEADLINE_S).topics)

    def cluster(self) -> Cluster:
        """By DescribeCluster, which is Metadata on the wire."""
        found = self._admin.describe_cluster().result(DEADLINE_S)
        addresses = {node.id: f"{node.host}:{node.port}" for node in found.nodes}
        return Cluster(found.cluster_id, found.controller.id, addresses)

    def create_topic(
        self, topic: str, partitions: int = 1, configs: Mapping[str, str] | None = None
    ) -> None:
        """By CreateTopics."""
        new = admin.NewTopic(topic, partitions, 1, config=dict(configs or {}))
        self._finish(self._admin.create_topics([new]))

    def delete_topic(self, topic: str) -> None:
        """By DeleteTopics."""
        self._finish(self._admin.delete_topics([topic]))

    @cached_property
    def _admin(self) -> Any:
        """Kept, since its futures end when it is collected."""
        return admin.AdminClient(self._address)

    def _finish(self, futures: dict[str, Any]) -> Any:
        """The result of the only future."""
        (future,) = futures.values()
        try:
            return future.result(DEADLINE_S)
        except confluent.KafkaException as error:
            raise _refused(error.args[0]) from error


class _Consumer:
    """A consumer that is closed, whatever happens."""

    def __init__(self, address: dict[str, str]) -> None:
        settings = {**address, "group.id": "assigned", "enable.auto.commit": False}
        self._consumer = confluent.Consumer(settings)

    def __enter__(self) -> Any:
        return self._consumer

    def __exit__(self, *_: object) -> None:
        self._consumer.close()


def _poll(consumer: Any, count: int) -> list[Record]:
    messages = consumer.consume(count, timeout=DEADLINE_S)
    for each in messages:
        if each.error() is not None:
            raise _refused(each.error())
    if len(messages) < count:
        raise TimeoutError(f"{len(messages)} records of {count}")
    return [
        Record(
            each.offset(),
            each.timestamp()[1],
            each.key(),
            each.value(),
            tuple(each.headers() or ()),
        )
        for each in messages
    ]


def _refused(error: Any) -> Exception:
    """Librdkafka's own errors have negative numbers; they are not the broker's."""
    if error.code() < 0:
        return TimeoutError(error.str())
    return Refused(error.code(), error.str())
