"""AlterPartitionReassignments (key 45): put partitions on other brokers (KIP-455).

An admin client asks the controller, or any broker, which passes it on. The answer says that the
reassignment has begun: the new replicas copy the log, and when all of them are in sync the old ones
go. ListPartitionReassignments tells what still goes on.

    v0   replicas per partition, null to give a reassignment up
    v1   `allow_replication_factor_change` (KIP-860)
"""

from ..codec import array, field, message, struct
from ..primitives import BOOLEAN, INT16, INT32, STRING


@struct
class ReassignablePartition:
    """Where one partition shall be; null: where it was before its reassignment began."""

    partition_index: int = field(INT32)
    replicas: list[int] | None = field(array(INT32), nullable="0+", default=None)


@struct
class ReassignableTopic:
    """The partitions of one topic."""

    name: str = field(STRING)
    partitions: list[ReassignablePartition] = field(array(ReassignablePartition))


@message(key=45, versions="0-1", flexible="0+")
class AlterPartitionReassignmentsRequest:
    """Move these partitions, or stop moving them."""

    timeout_ms: int = field(INT32, default=60_000)
    allow_replication_factor_change: bool = field(BOOLEAN, "1+", default=True)
    topics: list[ReassignableTopic] = field(array(ReassignableTopic))


@struct
class ReassignablePartitionResponse:
    """Whether one partition's reassignment has begun, or has ended early."""

    partition_index: int = field(INT32)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable="0+", default=None)


@struct
class ReassignableTopicResponse:
    """The answers for one topic."""

    name: str = field(STRING)
    partitions: list[ReassignablePartitionResponse] = field(array(ReassignablePartitionResponse))


@message(key=45, versions="0-1", flexible="0+")
class AlterPartitionReassignmentsResponse:
    """An answer for each partition named, or one error for all."""

    throttle_time_ms: int = field(INT32, default=0)
    allow_replication_factor_change: bool = field(BOOLEAN, "1+", default=True, ignorable=True)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable="0+", default=None)
    responses: list[ReassignableTopicResponse] = field(array(ReassignableTopicResponse))
