"""ListOffsets (key 2): which offset belongs to this time?

A client asks a partition's leader when it has no position yet (`auto.offset.reset`), when it seeks
to a time, and to show how far a group is behind. The timestamp is a time in ms since 1970, answered
by the first record at or after it, or one of these:

    -1  latest: the high watermark, or the last stable offset for `isolation_level` 1
    -2  earliest: the log start offset             -4  earliest on local disk (KIP-405)
    -3  the record with the largest timestamp      -5  last in tiered storage (KIP-1005)
        (KIP-734)                                  -6  first yet to be uploaded (KIP-1023)

No record at or after the time is no error: the answer is offset -1 and timestamp -1.

    v1   the oldest served: one offset per partition, with its timestamp (KIP-79)
    v2   `isolation_level`, `throttle_time_ms` (KIP-98, KIP-124)
    v3   no new bytes: the broker answers before it throttles (KIP-219)
    v4   `current_leader_epoch`, and `leader_epoch` of the record found (KIP-320)
    v5   no new bytes: the client understands OFFSET_NOT_AVAILABLE (KIP-207)
    v6   flexible (KIP-482)
    v7   no new bytes: timestamp -3 (KIP-734)
    v8   no new bytes: timestamp -4 (KIP-405)
    v9   no new bytes: timestamp -5 (KIP-1005)
    v10  `timeout_ms`, for a search in tiered storage (KIP-1075)
    v11  no new bytes: timestamp -6 (KIP-1023)

Version 0, a list of offsets at segment boundaries, is gone in Kafka 4 (KIP-896). `leader_epoch` of
an answer is ignorable here; in Kafka it is not, and the broker looks at the version instead.
"""

from ..codec import array, field, message, struct
from ..primitives import INT8, INT16, INT32, INT64, STRING

LATEST_TIMESTAMP = -1
EARLIEST_TIMESTAMP = -2
MAX_TIMESTAMP = -3
EARLIEST_LOCAL_TIMESTAMP = -4
LATEST_TIERED_TIMESTAMP = -5
EARLIEST_PENDING_UPLOAD_TIMESTAMP = -6


@struct
class ListOffsetsRequestPartition:
    """One partition and the time asked for, in ms since 1970 or one of the constants above."""

    partition_index: int = field(INT32)
    current_leader_epoch: int = field(INT32, "4+", default=-1, ignorable=True)
    timestamp: int = field(INT64)


@struct
class ListOffsetsRequestTopic:
    """One topic to look into."""

    name: str = field(STRING)
    partitions: list[ListOffsetsRequestPartition] = field(array(ListOffsetsRequestPartition))


@message(key=2, versions="1-11", flexible="6+")
class ListOffsetsRequest:
    """Which offset lies at this time? A client to the leaders; `replica_id` -1 is a consumer.

    Kafka's declaration has no default for `replica_id`, that is 0, which is a broker's id; ours is
    -1, so that a client which leaves it out does not pose as broker 0.
    """

    replica_id: int = field(INT32, default=-1)
    isolation_level: int = field(INT8, "2+", default=0)
    topics: list[ListOffsetsRequestTopic] = field(array(ListOffsetsRequestTopic))
    timeout_ms: int = field(INT32, "10+", default=0, ignorable=True)


@struct
class ListOffsetsResponsePartition:
    """The offset found, -1 if there is none, and the timestamp and epoch of its record."""

    partition_index: int = field(INT32)
    error_code: int = field(INT16)
    timestamp: int = field(INT64, default=-1)
    offset: int = field(INT64, default=-1)
    leader_epoch: int = field(INT32, "4+", default=-1, ignorable=True)


@struct
class ListOffsetsResponseTopic:
    """The answers for one topic."""

    name: str = field(STRING)
    partitions: list[ListOffsetsResponsePartition] = field(array(ListOffsetsResponsePartition))


@message(key=2, versions="1-11", flexible="6+")
class ListOffsetsResponse:
    """The offsets found."""

    throttle_time_ms: int = field(INT32, "2+", default=0, ignorable=True)
    topics: list[ListOffsetsResponseTopic] = field(array(ListOffsetsResponseTopic))
