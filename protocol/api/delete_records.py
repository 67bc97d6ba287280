"""DeleteRecords (key 21): let partitions start at a later offset (KIP-107).

An admin client sends each partition's part to its leader. Kafka Streams does so with the records
of its internal topics, once it has read them.

    v0   the first
    v1   no new bytes: the broker answers before it throttles (KIP-219)
    v2   flexible (KIP-482)
"""

from ..codec import array, field, message, struct
from ..primitives import INT16, INT32, INT64, STRING


@struct
class DeleteRecordsRequestPartition:
    """One partition; `offset` is where it shall start, -1 for its high watermark."""

    partition_index: int = field(INT32)
    offset: int = field(INT64)


@struct
class DeleteRecordsRequestTopic:
    """One topic."""

    name: str = field(STRING)
    partitions: list[DeleteRecordsRequestPartition] = field(array(DeleteRecordsRequestPartition))


@message(key=21, versions="0-2", flexible="2+")
class DeleteRecordsRequest:
    """Delete what lies below these offsets: an admin client to the leader of each partition."""

    topics: list[DeleteRecordsRequestTopic] = field(array(DeleteRecordsRequestTopic))
    timeout_ms: int = field(INT32)


@struct
class DeleteRecordsResponsePartition:
    """Where one partition starts now, on every replica; -1 with an error."""

    partition_index: int = field(INT32)
    low_watermark: int = field(INT64)
    error_code: int = field(INT16)


@struct
class DeleteRecordsResponseTopic:
    """One topic."""

    name: str = field(STRING)
    partitions: list[DeleteRecordsResponsePartition] = field(array(DeleteRecordsResponsePartition))


@message(key=21, versions="0-2", flexible="2+")
class DeleteRecordsResponse:
    """One answer per partition named."""

    throttle_time_ms: int = field(INT32, default=0)
    topics: list[DeleteRecordsResponseTopic] = field(array(DeleteRecordsResponseTopic))
