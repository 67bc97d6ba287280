"""OffsetFetch (key 9): up to where has this group read?

v1   offsets that the coordinator keeps (v0 read ZooKeeper's)
v2   null topics mean all; `error_code` for the whole answer (KIP-88)
v3   `throttle_time_ms` (KIP-124)
v4   no new bytes: the broker answers before it throttles (KIP-219)
v5   `committed_leader_epoch` (KIP-320)
v6   flexible (KIP-482)
v7   `require_stable`: no answer while a transaction holds an offset back (KIP-447)
v8   many groups in one request (KIP-709)
v9   `member_id` and `member_epoch` of the newer group protocol (KIP-848)
v10  topics by id (KIP-848)
"""

from ..codec import array, field, message, struct
from ..primitives import BOOLEAN, INT16, INT32, INT64, STRING, UUID, ZERO_UUID
from ..schema import ZERO

NO_OFFSET = -1
"""The committed offset of a partition that nothing was committed for: no error."""


@struct
class OffsetFetchRequestTopic:
    """One topic of the one group, up to v7."""

    name: str = field(STRING, "0-7")
    partition_indexes: list[int] = field(array(INT32), "0-7")


@struct
class OffsetFetchRequestTopics:
    """One topic of one group, from v8 on."""

    name: str = field(STRING, "8-9", default="", ignorable=True)
    topic_id: bytes = field(UUID, "10+", default=ZERO_UUID, ignorable=True)
    partition_indexes: list[int] = field(array(INT32), "8+")


@struct
class OffsetFetchRequestGroup:
    """One group; null topics mean all that it has committed."""

    group_id: str = field(STRING, "8+")
    member_id: str | None = field(STRING, "9+", nullable="9+", default=None, ignorable=True)
    member_epoch: int = field(INT32, "9+", default=-1, ignorable=True)
    topics: list[OffsetFetchRequestTopics] | None = field(
        array(OffsetFetchRequestTopics), "8+", nullable="8+"
    )


@message(key=9, versions="1-10", flexible="6+")
class OffsetFetchRequest:
    """What was committed? One group up to v7, `groups` from v8 on."""

    group_id: str = field(STRING, "0-7", default="")
    topics: list[OffsetFetchRequestTopic] | None = field(
        array(OffsetFetchRequestTopic), "0-7", nullable="2-7", default=ZERO
    )
    groups: list[OffsetFetchRequestGroup] = field(
        array(OffsetFetchRequestGroup), "8+", default=ZERO
    )
    require_stable: bool = field(BOOLEAN, "7+", default=False)


@struct
class OffsetFetchResponsePartition:
    """The next offset to read, -1 for none; up to v7."""

    partition_index: int = field(INT32, "0-7")
    committed_offset: int = field(INT64, "0-7")
    committed_leader_epoch: int = field(INT32, "5-7", default=-1, ignorable=True)
    metadata: str | None = field(STRING, "0-7", nullable="0-7")
    error_code: int = field(INT16, "0-7")


@struct
class OffsetFetchResponseTopic:
    """One topic, up to v7."""

    name: str = field(STRING, "0-7")
    partitions: list[OffsetFetchResponsePartition] = field(
        array(OffsetFetchResponsePartition), "0-7"
    )


@struct
class OffsetFetchResponsePartitions:
    """The next offset to read, -1 for none; from v8 on."""

    partition_index: int = field(INT32, "8+")
    committed_offset: int = field(INT64, "8+")
    committed_leader_epoch: int = field(INT32, "8+", default=-1, ignorable=True)
    metadata: str | None = field(STRING, "8+", nullable="8+")
    error_code: int = field(INT16, "8+")


@struct
class OffsetFetchResponseTopics:
    """One topic, from v8 on."""

    name: str = field(STRING, "8-9", default="", ignorable=True)
    topic_id: bytes = field(UUID, "10+", default=ZERO_UUID, ignorable=True)
    partitions: list[OffsetFetchResponsePartitions] = field(
        array(OffsetFetchResponsePartitions), "8+"
    )


@struct
class OffsetFetchResponseGroup:
    """One group, or the error that hides it."""

    group_id: str = field(STRING, "8+")
    topics: list[OffsetFetchResponseTopics] = field(array(OffsetFetchResponseTopics), "8+")
    error_code: int = field(INT16, "8+", default=0)


@message(key=9, versions="1-10", flexible="6+")
class OffsetFetchResponse:
    """One group's offsets up to v7, those of `groups` from v8 on."""

    throttle_time_ms: int = field(INT32, "3+", default=0, ignorable=True)
    topics: list[OffsetFetchResponseTopic] = field(
        array(OffsetFetchResponseTopic), "0-7", default=ZERO
    )
    error_code: int = field(INT16, "2-7", default=0, ignorable=True)
    groups: list[OffsetFetchResponseGroup] = field(
        array(OffsetFetchResponseGroup), "8+", default=ZERO
    )
