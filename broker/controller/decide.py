"""How the cluster changes: a command and the image in, records and a result out. PURE.

Nothing here changes the image: the records do, once they are committed. A refused command has no
records. Randomness (topic ids) is handed in.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...protocol.errors import ErrorCode
from ..config import BrokerConfig, TopicConfig
from ..options import ConfigError
from .image import Image, Record

if TYPE_CHECKING:
    from random import Random

MAX_TOPIC_NAME_LENGTH = 249
MAX_PARTITIONS_PER_TOPIC = 10_000
PRODUCER_IDS_PER_BLOCK = 1000
OFFSETS_TOPIC = "__consumer_offsets"
TRANSACTIONS_TOPIC = "__transaction_state"
INTERNAL_TOPICS = frozenset({OFFSETS_TOPIC, TRANSACTIONS_TOPIC})
METADATA_TOPIC = "__cluster_metadata"
_TOPIC_NAME = re.compile(r"[a-zA-Z0-9._-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewTopic:
    """CreateTopics for one topic; -1 takes the node's default."""

    name: str
    partitions: int = -1
    replication_factor: int = -1
    assignments: Mapping[int, tuple[int, ...]] | None = None
    configs: Mapping[str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class NewPartitions:
    """CreatePartitions for one topic: how many it shall have; without assignments, choose them."""

    topic: str
    count: int
    assignments: list[tuple[int, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The records to commit, and what the answer will be once they are."""

    records: list[Record]
    error_code: ErrorCode = ErrorCode.NONE
    message: str | None = None
    value: Any = None

    def without_records(self) -> "Decision":
        """The same answer with nothing done: for a request that only asks whether it would be."""
        return replace(self, records=[])


def create_cluster(cluster_id: str, broker_id: int) -> Decision:
    """The first record of a metadata log."""
    record = {"type": "ClusterCreated", "cluster_id": cluster_id, "broker_id": broker_id}
    return Decision([record])


def register_broker(image: Image, broker_id: int, epoch: int, is_lossless: bool) -> Decision:
    """A broker starts. If it may have lost unflushed records, its partitions get a new epoch.

    Then a reader that saw the lost ones can tell (KIP-320).
    """
    records: list[Record] = [
        {"type": "BrokerRegistered", "broker_id": broker_id, "epoch": epoch},
    ]
    if not is_lossless:
        records += [
            {
                "type": "PartitionChanged",
                "topic_id": topic.topic_id,
                "index": partition.index,
                "leader_epoch": partition.leader_epoch + 1,
                "partition_epoch": partition.partition_epoch + 1,
            }
            for _, topic in sorted(image.topics.items())
            for _, partition in sorted(topic.partitions.items())
            if partition.leader == broker_id
        ]
    return Decision(records)


def reserve_producer_ids(image: Image, broker_id: int) -> Decision:
    """A block of producer ids for one broker; `value` is its first. No id is ever given twice."""
    first = image.next_producer_id
    record = {
        "type": "ProducerIdsReserved",
        "broker_id": broker_id,
        "next_producer_id": first + PRODUCER_IDS_PER_BLOCK,
    }
    return Decision([record], value=first)


def create_topic(image: Image, config: BrokerConfig, topic: NewTopic, random: "Random") -> Decision:
    """A topic and its partitions; `value` is the topic id."""
    refused = _refuse_name(image, topic.name) or _refuse_shape(image, config, topic)
    if refused is not None:
        return refused
    configs = dict(topic.configs or {})
    try:
        TopicConfig.of(config, configs)
    except ConfigError as error:
        return Decision([], ErrorCode.INVALID_CONFIG, str(error))
    topic_id = _random_uuid(random)
    created = {"type": "TopicCreated", "topic_id": topic_id, "name": topic.name, "configs": configs}
    partitions = [
        _new_partition(topic_id, index, replicas)
        for index, replicas in sorted(_assign(image, config, topic).items())
    ]
    return Decision([created, *partitions], value=topic_id)


def create_partitions(image: Image, new: NewPartitions) -> Decision:
    """More partitions for a topic, with as many replicas each as its others have."""
    topic = image.topics.get(new.topic)
    if topic is None:
        return Decision([], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    old_count = len(topic.partitions)
    if not old_count < new.count <= MAX_PARTITIONS_PER_TOPIC:
        limits = f"more, and {MAX_PARTITIONS_PER_TOPIC} at most, are possible"
        message = f"topic {new.topic!r} has {old_count} partitions; {limits}, not {new.count}"
        return Decision([], ErrorCode.INVALID_PARTITIONS, message)
    factor = len(topic.partitions[0].replicas)
    indexes = range(old_count, new.count)
    if new.assignments is None:
        replicas = _deal(image, indexes, factor)
    else:
        message = _refuse_additions(image, new.assignments, len(indexes), factor)
        if message is not None:
            return Decision([], ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)
        replicas = dict(zip(indexes, new.assignments, strict=True))
    return Decision([_new_partition(topic.topic_id, *each) for each in replicas.items()])


def delete_topic(image: Image, topic_id: bytes) -> Decision:
    """A topic goes, with its partitions and their data; `value` is its name."""
    topic = image.topic_by_id(topic_id)
    if topic is None:
        return Decision([], ErrorCode.UNKNOWN_TOPIC_ID)
    record = {"type": "TopicDeleted", "topic_id": topic_id}
    return Decision([record], value=topic.name)


def refuse_topic_name(name: str) -> str | None:
    """Why a topic cannot be called so, or None."""
    if not name:
        return "a topic's name cannot be empty"
    if name in (".", "..", METADATA_TOPIC):
        return f"a topic cannot be called {name!r}"
    if len(name) > MAX_TOPIC_NAME_LENGTH:
        return f"a topic's name has {MAX_TOPIC_NAME_LENGTH} characters at most, not {len(name)}"
    if not _TOPIC_NAME.fullmatch(name):
        return f"a topic's name has letters, digits, '.', '_' and '-' only, not {name[:80]!r}"
    return None


def _refuse_name(image: Image, name: str) -> Decision | None:
    reason = refuse_topic_name(name)
    if reason is not None:
        return Decision([], ErrorCode.INVALID_TOPIC_EXCEPTION, reason)
    if name in image.topics:
        return Decision([], ErrorCode.TOPIC_ALREADY_EXISTS, f"topic {name!r} exists already")
    # Metric names turn '.' into '_', so Kafka refuses two topics that would collide there.
    folded = name.replace(".", "_")
    for other in image.topics:
        if other.replace(".", "_") == folded:
            message = f"topic {name!r} collides with {other!r}: '.' and '_' count as the same"
            return Decision([], ErrorCode.INVALID_TOPIC_EXCEPTION, message)
    return None


def _refuse_shape(image: Image, config: BrokerConfig, topic: NewTopic) -> Decision | None:
    if topic.assignments:
        return _refuse_assignments(image, topic)
    count = config.num_partitions if topic.partitions == -1 else topic.partitions
    if not 1 <= count <= MAX_PARTITIONS_PER_TOPIC:
        message = f"{count} partitions; 1 to {MAX_PARTITIONS_PER_TOPIC} are possible"
        return Decision([], ErrorCode.INVALID_PARTITIONS, message)
    factor = topic.replication_factor
    if factor != -1 and not 1 <= factor <= len(image.brokers):
        message = f"replication factor {factor}, and {len(image.brokers)} brokers to hold replicas"
        return Decision([], ErrorCode.INVALID_REPLICATION_FACTOR, message)
    return None


def _refuse_assignments(image: Image, topic: NewTopic) -> Decision | None:
    assignments = topic.assignments or {}
    message = None
    if topic.partitions != -1 or topic.replication_factor != -1:
        message = "with assignments, partitions and replication factor must both be -1"
        return Decision([], ErrorCode.INVALID_REQUEST, message)
    if len(assignments) > MAX_PARTITIONS_PER_TOPIC:
        message = f"{len(assignments)} partitions; {MAX_PARTITIONS_PER_TOPIC} are possible"
    elif sorted(assignments) != list(range(len(assignments))):
        message = "assigned partitions must be numbered from 0 without a gap"
    else:
        message = _refuse_replicas(image, assignments.values())
    if message is None:
        return None
    return Decision([], ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)


def _refuse_additions(
    image: Image, assignments: list[tuple[int, ...]], added: int, factor: int
) -> str | None:
    if len(assignments) != added:
        return f"{added} partitions to add, and assignments for {len(assignments)}"
    if any(len(replicas) != factor for replicas in assignments):
        return f"the topic's partitions have {factor} replicas each"
    return _refuse_replicas(image, assignments)


def _refuse_replicas(image: Image, assignments: Iterable[tuple[int, ...]]) -> str | None:
    for replicas in assignments:
        if not replicas or len(set(replicas)) != len(replicas):
            return "a partition is assigned to no broker, or to one broker twice"
        if unknown := set(replicas) - set(image.brokers):
            return f"broker {min(unknown)} is not registered"
    return None


def _assign(image: Image, config: BrokerConfig, topic: NewTopic) -> Mapping[int, tuple[int, ...]]:
    """Replicas per partition: given, or dealt to the brokers in turn."""
    if topic.assignments:
        return topic.assignments
    count = config.num_partitions if topic.partitions == -1 else topic.partitions
    factor = topic.replication_factor
    if factor == -1:
        factor = min(config.default_replication_factor, len(image.brokers))
    return _deal(image, range(count), factor)


def _deal(image: Image, indexes: range, factor: int) -> Mapping[int, tuple[int, ...]]:
    brokers = sorted(image.brokers)
    return {
        index: tuple(brokers[(index + replica) % len(brokers)] for replica in range(factor))
        for index in indexes
    }


def _new_partition(topic_id: bytes, index: int, replicas: tuple[int, ...]) -> Record:
    return {
        "type": "PartitionCreated",
        "topic_id": topic_id,
        "index": index,
        "replicas": list(replicas),
        "isr": list(replicas),
        "leader": replicas[0],
        "leader_epoch": 0,
        "partition_epoch": 0,
    }


def _random_uuid(random: "Random") -> bytes:
    """A UUID of version 4, variant 2 (RFC 9562)."""
    value = random.getrandbits(128)
    value = value & ~(0xF << 76) | 4 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return value.to_bytes(16, "big")
