"""What a producer gets back and a consumer gets: one record's place, and one record. PURE."""

from typing import Any, Final, NamedTuple

from ..protocol.records import RecordHeader

CREATE_TIME: Final = 0
LOG_APPEND_TIME: Final = 1


class RecordMetadata(NamedTuple):
    """Where a record was written; offset -1 where the broker did not say (acks 0)."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


class ConsumerRecord(NamedTuple):
    """A record as read; `timestamp` in ms since 1970, -1 for none.

    `timestamp_type` is 0 for the sender's time and 1 for the broker's; `headers` are pairs of name
    and value; `leader_epoch` is that of the leader who wrote it, -1 where unknown. Key and value
    are bytes or None, or what the consumer's deserializers made of them.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: Any
    value: Any
    headers: tuple[RecordHeader, ...]
    leader_epoch: int
