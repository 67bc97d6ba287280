"""Views of a cluster: brokers, topics, partitions, as the client's metadata has them now.

    Cluster > Broker
    Cluster > Topic > Partition > Segment

A view is a name and a way to look: it keeps nothing, and what it tells is as new as the client's
last metadata. What it is a view of may be gone by then, which is an error that names it. Segments
alone are values (protocol/control), told by the leader's control plane at that moment.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from ..protocol.control import MAX_ELEMENTS, DescribeSegments, Segment, Segments
from ..protocol.errors import ErrorCode, KafkaError
from .control_plane import ControlPlane
from .errors import CannotConnect, UnsupportedByCluster
from .metadata import NO_LEADER, BrokerAddress, PartitionInfo, TopicInfo, TopicPartition
from .network import Network
from .offsets import EARLIEST, LATEST, list_offsets

T = TypeVar("T")

MAX_PAGES: Final = 1000
"""Answers about one partition: a million segments, which is more than a directory bears."""


class Running(NamedTuple):
    """A client that runs: what views look at, and whom they ask."""

    network: Network
    control: ControlPlane
    timeout_ms: int


Look = Callable[[], Running]
"""Gives the client, or raises ClientNotRunning."""


class PartitionOffsets(NamedTuple):
    """The offsets of a partition on its leader, or on another replica.

    `start` is that of the first record; `high_watermark` is where consumers end; `end` is where the
    next record will go. Kafka does not tell its clients the last, which is then None.
    """

    start: int
    high_watermark: int
    end: int | None


class Topics(dict[str, T]):
    """Views of topics by name, in order of name; one that is not there is a KafkaError."""

    def __missing__(self, name: str) -> T:
        """Raise UNKNOWN_TOPIC_OR_PARTITION."""
        raise _unknown_topic(name)


@dataclass(frozen=True, slots=True)
class Broker:
    """A live broker, and where it says that clients reach it."""

    id: int
    look: Look = field(repr=False)

    @property
    def host(self) -> str:
        """Where clients reach it."""
        return self._address.host

    @property
    def port(self) -> int:
        """Where clients reach it."""
        return self._address.port

    @property
    def rack(self) -> str | None:
        """Where it stands, if it was told."""
        return self._address.rack

    @property
    def is_controller(self) -> bool:
        """Whether the cluster says so. A Kafka that runs on KRaft names some broker."""
        return self.look().network.metadata.controller_id == self.id

    @property
    def _address(self) -> BrokerAddress:
        address = self.look().network.metadata.brokers.get(self.id)
        if address is None:
            message = f"the cluster has no broker {self.id} any more"
            raise KafkaError.of(ErrorCode.BROKER_NOT_AVAILABLE, message)
        return address


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic and its partitions."""

    name: str
    look: Look = field(repr=False)

    @property
    def id(self) -> bytes:
        """16 bytes, all zero where a broker gives no id: another one for a topic made anew."""
        return self._info.id

    @property
    def is_internal(self) -> bool:
        """Whether it is the cluster's own, such as __consumer_offsets."""
        return self._info.is_internal

    @property
    def partitions(self) -> "tuple[Partition, ...]":
        """Its partitions; the place of each is its index."""
        return tuple(Partition(self.name, each.index, self.look) for each in self._info.partitions)

    @property
    def _info(self) -> TopicInfo:
        return _topic_info(self.look(), self.name)


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition: who has it, and what its leader, or another replica, tells of it."""

    topic: str
    index: int
    look: Look = field(repr=False)

    @property
    def leader(self) -> int | None:
        """The broker that is written to and read from, by its id; None while there is none."""
        leader = self._info.leader
        return None if leader == NO_LEADER else leader

    @property
    def leader_epoch(self) -> int:
        """How many leaders it has had; -1 where a broker does not say."""
        return self._info.leader_epoch

    @property
    def replicas(self) -> tuple[int, ...]:
        """The ids of the brokers that have it, or are to have it."""
        return self._info.replicas

    @property
    def in_sync_replicas(self) -> tuple[int, ...]:
        """The ids of those that have all that was acknowledged."""
        return self._info.in_sync_replicas

    async def offsets(self, replica: int | None = None) -> PartitionOffsets:
        """Where it starts and ends, by its leader, at the same moment if it has a control plane.

        Without one, or where nobody can reach it, Kafka's own protocol is asked. Of another
        replica, by its broker's id, only the control plane tells: UnsupportedByCluster without one.
        """
        try:
            told = await self._describe(0, 0, replica)
        except (UnsupportedByCluster, CannotConnect):
            if replica is not None:
                raise
            return await self._list_offsets()
        return PartitionOffsets(told.log_start_offset, told.high_watermark, told.log_end_offset)

    async def segments(self, replica: int | None = None) -> tuple[Segment, ...]:
        """The segments of the leader's log, or of another replica's by its broker's id, in order.

        UnsupportedByCluster if that broker has no control plane.
        """
        found: list[Segment] = []
        from_offset = 0
        for _ in range(MAX_PAGES):
            told = await self._describe(from_offset, MAX_ELEMENTS, replica)
            found += told.segments
            if not told.has_more or not told.segments:
                break
            from_offset = told.segments[-1].base_offset + 1
        return tuple(found)

    @property
    def _info(self) -> PartitionInfo:
        partitions = _topic_info(self.look(), self.topic).partitions
        if not 0 <= self.index < len(partitions):
            raise _unknown(f"topic {self.topic!r} has no partition {self.index}")
        return partitions[self.index]

    async def _describe(self, from_offset: int, max_segments: int, replica: int | None) -> Segments:
        node_id = self.leader if replica is None else replica
        if node_id is None:
            message = f"{self.topic}-{self.index} has no leader that could be asked"
            raise KafkaError.of(ErrorCode.LEADER_NOT_AVAILABLE, message)
        _, control, timeout_ms = self.look()
        question = DescribeSegments(self.topic, self.index, from_offset, max_segments)
        return await control.ask(node_id, question, Segments, timeout_ms)

    async def _list_offsets(self) -> PartitionOffsets:
        network, _, timeout_ms = self.look()
        name = TopicPartition(self.topic, self.index)
        start, end = await asyncio.gather(
            *(list_offsets(network, {name: time}, timeout_ms) for time in (EARLIEST, LATEST))
        )
        return PartitionOffsets(start[name].offset, end[name].offset, None)


def _topic_info(running: Running, name: str) -> TopicInfo:
    info = running.network.metadata.topics.get(name)
    if info is None:
        raise _unknown_topic(name)
    return info


def _unknown_topic(name: str) -> KafkaError:
    """The error for a topic that the cluster does not have."""
    return _unknown(f"the cluster has no topic {name!r}: create it, or refresh() if it is new")


def _unknown(message: str) -> KafkaError:
    return KafkaError.of(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message)
