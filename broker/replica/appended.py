"""What became of one batch, and why a partition refuses one. PURE."""

from ...protocol.batch import TRANSACTIONAL_BIT, BatchHeader
from ...protocol.errors import ErrorCode
from ...protocol.primitives import ProtocolError
from ..config import TopicConfig
from ..log.opened_batch import open_batch

NO_TIMESTAMP = -1
MAX_RECORD_ERRORS = 100
"""The records of one batch that an answer names one by one."""


class Appended:
    """What became of one batch.

    `next_offset` is what the high watermark must reach: -1, which it has, for one that failed;
    `leader_epoch` is the one in which it was found to be in the log.
    """

    __slots__ = (
        "base_offset",
        "error_code",
        "error_message",
        "leader_epoch",
        "log_append_time_ms",
        "next_offset",
        "record_errors",
    )

    def __init__(
        self, error_code: ErrorCode = ErrorCode.NONE, error_message: str | None = None
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.base_offset = -1
        self.next_offset = -1
        self.leader_epoch = -1
        self.log_append_time_ms = -1
        self.record_errors: list[int] = []

    def fail(self, error_code: ErrorCode, message: str) -> None:
        """It is not in the log after all."""
        self.error_code = error_code
        self.error_message = message
        self.base_offset = self.next_offset = self.log_append_time_ms = -1


def too_large(batch: memoryview, config: TopicConfig) -> Appended:
    """The refusal of a batch beyond `max.message.bytes`."""
    message = f"a batch of {len(batch)} bytes, {config.max_message_bytes} at most"
    return Appended(ErrorCode.MESSAGE_TOO_LARGE, message)


def refuse_batch(
    batch: memoryview, header: BatchHeader, config: TopicConfig, now_ms: int
) -> Appended | None:
    """The refusal of a sound batch that a topic's options or this broker do not allow."""
    if len(batch) > config.max_message_bytes:
        return too_large(batch, config)
    if header.base_offset:
        message = f"a producer's batch begins at offset 0, not {header.base_offset}"
        return Appended(ErrorCode.INVALID_RECORD, message)
    if header.attributes & TRANSACTIONAL_BIT:
        return Appended(ErrorCode.INVALID_TXN_STATE, "this broker has no transactions")
    if config.message_timestamp_type != "LogAppendTime":
        message = _refuse_timestamps(header, config, now_ms)
        if message is not None:
            return Appended(ErrorCode.INVALID_TIMESTAMP, message)
    return _refuse_keyless(batch, header) if config.is_compacted else None


def describe_sequence(header: BatchHeader) -> str:
    """What a producer did wrong when its batch does not follow its last one."""
    return (
        f"producer {header.producer_id} epoch {header.producer_epoch} sent sequence "
        f"{header.base_sequence} out of order"
    )


def _refuse_timestamps(header: BatchHeader, config: TopicConfig, now_ms: int) -> str | None:
    """Why a producer's timestamps are too far from our time, or None (KIP-937)."""
    ahead_ms = header.max_timestamp - now_ms
    if ahead_ms > config.message_timestamp_after_max_ms:
        return f"a timestamp is {ahead_ms} ms ahead of the broker"
    behind_ms = now_ms - header.base_timestamp
    if behind_ms > config.message_timestamp_before_max_ms and header.base_timestamp != NO_TIMESTAMP:
        return f"a timestamp is {behind_ms} ms behind the broker"
    return None


def _refuse_keyless(batch: memoryview, header: BatchHeader) -> Appended | None:
    """In a compacted topic a record without a key could never be superseded."""
    try:
        keyless = [
            index for index, record in enumerate(open_batch(batch, header)) if record.key is None
        ]
    except ProtocolError as error:
        return Appended(ErrorCode.INVALID_RECORD, str(error))
    if not keyless:
        return None
    refused = Appended(ErrorCode.INVALID_RECORD, "a compacted topic needs a key in each record")
    refused.record_errors = keyless[:MAX_RECORD_ERRORS]
    return refused
