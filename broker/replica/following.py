"""What a follower does to its log: takes what the leader has, cuts what the leader has not. PURE.

    fetched        each batch is checked as if it came from a disk: whole, its CRC, no offset
                   below our end, no leader epoch below the one before or above the leader's
    diverging      the leader's log parts from ours before the offset that we asked for: ours is
                   cut to where both are the same, at the latest (KIP-101, KIP-279, KIP-320)
    out of range   the leader has deleted what follows our end: we begin anew at its log start

Leader epochs and producers follow the log: nothing is validated about sequences here, for the
leader has done it. Epochs are written down before the batches that begin them, and confirmed by the
flush that confirms these: a crash leaves an entry too many, or one too few of what was not
confirmed; the next start drops the one, and reads the other from the log. Where they find no room
nothing is appended either, until they do.

Nothing below the high watermark is ever cut: it may have been acknowledged, and read. That a leader
lacks it must not happen; then this replica stops, as it is, and leaves the log for a human to see.
Only after an unclean election is it the leader that counts.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from ...protocol.batch import (
    HEADER_BYTES,
    MAGIC,
    BatchHeader,
    crc_matches,
    read_header,
)
from .epochs import UNDEFINED

if TYPE_CHECKING:
    from .partition import Partition


class Keeper(Protocol):
    """Who keeps on disk what belongs to a log and is not in it."""

    def save_epochs(self, partition: "Partition") -> None:
        """Have the leader epochs on disk by the next flush of the log."""
        ...

    def before_truncation(self, partition: "Partition", offset: int) -> None:
        """Let no checkpoint on disk say any more that the log is longer than `offset`."""
        ...

    def after_truncation(self, partition: "Partition") -> None:
        """The log is shorter: let the producers, and the epochs on disk, be what it says."""
        ...


class ReplicaHalted(Exception):
    """This replica can neither go on nor be repaired without a decision; the message says why."""


class UnsoundBatch(Exception):
    """What the leader sent is damaged, or does not follow what we have; nothing of it was taken."""


def take(partition: "Partition", records: memoryview, now_ms: int) -> bool:
    """Append whole batches as the leader has them; False when there was no room for them.

    `now_ms` is wall time. A batch cut off at the end, as a leader may send it, is left out.
    """
    log, epochs, producers = partition.log, partition.epochs, partition.producers
    batches = list(_sound_batches(partition, records))
    for _, header in batches:
        epochs.assign(header.partition_leader_epoch, header.base_offset)
    if batches and not epochs.is_saved:
        partition.keeper.save_epochs(partition)
    if batches and batches[0][1].base_offset < log.log_end_offset:
        _begin_within(partition, batches[0][1])
    for batch, header in batches:
        log.stage(batch, header)
        if header.producer_id >= 0:
            producers.append(header, header.base_offset, now_ms)
    partition.write()
    if batches and log.written_offset < batches[-1][1].next_offset:
        epochs.truncate_to_end(log.written_offset)
        partition.keeper.save_epochs(partition)
        return False
    return True


def truncate(partition: "Partition", epoch: int, end_offset: int, is_unclean: bool) -> None:
    """Cut the log to where it agrees with the leader's, which ends `epoch` at `end_offset`.

    ReplicaHalted where that is below the high watermark, but for `is_unclean`: who leads was
    elected without being in sync, and somebody has chosen to lose records.
    """
    log, epochs = partition.log, partition.epochs
    own_epoch, own_end = epochs.end_offset_for(epoch, log.written_offset)
    offset = min(end_offset, log.written_offset)
    if own_epoch != UNDEFINED:
        offset = min(offset, own_end)
    if offset < partition.high_watermark:
        if not is_unclean:
            raise ReplicaHalted(
                f"{partition}: the leader has nothing of ours from offset {offset} on, and the "
                f"high watermark is {partition.high_watermark}"
            )
        partition.high_watermark = offset
    if offset < log.written_offset:
        partition.keeper.before_truncation(partition, offset)
        log.truncate_to(offset)
    # Even if nothing was cut: an epoch that ended before it wrote anything goes now (KAFKA-10706).
    epochs.truncate_to_end(log.written_offset)
    partition.keeper.after_truncation(partition)


def restart(partition: "Partition", offset: int) -> None:
    """Drop everything and go on at `offset`, where the leader's log starts, beyond our end."""
    partition.keeper.before_truncation(partition, 0)
    partition.log.restart_at(offset)
    partition.high_watermark = offset
    partition.epochs.truncate_to_end(0)
    partition.keeper.after_truncation(partition)


def _begin_within(partition: "Partition", header: BatchHeader) -> None:
    """Let an empty log that starts within a batch begin where that batch does.

    So the leader's does as well, where DeleteRecords has moved its start.
    """
    log = partition.log
    start_offset = log.log_start_offset
    partition.keeper.before_truncation(partition, header.base_offset)
    log.restart_at(header.base_offset)
    log.log_start_offset = start_offset


def _sound_batches(
    partition: "Partition", records: memoryview
) -> Iterator[tuple[memoryview, BatchHeader]]:
    """The batches one by one; UnsoundBatch at the first that is damaged or out of order.

    An offset may be greater than the one before says: compaction has left it out.
    """
    log = partition.log
    offset, epoch = log.log_end_offset, partition.epochs.latest
    position = 0
    while position + HEADER_BYTES <= len(records):
        header = read_header(records, position)
        batch = records[position : position + header.size_bytes]
        if header.magic != MAGIC or header.size_bytes < HEADER_BYTES:
            raise UnsoundBatch(f"{partition}: no batch begins where offset {offset} should be")
        if len(batch) < header.size_bytes:
            return
        if not crc_matches(batch, header):
            raise UnsoundBatch(f"{partition}: the CRC at offset {header.base_offset} is wrong")
        is_first = log.log_start_offset == log.log_end_offset == offset <= header.last_offset
        if header.last_offset_delta < 0 or (header.base_offset < offset and not is_first):
            raise UnsoundBatch(f"{partition}: offset {header.base_offset} where {offset} is next")
        if not epoch <= header.partition_leader_epoch <= partition.leader_epoch:
            raise UnsoundBatch(
                f"{partition}: leader epoch {header.partition_leader_epoch} at offset "
                f"{header.base_offset}, after {epoch} and in {partition.leader_epoch}"
            )
        yield batch, header
        offset, epoch = header.next_offset, header.partition_leader_epoch
        position += header.size_bytes
