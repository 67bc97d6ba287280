"""DescribeProducers (key 61): which producers does a partition's leader remember?

An admin client asks the leaders, to find the producer behind a transaction that hangs.

    v0   the state of each idempotent or transactional producer, per partition (KIP-664)
"""

from ..codec import array, field, message, struct
from ..primitives import INT16, INT32, INT64, STRING


@struct
class TopicRequest:
    """One topic and the partitions of interest."""

    name: str = field(STRING)
    partition_indexes: list[int] = field(array(INT32))


@message(key=61, versions="0", flexible="0+")
class DescribeProducersRequest:
    """Who has written to these partitions? An admin client to the leaders."""

    topics: list[TopicRequest] = field(array(TopicRequest))


@struct
class ProducerState:
    """One producer: where its sequence stands, and where its open transaction starts, or -1."""

    producer_id: int = field(INT64)
    producer_epoch: int = field(INT32)
    last_sequence: int = field(INT32, default=-1)
    last_timestamp: int = field(INT64, default=-1)
    coordinator_epoch: int = field(INT32)
    current_txn_start_offset: int = field(INT64, default=-1)


@struct
class PartitionResponse:
    """The producers of one partition, or why they are not told."""

    partition_index: int = field(INT32)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable="0+", default=None)
    active_producers: list[ProducerState] = field(array(ProducerState))


@struct
class TopicResponse:
    """The answers for one topic."""

    name: str = field(STRING)
    partitions: list[PartitionResponse] = field(array(PartitionResponse))


@message(key=61, versions="0", flexible="0+")
class DescribeProducersResponse:
    """One answer per partition named."""

    throttle_time_ms: int = field(INT32, default=0)
    topics: list[TopicResponse] = field(array(TopicResponse))
