"""What the client knows of the cluster: brokers, topics, and who leads each partition. PURE.

    Metadata ── brokers   node id -> host, port
             ── topics    name -> id, partitions[index] -> leader, leader epoch, replicas, ISR
             ── errors    name -> why a topic that somebody wants is not known

A table with rules: `update` takes an answer, the questions read it.

Invariants:
- An answer that is older than what is known does not count: a partition keeps the leader of the
  highest leader epoch seen, as long as the topic keeps its id (KIP-320). A topic that was deleted
  and made anew has another id, and begins anew.
- The table is refreshed at once when somebody wants another topic. It is refreshed as well when
  somebody asks (`request_refresh`), when an answer left something open, and when it is older than
  `max_age_ms`; then after `backoff_ms` at the earliest, doubled with each try that leaves something
  open, up to MAX_BACKOFF_MS.
- Only topics that somebody wants are asked for: a cluster may have more than a client can hold.
  Who wants all of them (`want_all`) has every topic of the last answer and no other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..protocol.api.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from ..protocol.errors import ErrorCode
from ..protocol.primitives import ZERO_UUID, ProtocolError

NO_LEADER: Final = -1
MAX_WANTED_TOPICS: Final = 10_000
MAX_BACKOFF_MS: Final = 1000
_USABLE: Final = frozenset({ErrorCode.NONE, ErrorCode.REPLICA_NOT_AVAILABLE})
_GONE: Final = frozenset({ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID})


class TopicPartition(NamedTuple):
    """The name of a partition."""

    topic: str
    partition: int


def by_topic(partitions: Iterable[TopicPartition]) -> dict[str, list[int]]:
    """The indexes of these partitions by topic, both in order: as most requests name them."""
    topics: dict[str, list[int]] = {}
    for name, index in sorted(set(partitions)):
        topics.setdefault(name, []).append(index)
    return topics


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A live broker, and where it says that clients reach it."""

    id: int
    host: str
    port: int
    rack: str | None = None


@dataclass(frozen=True, slots=True)
class PartitionInfo:
    """Who has a partition; `leader` is -1 for nobody."""

    index: int
    leader: int
    leader_epoch: int
    replicas: tuple[int, ...]
    in_sync_replicas: tuple[int, ...]
    offline_replicas: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """A topic with its partitions, by index; `id` is 16 zero bytes where a broker gives none."""

    name: str
    id: bytes
    is_internal: bool
    partitions: tuple[PartitionInfo, ...]
    available: tuple[int, ...] = ()
    """The indexes of the partitions that have a leader."""

    @staticmethod
    def of(
        name: str, id: bytes, is_internal: bool, partitions: Sequence[PartitionInfo]
    ) -> "TopicInfo":
        """The topic with these partitions."""
        available = tuple(each.index for each in partitions if each.leader != NO_LEADER)
        return TopicInfo(name, id, is_internal, tuple(partitions), available)

    @property
    def has_id(self) -> bool:
        """Whether the topic can be named by id (KIP-516)."""
        return self.id != ZERO_UUID


