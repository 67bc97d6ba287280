"""One replica, its partition's leader or a follower: what is appended, and what is read. PURE.

    log start .......... high watermark ....... flushed ........ written ....... log end offset
    |  consumers read    |  flushed here, but   | in the page    | staged: this  |
    |                    |  not on all replicas | cache          | event's batches

    leads alone      the only replica: the high watermark is our own flushed end
    leads            `in_sync` has the followers, and says how far all who count have come
    follows          takes what the leader has (`following`); refuses producers and consumers
    suspended        leads by what we know, but the controller is out of reach: refuses as well

The high watermark is the smallest flushed end of the replicas in sync. An append is staged by
`append`, written with all others of the same readable event by `write`, and acknowledged with
acks=all once the high watermark has passed it. Who waits for that when the leadership is lost is
told so: the records may or may not be there.

The order of checks on an append is Kafka's. The records themselves are never looked at, except in
a compacted topic, where each needs a key, and unpacked only in a topic with a `compression.type` of
its own, whose batches are packed anew if their producer has chosen another codec.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...protocol.batch import (
    BatchHeader,
    InvalidBatch,
    assign_offset,
    header_at,
    read_header,
    stamp_log_append_time,
    validate_batch,
)
from ...protocol.errors import ErrorCode
from ...protocol.primitives import ZERO_UUID, ProtocolError
from ..config import TopicConfig
from ..log.files import StorageError, StorageFailed
from ..log.log import FlushMode, FlushPoint, Log, LogOptions, OffsetOutOfRange
from ..log.recovery import Confirmed
from ..log.retention import Retention, count_deletable
from ..log.segment import FileSlice
from . import following
from .appended import Appended, describe_sequence, refuse_batch, too_large
from .epochs import UNDEFINED, LeaderEpochs
from .following import Keeper
from .in_sync import MAX_LAG_MS, InSync, IsrProposal
from .producers import Producers, SentBatch
from .purgatory import Watcher

if TYPE_CHECKING:
    from ..controller.image import BrokerImage, PartitionImage

TO_HIGH_WATERMARK = -1
"""Instead of an offset in DeleteRecords: everything that consumers can see."""
ALL_ACKS = -1
NOBODY = -1
"""In place of a leader's id, where none is known."""


