"""ElectLeaders (key 43): let partitions have another leader (KIP-183).

An admin client asks the controller, or any broker, which passes it on. PREFERRED gives the lead to
the first of the replicas, if it is in sync; UNCLEAN elects any live replica of a partition that
none in sync can lead, and may lose acknowledged records.

    v0   preferred elections
    v1   `election_type`, and an error for the whole request (KIP-460)
    v2   flexible (KIP-482)
"""

from enum import IntEnum

from ..codec import array, field, message, struct
from ..primitives import INT8, INT16, INT32, STRING


class ElectionType(IntEnum):
    """Who may be elected."""

    PREFERRED = 0
    UNCLEAN = 1


@struct
class TopicPartitions:
    """The partitions of one topic."""

    topic: str = field(STRING)
    partitions: list[int] = field(array(INT32))


@message(key=43, versions="0-2", flexible="2+")
class ElectLeadersRequest:
    """Elect leaders for these partitions; null for all that there are."""

    election_type: int = field(INT8, "1+", default=int(ElectionType.PREFERRED))
    topic_partitions: list[TopicPartitions] | None = field(array(TopicPartitions), nullable="0+")
    timeout_ms: int = field(INT32, default=60_000)


@struct
class PartitionResult:
    """Whether one partition has the leader asked for now."""

    partition_id: int = field(INT32)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable="0+", default=None)


@struct
class ReplicaElectionResult:
    """The results of one topic."""

    topic: str = field(STRING)
    partition_result: list[PartitionResult] = field(array(PartitionResult))


@message(key=43, versions="0-2", flexible="2+")
class ElectLeadersResponse:
    """A result for each partition named; of all partitions, for those that could have changed."""

    throttle_time_ms: int = field(INT32, default=0)
    error_code: int = field(INT16, "1+", default=0, ignorable=True)
    replica_election_results: list[ReplicaElectionResult] = field(array(ReplicaElectionResult))
