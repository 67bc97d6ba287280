"""One pass over the partitions of a fetch: what each answers, and whether that is worth sending.

It is if it has `min_bytes`, or if some partition has an error or is read in an older segment.
A partition that holds more than its limit lets through counts as much as the limit: the answer
could not grow there, so it must not wait.

The first batch found is sent whole even if it is larger than the limits, or the client could never
get past it (KIP-74). From the first batch on that does not fit any more, nothing is read.

An answer that waits is not read again and again: what has moved since is *weighed*, alone.

A follower reads up to the log's end. That it asks for an offset says that it has, on its disk, all
that comes before: this is noted before anything is read, unless its log and ours part earlier, or
it is in another leader epoch. Then it is told so, and nothing else.
"""

import logging

from ...protocol.api.fetch import (
    EpochEndOffset,
    FetchRequest,
    FetchResponsePartition,
    ReplicaState,
)
from ...protocol.errors import ErrorCode
from ..log.files import StorageError
from ..log.log import OffsetOutOfRange
from ..log.scan import CorruptLog
from ..log.segment import FileSlice
from ..replica.fetch_sessions import SessionPartition
from ..replica.manager import Unserved
from ..replica.partition import Partition
from .context import Context
from .topics import find_replica, find_topic, unreadable

NO_OFFSET = -1
NO_EPOCH = -1

log = logging.getLogger("minikafka.fetch")


