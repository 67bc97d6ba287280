"""kafka-python: the oldest client, in pure Python. Its producer is idempotent by default."""

import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from typing import Any, ClassVar

from minikafka.protocol.records import Record

from .clients import DEADLINE_S, NOW, Cluster, PartitionView, Refused, Setting, pythonic

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # It reads its schemas by a deprecated function.
    # It has no types.
    kafka: Any = import_module("kafka")
    codec: Any = import_module("kafka.codec")


class KafkaPythonClient:
    """A new producer, consumer or admin client for each question."""

    name: ClassVar[str] = "kafka-python"
    codecs: ClassVar[Sequence[str]] = (
        "none",
        *(name for name in ("gzip", "snappy", "lz4", "zstd") if getattr(codec, f"has_{name}")()),
    )
    lacks: ClassVar[Sequence[str]] = ("null headers",)

    def __init__(self, bootstrap: str) -> None:
        self._address = {"bootstrap_servers": bootstrap}

    def send(
        self,
        topic: str,
        records: Sequence[Record],
        partition: int = 0,
        settings: Mapping[str, Setting] | None = None,
    ) -> None:
        """Produce; the first failed future raises Refused."""
        with closing(kafka.KafkaProducer(**self._address, **pythonic(settings))) as producer:
            futures = [
                producer.send(
                    topic,
                    each.value,
                    each.key,
                    list(each.headers),
                    partition,
                    None if each.timestamp == NOW else each.timestamp,
                )
                for each in records
            ]
            with refusals():
                for future in futures:
                    future.get(DEADLINE_S)

    def read(self, topic: str, count: int, partition: int = 0, start: int = 0) -> list[Record]:
        """Assign, seek, and poll."""
        with closing(kafka.KafkaConsumer(**self._address)) as consumer:
            wanted = kafka.TopicPartition(topic, partition)
            consumer.assign([wanted])
            consumer.seek(wanted, start)
            return _poll(consumer, count)

    def read_since(self, topic: str, count: int, timestamp_ms: int) -> list[Record]:
        """Ask for the offset of the time, seek, and poll."""
        with closing(kafka.KafkaConsumer(**self._address)) as consumer:
            wanted = kafka.TopicPartition(topic, 0)
            consumer.assign([wanted])
            found = consumer.offsets_for_times({wanted: timestamp_ms})[wanted]
            consumer.seek(wanted, found.offset)
            return _poll(consumer, count)

    def watermarks(self, topic: str, partition: int = 0) -> tuple[int, int]:
        """Two questions."""
        with closing(kafka.KafkaConsumer(**self._address)) as consumer:
            wanted = kafka.TopicPartition(topic, partition)
            first = consumer.beginning_offsets([wanted])[wanted]
            return first, consumer.end_offsets([wanted])[wanted]

    def partitions(self, topic: str) -> dict[int, PartitionView]:
        """By DescribeTopicPartitions (KIP-966), which this client sends where it is served."""
        with closing(kafka.KafkaAdminClient(**self._address)) as admin:
            (described,) = admin.describe_topic_partitions([topic])["topics"]
            if described["error_code"]:
                raise Refused(described["error_code"], topic)
            return {
                each["partition_index"]: PartitionView(
                    each["leader_id"], each["replica_nodes"], each["isr_nodes"]
                )
                for each in described["partitions"]
            }

    def topics(self) -> set[str]:
        """By Metadata."""
        with closing(kafka.KafkaAdminClient(**self._address)) as admin:
            return set(admin.list_topics())

    def cluster(self) -> Cluster:
        """By DescribeCluster, which tells this client of fenced brokers as well."""
        with closing(kafka.KafkaAdminClient(**self._address)) as admin:
            found = admin.describe_cluster()
            addresses = {
                each["broker_id"]: f"{each['host']}:{each['port']}"
                for each in found["brokers"]
                if not each.get("is_fenced")
            }
            return Cluster(found["cluster_id"], found["controller_id"], addresses)

    def create_topic(
        self, topic: str, partitions: int = 1, configs: Mapping[str, str] | None = None
    ) -> None:
        """By CreateTopics."""
        new = {"num_partitions": partitions, "configs": dict(configs or {})}
        with closing(kafka.KafkaAdminClient(**self._address)) as admin, refusals():
            admin.create_topics({topic: new})

    def delete_topic(self, topic: str) -> None:
        """By DeleteTopics."""
        with closing(kafka.KafkaAdminClient(**self._address)) as admin, refusals():
            admin.delete_topics([topic])


@contextmanager
def refusals() -> Generator[None]:
    """Raise Refused for an error that the broker answered."""
    try:
        yield
    except kafka.errors.BrokerResponseError as error:
        raise Refused(error.errno, error) from error


def _poll(consumer: Any, count: int) -> list[Record]:
    consumer.config["consumer_timeout_ms"] = DEADLINE_S * 1000
    records: list[Record] = []
    for each in consumer:
        headers = tuple(each.headers)
        records.append(Record(each.offset, each.timestamp, each.key, each.value, headers))
        if len(records) == count:
            return records
    raise TimeoutError(f"{len(records)} records of {count}")
