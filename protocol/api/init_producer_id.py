"""InitProducerId (key 22): give me a producer id, so that my retries leave no duplicates.

An idempotent producer asks any broker once, before its first batch (KIP-98; the default of many
clients since KIP-679). A transactional one asks the coordinator of its transactional id, which
answers with the id that this name has had before and the next epoch, so that an older instance of
the same producer is fenced.

    v0   `transactional_id`, null for a producer that is only idempotent (KIP-98)
    v1   no new bytes: the broker answers before it throttles (KIP-219)
    v2   flexible (KIP-482)
    v3   `producer_id` and `producer_epoch`: raise the epoch of an id at hand (KIP-360)
    v4   no new bytes: the client understands PRODUCER_FENCED (KIP-588)
    v5   no new bytes: the client understands TRANSACTION_ABORTABLE (KIP-890)

Version 6, for two-phase commit (KIP-939), is left out.
"""

from ..codec import field, message
from ..primitives import INT16, INT32, INT64, STRING


@message(key=22, versions="0-5", flexible="2+")
class InitProducerIdRequest:
    """Who am I? A producer, before its first batch or after it has lost its place."""

    transactional_id: str | None = field(STRING, nullable="0+")
    transaction_timeout_ms: int = field(INT32)
    producer_id: int = field(INT64, "3+", default=-1)
    producer_epoch: int = field(INT16, "3+", default=-1)


@message(key=22, versions="0-5", flexible="2+")
class InitProducerIdResponse:
    """The producer id and epoch to write into every batch."""

    throttle_time_ms: int = field(INT32, default=0)
    error_code: int = field(INT16)
    producer_id: int = field(INT64, default=-1)
    producer_epoch: int = field(INT16)
