"""What the cluster is: topics, partitions, brokers, producer ids. PURE.

The image is the sum of the metadata log: each record is a msgpack map with a `type`, and `apply`
is the only way in which the image changes. Every node that applies the same records has the same
image.

    ClusterCreated       cluster_id, broker_id (who made it), voters: the same for life
    VoterPinned          voter_id, directory_id: the disk that this voter's vote belongs to
    ControllerElected    controller_id: the first record of each leader of the quorum
    BrokerRegistered     broker_id, epoch (the offset of this record), incarnation, host, port,
                         control_host, control_port, standing
    BrokerChanged        broker_id, epoch, standing
    BrokerUnregistered   broker_id
    TopicCreated         topic_id, name, configs
    PartitionCreated     topic_id, index, replicas, isr, leader, leader_epoch, partition_epoch,
                         elr, last_known_leader, adding, removing
    PartitionChanged     topic_id, index, and what changed of the fields above
    TopicDeleted         topic_id
    TopicConfigsChanged  topic_id, changes: option to its new text, or nil for the default
    BrokerConfigsChanged broker (its id as text, empty for all brokers), changes: the same
    ProducerIdsReserved  broker_id, next_producer_id

A key that is not known here is skipped, and one that an older version did not write has a default:
a broker without a standing is unfenced, since nothing was fenced then.

A topic's options go with the topic: one that is created again under the name starts without.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, cast

Record = Mapping[str, Any]
NOBODY = -1
"""In place of a broker's id, where there is none."""
ALL_BROKERS = ""
"""The name under which options are kept that hold for every broker."""

_FIELD_TYPES: Mapping[str, type] = {
    "adding": list,
    "broker_id": int,
    "cluster_id": str,
    "configs": dict,
    "control_host": str,
    "control_port": int,
    "controller_id": int,
    "directory_id": str,
    "elr": list,
    "epoch": int,
    "host": str,
    "incarnation": str,
    "index": int,
    "isr": list,
    "last_known_leader": int,
    "leader": int,
    "leader_epoch": int,
    "name": str,
    "next_producer_id": int,
    "partition_epoch": int,
    "port": int,
    "removing": list,
    "replicas": list,
    "standing": str,
    "topic_id": bytes,
    "voter_id": int,
    "voters": list,
}


class UnknownRecord(Exception):
    """A newer version of minikafka wrote this log; to go on without the record would be wrong."""


class Standing(Enum):
    """What a registered broker is to the others, see liveness.py."""

    FENCED = "fenced"
    UNFENCED = "unfenced"
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class BrokerImage:
    """One registered broker, by the epoch of its registration.

    A host is empty where a node is alone: it tells clients the address by which they came.
    """

    broker_id: int
    epoch: int
    incarnation: str = ""
    host: str = ""
    port: int = 0
    control_host: str = ""
    control_port: int = 0
    standing: Standing = Standing.UNFENCED


@dataclass(frozen=True, slots=True)
class PartitionImage:
    """One partition as the controller decided it; `leader` is NOBODY when nobody can lead.

    elr                 eligible leader replicas: they left the ISR when it was below
                        min.insync.replicas, so they hold all that is acknowledged (KIP-966)
    last_known_leader   who led last, when the ISR is empty; else NOBODY
    adding, removing    of `replicas`, those that a reassignment brings and takes (KIP-455)
    """

    index: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    leader: int
    leader_epoch: int
    partition_epoch: int
    elr: tuple[int, ...] = ()
    last_known_leader: int = NOBODY
    adding: tuple[int, ...] = ()
    removing: tuple[int, ...] = ()


_BROKER_FIELDS = frozenset(each.name for each in fields(BrokerImage))
_PARTITION_FIELDS = frozenset(each.name for each in fields(PartitionImage))


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
    controller_id: int = NOBODY
    former_controller_id: int = NOBODY
    """Who was elected before; the same, if it was elected twice."""
    """Who leads the quorum, or led it last."""
    voters: dict[int, str] = field(default_factory=dict[int, str])
    """The directory id of each voter that is pinned to its disk."""
    brokers: dict[int, BrokerImage] = field(default_factory=dict[int, BrokerImage])
    broker_configs: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """Dynamic options by broker id as text; those of all brokers by the empty text."""
    topics: dict[str, TopicImage] = field(default_factory=dict[str, TopicImage])
    topic_names: dict[bytes, str] = field(default_factory=dict[bytes, str])
    next_producer_id: int = 0

    def topic_by_id(self, topic_id: bytes) -> TopicImage | None:
        """The topic that has this id now."""
        name = self.topic_names.get(topic_id)
        return None if name is None else self.topics[name]

    def is_alive(self, broker_id: int) -> bool:
        """Whether a broker is registered and not fenced: it may be in sync, and be told of."""
        broker = self.brokers.get(broker_id)
        return broker is not None and broker.standing is not Standing.FENCED

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
            case "VoterPinned":
                self.voters[record["voter_id"]] = record["directory_id"]
            case "ControllerElected":
                self.former_controller_id = self.controller_id
                self.controller_id = record["controller_id"]
            case "BrokerRegistered":
                self.brokers[record["broker_id"]] = BrokerImage(**_of(record, _BROKER_FIELDS))
            case "BrokerChanged":
                self._change_broker(record)
            case "BrokerUnregistered":
                del self.brokers[record["broker_id"]]
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

    def _change_broker(self, record: Record) -> None:
        broker = self.brokers[record["broker_id"]]
        if broker.epoch != record["epoch"]:
            raise ValueError(f"broker {broker.broker_id} is not of epoch {record['epoch']}")
        self.brokers[broker.broker_id] = replace(broker, **_of(record, _BROKER_FIELDS))

    def _create_topic(self, record: Record) -> None:
        topic = TopicImage(record["name"], record["topic_id"], dict(record["configs"]))
        if topic.name in self.topics or topic.topic_id in self.topic_names:
            raise ValueError(f"topic {topic.name!r} is created twice")
        self.topics[topic.name] = topic
        self.topic_names[topic.topic_id] = topic.name

    def _set_partition(self, record: Record) -> None:
        partitions = self.topics[self.topic_names[record["topic_id"]]].partitions
        index = record["index"]
        changes = _of(record, _PARTITION_FIELDS)
        before = partitions.get(index)
        partitions[index] = replace(before, **changes) if before else PartitionImage(**changes)


def _change(configs: dict[str, str], record: Record) -> None:
    changes: Mapping[str, str | None] = record["changes"]
    for name, text in changes.items():
        if text is None:
            configs.pop(name, None)
        else:
            configs[name] = text


def _of(record: Record, names: frozenset[str]) -> dict[str, Any]:
    """What a record says of these fields, as they are in an image."""
    return {name: _frozen(name, value) for name, value in record.items() if name in names}


def _frozen(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(cast(list[int], value))
    return Standing(value) if name == "standing" else value
