"""Partitions on disk: opened with what is kept beside their logs, checkpointed, closed, deleted.

    <data dir>/orders-0/  00000000000000000000.log .index .timeindex
                          00000000000000004711.snapshot     producers when the log ended there
                          leader-epoch-checkpoint           epochs and where they began
                          partition.metadata                the topic id: another one, another topic

The producers are rebuilt from the newest sound snapshot that is not beyond the log's end, and the
headers of the batches behind it. A snapshot is taken at each roll and at a clean stop, so that a
start reads the active segment at most. It has a checksum, so it is written plainly, and flushed
with the segment that was rolled; one that was torn is passed over, as is one of a newer version.
"""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ...protocol.batch import MAX_SEQUENCE
from ..clock import WallClock
from ..config import TopicConfig
from ..log import checkpoints, last_run
from ..log.deletion import DELETED_ENDING, MAX_NAME_BYTES, delete_logs
from ..log.files import Files, StorageError, StorageFailed
from ..log.log import FlushMode, Log
from ..log.offset_checkpoints import LogName, OffsetCheckpoints, directory_name
from ..log.producer_snapshot import ProducerEntry, decode_snapshot, encode_snapshot, snapshot_name
from ..log.recovery import Confirmed
from ..log.scan import CorruptLog
from .epochs import LeaderEpochs
from .in_sync import MAX_LAG_MS
from .partition import Partition, log_options
from .producers import Producers, SentBatch

SNAPSHOT_ENDING = ".snapshot"
STRAY_ENDING = "-stray"
DAMAGED_ENDING = "-damaged"
KEPT_SNAPSHOTS = 2
_PARTITION_NAME = re.compile(r"[a-zA-Z0-9._-]+-\d+", re.ASCII)

log = logging.getLogger("minikafka.store")


@dataclass(frozen=True, slots=True)
class PartitionIdentity:
    """Which partition of which topic."""

    topic: str
    topic_id: bytes
    index: int

    @property
    def log_name(self) -> LogName:
        """As the checkpoints name it."""
        return self.topic, self.index


