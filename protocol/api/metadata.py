"""Metadata (key 3): which brokers are there, which topics, and who leads each partition?

Every client asks any broker, when it starts, every few minutes, and whenever a leader turns out to
have moved. All routing of a client rests on this answer. To ask about a topic may also create it.

    v0   brokers and partitions; an empty list of topics means all of them
    v1   null topics mean all, an empty list none; `rack`, `controller_id`, `is_internal` (KIP-4)
    v2   `cluster_id` (KIP-78)
    v3   `throttle_time_ms` (KIP-124)
    v4   `allow_auto_topic_creation`: a look need not create
    v5   `offline_replicas` (KIP-112)
    v6   no new bytes: the broker answers before it throttles (KIP-219)
    v7   `leader_epoch`, which tells an old answer from a new one (KIP-320)
    v8   authorized operations of topics and of the cluster, if asked for (KIP-430)
    v9   flexible (KIP-482)
    v10  `topic_id` (KIP-516); to ask by id does not work before v12
    v11  the cluster's authorized operations are gone, DescribeCluster has them (KIP-700)
    v12  ask by `topic_id` with a null name, and get a null name for an id unknown (KIP-516)
    v13  `error_code` for the whole answer, such as REBOOTSTRAP_REQUIRED (KIP-1102)
"""

from ..codec import array, field, message, struct
from ..primitives import BOOLEAN, INT16, INT32, STRING, UUID, ZERO_UUID
from ..schema import ZERO

OPERATIONS_NOT_REQUESTED = -(2**31)
"""The bit field of authorized operations when nobody asked for it (KIP-430)."""


@struct
class MetadataRequestTopic:
    """One topic to describe, by name or, from v12 on, by id."""

    topic_id: bytes = field(UUID, "10+", default=ZERO_UUID, ignorable=True)
    name: str | None = field(STRING, nullable="10+")


@message(key=3, versions="0-13", flexible="9+")
class MetadataRequest:
    """Who leads what? A client to any broker; null topics mean all (in v0 an empty list does)."""

    topics: list[MetadataRequestTopic] | None = field(array(MetadataRequestTopic), nullable="1+")
    allow_auto_topic_creation: bool = field(BOOLEAN, "4+", default=True)
    include_cluster_authorized_operations: bool = field(BOOLEAN, "8-10", default=False)
    include_topic_authorized_operations: bool = field(BOOLEAN, "8+", default=False)


@struct
class MetadataResponseBroker:
    """One live broker, and the address where clients of this listener reach it."""

    node_id: int = field(INT32)
    host: str = field(STRING)
    port: int = field(INT32)
    rack: str | None = field(STRING, "1+", nullable="1+", default=None, ignorable=True)


@struct
class MetadataResponsePartition:
    """One partition: its leader (-1 for none), its replicas, and which of them are in sync."""

    error_code: int = field(INT16)
    partition_index: int = field(INT32)
    leader_id: int = field(INT32)
    leader_epoch: int = field(INT32, "7+", default=-1, ignorable=True)
    replica_nodes: list[int] = field(array(INT32))
    isr_nodes: list[int] = field(array(INT32))
    offline_replicas: list[int] = field(array(INT32), "5+", default=ZERO, ignorable=True)


@struct
class MetadataResponseTopic:
    """One topic with its partitions, or the error that hides it."""

    error_code: int = field(INT16)
    name: str | None = field(STRING, nullable="12+")
    topic_id: bytes = field(UUID, "10+", default=ZERO_UUID, ignorable=True)
    is_internal: bool = field(BOOLEAN, "1+", default=False, ignorable=True)
    partitions: list[MetadataResponsePartition] = field(array(MetadataResponsePartition))
    topic_authorized_operations: int = field(INT32, "8+", default=OPERATIONS_NOT_REQUESTED)


@message(key=3, versions="0-13", flexible="9+")
class MetadataResponse:
    """The cluster as this broker knows it; it may be a moment old."""

    throttle_time_ms: int = field(INT32, "3+", default=0, ignorable=True)
    brokers: list[MetadataResponseBroker] = field(array(MetadataResponseBroker))
    cluster_id: str | None = field(STRING, "2+", nullable="2+", default=None, ignorable=True)
    controller_id: int = field(INT32, "1+", default=-1, ignorable=True)
    topics: list[MetadataResponseTopic] = field(array(MetadataResponseTopic))
    cluster_authorized_operations: int = field(INT32, "8-10", default=OPERATIONS_NOT_REQUESTED)
    error_code: int = field(INT16, "13+", default=0, ignorable=True)
