"""DescribeTopicPartitions (key 75): the partitions of these topics, page by page.

Admin clients since Kafka 4 ask this first and Metadata only if the broker lacks it (KIP-966). Large
topics come in pages: the answer holds at most `response_partition_limit` partitions, and a cursor,
the first partition that it left out, which the next request hands back.

    v0   topics, partitions, eligible leader replicas, cursor (KIP-966)
"""

from ..codec import array, field, message, struct
from ..primitives import BOOLEAN, INT16, INT32, STRING, UUID, ZERO_UUID

OPERATIONS_NOT_REQUESTED = -(2**31)
"""The bit field of authorized operations when nobody asked for it (KIP-430)."""


@struct
class DescribeTopicPartitionsRequestTopic:
    """One topic to describe."""

    name: str = field(STRING)


@struct
class Cursor:
    """Where the next page begins."""

    topic_name: str = field(STRING)
    partition_index: int = field(INT32)


@message(key=75, versions="0", flexible="0+")
class DescribeTopicPartitionsRequest:
    """One page, please: an admin client to any broker; no topics named means all of them."""

    topics: list[DescribeTopicPartitionsRequestTopic] = field(
        array(DescribeTopicPartitionsRequestTopic)
    )
    response_partition_limit: int = field(INT32, default=2000)
    cursor: Cursor | None = field(Cursor, nullable="0+", default=None)


@struct
class DescribeTopicPartitionsResponsePartition:
    """One partition; the replicas eligible to lead without loss are null where not tracked."""

    error_code: int = field(INT16)
    partition_index: int = field(INT32)
    leader_id: int = field(INT32)
    leader_epoch: int = field(INT32, default=-1)
    replica_nodes: list[int] = field(array(INT32))
    isr_nodes: list[int] = field(array(INT32))
    eligible_leader_replicas: list[int] | None = field(array(INT32), nullable="0+", default=None)
    last_known_elr: list[int] | None = field(array(INT32), nullable="0+", default=None)
    offline_replicas: list[int] = field(array(INT32))


@struct
class DescribeTopicPartitionsResponseTopic:
    """One topic with its partitions on this page, or the error that hides it."""

    error_code: int = field(INT16)
    name: str | None = field(STRING, nullable="0+")
    topic_id: bytes = field(UUID, default=ZERO_UUID)
    is_internal: bool = field(BOOLEAN, default=False)
    partitions: list[DescribeTopicPartitionsResponsePartition] = field(
        array(DescribeTopicPartitionsResponsePartition)
    )
    topic_authorized_operations: int = field(INT32, default=OPERATIONS_NOT_REQUESTED)


@message(key=75, versions="0", flexible="0+")
class DescribeTopicPartitionsResponse:
    """One page, topics sorted by name; a null cursor says that it is the last."""

    throttle_time_ms: int = field(INT32, default=0)
    topics: list[DescribeTopicPartitionsResponseTopic] = field(
        array(DescribeTopicPartitionsResponseTopic)
    )
    next_cursor: Cursor | None = field(Cursor, nullable="0+", default=None)
