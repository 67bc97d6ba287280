"""What the cluster is: topics, partitions, brokers, producer ids. PURE.

The image is the sum of the metadata log: each record is a msgpack map with a `type`, and `apply`
is the only way in which the image changes. Every node that applies the same records has the same
image.

    ClusterCreated       cluster_id
    BrokerRegistered     broker_id, epoch, incarnation
    TopicCreated         topic_id, name, configs
    PartitionCreated     topic_id, index, replicas, isr, leader, leader_epoch, partition_epoch
    PartitionChanged     topic_id, index, and what changed of the fields above
    TopicDeleted         topic_id
    TopicConfigsChanged  topic_id, changes: option to its new text, or nil for the default
    BrokerConfigsChanged broker (its id as text, empty for all brokers), changes: the same
    ProducerIdsReserved  broker_id, next_producer_id

A topic's options go with the topic: one that is created again under the name starts without.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

Record = Mapping[str, Any]


_FIELD_TYPES: Mapping[str, type] = {
    "broker_id": int,
    "cluster_id": str,
    "configs": dict,
    "epoch": int,
    "index": int,
    "isr": list,
    "leader": int,
    "leader_epoch": int,
    "name": str,
    "next_producer_id": int,
    "partition_epoch": int,
    "replicas": list,
    "topic_id": bytes,
}


class UnknownRecord(Exception):
    """A newer version of minikafka wrote this log; to go on without the record would be wrong."""


@dataclass(frozen=True, slots=True)
class PartitionImage:
    """One partition as the controller decided it."""

    index: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    leader: int
    leader_epoch: int
    partition_epoch: int


@dataclass(slots=True)
class TopicImage:
    """One topic: its id (16 bytes, random), configs that override the node's, partitions."""

    name: str
    topic_id: bytes
    configs: dict[str, str]
    partitions: dict[int, PartitionImage] = field(default_factory=dict[int, PartitionImage])


@dataclass(slots=True)
class Image:
    """The cluster after the records applied so far."""

    cluster_id: str = ""
    brokers: dict[int, int] = field(default_factory=dict[int, int])
    """Broker id to the epoch of its registration."""
    broker_configs: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """Dynamic options by broker id as text; those of all brokers by the empty text."""
    topics: dict[str, TopicImage] = field(default_factory=dict[str, TopicImage])
    topic_names: dict[bytes, str] = field(default_factory=dict[bytes, str])
    next_producer_id: int = 0

    def topic_by_id(self, topic_id: bytes) -> TopicImage | None:
        """The topic that has this id now."""
        name = self.topic_names.get(topic_id)
        return None if name is None else self.topics[name]

    def apply(self, record: Record) -> None:
        """Take one committed record in; an unknown type raises UnknownRecord.

        A record that fits no image raises KeyError, TypeError or ValueError.
        """
        for name, value in record.items():
            if not isinstance(value, _FIELD_TYPES.get(name, object)):
                raise TypeError(f"{name} {value!r} in a record of type {record['type']!r}")
        match record["type"]:
            case "ClusterCreated":
                self.cluster_id = record["cluster_id"]
            case "BrokerRegistered":
                self.brokers[record["broker_id"]] = record["epoch"]
            case "TopicCreated":
                self._create_topic(record)
            case "PartitionCreated" | "PartitionChanged":
                self._set_partition(record)
            case "TopicDeleted":
                del self.topics[self.topic_names.pop(record["topic_id"])]
            case "TopicConfigsChanged":
                _change(self.topics[self.topic_names[record["topic_id"]]].configs, record)
            case "BrokerConfigsChanged":
                _change(self.broker_configs.setdefault(record["broker"], {}), record)
            case "ProducerIdsReserved":
                self.next_producer_id = record["next_producer_id"]
            case unknown:
                raise UnknownRecord(f"the metadata log holds a record of unknown type {unknown!r}")

    def _create_topic(self, record: Record) -> None:
        topic = TopicImage(record["name"], record["topic_id"], dict(record["configs"]))
        if topic.name in self.topics or topic.topic_id in self.topic_names:
            raise ValueError(f"topic {topic.name!r} is created twice")
        self.topics[topic.name] = topic
        self.topic_names[topic.topic_id] = topic.name

    def _set_partition(self, record: Record) -> None:
        partitions = self.topics[self.topic_names[record["topic_id"]]].partitions
        index = record["index"]
        changes = {key: _frozen(record[key]) for key in record if key not in ("type", "topic_id")}
        before = partitions.get(index)
        partitions[index] = replace(before, **changes) if before else PartitionImage(**changes)


def _change(configs: dict[str, str], record: Record) -> None:
    changes: Mapping[str, str | None] = record["changes"]
    for name, text in changes.items():
        if text is None:
            configs.pop(name, None)
        else:
            configs[name] = text


def _frozen(value: Any) -> Any:
    return tuple(cast(list[int], value)) if isinstance(value, list) else value
