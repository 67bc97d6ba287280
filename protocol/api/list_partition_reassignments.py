"""ListPartitionReassignments (key 46): which partitions are on their way to other brokers?

An admin client asks the controller, or any broker, which passes it on.

    v0   the current replicas, and which of them are being added and removed (KIP-455)
"""

from ..codec import array, field, message, struct
from ..primitives import INT16, INT32, STRING


@struct
class ListPartitionReassignmentsTopics:
    """The partitions of one topic."""

    name: str = field(STRING)
    partition_indexes: list[int] = field(array(INT32))


@message(key=46, versions="0", flexible="0+")
class ListPartitionReassignmentsRequest:
    """Which of these partitions are being moved? Null asks for all."""

    timeout_ms: int = field(INT32, default=60_000)
    topics: list[ListPartitionReassignmentsTopics] | None = field(
        array(ListPartitionReassignmentsTopics), nullable="0+"
    )


@struct
class OngoingPartitionReassignment:
    """One partition that is being moved; `replicas` has those being added and removed as well."""

    partition_index: int = field(INT32)
    replicas: list[int] = field(array(INT32))
    adding_replicas: list[int] = field(array(INT32))
    removing_replicas: list[int] = field(array(INT32))


@struct
class OngoingTopicReassignment:
    """The partitions of one topic that are being moved."""

    name: str = field(STRING)
    partitions: list[OngoingPartitionReassignment] = field(array(OngoingPartitionReassignment))


@message(key=46, versions="0", flexible="0+")
class ListPartitionReassignmentsResponse:
    """Those that are being moved; a partition that is not has no entry."""

    throttle_time_ms: int = field(INT32, default=0)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable="0+", default=None)
    topics: list[OngoingTopicReassignment] = field(array(OngoingTopicReassignment))
