"""How the cluster changes: a command and the image in, records and a result out. PURE.

Nothing here changes the image: the records do, once they are committed. A refused command has no
records. Randomness (topic ids, who leads first) is handed in. Here are topics; elsewhere

    decide_brokers         brokers register, are fenced, unfenced, leave
    decide_isr             leaders change who is in sync
    decide_elections       elections that are asked for
    decide_reassignments   replicas move to other brokers
    decide_configs         options

Where a topic says nothing of its replicas, it has `default.replication.factor` of them, and if that
is not set, three, or as many as there are voters. It is refused until so many brokers are alive.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...protocol.errors import ErrorCode
from ..config import BrokerConfig, TopicConfig
from ..options import ConfigError
from .image import ALL_BROKERS, Image, Record
from .placement import able_brokers, deal, new_partition, refuse_replicas, start_after

if TYPE_CHECKING:
    from random import Random

MAX_TOPIC_NAME_LENGTH = 249
MAX_PARTITIONS_PER_TOPIC = 10_000
DEFAULT_REPLICATION_FACTOR = 3
PRODUCER_IDS_PER_BLOCK = 1000
MIN_INSYNC_REPLICAS = "min.insync.replicas"
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


def create_cluster(cluster_id: str, broker_id: int, voters: Iterable[int]) -> Decision:
    """The first record of a metadata log."""
    record = {
        "type": "ClusterCreated",
        "cluster_id": cluster_id,
        "broker_id": broker_id,
        "voters": sorted(voters),
    }
    return Decision([record])


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
    topic_id = _random_uuid(random)
    assignments = _assign(image, config, topic, random)
    configs = _own_configs(image, config, topic, assignments)
    try:
        TopicConfig.of(config, configs)
    except ConfigError as error:
        return Decision([], ErrorCode.INVALID_CONFIG, str(error))
    partitions = _new_partitions(image, topic_id, assignments)
    if isinstance(partitions, Decision):
        return partitions
    created = {"type": "TopicCreated", "topic_id": topic_id, "name": topic.name, "configs": configs}
    return Decision([created, *partitions], value=topic_id)


def create_partitions(image: Image, new: NewPartitions) -> Decision:
    """More partitions for a topic, with as many replicas each as its others have."""
    topic = image.topics.get(new.topic)
    if topic is None:
        return Decision([], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if topic.name in INTERNAL_TOPICS:
        message = f"each group has its place in {topic.name}, which would change with the count"
        return Decision([], ErrorCode.INVALID_PARTITIONS, message)
    old_count = len(topic.partitions)
    if not old_count < new.count <= MAX_PARTITIONS_PER_TOPIC:
        limits = f"more, and {MAX_PARTITIONS_PER_TOPIC} at most, are possible"
        message = f"topic {new.topic!r} has {old_count} partitions; {limits}, not {new.count}"
        return Decision([], ErrorCode.INVALID_PARTITIONS, message)
    factor = len(topic.partitions[0].replicas)
    indexes = range(old_count, new.count)
    if new.assignments is None:
        refused = _refuse_factor(image, factor)
        if refused is not None:
            return refused
        start = start_after(image, topic.partitions[old_count - 1])
        assignments = deal(image, indexes, factor, start)
    else:
        message = _refuse_additions(image, new.assignments, len(indexes), factor)
        if message is not None:
            return Decision([], ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)
        assignments = dict(zip(indexes, new.assignments, strict=True))
    partitions = _new_partitions(image, topic.topic_id, assignments)
    return partitions if isinstance(partitions, Decision) else Decision(partitions)


def create_offsets_topic(image: Image, config: BrokerConfig, random: "Random") -> Decision:
    """The topic in which groups keep their state; clients cannot create it themselves."""
    configs = {
        "cleanup.policy": "compact",
        "compression.type": "producer",
        "segment.bytes": str(config.offsets_topic_segment_bytes),
    }
    partitions = config.offsets_topic_num_partitions
    return create_topic(
        image, config, NewTopic(OFFSETS_TOPIC, partitions, -1, None, configs), random
    )


def delete_topic(image: Image, topic_id: bytes) -> Decision:
    """A topic goes, with its partitions and their data; `value` is its name."""
    topic = image.topic_by_id(topic_id)
    if topic is None:
        return Decision([], ErrorCode.UNKNOWN_TOPIC_ID)
    if topic.name in INTERNAL_TOPICS:
        message = f"{topic.name} keeps what groups have committed; delete groups instead"
        return Decision([], ErrorCode.INVALID_TOPIC_EXCEPTION, message)
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
    factor, able = _factor(image, config, topic), able_brokers(image)
    if topic.replication_factor == -1 and factor > able:
        message = f"{factor} replicas by default, and {able} brokers alive to hold them"
        return Decision([], ErrorCode.INVALID_REPLICATION_FACTOR, message)
    return _refuse_factor(image, factor)


def _refuse_factor(image: Image, factor: int) -> Decision | None:
    """Replicas may wait for brokers that are fenced, but somebody must lead."""
    message = None
    if not 1 <= factor <= len(image.brokers):
        message = f"replication factor {factor}, and {len(image.brokers)} brokers to hold replicas"
    elif not able_brokers(image):
        message = "no broker is alive to lead a partition"
    return Decision([], ErrorCode.INVALID_REPLICATION_FACTOR, message) if message else None


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
        message = refuse_replicas(image, assignments.values())
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
    return refuse_replicas(image, assignments)


def _assign(
    image: Image, config: BrokerConfig, topic: NewTopic, random: "Random"
) -> Mapping[int, tuple[int, ...]]:
    """Replicas per partition: given, or dealt to the brokers in turn."""
    if topic.assignments:
        return topic.assignments
    count = config.num_partitions if topic.partitions == -1 else topic.partitions
    start = random.randrange(len(image.brokers) ** 2)
    return deal(image, range(count), _factor(image, config, topic), start)


def _factor(image: Image, config: BrokerConfig, topic: NewTopic) -> int:
    """How many replicas each partition of a topic is to have."""
    if topic.replication_factor != -1:
        return topic.replication_factor
    voters = max(1, len(config.voter_addresses))
    if config.default_replication_factor > 1:
        return min(config.default_replication_factor, max(voters, len(image.brokers)))
    return min(DEFAULT_REPLICATION_FACTOR, voters)


def _new_partitions(
    image: Image, topic_id: bytes, assignments: Mapping[int, tuple[int, ...]]
) -> list[Record] | Decision:
    """The records of new partitions, or why there are none."""
    records: list[Record] = []
    for index, replicas in sorted(assignments.items()):
        record = new_partition(image, topic_id, index, replicas)
        if record is None:
            message = f"no broker of {', '.join(map(str, replicas))} is alive to lead a partition"
            return Decision([], ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)
        records.append(record)
    return records


def _own_configs(
    image: Image, config: BrokerConfig, topic: NewTopic, assignments: Mapping[int, tuple[int, ...]]
) -> dict[str, str | None]:
    """The options given, and min.insync.replicas 2 where there are replicas enough.

    So that a leader cannot acknowledge alone what is lost with it. Kafka has 1 for all.
    """
    configs = dict(topic.configs or {})
    dynamic = (image.broker_configs.get(name, {}) for name in (ALL_BROKERS, str(config.node_id)))
    is_given = (
        MIN_INSYNC_REPLICAS in configs
        or config.min_insync_replicas != BrokerConfig().min_insync_replicas
        or any(MIN_INSYNC_REPLICAS in texts for texts in dynamic)
    )
    if not is_given and min(map(len, assignments.values())) >= DEFAULT_REPLICATION_FACTOR:
        configs[MIN_INSYNC_REPLICAS] = "2"
    return configs


def _random_uuid(random: "Random") -> bytes:
    """A UUID of version 4, variant 2 (RFC 9562)."""
    value = random.getrandbits(128)
    value = value & ~(0xF << 76) | 4 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return value.to_bytes(16, "big")