class Reading:
    """The answers of some partitions, in the order in which they were read."""

    __slots__ = (
        "_available",
        "_available_bytes",
        "_context",
        "_follower",
        "_left_bytes",
        "_min_bytes",
        "_must_answer",
        "_read_bytes",
        "answers",
    )

    def __init__(self, request: FetchRequest, context: Context) -> None:
        if context.replicas.check_lease is not None:
            context.replicas.check_lease()
        max_bytes = min(request.max_bytes, context.config.fetch_max_bytes)
        self.answers: list[tuple[SessionPartition, FetchResponsePartition]] = []
        self._context = context
        self._follower = follower_of(request)
        self._must_answer = False
        self._min_bytes = min(request.min_bytes, max_bytes)
        self._left_bytes = max_bytes
        self._read_bytes = 0
        self._available: dict[SessionPartition, int] = {}
        self._available_bytes = 0

    @property
    def is_enough(self) -> bool:
        """Whether the answer should not wait."""
        return self._must_answer or self._available_bytes >= self._min_bytes

    @property
    def is_exhausted(self) -> bool:
        """Whether no more batches fit."""
        return self._left_bytes <= 0 < self._read_bytes

    def read(self, asking: SessionPartition) -> None:
        """Add the answer of one partition, and have it watched for what comes later."""
        found = self._find(asking)
        if isinstance(found, ErrorCode):
            self._refuse(asking, found)
            return
        offset = asking.asked.fetch_offset
        max_bytes = min(asking.asked.partition_max_bytes, self._left_bytes)
        try:
            diverging = found.diverging_end(asking.asked.last_fetched_epoch, offset)
            if diverging is not None:
                self._diverge(asking, found, *diverging)
                return
            if self._follower is not None:
                refused = self._note(self._follower, found, offset)
                if refused:
                    self._refuse(asking, refused)
                    return
            asking.watch(found)
            # Read once: it moves with each flush, and the answer must not contradict itself.
            high_watermark = found.high_watermark
            records = self._slice(asking, found, max_bytes, self._read_bytes == 0)
        except OffsetOutOfRange:
            self._refuse(asking, ErrorCode.OFFSET_OUT_OF_RANGE, found.log.log_start_offset)
            return
        except (CorruptLog, StorageError) as error:
            log.error("%s cannot be read at offset %d: %s", found, offset, error)
            self._refuse(asking, unreadable(error))
            return
        if records is not None:
            self._read_bytes += len(records)
            self._left_bytes = max(self._left_bytes - len(records), 0)
        elif self._read_bytes and max_bytes == self._left_bytes and offset < self._end(found):
            self._left_bytes = 0  # What does not fit is not skipped for what might.
        answer = FetchResponsePartition(
            partition_index=asking.asked.partition,
            error_code=ErrorCode.NONE,
            high_watermark=high_watermark,
            last_stable_offset=high_watermark,
            log_start_offset=found.log.log_start_offset,
            records=records if records is not None else b"",  # pyright: ignore[reportArgumentType]
        )
        self.answers.append((asking, answer))

    def weigh(self, asking: SessionPartition) -> None:
        """Count anew what a partition has, after it has moved."""
        found = self._find(asking)
        if isinstance(found, ErrorCode):
            self._must_answer = True
            return
        asking.watch(found)
        try:
            self._slice(asking, found, asking.asked.partition_max_bytes, at_least_one=True)
        except (OffsetOutOfRange, CorruptLog, StorageError):
            self._must_answer = True

    def _find(self, asking: SessionPartition) -> Partition | ErrorCode:
        """The partition, looked up each time: its topic may have been deleted, or made anew."""
        topic = find_topic(self._context.controller.image, asking.topic, asking.topic_id)
        if isinstance(topic, ErrorCode):
            return topic
        partition = find_replica(topic, asking.asked.partition, self._context.replicas)
        if isinstance(partition, Unserved):
            return partition.error_code
        known_epoch = asking.asked.current_leader_epoch
        if self._follower is not None and known_epoch == NO_EPOCH:
            return ErrorCode.FENCED_LEADER_EPOCH
        return partition.refuse_as_leader(known_epoch) or partition

    def _note(self, follower: ReplicaState, partition: Partition, offset: int) -> ErrorCode:
        """Take note of how far a follower has come, or of why it is none."""
        log = partition.log
        if not log.log_start_offset <= offset <= log.written_offset:
            raise OffsetOutOfRange(offset, log.log_start_offset, log.written_offset)
        return self._context.replicas.follower_fetched(
            partition, follower.replica_id, follower.replica_epoch, offset
        )

    def _end(self, partition: Partition) -> int:
        """Up to where this reader may read."""
        return partition.high_watermark if self._follower is None else partition.log.written_offset

    def _slice(
        self, asking: SessionPartition, partition: Partition, max_bytes: int, at_least_one: bool
    ) -> FileSlice | None:
        """What there is to read; as much of it counts as there would be without whole batches."""
        offset, up_to = asking.asked.fetch_offset, self._end(partition)
        records = partition.read(offset, max_bytes, at_least_one, up_to)
        if records is None:
            size_bytes, end_offset = 0, up_to if at_least_one else offset
        else:
            size_bytes, end_offset = len(records), records.end_offset
            # One read ends with its segment: there is more behind, and nothing to wait for.
            self._must_answer |= offset < partition.log.segments[-1].base_offset
        if end_offset < up_to:
            size_bytes = max(size_bytes, max_bytes)
        self._available_bytes += size_bytes - self._available.get(asking, 0)
        self._available[asking] = size_bytes
        return records

    def _diverge(
        self, asking: SessionPartition, partition: Partition, epoch: int, end_offset: int
    ) -> None:
        """Tell the reader where to go back to."""
        self._must_answer = True
        answer = FetchResponsePartition(
            partition_index=asking.asked.partition,
            error_code=ErrorCode.NONE,
            high_watermark=partition.high_watermark,
            last_stable_offset=partition.high_watermark,
            log_start_offset=partition.log.log_start_offset,
            diverging_epoch=EpochEndOffset(epoch=epoch, end_offset=end_offset),
            records=b"",
        )
        self.answers.append((asking, answer))

    def _refuse(
        self, asking: SessionPartition, error_code: ErrorCode, log_start_offset: int = NO_OFFSET
    ) -> None:
        self._must_answer = True
        answer = FetchResponsePartition(
            partition_index=asking.asked.partition,
            error_code=error_code,
            high_watermark=NO_OFFSET,
            log_start_offset=log_start_offset,
            records=b"",
        )
        self.answers.append((asking, answer))


def follower_of(request: FetchRequest) -> ReplicaState | None:
    """Who fetches, if it is a follower; one that does not say its broker's epoch has -1."""
    if request.replica_state.replica_id >= 0:
        return request.replica_state
    return ReplicaState(replica_id=request.replica_id) if request.replica_id >= 0 else None