class PartitionStore:
    """The partitions in one data directory."""

    def __init__(
        self,
        files: Files,
        data_dir: str,
        clock: WallClock,
        offset_checkpoints: OffsetCheckpoints,
        *,
        flush: FlushMode,
        is_clean: bool,
        max_lag_ms: int = MAX_LAG_MS,
    ) -> None:
        self._files = files
        self._data_dir = data_dir
        self._clock = clock
        self._flush: FlushMode = flush
        self._is_clean = is_clean
        self._checkpoints = offset_checkpoints
        self._max_lag_ms = max_lag_ms
        self._remove_deleted()

    def open(self, identity: PartitionIdentity, config: TopicConfig) -> Partition:
        """Open a partition, or make it.

        CorruptLog and CorruptCheckpoint say what is wrong, and nothing was changed then.
        """
        directory = self.directory(identity.log_name)
        self._set_stray_aside(directory, identity)
        saved_epochs = self._load_epochs(directory)
        confirmed = self._checkpoints.find(identity.log_name)
        opened = Log.open(
            self._files,
            directory,
            log_options(config, self._flush),
            recovery_point=confirmed.recovery_point,
            high_watermark=confirmed.high_watermark,
            clean=self._is_clean,
            log_start_offset=confirmed.log_start_offset,
            before_keeping=self._before_keeping,
        )
        self._write_identity(directory, identity)
        epochs = self._take_epochs(directory, opened, saved_epochs, confirmed.recovery_point)
        producers = self._load_producers(directory, opened)
        partition = Partition(
            identity.topic, identity.index, opened, config, producers, epochs, self
        )
        partition.high_watermark = max(confirmed.high_watermark, opened.log_start_offset)
        partition.cleaned_offset = confirmed.cleaned_offset
        partition.topic_id = identity.topic_id
        partition.max_lag_ms = self._max_lag_ms
        opened.on_roll = lambda base_offset: self._save_producers(partition, base_offset)
        return partition

    @property
    def data_dir(self) -> str:
        """Where the partitions lie."""
        return self._data_dir

    def volume_space(self) -> tuple[int, int]:
        """The bytes of the file system around the data directory: in all, and free."""
        return self._files.volume_space(self._data_dir)

    def save_epochs(self, partition: Partition) -> None:
        """Have the leader epochs on disk by the next flush of the log."""
        directory = self.directory(partition.log_name)
        self._write_epochs(directory, partition.epochs, self._files.replace)
        partition.log.flush_names()

    def before_truncation(self, partition: Partition, offset: int) -> None:
        """Let no checkpoint on disk say any more that the log is longer than `offset`."""
        row = self._checkpoints.find(partition.log_name)
        lowered = Confirmed(*(min(each, offset) for each in row))
        if lowered != row:
            self._checkpoints.set(partition.log_name, lowered)

    def after_truncation(self, partition: Partition) -> None:
        """The log is shorter: let the producers, and the epochs on disk, be what it says."""
        end_offset = partition.log.log_end_offset
        partition.cleaned_offset = min(partition.cleaned_offset, end_offset)
        partition.producers = self._load_producers(
            self.directory(partition.log_name), partition.log
        )
        # Last: without room for them, the producers are right.
        directory = self.directory(partition.log_name)
        self._write_epochs(directory, partition.epochs, self._files.write_atomically)

    def close(self, partition: Partition) -> None:
        """Flush and close; a snapshot of the producers saves the next start reading."""
        if partition.log.log_end_offset > partition.log.log_start_offset:
            self._save_producers(partition, partition.log.log_end_offset)
        partition.log.close(sync=True)

    def delete(self, names: Sequence[LogName]) -> None:
        """Remove the data of partitions, opened or not."""
        delete_logs(self._files, [self.directory(name) for name in names])
        self._checkpoints.forget(names)  # Last: on a full disk, there is room for it only now.

    def save_log_starts(self, partitions: Iterable[Partition]) -> None:
        """Have it on disk where these logs start."""
        starts = {each.log_name: each.log.log_start_offset for each in partitions}
        self._checkpoints.save_log_starts(starts)

    def warn_of_strays(self, names: Iterable[LogName]) -> None:
        """Name the directories of partitions that are none of `names`; they are left alone."""
        known = set(map(directory_name, names))
        for name in self._files.list_directory(self._data_dir):
            if _PARTITION_NAME.fullmatch(name) and name not in known:
                message = "%s/%s belongs to no topic of this node: remove it if nobody needs it"
                log.warning(message, self._data_dir, name)

    def directory(self, name: LogName) -> str:
        """Where a partition lies."""
        return f"{self._data_dir}/{directory_name(name)}"

    def _before_keeping(self, damage: CorruptLog) -> None:
        """Records will be set aside that somebody may have read: this start is not lossless."""
        del damage
        last_run.forget(self._files, self._data_dir)

    def _remove_deleted(self) -> None:
        """Finish deletions that a crash has interrupted."""
        for name in self._files.list_directory(self._data_dir):
            if name.endswith(DELETED_ENDING):
                self._files.remove_directory(f"{self._data_dir}/{name}")

    def set_damaged_aside(self, name: LogName) -> str:
        """Keep a partition's directory under another name, so that it can begin anew empty."""
        number = 0
        while self._files.exists(self._aside(name, f".{number}{DAMAGED_ENDING}")):
            number += 1
        return self._set_aside(name, f".{number}{DAMAGED_ENDING}")

    def _set_stray_aside(self, directory: str, identity: PartitionIdentity) -> None:
        """A directory of another incarnation of the topic is kept, under another name."""
        path = f"{directory}/{checkpoints.PARTITION_METADATA}"
        found = checkpoints.load(self._files, path, checkpoints.decode_partition_metadata)
        if found is not None and found != identity.topic_id:
            ending = f".{checkpoints.encode_uuid(found)}{STRAY_ENDING}"
            stray = self._aside(identity.log_name, ending)
            log.error("%s belongs to another topic of that name; kept as %s", directory, stray)
            self._set_aside(identity.log_name, ending)

    def _aside(self, name: LogName, ending: str) -> str:
        kept_name = directory_name(name)[: MAX_NAME_BYTES - len(ending)] + ending
        return f"{self._data_dir}/{kept_name}"

    def _set_aside(self, name: LogName, ending: str) -> str:
        aside = self._aside(name, ending)
        self._checkpoints.forget([name])
        self._files.rename(self.directory(name), aside)
        self._files.fsync_directory(self._data_dir)
        return aside

    def _write_identity(self, directory: str, identity: PartitionIdentity) -> None:
        path = f"{directory}/{checkpoints.PARTITION_METADATA}"
        if not self._files.exists(path):
            data = checkpoints.encode_partition_metadata(identity.topic_id)
            self._files.write_atomically(path, data)

    def _load_epochs(self, directory: str) -> list[tuple[int, int]] | None:
        path = f"{directory}/{checkpoints.LEADER_EPOCHS}"
        return checkpoints.load(self._files, path, checkpoints.decode_leader_epochs)

    def _take_epochs(
        self,
        directory: str,
        opened: Log,
        saved: list[tuple[int, int]] | None,
        recovery_point: int,
    ) -> LeaderEpochs:
        """The saved epochs, or those in the log, less what the log has lost.

        Above the recovery point the log has the last word: what was cut off it may be back after a
        crash, and in the saved ones no more.
        """
        epochs = LeaderEpochs(saved)
        offset = opened.log_start_offset if saved is None else recovery_point
        if offset < opened.log_end_offset:
            for header in opened.headers(max(offset, opened.log_start_offset)):
                epochs.assign(header.partition_leader_epoch, header.base_offset)
        epochs.truncate_to_start(opened.log_start_offset)
        epochs.truncate_to_end(opened.log_end_offset)
        if not epochs.is_saved:
            self._write_epochs(directory, epochs, self._files.write_atomically)
        return epochs

    def _write_epochs(
        self, directory: str, epochs: LeaderEpochs, write: Callable[[str, bytes], None]
    ) -> None:
        path = f"{directory}/{checkpoints.LEADER_EPOCHS}"
        write(path, checkpoints.encode_leader_epochs(epochs.entries))
        epochs.is_saved = True

    def _load_producers(self, directory: str, opened: Log) -> Producers:
        producers = Producers()
        offset = opened.log_start_offset
        for end_offset in self._snapshot_offsets(directory):
            path = f"{directory}/{snapshot_name(end_offset)}"
            if end_offset > opened.log_end_offset:
                # What it tells of was lost, and other batches will take those offsets.
                self._files.unlink(path)
                self._files.fsync_directory(directory)
                continue
            entries = decode_snapshot(self._files.read_bytes(path))
            if entries is None:
                log.warning("%s is no sound snapshot of version 1: it is passed over", path)
            elif end_offset >= offset:
                producers.load([_from_entry(entry) for entry in entries])
                offset = end_offset
                break
        if offset < opened.log_end_offset:
            for header in opened.headers(offset):
                if header.producer_id >= 0 and header.base_offset >= offset:
                    producers.replay(header, self._clock.now_ms())
        return producers

    def _save_producers(self, partition: Partition, end_offset: int) -> None:
        """Write a snapshot, which the next flush confirms; without room there is none."""
        directory = self.directory(partition.log_name)
        path = f"{directory}/{snapshot_name(end_offset)}"
        entries = [_to_entry(*each) for each in partition.producers.snapshot(end_offset)]
        try:
            file = self._files.open(path, create=True)
            file.truncate(0)
            file.append([encode_snapshot(entries)])
            self._remove_old_snapshots(directory, partition.log.recovery_point)
        except StorageFailed:
            raise
        except StorageError as error:
            log.warning("no producer snapshot, the next start reads more: %s", error)
            self._files.unlink(path)
            return
        partition.log.flush_too(path)

    def _remove_old_snapshots(self, directory: str, recovery_point: int) -> None:
        """Keep the newest few, and one that the disk has confirmed."""
        old = self._snapshot_offsets(directory)[KEPT_SNAPSHOTS - 1 :]
        confirmed = next((offset for offset in old if offset < recovery_point), None)
        for offset in old[1:]:
            if offset != confirmed:
                self._files.unlink(f"{directory}/{snapshot_name(offset)}")

    def _snapshot_offsets(self, directory: str) -> list[int]:
        """Newest first."""
        names = self._files.list_directory(directory)
        stems = [
            name.removesuffix(SNAPSHOT_ENDING) for name in names if name.endswith(SNAPSHOT_ENDING)
        ]
        return sorted((int(stem) for stem in stems if stem.isdigit()), reverse=True)


def _to_entry(producer_id: int, epoch: int, batch: SentBatch) -> ProducerEntry:
    return ProducerEntry(
        producer_id,
        epoch,
        batch.last_sequence,
        batch.last_offset,
        batch.last_offset - batch.base_offset,
        batch.seen_ms,
    )


def _from_entry(entry: ProducerEntry) -> tuple[int, int, SentBatch]:
    batch = SentBatch(
        (entry.last_sequence - entry.offset_delta) & MAX_SEQUENCE,
        entry.last_sequence,
        entry.last_offset - entry.offset_delta,
        entry.last_offset,
        entry.timestamp,
    )
    return entry.producer_id, entry.producer_epoch, batch
