"""What a follower asks its leader in a Fetch, and what it does with the answer. PURE.

    the answer              what follows
    records                 appended as they are; the high watermark is the leader's
    a diverging epoch       our log is cut, and no high watermark believed (KAFKA-14704)
    OFFSET_OUT_OF_RANGE     begun anew, if the leader's log starts beyond our end
    anything else           a pause: mostly one of us does not know yet who leads

An answer counts only for a partition that still is what it was when it was asked for: in the same
leader epoch, with the same end.
"""

from typing import NamedTuple

from ...protocol.api.fetch import FetchRequestPartition, FetchResponsePartition
from ...protocol.errors import ErrorCode
from .following import restart
from .partition import Partition

NO_DIVERGENCE = -1
_NO_ERROR = int(ErrorCode.NONE)
_OUT_OF_RANGE = int(ErrorCode.OFFSET_OUT_OF_RANGE)


class Asked(NamedTuple):
    """A partition, and what it was when it was asked for."""

    partition: Partition
    leader_epoch: int
    offset: int

    @staticmethod
    def now(partition: Partition) -> "Asked | None":
        """As it is; None while not all that it has is flushed, since asking says that it is."""
        offset = partition.log.written_offset
        if partition.log.flushed_offset < offset:
            return None
        return Asked(partition, partition.leader_epoch, offset)

    @property
    def is_current(self) -> bool:
        """Whether an answer still counts."""
        partition = self.partition
        return (
            not partition.is_led_here
            and not partition.is_removed
            and partition.leader_epoch == self.leader_epoch
            and partition.log.log_end_offset == self.offset
        )

    def request(self, max_bytes: int) -> FetchRequestPartition:
        """What is asked for."""
        partition = self.partition
        return FetchRequestPartition(
            partition=partition.index,
            current_leader_epoch=self.leader_epoch,
            fetch_offset=self.offset,
            last_fetched_epoch=partition.epochs.latest,
            log_start_offset=partition.log.log_start_offset,
            partition_max_bytes=max_bytes,
        )


def take(partition: Partition, answer: FetchResponsePartition, now_ms: int) -> bool:
    """Do what the answer asks for; False when the next question should wait a little.

    `now_ms` is wall time. Raises UnsoundBatch, ReplicaHalted, CorruptLog and StorageError.
    """
    diverging = answer.diverging_epoch
    if answer.error_code == _OUT_OF_RANGE:
        if answer.log_start_offset <= partition.log.log_end_offset:
            return False
        restart(partition, answer.log_start_offset)
        return True
    if answer.error_code != _NO_ERROR:
        return False
    if diverging.epoch != NO_DIVERGENCE:
        partition.truncate_to_diverging(diverging.epoch, diverging.end_offset)
        return True
    records = memoryview(answer.records or b"")
    return partition.append_as_follower(
        records, answer.high_watermark, answer.log_start_offset, now_ms
    )
