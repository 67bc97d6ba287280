"""One partition on its leader: what may be appended, and up to where it may be read. PURE.

    log start .......... high watermark ....... flushed ........ written ....... log end offset
    |  consumers read    |  flushed here, but   | in the page    | staged: this  |
    |                    |  not on all replicas | cache          | event's batches

The high watermark is the smallest flushed end of the replicas in sync; here, with one replica, our
own. An append is staged by `append`, written with all others of the same readable event by
`write`, and acknowledged with acks=all once the high watermark has passed it.

The order of checks on an append is Kafka's. The records themselves are never looked at, except in
a compacted topic, where each needs a key, and unpacked only in a topic with a `compression.type` of
its own, whose batches are packed anew if their producer has chosen another codec.
"""

from collections.abc import Hashable
from typing import Protocol

from ...protocol.batch import (
    TRANSACTIONAL_BIT,
    BatchHeader,
    InvalidBatch,
    assign_offset,
    header_at,
    read_header,
    stamp_log_append_time,
    validate_batch,
)
from ...protocol.errors import ErrorCode
from ...protocol.primitives import ProtocolError
from ..config import TopicConfig
from ..log.files import StorageError, StorageFailed
from ..log.index import NO_TIMESTAMP
from ..log.log import FlushMode, FlushPoint, Log, LogOptions
from ..log.opened_batch import open_batch
from ..log.recovery import Confirmed
from ..log.retention import Retention, count_deletable
from ..log.segment import FileSlice
from .epochs import LeaderEpochs
from .producers import Producers, SentBatch

TO_HIGH_WATERMARK = -1
"""Instead of an offset in DeleteRecords: everything that consumers can see."""
MAX_RECORD_ERRORS = 100
"""The records of one batch that an answer names one by one."""