class Metadata:
    """The table and its rules; times are the loop's, in ms."""

    def __init__(self, max_age_ms: int, backoff_ms: int, allow_auto_create: bool) -> None:
        self.cluster_id: str | None = None
        self.controller_id = NO_LEADER
        self.brokers: dict[int, BrokerAddress] = {}
        self.topics: dict[str, TopicInfo] = {}
        self.errors: dict[str, ErrorCode] = {}
        self._max_age_ms = max_age_ms
        self._backoff_ms = backoff_ms
        self._allow_auto_create = allow_auto_create
        self._wanted: set[str] = set()
        self._wants_all = self._asked_for_all = False
        self._refresh_requested = False
        self._wants_more = False
        self._updated_ms: int | None = None
        self._tried_ms: int | None = None
        self._open_tries = 0

    def want(self, topics: Iterable[str]) -> None:
        """Keep these topics in the table from the next refresh on."""
        new = set(topics) - self._wanted
        if len(self._wanted) + len(new) > MAX_WANTED_TOPICS:
            raise ValueError(f"one client follows at most {MAX_WANTED_TOPICS} topics")
        if new:
            self._wanted |= new
            self._wants_more = True

    def want_all(self) -> None:
        """Keep every topic of the cluster in the table from the next refresh on.

        What the table can hold is then bounded by what one answer can (transport/connection).
        """
        self._wants_all = self._wants_more = True

    def request_refresh(self) -> None:
        """What is known turned out to be wrong: ask again soon."""
        self._refresh_requested = True

    def refresh_at_ms(self, now_ms: int) -> int:
        """When the next refresh is due; at or before `now_ms` if it is due now."""
        if self._tried_ms is None or self._wants_more:
            return now_ms
        backoff_ms = self._backoff_ms << min(self._open_tries, 10)
        not_before_ms = self._tried_ms + min(backoff_ms, MAX_BACKOFF_MS)
        if self._refresh_requested or self._updated_ms is None:
            return not_before_ms
        return max(not_before_ms, self._updated_ms + self._max_age_ms)

    def request(self, now_ms: int) -> MetadataRequest:
        """The question for the next refresh, which is thereby tried at `now_ms`."""
        self._tried_ms = now_ms
        self._refresh_requested = self._wants_more = False
        self._asked_for_all = self._wants_all
        names = [MetadataRequestTopic(name=name) for name in sorted(self._wanted)]
        return MetadataRequest(
            topics=None if self._wants_all else names,
            allow_auto_topic_creation=self._allow_auto_create,
        )

    def failed(self) -> None:
        """The refresh got no answer: it is still due."""
        self._refresh_requested = True
        self._open_tries += 1

    def update(self, response: MetadataResponse, now_ms: int) -> None:
        """Take an answer into the table; raises ProtocolError for partitions without order."""
        self._updated_ms = now_ms
        self.cluster_id = response.cluster_id
        self.controller_id = response.controller_id
        self.brokers = brokers_of(response)
        if self._asked_for_all:
            self._drop_all_but({topic.name for topic in response.topics})
        open_topics = [topic.name for topic in response.topics if self._update_topic(topic)]
        is_open = any(name in self._wanted or not self._asked_for_all for name in open_topics)
        self._open_tries = self._open_tries + 1 if is_open else 0
        self._refresh_requested |= is_open

    def partition(self, topic: str, index: int) -> PartitionInfo | None:
        """The partition, if it is known."""
        known = self.topics.get(topic)
        if known is None or not 0 <= index < len(known.partitions):
            return None
        return known.partitions[index]

    def leader(self, topic: str, index: int) -> int | None:
        """The leader's node id, or None while nobody is known to lead."""
        partition = self.partition(topic, index)
        if partition is None or partition.leader not in self.brokers:
            return None
        return partition.leader

    def _drop_all_but(self, told: set[str | None]) -> None:
        """The answer was about every topic: what it does not name is not there."""
        for name in set(self.topics) - told:
            del self.topics[name]  # In place: others hold on to the table.
        for name in self._wanted - told:
            self.errors[name] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    def _update_topic(self, topic: MetadataResponseTopic) -> bool:
        """Take one topic into the table; True if something about it is still open."""
        if topic.name is None:
            return False
        if topic.error_code not in _USABLE:
            self.errors[topic.name] = error_code_of(topic.error_code)
            if topic.error_code in _GONE:
                self.topics.pop(topic.name, None)
            return self.errors[topic.name].retriable
        info = _newer(self.topics.get(topic.name), topic_of(topic))
        self.errors.pop(topic.name, None)
        self.topics[topic.name] = info
        return any(partition.leader not in self.brokers for partition in info.partitions)


def error_code_of(code: int) -> ErrorCode:
    """The row of the error table; UNKNOWN_SERVER_ERROR for a code added to Kafka later."""
    try:
        return ErrorCode(code)
    except ValueError:
        return ErrorCode.UNKNOWN_SERVER_ERROR


def brokers_of(response: MetadataResponse) -> dict[int, BrokerAddress]:
    """The brokers of an answer, by node id."""
    return {
        broker.node_id: BrokerAddress(broker.node_id, broker.host, broker.port, broker.rack)
        for broker in response.brokers
    }


def topic_of(topic: MetadataResponseTopic) -> TopicInfo:
    """A topic of an answer; its partitions in order, or ProtocolError if one is missing."""
    partitions = sorted(topic.partitions, key=lambda partition: partition.partition_index)
    if [partition.partition_index for partition in partitions] != list(range(len(partitions))):
        raise ProtocolError(f"the partitions of topic {topic.name} have gaps")
    infos = [_partition_of(partition) for partition in partitions]
    return TopicInfo.of(topic.name or "", topic.topic_id, topic.is_internal, infos)


def _partition_of(partition: MetadataResponsePartition) -> PartitionInfo:
    return PartitionInfo(
        index=partition.partition_index,
        leader=partition.leader_id,
        leader_epoch=partition.leader_epoch,
        replicas=tuple(partition.replica_nodes),
        in_sync_replicas=tuple(partition.isr_nodes),
        offline_replicas=tuple(partition.offline_replicas),
    )


def _newer(known: TopicInfo | None, told: TopicInfo) -> TopicInfo:
    """The topic as told, except for partitions of which we know a later epoch."""
    if known is None or known.id != told.id:
        return told
    partitions = list(told.partitions)
    for ours in known.partitions[: len(partitions)]:
        if ours.leader_epoch > partitions[ours.index].leader_epoch >= 0:
            partitions[ours.index] = ours
    return TopicInfo.of(told.name, told.id, told.is_internal, partitions)