class Partition:
    """One replica; nobody's until `lead` or `follow` says what this node is to it."""

    def __init__(
        self,
        topic: str,
        index: int,
        log: Log,
        config: TopicConfig,
        producers: Producers,
        epochs: LeaderEpochs,
        keeper: Keeper,
    ) -> None:
        self.topic, self.index = topic, index
        self.log = log
        self.configure(config)
        self.producers = producers
        self.epochs = epochs
        self.keeper = keeper
        self.topic_id = ZERO_UUID
        self.leader_id, self.leader_epoch = NOBODY, UNDEFINED
        self.replicas: tuple[int, ...] = ()
        self.adding: tuple[int, ...] = ()  # Those of them that a reassignment adds.
        self.in_sync: InSync | None = None
        """What this node knows of who follows, where it leads and somebody does."""
        self.is_led_here = False
        """Whether the controller has decided that this node leads."""
        self.is_leader = False
        """Whether producers and consumers are served."""
        self.is_alone = False
        """Whether this node leads and nobody follows: the short ways are for it."""
        self.high_watermark = log.log_start_offset
        self.max_lag_ms = MAX_LAG_MS
        self.cleaned_offset = 0
        """Below it the log was compacted."""
        self.is_removed = False
        """It is no partition of this node any more: whoever waits for it must give up."""
        self.watchers: dict[Watcher, None] = {}
        """Who is told the next time that what may be read changes (`ReplicaManager.moved`)."""
        self.end_watchers: dict[Watcher, None] = {}
        """Followers' requests, which are told when the log has grown as well."""
        self._staged: list[Appended] = []
        self.is_suspended = self._was_unclean = False
        self._isr: tuple[int, ...] = ()
        self._electable: tuple[int, ...] = ()
        self._partition_epoch = UNDEFINED
        self._epoch_start = 0
        self._led_since_epoch = UNDEFINED

    def configure(self, config: TopicConfig) -> None:
        """Go by these options from the next append on."""
        self.config = config
        self.log.options = log_options(config, self.log.options.flush_on_write)
        self._is_stamped = config.message_timestamp_type == "LogAppendTime"
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

    @property
    def isr(self) -> tuple[int, ...]:
        """Who is in sync, as the controller has decided it."""
        return self.in_sync.isr if self.in_sync is not None else self._isr

    @property
    def partition_epoch(self) -> int:
        """The controller's decision that we go by."""
        return self.in_sync.partition_epoch if self.in_sync is not None else self._partition_epoch

    @property
    def is_high_watermark_known(self) -> bool:
        """Whether it cannot lag any more behind what an earlier leader has told consumers."""
        return self.high_watermark >= self._epoch_start

    def lead(
        self, image: "PartitionImage", brokers: Mapping[int, "BrokerImage"], now_ms: int
    ) -> None:
        """Lead as the controller has decided; `brokers` is the image's own table.

        Its epoch is written down first (KAFKA-7415), but not while suspended: by the image of its
        start a node may lead what began behind the end of its log. The high watermark is kept.
        """
        self.write()
        if not self.is_led_here:
            self._led_since_epoch = image.leader_epoch
        if not self.is_led_here or image.leader_epoch > self.leader_epoch:
            self.in_sync = None
            self._epoch_start = self.log.log_end_offset
            if not self.is_suspended:
                self._begin_epoch(image.leader_epoch)
        self._take_image(image)
        if len(image.replicas) == 1:
            self.in_sync = None
        elif self.in_sync is None:
            self.in_sync = InSync(image, brokers, self._epoch_start, self.max_lag_ms, now_ms)
        else:
            self.in_sync.update(image, now_ms)
        self.is_led_here = True
        self._was_unclean = False
        self._set_role()

    def follow(self, image: "PartitionImage") -> None:
        """Follow the leader that the controller has decided on, if there is one."""
        self.write()
        self._take_image(image)
        self._resign()

    def suspend(self, is_suspended: bool) -> None:
        """Serve nobody as leader while the controller may have decided on another; or do again."""
        if self.is_led_here and not is_suspended:
            self._begin_epoch(self.leader_epoch)
        self.is_suspended = is_suspended
        self._set_role()

    def _begin_epoch(self, leader_epoch: int) -> None:
        self.epochs.assign(leader_epoch, self._epoch_start)
        if not self.epochs.is_saved:
            self.keeper.save_epochs(self)

    def leave(self) -> None:
        """It is no partition of this node any more: whoever waits for it must give up."""
        self.is_removed = True
        self._resign()

    def _take_image(self, image: "PartitionImage") -> None:
        if image.leader != NOBODY and self._electable:
            self._was_unclean |= image.leader not in self._electable
        self._electable = image.isr + image.elr
        self.leader_id = image.leader
        self.leader_epoch = image.leader_epoch
        self.replicas = image.replicas
        self.adding = image.adding
        self._isr = image.isr
        self._partition_epoch = image.partition_epoch

    def _resign(self) -> None:
        self.in_sync = None
        self.is_led_here = False
        self._set_role()

    def _set_role(self) -> None:
        self.is_leader = self.is_led_here and not self.is_suspended
        self.is_alone = self.is_leader and self.in_sync is None
        if self.is_alone:
            self.advance_high_watermark()

    def refuse_as_leader(self, known_epoch: int) -> ErrorCode:
        """Why not to serve a peer: it knows another epoch (KIP-320; -1 none), or we don't lead."""
        if known_epoch != self.leader_epoch and known_epoch != UNDEFINED:
            if known_epoch < self.leader_epoch:
                return ErrorCode.FENCED_LEADER_EPOCH
            return ErrorCode.UNKNOWN_LEADER_EPOCH
        return ErrorCode.NONE if self.is_leader else ErrorCode.NOT_LEADER_OR_FOLLOWER

    def append(self, batch: memoryview, now_ms: int, acks: int = ALL_ACKS) -> Appended:
        """Check and stage a batch, patched in place, used until `write`; `now_ms` is wall time."""
        if not self.is_alone:
            error = self._refuse_append(acks)
            if error:
                return Appended(error)
        try:
            header = validate_batch(batch)
        except InvalidBatch as error:
            return Appended(error.error_code, str(error))
        refused = refuse_batch(batch, header, self.config, now_ms)
        if refused is not None:
            return refused
        if header.producer_id >= 0:
            verdict = self.producers.check(header)
            if isinstance(verdict, SentBatch):
                return self._duplicate(verdict)
            if verdict:
                return Appended(verdict, f"{self}: {describe_sequence(header)}")
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
        """Raise it to our own flushed end, where nobody follows; True when it moved."""
        flushed = self.log.flushed_offset
        if flushed <= self.high_watermark:
            return False
        self.high_watermark = flushed
        return True

    def advance_with_followers(self, now_ms: int) -> bool:
        """The same by who is in sync; a follower hears it from its leader. Monotonic `now_ms`."""
        if self.in_sync is None:
            return self.is_alone and self.advance_high_watermark()
        before = self.high_watermark
        self.high_watermark = self.in_sync.high_watermark(
            before,
            self.log.flushed_offset,
            self.log.written_offset,
            self.config.min_insync_replicas,
            now_ms,
        )
        return self.high_watermark > before

    def acks_outcome(self, appended: Appended) -> ErrorCode | None:
        """What became of a batch that waits for all acks; None while it is waiting.

        It may be there after all with NOT_ENOUGH_REPLICAS_AFTER_APPEND or NOT_LEADER_OR_FOLLOWER.
        """
        is_ours = appended.leader_epoch >= self._led_since_epoch
        if self.is_alone and is_ours:
            return appended.error_code if self.high_watermark >= appended.next_offset else None
        if appended.error_code:
            return appended.error_code
        if self.is_removed:
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        # Who has led meanwhile may have had it cut: what lies at its offset now is another batch.
        if not self.is_leader or not is_ours:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        if self.high_watermark < appended.next_offset:
            return None
        return self._refuse_few(after_append=True)

    def has_all_acks(self, appended: Appended) -> bool:
        """Whether a batch need not wait any longer."""
        return self.acks_outcome(appended) is not None

    def read(
        self, offset: int, max_bytes: int, at_least_one: bool, up_to: int | None = None
    ) -> FileSlice | None:
        """Whole batches from the one with `offset` on, below `up_to`; None for none.

        Consumers read below the high watermark, which is what None stands for. Raises
        OffsetOutOfRange below the log start and above the log end.
        """
        end_offset = self.high_watermark if up_to is None else up_to
        return self.log.read(offset, max_bytes, end_offset, at_least_one)

    def diverging_end(self, last_fetched_epoch: int, fetch_offset: int) -> tuple[int, int] | None:
        """Where a reader's log parts from ours before `fetch_offset`: (epoch, its end), or None.

        `last_fetched_epoch` is that of its last record, -1 for none. Raises OffsetOutOfRange for an
        epoch that we know nothing of.
        """
        if last_fetched_epoch == UNDEFINED:
            return None
        log = self.log
        epoch, end_offset = self.epochs.end_offset_for(last_fetched_epoch, log.written_offset)
        if epoch == UNDEFINED:
            raise OffsetOutOfRange(fetch_offset, log.log_start_offset, log.log_end_offset)
        is_diverging = epoch < last_fetched_epoch or end_offset < fetch_offset
        return (epoch, end_offset) if is_diverging else None

    def follower_fetched(
        self, replica_id: int, broker_epoch: int, fetch_offset: int, now_ms: int
    ) -> ErrorCode:
        """Note that a follower has everything below `fetch_offset`, on disk; `now_ms` is monotonic.

        Only after `refuse_as_leader` and `diverging_end` had nothing to say. The high watermark may
        move now, see `advance_with_followers`; and so may the ISR, see `isr_proposal`.
        """
        in_sync, end_offset = self.in_sync, self.log.written_offset
        if in_sync is None or not self.is_leader:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        error = in_sync.fetched(replica_id, broker_epoch, fetch_offset, end_offset, now_ms)
        if not error:
            in_sync.propose_expansion(replica_id, self.high_watermark)
        return error

    def shrink_isr(self, now_ms: int) -> None:
        """Propose an ISR without those that have fallen behind, see `isr_proposal`."""
        if self.in_sync is not None and self.is_leader:
            self.in_sync.propose_shrink(self.log.written_offset, now_ms)

    @property
    def isr_proposal(self) -> IsrProposal | None:
        """What the controller is to be asked for."""
        return self.in_sync.proposal if self.in_sync is not None else None

    def isr_answered(self, proposal: IsrProposal, error: ErrorCode) -> bool:
        """Take in what the controller said to `proposal`; True when it has to be asked again."""
        return self.in_sync is not None and self.in_sync.answered(proposal, error)

    def append_as_follower(
        self, records: memoryview, leader_high_watermark: int, leader_log_start: int, now_ms: int
    ) -> bool:
        """Take batches as fetched, and write them; False if there was no room for them.

        Our high watermark is the leader's, as far as our log goes; `now_ms` is wall time. Raises
        UnsoundBatch with nothing taken, StorageFailed when the disk cannot be trusted any more.
        """
        is_written = following.take(self, records, now_ms)
        self._was_unclean = False
        log = self.log
        self.high_watermark = max(
            self.high_watermark, min(leader_high_watermark, log.written_offset)
        )
        start_offset = min(leader_log_start, self.high_watermark)
        if start_offset > log.log_start_offset:
            log.advance_start(start_offset)
            self.epochs.truncate_to_start(start_offset)
        return is_written

    def truncate_to_diverging(self, epoch: int, end_offset: int) -> None:
        """Cut our log to where it agrees with the leader's, where `epoch` ends at `end_offset`.

        ReplicaHalted when that would cut what may have been acknowledged.
        """
        is_unclean = self._was_unclean or self.config.unclean_leader_election_enable
        following.truncate(self, epoch, end_offset, is_unclean)

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

    def _refuse_append(self, acks: int) -> ErrorCode:
        if not self.is_leader:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        return self._refuse_few(after_append=False) if acks == ALL_ACKS else ErrorCode.NONE

    def _refuse_few(self, *, after_append: bool) -> ErrorCode:
        """Whether too few are in sync; afterwards those who may have joined count as well."""
        in_sync = self.in_sync
        if in_sync is None:
            return ErrorCode.NONE
        count = len(in_sync.maximal_isr if after_append else in_sync.isr)
        if count >= in_sync.effective_min_isr(self.config.min_insync_replicas):
            return ErrorCode.NONE
        if after_append:
            return ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
        return ErrorCode.NOT_ENOUGH_REPLICAS

    def _stage_recompressed(
        self, batch: memoryview, header: BatchHeader, codec: int, now_ms: int
    ) -> Appended:
        from ...protocol.rewrite import recompress  # Few topics have a codec of their own.

        try:
            packed = memoryview(recompress(batch, header, codec))
        except ProtocolError as error:
            return Appended(ErrorCode.INVALID_RECORD, str(error))
        if len(packed) > self.config.max_message_bytes:
            return too_large(packed, self.config)
        return self._stage(packed, read_header(packed), now_ms)

    def _stage(self, batch: memoryview, header: BatchHeader, now_ms: int) -> Appended:
        appended, base_offset = Appended(), self.log.log_end_offset
        appended.base_offset = base_offset
        appended.next_offset = base_offset + header.last_offset_delta + 1
        appended.leader_epoch = self.leader_epoch
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
        appended.leader_epoch = self.leader_epoch
        if original.last_offset >= self.log.written_offset:
            # The original is staged as well: if it cannot be written, neither of them is there.
            self._staged.append(appended)
        return appended

    def __str__(self) -> str:
        return f"{self.topic}-{self.index}"


def log_options(config: TopicConfig, flush_on_write: FlushMode) -> LogOptions:
    """What a log needs to know of its topic's options."""
    interval_bytes = config.index_interval_bytes
    return LogOptions(
        config.segment_bytes, config.longest_segment_ms, interval_bytes, flush_on_write
    )