class Appended:
    """What became of one batch.

    `next_offset` is what the high watermark must reach: -1, which it has, for one that failed.
    """

    __slots__ = (
        "base_offset",
        "error_code",
        "error_message",
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
        self.log_append_time_ms = -1
        self.record_errors: list[int] = []

    def fail(self, error_code: ErrorCode, message: str) -> None:
        """It is not in the log after all."""
        self.error_code = error_code
        self.error_message = message
        self.base_offset = self.next_offset = self.log_append_time_ms = -1


class Watcher(Protocol):
    """Who wants to know when there is more to read, or less."""

    def moved(self) -> Hashable:
        """Take note, and return the key under which a request may wait for it."""
        ...


class Partition:
    """A partition that this node leads."""

    def __init__(
        self,
        topic: str,
        index: int,
        log: Log,
        config: TopicConfig,
        producers: Producers,
        epochs: LeaderEpochs,
    ) -> None:
        self.topic = topic
        self.index = index
        self.log = log
        self.configure(config)
        self.producers = producers
        self.epochs = epochs
        self.leader_epoch = epochs.latest
        self.high_watermark = log.flushed_offset
        self.cleaned_offset = 0
        """Below it the log was compacted."""
        self.is_removed = False
        """Its topic was deleted, or another node leads it: whoever waits for it must give up."""
        self.watchers: dict[Watcher, None] = {}
        """Who is told the next time that what may be read changes (`ReplicaManager.moved`)."""
        self._staged: list[Appended] = []

    def configure(self, config: TopicConfig) -> None:
        """Go by these options from the next append on."""
        self.config = config
        self.log.options = log_options(config, self.log.options.flush_on_write)
        self._is_stamped = config.message_timestamp_type == "LogAppendTime"
        self._needs_keys = config.is_compacted
        self._codec = config.codec

    @property
    def log_name(self) -> tuple[str, int]:
        """Topic and index."""
        return self.topic, self.index

    @property
    def confirmed(self) -> Confirmed:
        """What the checkpoints say of it: nothing that the disk has not confirmed."""
        recovery_point = self.log.recovery_point
        high_watermark = min(self.high_watermark, recovery_point)
        start_offset = self.log.log_start_offset
        return Confirmed(recovery_point, high_watermark, start_offset, self.cleaned_offset)

    @property
    def last_stable_offset(self) -> int:
        """Where read_committed consumers end: without transactions, the high watermark."""
        return self.high_watermark

    def check_leader_epoch(self, known_to_peer: int) -> ErrorCode:
        """Fence a peer that knows an older or a newer leader epoch (KIP-320); -1 knows none."""
        if known_to_peer in (-1, self.leader_epoch):
            return ErrorCode.NONE
        if known_to_peer < self.leader_epoch:
            return ErrorCode.FENCED_LEADER_EPOCH
        return ErrorCode.UNKNOWN_LEADER_EPOCH

    def append(self, batch: memoryview, now_ms: int) -> Appended:
        """Check and stage one batch as a producer sent it; `now_ms` is wall time.

        The batch is patched in place and referred to until `write`.
        """
        try:
            header = validate_batch(batch)
        except InvalidBatch as error:
            return Appended(error.error_code, str(error))
        refused = self._refuse(batch, header, now_ms)
        if refused is not None:
            return refused
        if header.producer_id >= 0:
            verdict = self.producers.check(header)
            if isinstance(verdict, SentBatch):
                return self._duplicate(verdict)
            if verdict:
                return Appended(verdict, self._sequence_message(header))
        if self._codec is not None and self._codec != header.compression:
            return self._stage_recompressed(batch, header, self._codec, now_ms)
        return self._stage(batch, header, now_ms)

    def write(self) -> None:
        """Write what is staged; a full disk, or another shortage that may pass, fails all of it.

        Raises StorageFailed when the disk cannot be trusted any more.
        """
        staged, self._staged = self._staged, []
        try:
            self.log.write()
        except StorageError as error:
            self.producers.rollback()
            for appended in staged:
                appended.fail(ErrorCode.KAFKA_STORAGE_ERROR, f"{self}: {error}")
            if isinstance(error, StorageFailed):
                raise
        else:
            self.producers.commit()

    def flushed(self, point: FlushPoint) -> None:
        """What `point` covers is on disk."""
        self.log.flushed(point)

    def advance_high_watermark(self) -> bool:
        """Raise it to the smallest flushed end of the replicas in sync; True when it moved."""
        flushed = self.log.flushed_offset
        if flushed <= self.high_watermark:
            return False
        self.high_watermark = flushed
        return True

    def has_all_acks(self, appended: Appended) -> bool:
        """Whether a batch appended here is as safe as acks=all makes it, or never will be."""
        return self.high_watermark >= appended.next_offset or self.is_removed

    def read(self, offset: int, max_bytes: int, at_least_one: bool) -> FileSlice | None:
        """Whole batches from the one with `offset` on, below the high watermark; None for none.

        Raises OffsetOutOfRange below the log start and above the log end.
        """
        return self.log.read(offset, max_bytes, self.high_watermark, at_least_one)

    def delete_records(self, offset: int) -> ErrorCode:
        """Let the log start at `offset`, or TO_HIGH_WATERMARK; an earlier one changes nothing.

        The segments below go later, with those that are too old.
        """
        if not self.config.allows_deletion:
            return ErrorCode.POLICY_VIOLATION
        if offset == TO_HIGH_WATERMARK:
            offset = self.high_watermark
        if not 0 <= offset <= self.high_watermark:
            return ErrorCode.OFFSET_OUT_OF_RANGE
        if offset > self.log.log_start_offset:
            self.log.advance_start(offset)
            self.epochs.truncate_to_start(offset)
        return ErrorCode.NONE

    def count_deletable_segments(self, now_ms: int) -> int:
        """How many of the log's first segments nobody has to keep any more."""
        config, log = self.config, self.log
        retention = Retention()
        if config.allows_deletion:
            retention = Retention(config.retention_ms, config.retention_bytes)
        count = count_deletable(
            log.segments, retention, log.log_start_offset, self.high_watermark, now_ms
        )
        is_settled = log.log_end_offset == self.high_watermark
        return count if is_settled else min(count, len(log.segments) - 1)

    def delete_oldest_segment(self) -> None:
        """Delete the log's first segment, which must be closed."""
        self.log.delete_oldest()
        self.epochs.truncate_to_start(self.log.log_start_offset)

    def _refuse(self, batch: memoryview, header: BatchHeader, now_ms: int) -> Appended | None:
        config = self.config
        if len(batch) > config.max_message_bytes:
            return _too_large(batch, config)
        if header.base_offset:
            message = f"a producer's batch begins at offset 0, not {header.base_offset}"
            return Appended(ErrorCode.INVALID_RECORD, message)
        if header.attributes & TRANSACTIONAL_BIT:
            return Appended(ErrorCode.INVALID_TXN_STATE, "this broker has no transactions")
        if not self._is_stamped:
            message = _refuse_timestamps(header, config, now_ms)
            if message is not None:
                return Appended(ErrorCode.INVALID_TIMESTAMP, message)
        return _refuse_keyless(batch, header) if self._needs_keys else None

    def _stage_recompressed(
        self, batch: memoryview, header: BatchHeader, codec: int, now_ms: int
    ) -> Appended:
        from ...protocol.rewrite import recompress  # Few topics have a codec of their own.

        try:
            packed = memoryview(recompress(batch, header, codec))
        except ProtocolError as error:
            return Appended(ErrorCode.INVALID_RECORD, str(error))
        if len(packed) > self.config.max_message_bytes:
            return _too_large(packed, self.config)
        return self._stage(packed, read_header(packed), now_ms)

    def _stage(self, batch: memoryview, header: BatchHeader, now_ms: int) -> Appended:
        appended = Appended()
        appended.base_offset = base_offset = self.log.log_end_offset
        appended.next_offset = base_offset + header.last_offset_delta + 1
        assign_offset(batch, base_offset, self.leader_epoch)
        if self._is_stamped:
            stamp_log_append_time(batch, now_ms)
            header = read_header(batch)
            appended.log_append_time_ms = now_ms
        self.log.stage(batch, header_at(header, base_offset))
        if header.producer_id >= 0:
            self.producers.append(header, base_offset, now_ms)
        self._staged.append(appended)
        return appended

    def _duplicate(self, original: SentBatch) -> Appended:
        appended = Appended()
        appended.base_offset = original.base_offset
        appended.next_offset = original.last_offset + 1
        if original.last_offset >= self.log.written_offset:
            # The original is staged as well: if it cannot be written, neither of them is there.
            self._staged.append(appended)
        return appended

    def _sequence_message(self, header: BatchHeader) -> str:
        return (
            f"{self}: producer {header.producer_id} epoch {header.producer_epoch} sent sequence "
            f"{header.base_sequence} out of order"
        )

    def __str__(self) -> str:
        return f"{self.topic}-{self.index}"


def log_options(config: TopicConfig, flush_on_write: FlushMode) -> LogOptions:
    """What a log needs to know of its topic's options."""
    return LogOptions(
        segment_bytes=config.segment_bytes,
        segment_ms=config.longest_segment_ms,
        index_interval_bytes=config.index_interval_bytes,
        flush_on_write=flush_on_write,
    )


def _too_large(batch: memoryview, config: TopicConfig) -> Appended:
    message = f"a batch of {len(batch)} bytes, {config.max_message_bytes} at most"
    return Appended(ErrorCode.MESSAGE_TOO_LARGE, message)


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
