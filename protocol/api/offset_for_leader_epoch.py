"""OffsetForLeaderEpoch (key 23): where does this epoch end in your log?

A consumer asks the leader after a change of leaders, to find out whether records that it has read
were cut off (KIP-320); followers used to ask before they truncated (KIP-101), which Fetch v12 now
tells them by itself. The answer is the largest epoch at or below the one asked for and the offset
at which the next one begins, or -1 and -1 where the leader does not know.

    v2   the oldest served: `current_leader_epoch` fences (KIP-320), `throttle_time_ms`,
         `leader_epoch` of the answer (KIP-279)
    v3   `replica_id` (KIP-392)
    v4   flexible (KIP-482)
"""

from ..codec import array, field, message, struct
from ..primitives import INT16, INT32, INT64, STRING

DEBUG_REPLICA_ID = -2
"""A reader that is no replica and may yet see beyond the high watermark."""


@struct
class OffsetForLeaderEpochRequestPartition:
    """One partition, the epoch asked about, and the epoch in which the asker believes itself."""

    partition: int = field(INT32)
    current_leader_epoch: int = field(INT32, default=-1)
    leader_epoch: int = field(INT32)


@struct
class OffsetForLeaderEpochRequestTopic:
    """One topic to look into."""

    topic: str = field(STRING)
    partitions: list[OffsetForLeaderEpochRequestPartition] = field(
        array(OffsetForLeaderEpochRequestPartition)
    )


@message(key=23, versions="2-4", flexible="4+")
class OffsetForLeaderEpochRequest:
    """Where do these epochs end? A consumer (`replica_id` -1) or follower to the leaders."""

    replica_id: int = field(INT32, "3+", default=DEBUG_REPLICA_ID, ignorable=True)
    topics: list[OffsetForLeaderEpochRequestTopic] = field(array(OffsetForLeaderEpochRequestTopic))


@struct
class EpochEndOffset:
    """The epoch found and the offset behind its last record; -1 and -1 for unknown."""

    error_code: int = field(INT16)
    partition: int = field(INT32)
    leader_epoch: int = field(INT32, default=-1)
    end_offset: int = field(INT64, default=-1)


@struct
class OffsetForLeaderEpochResponseTopic:
    """The answers for one topic."""

    topic: str = field(STRING)
    partitions: list[EpochEndOffset] = field(array(EpochEndOffset))


@message(key=23, versions="2-4", flexible="4+")
class OffsetForLeaderEpochResponse:
    """The ends found."""

    throttle_time_ms: int = field(INT32, default=0)
    topics: list[OffsetForLeaderEpochResponseTopic] = field(
        array(OffsetForLeaderEpochResponseTopic)
    )
