"""OffsetDelete (key 47): forget up to where a group has read some partitions (KIP-496).

v0  the only one
"""

from ..codec import array, field, message, struct
from ..primitives import INT16, INT32, STRING


@struct
class OffsetDeleteRequestPartition:
    """One partition to forget."""

    partition_index: int = field(INT32)


@struct
class OffsetDeleteRequestTopic:
    """One topic."""

    name: str = field(STRING)
    partitions: list[OffsetDeleteRequestPartition] = field(array(OffsetDeleteRequestPartition))


@message(key=47, versions="0", flexible="none")
class OffsetDeleteRequest:
    """Forget these; a topic that the group is subscribed to is refused."""

    group_id: str = field(STRING)
    topics: list[OffsetDeleteRequestTopic] = field(array(OffsetDeleteRequestTopic))


@struct
class OffsetDeleteResponsePartition:
    """Whether it is forgotten."""

    partition_index: int = field(INT32)
    error_code: int = field(INT16)


@struct
class OffsetDeleteResponseTopic:
    """One topic."""

    name: str = field(STRING)
    partitions: list[OffsetDeleteResponsePartition] = field(array(OffsetDeleteResponsePartition))


@message(key=47, versions="0", flexible="none")
class OffsetDeleteResponse:
    """An error for the group, or one or none for each partition."""

    error_code: int = field(INT16)
    throttle_time_ms: int = field(INT32, default=0, ignorable=True)
    topics: list[OffsetDeleteResponseTopic] = field(array(OffsetDeleteResponseTopic))
