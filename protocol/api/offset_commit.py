"""OffsetCommit (key 8): remember up to where this group has read.

The coordinator writes a record per partition into `__consumer_offsets` and answers when it is safe.
A committed offset is that of the next record to read.

    v2   retention per request; generation and member (v0 and v1 wrote to ZooKeeper or lacked them)
    v3   `throttle_time_ms` (KIP-124)
    v4   no new bytes: the broker answers before it throttles (KIP-219)
    v5   `retention_time_ms` is gone, the broker's setting counts (KIP-211)
    v6   `committed_leader_epoch` (KIP-320)
    v7   `group_instance_id`: static members (KIP-345)
    v8   flexible (KIP-482)
    v9   no new bytes: members of the newer group protocol commit too, by member epoch (KIP-848)
    v10  topics by id (KIP-848)
"""

from ..codec import array, field, message, struct
from ..primitives import INT16, INT32, INT64, STRING, UUID, ZERO_UUID

NO_GENERATION = -1
"""The generation of a commit from outside of the group: an admin, or a consumer that assigns."""


@struct
class OffsetCommitRequestPartition:
    """One partition: the next offset to read, and a text that comes back with it."""

    partition_index: int = field(INT32)
    committed_offset: int = field(INT64)
    committed_leader_epoch: int = field(INT32, "6+", default=-1, ignorable=True)
    committed_metadata: str | None = field(STRING, nullable="0+")


@struct
class OffsetCommitRequestTopic:
    """One topic, by name up to v9 and by id from v10 on."""

    name: str = field(STRING, "0-9", default="", ignorable=True)
    topic_id: bytes = field(UUID, "10+", default=ZERO_UUID, ignorable=True)
    partitions: list[OffsetCommitRequestPartition] = field(array(OffsetCommitRequestPartition))


@message(key=8, versions="2-10", flexible="8+")
class OffsetCommitRequest:
    """This far have we read: a member, or anybody while the group is empty."""

    group_id: str = field(STRING)
    generation_id_or_member_epoch: int = field(INT32, "1+", default=NO_GENERATION, ignorable=True)
    member_id: str = field(STRING, "1+", default="", ignorable=True)
    group_instance_id: str | None = field(STRING, "7+", nullable="7+", default=None)
    retention_time_ms: int = field(INT64, "2-4", default=-1, ignorable=True)
    topics: list[OffsetCommitRequestTopic] = field(array(OffsetCommitRequestTopic))


@struct
class OffsetCommitResponsePartition:
    """Whether it is remembered."""

    partition_index: int = field(INT32)
    error_code: int = field(INT16)


@struct
class OffsetCommitResponseTopic:
    """One topic, named as in the request."""

    name: str = field(STRING, "0-9", default="", ignorable=True)
    topic_id: bytes = field(UUID, "10+", default=ZERO_UUID, ignorable=True)
    partitions: list[OffsetCommitResponsePartition] = field(array(OffsetCommitResponsePartition))


@message(key=8, versions="2-10", flexible="8+")
class OffsetCommitResponse:
    """An error or none for each partition."""

    throttle_time_ms: int = field(INT32, "3+", default=0, ignorable=True)
    topics: list[OffsetCommitResponseTopic] = field(array(OffsetCommitResponseTopic))
