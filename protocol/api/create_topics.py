"""CreateTopics (key 19): make new topics.

An admin client asks; any broker takes the request and has the controller decide. Per topic either
counts are given (-1 for the broker's default) or the replicas of each partition by hand. Each topic
succeeds or fails alone.

    v2   the oldest served: `validate_only`, `error_message`, `throttle_time_ms` (KIP-4, KIP-124)
    v3   no new bytes: the broker answers before it throttles (KIP-219)
    v4   no new bytes: -1 partitions or replicas mean the broker's default (KIP-464)
    v5   flexible (KIP-482); the answer tells counts and configs of the new topic (KIP-525)
    v6   no new bytes: the client understands THROTTLING_QUOTA_EXCEEDED (KIP-599)
    v7   `topic_id` (KIP-516)
"""

from ..codec import array, field, message, struct
from ..primitives import BOOLEAN, INT8, INT16, INT32, STRING, UUID, ZERO_UUID
from ..schema import ZERO

BROKER_DEFAULT = -1
"""As a number of partitions or replicas: what the broker is configured to (KIP-464)."""


@struct
class CreateTopicsRequestAssignment:
    """The brokers that hold one partition, the preferred leader first."""

    partition_index: int = field(INT32)
    broker_ids: list[int] = field(array(INT32))


@struct
class CreateTopicsRequestConfig:
    """One option of the new topic; a null value asks for the default."""

    name: str = field(STRING)
    value: str | None = field(STRING, nullable="0+")


@struct
class CreateTopicsRequestTopic:
    """One topic to create, by counts or by assignments."""

    name: str = field(STRING)
    num_partitions: int = field(INT32)
    replication_factor: int = field(INT16)
    assignments: list[CreateTopicsRequestAssignment] = field(
        array(CreateTopicsRequestAssignment), default=ZERO
    )
    configs: list[CreateTopicsRequestConfig] = field(array(CreateTopicsRequestConfig), default=ZERO)


@message(key=19, versions="2-7", flexible="5+")
class CreateTopicsRequest:
    """Create these topics, or with `validate_only` say whether you would: an admin client."""

    topics: list[CreateTopicsRequestTopic] = field(array(CreateTopicsRequestTopic))
    timeout_ms: int = field(INT32, default=60_000)
    validate_only: bool = field(BOOLEAN, default=False)


@struct
class CreateTopicsResponseConfig:
    """One option that the new topic has, and where its value comes from (KIP-525)."""

    name: str = field(STRING)
    value: str | None = field(STRING, nullable="5+")
    read_only: bool = field(BOOLEAN)
    config_source: int = field(INT8, default=-1)
    is_sensitive: bool = field(BOOLEAN)


@struct
class CreateTopicsResponseTopic:
    """What became of one topic."""

    name: str = field(STRING)
    topic_id: bytes = field(UUID, "7+", default=ZERO_UUID, ignorable=True)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable="2+", default=None)
    topic_config_error_code: int = field(INT16, "5+", tag=0, default=0, ignorable=True)
    num_partitions: int = field(INT32, "5+", default=-1, ignorable=True)
    replication_factor: int = field(INT16, "5+", default=-1, ignorable=True)
    configs: list[CreateTopicsResponseConfig] | None = field(
        array(CreateTopicsResponseConfig), "5+", nullable="5+", default=ZERO, ignorable=True
    )


@message(key=19, versions="2-7", flexible="5+")
class CreateTopicsResponse:
    """One answer per topic named."""

    throttle_time_ms: int = field(INT32, default=0)
    topics: list[CreateTopicsResponseTopic] = field(array(CreateTopicsResponseTopic))
