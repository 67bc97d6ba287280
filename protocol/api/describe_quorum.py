"""DescribeQuorum (key 55): who leads the controllers, and how far is each?

An admin client asks the controller, or any broker, which passes it on. The one partition that can
be asked for is partition 0 of `__cluster_metadata`.

    v0   leader, epoch, high watermark, and the log end of each voter and observer (KIP-595)
    v1   when each fetched last, and when it had all that there was (KIP-836)
    v2   directory ids, addresses, and messages with errors (KIP-853)
"""

from ..codec import array, field, message, struct
from ..primitives import INT16, INT32, INT64, STRING, UINT16, UUID, ZERO_UUID

METADATA_TOPIC = "__cluster_metadata"


@struct
class RequestPartitionData:
    """One partition."""

    partition_index: int = field(INT32)


@struct
class RequestTopicData:
    """One topic."""

    topic_name: str = field(STRING)
    partitions: list[RequestPartitionData] = field(array(RequestPartitionData))


@message(key=55, versions="0-2", flexible="0+")
class DescribeQuorumRequest:
    """How is this quorum? An admin client to the controller, through any broker."""

    topics: list[RequestTopicData] = field(array(RequestTopicData))


@struct
class ReplicaState:
    """One voter or observer, as its leader knows it; times are the leader's, -1 for unknown."""

    replica_id: int = field(INT32)
    replica_directory_id: bytes = field(UUID, "2+", default=ZERO_UUID, ignorable=True)
    log_end_offset: int = field(INT64)
    last_fetch_timestamp: int = field(INT64, "1+", default=-1, ignorable=True)
    last_caught_up_timestamp: int = field(INT64, "1+", default=-1, ignorable=True)


@struct
class PartitionData:
    """The quorum of one partition."""

    partition_index: int = field(INT32)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, "2+", nullable="2+", default=None, ignorable=True)
    leader_id: int = field(INT32)
    leader_epoch: int = field(INT32)
    high_watermark: int = field(INT64)
    current_voters: list[ReplicaState] = field(array(ReplicaState))
    observers: list[ReplicaState] = field(array(ReplicaState))


@struct
class TopicData:
    """The quorums of one topic."""

    topic_name: str = field(STRING)
    partitions: list[PartitionData] = field(array(PartitionData))


@struct
class Listener:
    """One address of a voter."""

    name: str = field(STRING)
    host: str = field(STRING)
    port: int = field(UINT16)


@struct
class Node:
    """One voter and where it listens."""

    node_id: int = field(INT32)
    listeners: list[Listener] = field(array(Listener))


@message(key=55, versions="0-2", flexible="0+")
class DescribeQuorumResponse:
    """The quorums asked for, or one error for all."""

    error_code: int = field(INT16)
    error_message: str | None = field(STRING, "2+", nullable="2+", default=None, ignorable=True)
    topics: list[TopicData] = field(array(TopicData))
    nodes: list[Node] = field(array(Node), "2+", ignorable=True)
