"""Fetch (key 1): read record batches from partitions, from a given offset on.

Consumers ask a partition's leader (or a replica that the leader preferred, KIP-392); followers ask
the leader with the same request, and say so by their replica id. The broker waits until
`min_bytes` are there or `max_wait_ms` has passed. A *fetch session* (KIP-227) lets the two sides
name only the partitions that changed: epoch 0 opens one, -1 does without, any other continues.

    v4   the oldest served: `isolation_level`, `last_stable_offset`, aborted transactions (KIP-98)
    v5   `log_start_offset`, of the follower in the request and of the leader back (KIP-107)
    v6   no new bytes: the client understands KAFKA_STORAGE_ERROR (KIP-112)
    v7   fetch sessions: `session_id`, `session_epoch`, forgotten topics (KIP-227)
    v8   no new bytes: the broker answers before it throttles (KIP-219)
    v9   `current_leader_epoch`: fences a client that knows another leader (KIP-320)
    v10  no new bytes: the client reads zstd (KIP-110)
    v11  `rack_id`, `preferred_read_replica`: read from a replica close by (KIP-392)
    v12  flexible (KIP-482); `last_fetched_epoch` and `diverging_epoch`: where two logs part
         (KIP-595); `cluster_id`, `current_leader` (KIP-595) and `snapshot_id` (KIP-630)
    v13  `topic_id` in place of the topic's name (KIP-516)
    v14  no new bytes: the client understands OFFSET_MOVED_TO_TIERED_STORAGE (KIP-405)
    v15  `replica_state`, id and epoch of the follower, in place of `replica_id` (KIP-903)
    v16  `node_endpoints`: the addresses of the leaders named (KIP-951)
    v17  `replica_directory_id` of a voter (KIP-853)
    v18  `high_watermark` that the follower knows (KIP-1166)

Versions 0 to 3 need record formats that Kafka 4 no longer has (KIP-896).
`current_leader` and `node_endpoints` are hints, so we let old versions drop them silently; Kafka's
broker looks at the version before it fills them.
"""

from ..codec import array, field, message, struct
from ..primitives import INT8, INT16, INT32, INT64, RECORDS, STRING, UUID, ZERO_UUID, Buffer
from ..schema import ZERO

MAX_INT32 = 2**31 - 1
HIGH_WATERMARK_NOT_SENT = 2**63 - 1
"""What `high_watermark` is when the follower does not tell it (KIP-1166)."""


@struct
class ReplicaState:
    """Who fetches: a follower's id and the epoch of its registration; -1 for a consumer."""

    replica_id: int = field(INT32, default=-1)
    replica_epoch: int = field(INT64, default=-1)


@struct
class FetchRequestPartition:
    """One partition: from which offset, how much, and what the reader knows of its leader."""

    partition: int = field(INT32)
    current_leader_epoch: int = field(INT32, "9+", default=-1, ignorable=True)
    fetch_offset: int = field(INT64)
    last_fetched_epoch: int = field(INT32, "12+", default=-1)
    log_start_offset: int = field(INT64, "5+", default=-1, ignorable=True)
    partition_max_bytes: int = field(INT32)
    replica_directory_id: bytes = field(UUID, "17+", tag=0, default=ZERO_UUID, ignorable=True)
    high_watermark: int = field(
        INT64, "18+", tag=1, default=HIGH_WATERMARK_NOT_SENT, ignorable=True
    )


@struct
class FetchRequestTopic:
    """One topic to read, by name up to v12 and by id from v13 on."""

    topic: str = field(STRING, "0-12", default="", ignorable=True)
    topic_id: bytes = field(UUID, "13+", default=ZERO_UUID, ignorable=True)
    partitions: list[FetchRequestPartition] = field(array(FetchRequestPartition))


@struct
class ForgottenTopic:
    """Partitions to take out of the fetch session (KIP-227)."""

    topic: str = field(STRING, "7-12", default="", ignorable=True)
    topic_id: bytes = field(UUID, "13+", default=ZERO_UUID, ignorable=True)
    partitions: list[int] = field(array(INT32))


