"""CreatePartitions (key 37): give topics more partitions.

An admin client asks; any broker takes the request and has the controller decide. `count` is how
many partitions the topic shall have in the end, and must be more than it has: partitions are never
taken away. Each topic succeeds or fails alone.

    v0   topics with their counts and, if wanted, the replicas of each new partition (KIP-195)
    v1   no new bytes: the broker answers before it throttles (KIP-219)
    v2   flexible (KIP-482)
    v3   no new bytes: the client understands THROTTLING_QUOTA_EXCEEDED (KIP-599)
"""

from ..codec import array, field, message, struct
from ..primitives import BOOLEAN, INT16, INT32, STRING


@struct
class CreatePartitionsAssignment:
    """The brokers that hold one new partition, the preferred leader first."""

    broker_ids: list[int] = field(array(INT32))


@struct
class CreatePartitionsTopic:
    """One topic, its new count, and the replicas of its new partitions; null: choose them."""

    name: str = field(STRING)
    count: int = field(INT32)
    assignments: list[CreatePartitionsAssignment] | None = field(
        array(CreatePartitionsAssignment), nullable="0+"
    )


@message(key=37, versions="0-3", flexible="2+")
class CreatePartitionsRequest:
    """Add partitions to these topics, or with `validate_only` say whether you would."""

    topics: list[CreatePartitionsTopic] = field(array(CreatePartitionsTopic))
    timeout_ms: int = field(INT32)
    validate_only: bool = field(BOOLEAN)


@struct
class CreatePartitionsTopicResult:
    """What became of one topic."""

    name: str = field(STRING)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable="0+", default=None)


@message(key=37, versions="0-3", flexible="2+")
class CreatePartitionsResponse:
    """One answer per topic named."""

    throttle_time_ms: int = field(INT32, default=0)
    results: list[CreatePartitionsTopicResult] = field(array(CreatePartitionsTopicResult))
