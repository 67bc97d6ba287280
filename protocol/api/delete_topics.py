"""DeleteTopics (key 20): remove topics with all their records.

An admin client asks; any broker takes the request and has the controller decide. Each topic
succeeds or fails alone.

    v1   the oldest served: `throttle_time_ms` (KIP-124)
    v2   no new bytes: the broker answers before it throttles (KIP-219)
    v3   no new bytes: the client understands TOPIC_DELETION_DISABLED (KIP-322)
    v4   flexible (KIP-482)
    v5   `error_message`; the client understands THROTTLING_QUOTA_EXCEEDED (KIP-599)
    v6   `topics`, by name or by id, in place of `topic_names` (KIP-516)
"""

from ..codec import array, field, message, struct
from ..primitives import INT16, INT32, STRING, UUID, ZERO_UUID
from ..schema import ZERO


@struct
class DeleteTopicsRequestTopic:
    """One topic to delete, by name, or by id with a null name."""

    name: str | None = field(STRING, nullable="6+", default=None)
    topic_id: bytes = field(UUID, default=ZERO_UUID)


@message(key=20, versions="1-6", flexible="4+")
class DeleteTopicsRequest:
    """Delete these: an admin client; in `topics` from v6 on, in `topic_names` before."""

    topics: list[DeleteTopicsRequestTopic] = field(
        array(DeleteTopicsRequestTopic), "6+", default=ZERO
    )
    topic_names: list[str] = field(array(STRING), "0-5", default=ZERO, ignorable=True)
    timeout_ms: int = field(INT32)


@struct
class DeleteTopicsResponseTopic:
    """What became of one topic; the name is null where the request gave an unknown id."""

    name: str | None = field(STRING, nullable="6+")
    topic_id: bytes = field(UUID, "6+", default=ZERO_UUID, ignorable=True)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, "5+", nullable="5+", default=None, ignorable=True)


@message(key=20, versions="1-6", flexible="4+")
class DeleteTopicsResponse:
    """One answer per topic named."""

    throttle_time_ms: int = field(INT32, default=0)
    responses: list[DeleteTopicsResponseTopic] = field(array(DeleteTopicsResponseTopic))