@message(key=1, versions="4-18", flexible="12+")
class FetchRequest:
    """Give me what follows these offsets: a consumer or a follower to the leader."""

    cluster_id: str | None = field(
        STRING, "12+", tag=0, nullable="12+", default=None, ignorable=True
    )
    replica_id: int = field(INT32, "0-14", default=-1)
    replica_state: ReplicaState = field(ReplicaState, "15+", tag=1, default=ZERO)
    max_wait_ms: int = field(INT32)
    min_bytes: int = field(INT32)
    max_bytes: int = field(INT32, default=MAX_INT32)
    isolation_level: int = field(INT8, default=0)
    session_id: int = field(INT32, "7+", default=0, ignorable=True)
    session_epoch: int = field(INT32, "7+", default=-1, ignorable=True)
    topics: list[FetchRequestTopic] = field(array(FetchRequestTopic))
    forgotten_topics_data: list[ForgottenTopic] = field(array(ForgottenTopic), "7+", default=ZERO)
    rack_id: str = field(STRING, "11+", default="", ignorable=True)


@struct
class EpochEndOffset:
    """The largest epoch that both logs share, and its end in the leader's; -1 for no divergence."""

    epoch: int = field(INT32, default=-1)
    end_offset: int = field(INT64, default=-1)


@struct
class CurrentLeader:
    """The leader that the reader should have asked, -1 where it is unknown."""

    leader_id: int = field(INT32, default=-1)
    leader_epoch: int = field(INT32, default=-1)


@struct
class SnapshotId:
    """The snapshot of a metadata log that a reader behind its start should load (KIP-630)."""

    end_offset: int = field(INT64, default=-1)
    epoch: int = field(INT32, default=-1)


@struct
class AbortedTransaction:
    """A producer whose records from `first_offset` up to its abort marker do not count."""

    producer_id: int = field(INT64)
    first_offset: int = field(INT64)


@struct
class FetchResponsePartition:
    """Record batches of one partition, as they lie on disk, and the bounds of its log."""

    partition_index: int = field(INT32)
    error_code: int = field(INT16)
    high_watermark: int = field(INT64)
    last_stable_offset: int = field(INT64, default=-1)
    log_start_offset: int = field(INT64, "5+", default=-1, ignorable=True)
    diverging_epoch: EpochEndOffset = field(EpochEndOffset, "12+", tag=0, default=ZERO)
    current_leader: CurrentLeader = field(CurrentLeader, "12+", tag=1, default=ZERO, ignorable=True)
    snapshot_id: SnapshotId = field(SnapshotId, "12+", tag=2, default=ZERO)
    aborted_transactions: list[AbortedTransaction] | None = field(
        array(AbortedTransaction), nullable="4+", default=None
    )
    preferred_read_replica: int = field(INT32, "11+", default=-1)
    records: Buffer | None = field(RECORDS, nullable="0+")


@struct
class FetchResponseTopic:
    """The answers for one topic, under the name or id that the request used."""

    topic: str = field(STRING, "0-12", default="", ignorable=True)
    topic_id: bytes = field(UUID, "13+", default=ZERO_UUID, ignorable=True)
    partitions: list[FetchResponsePartition] = field(array(FetchResponsePartition))


@struct
class NodeEndpoint:
    """The address of a broker that some `current_leader` of this answer names."""

    node_id: int = field(INT32)
    host: str = field(STRING)
    port: int = field(INT32)
    rack: str | None = field(STRING, nullable="16+", default=None)


@message(key=1, versions="4-18", flexible="12+")
class FetchResponse:
    """What the partitions hold from there on; in a session, only those with news."""

    throttle_time_ms: int = field(INT32, default=0)
    error_code: int = field(INT16, "7+", default=0, ignorable=True)
    session_id: int = field(INT32, "7+", default=0)
    responses: list[FetchResponseTopic] = field(array(FetchResponseTopic))
    node_endpoints: list[NodeEndpoint] = field(
        array(NodeEndpoint), "16+", tag=0, default=ZERO, ignorable=True
    )
