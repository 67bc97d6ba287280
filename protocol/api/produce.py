"""Produce (key 0): append record batches to partitions.

A producer asks the leader of each partition named. `acks` says what it wants to wait for: 0 for
nothing, not even an answer; 1 for the leader's append; -1 for all replicas in sync. Each partition
carries exactly one record batch (see `records`), which the broker stores as it is.

    v3   the oldest served: record batches v2, `transactional_id` (KIP-98)
    v4   no new bytes: the client understands KAFKA_STORAGE_ERROR (KIP-112)
    v5   `log_start_offset` in the answer (KIP-192)
    v6   no new bytes: the broker answers before it throttles (KIP-219)
    v7   no new bytes: batches may be compressed with zstd (KIP-110)
    v8   `record_errors` and `error_message`: which record was refused, and why (KIP-467)
    v9   flexible (KIP-482)
    v10  `current_leader` and `node_endpoints`: after a wrong guess, who leads (KIP-951)
    v11  no new bytes: the client understands TRANSACTION_ABORTABLE (KIP-890)
    v12  no new bytes: a batch adds its partition to the producer's transaction (KIP-890)
    v13  `topic_id` in place of the topic's name (KIP-516)

Versions 0 to 2 carried record formats that Kafka 4 no longer reads (KIP-896); no bodies of them
are declared. A broker still advertises them, since old clients look there for compression
(KAFKA-18659).

`current_leader` and `node_endpoints` are hints, so we let old versions drop them silently; Kafka's
broker looks at the version before it fills them.
"""

from ..codec import array, field, message, struct
from ..primitives import INT16, INT32, INT64, RECORDS, STRING, UUID, ZERO_UUID, Buffer
from ..schema import ZERO


@struct
class ProduceRequestPartition:
    """One partition and the record batch to append to it."""

    index: int = field(INT32)
    records: Buffer | None = field(RECORDS, nullable="0+")


@struct
class ProduceRequestTopic:
    """One topic, by name up to v12 and by id from v13 on."""

    name: str = field(STRING, "0-12", default="", ignorable=True)
    topic_id: bytes = field(UUID, "13+", default=ZERO_UUID, ignorable=True)
    partition_data: list[ProduceRequestPartition] = field(array(ProduceRequestPartition))


@message(key=0, versions="3-13", flexible="9+")
class ProduceRequest:
    """Append these: a producer to the leader of the partitions, with its wish for acks."""

    transactional_id: str | None = field(STRING, nullable="3+", default=None)
    acks: int = field(INT16)
    timeout_ms: int = field(INT32)
    topic_data: list[ProduceRequestTopic] = field(array(ProduceRequestTopic))


@struct
class RecordError:
    """One record of a refused batch, by its index in the batch, and what is wrong with it."""

    batch_index: int = field(INT32)
    batch_index_error_message: str | None = field(STRING, nullable="8+", default=None)


@struct
class CurrentLeader:
    """The leader that the client should have asked, -1 where it is unknown."""

    leader_id: int = field(INT32, default=-1)
    leader_epoch: int = field(INT32, default=-1)


@struct
class ProduceResponsePartition:
    """The offset that the batch's first record got, or the error that kept it out."""

    index: int = field(INT32)
    error_code: int = field(INT16)
    base_offset: int = field(INT64)
    log_append_time_ms: int = field(INT64, default=-1)
    log_start_offset: int = field(INT64, "5+", default=-1, ignorable=True)
    record_errors: list[RecordError] = field(array(RecordError), "8+", default=ZERO, ignorable=True)
    error_message: str | None = field(STRING, "8+", nullable="8+", default=None, ignorable=True)
    current_leader: CurrentLeader = field(CurrentLeader, "10+", tag=0, default=ZERO, ignorable=True)


@struct
class ProduceResponseTopic:
    """The answers for one topic, under the name or id that the request used."""

    name: str = field(STRING, "0-12", default="", ignorable=True)
    topic_id: bytes = field(UUID, "13+", default=ZERO_UUID, ignorable=True)
    partition_responses: list[ProduceResponsePartition] = field(array(ProduceResponsePartition))


@struct
class NodeEndpoint:
    """The address of a broker that some `current_leader` of this answer names."""

    node_id: int = field(INT32)
    host: str = field(STRING)
    port: int = field(INT32)
    rack: str | None = field(STRING, nullable="10+", default=None)


@message(key=0, versions="3-13", flexible="9+")
class ProduceResponse:
    """What became of each batch; it is not sent at all for `acks` 0."""

    responses: list[ProduceResponseTopic] = field(array(ProduceResponseTopic))
    throttle_time_ms: int = field(INT32, default=0)
    node_endpoints: list[NodeEndpoint] = field(
        array(NodeEndpoint), "10+", tag=0, default=ZERO, ignorable=True
    )
