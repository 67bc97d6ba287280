"""Partitions on disk: opened with what is kept beside their logs, checkpointed, closed, deleted.

    <data dir>/orders-0/  00000000000000000000.log .index .timeindex
                          00000000000000004711.snapshot     producers when the log ended there
                          leader-epoch-checkpoint           epochs and where they began
                          partition.metadata                the topic id: another one, another topic

The producers are rebuilt from the newest snapshot that is not beyond the log's end, and the
headers of the batches behind it. A snapshot is taken at each roll and at a clean stop, so that a
start reads the active segment at most.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...protocol.batch import MAX_SEQUENCE
from ..clock import WallClock
from ..config import TopicConfig
from ..log import checkpoints
from ..log.files import Files
from ..log.log import DELETED_ENDING, MAX_NAME_BYTES, Log, LogOptions
from ..log.producer_snapshot import ProducerEntry, decode_snapshot, encode_snapshot, snapshot_name
from .epochs import LeaderEpochs
from .partition import Partition
from .producers import Producers, SentBatch

SNAPSHOT_ENDING = ".snapshot"
STRAY_ENDING = "-stray"
KEPT_SNAPSHOTS = 2

log = logging.getLogger("minikafka.store")


@dataclass(frozen=True, slots=True)
class PartitionIdentity:
    """Which partition of which topic, and the leader epoch that the controller gave it."""

    topic: str
    topic_id: bytes
    index: int
    leader_epoch: int

    @property
    def directory_name(self) -> str:
        """As Kafka names it."""
        return f"{self.topic}-{self.index}"


class PartitionStore:
    """The partitions in one data directory."""

    def __init__(
        self,
        files: Files,
        data_dir: str,
        clock: WallClock,
        *,
        flush: Literal["fsync", "os"],
        is_clean: bool,
    ) -> None:
        self._files = files
        self._data_dir = data_dir
        self._clock = clock
        self._flush: Literal["fsync", "os"] = flush
        self._is_clean = is_clean
        path = f"{data_dir}/{checkpoints.RECOVERY_POINT}"
        self._recovery_points = checkpoints.load(files, path, checkpoints.decode_offsets) or {}
        """As the checkpoint on disk has them."""
        path = f"{data_dir}/{checkpoints.LOG_START}"
        self._log_starts = checkpoints.load(files, path, checkpoints.decode_offsets) or {}
        path = f"{data_dir}/{checkpoints.CLEANER}"
        self._cleaned = checkpoints.load(files, path, checkpoints.decode_offsets) or {}
        self._remove_deleted()

    def open(self, identity: PartitionIdentity, config: TopicConfig) -> Partition:
        """Open a partition, or make it; raises CorruptLog and CorruptCheckpoint."""
        directory = f"{self._data_dir}/{identity.directory_name}"
        self._set_stray_aside(directory, identity)
        key = identity.topic, identity.index
        options = LogOptions(
            segment_bytes=config.segment_bytes,
            segment_ms=config.longest_segment_ms,
            index_interval_bytes=config.index_interval_bytes,
            flush_on_write=self._flush,
        )
        opened = Log.open(
            self._files,
            directory,
            options,
            recovery_point=self._recovery_points.get(key, 0),
            clean=self._is_clean,
            log_start_offset=self._log_starts.get(key, 0),
        )
        self._write_identity(directory, identity)
        epochs = self._load_epochs(directory, opened, identity.leader_epoch)
        producers = self._load_producers(directory, opened)
        partition = Partition(identity.topic, identity.index, opened, config, producers, epochs)
        partition.cleaned_offset = self._cleaned.get(key, 0)
        opened.on_roll = lambda base_offset: self._save_producers(directory, producers, base_offset)
        return partition

    def close(self, partition: Partition) -> None:
        """Flush and close; a snapshot of the producers saves the next start reading."""
        partition.log.close(sync=True)
        directory = f"{self._data_dir}/{partition}"
        if partition.log.log_end_offset > partition.log.log_start_offset:
            self._save_producers(directory, partition.producers, partition.log.log_end_offset)

    def delete(self, partitions: Sequence[Partition]) -> None:
        """Remove their data."""
        self._forget([(each.topic, each.index) for each in partitions])
        for partition in partitions:
            partition.log.delete()

    def checkpoint(self, partitions: Collection[Partition]) -> None:
        """Save up to where each log is on disk, and each high watermark; never more than that."""
        recovery: dict[tuple[str, int], int] = {}
        high_watermarks: dict[tuple[str, int], int] = {}
        for partition in partitions:
            key = partition.topic, partition.index
            recovery[key] = partition.log.recovery_point
            high_watermarks[key] = min(partition.high_watermark, partition.log.recovery_point)
        self._recovery_points = recovery
        self._write_offsets(checkpoints.RECOVERY_POINT, recovery)
        self._write_offsets(checkpoints.HIGH_WATERMARK, high_watermarks)
        self.checkpoint_log_starts(partitions)
        cleaned = {(each.topic, each.index): each.cleaned_offset for each in partitions}
        self._cleaned = self._update(checkpoints.CLEANER, self._cleaned, cleaned)

    def checkpoint_log_starts(self, partitions: Iterable[Partition]) -> None:
        """Save where each log starts, if one has moved."""
        starts = {(each.topic, each.index): each.log.log_start_offset for each in partitions}
        self._log_starts = self._update(checkpoints.LOG_START, self._log_starts, starts)

    def _update(
        self, name: str, saved: dict[tuple[str, int], int], now: dict[tuple[str, int], int]
    ) -> dict[tuple[str, int], int]:
        """Write a checkpoint of what is not 0, if it has changed; who is not named keeps his."""
        merged = saved | {key: offset for key, offset in now.items() if offset or key in saved}
        if merged != saved:
            self._write_offsets(name, merged)
        return merged

    def _forget(self, keys: Sequence[tuple[str, int]]) -> None:
        """A topic of the same name may come: what was saved of this one is none of its own."""
        for name, offsets in (
            (checkpoints.RECOVERY_POINT, self._recovery_points),
            (checkpoints.LOG_START, self._log_starts),
            (checkpoints.CLEANER, self._cleaned),
        ):
            known = [key for key in keys if offsets.pop(key, None) is not None]
            if known:
                self._write_offsets(name, offsets)

    def _write_offsets(self, name: str, offsets: dict[tuple[str, int], int]) -> None:
        path = f"{self._data_dir}/{name}"
        self._files.write_atomically(path, checkpoints.encode_offsets(offsets))

    def _remove_deleted(self) -> None:
        """Finish deletions that a crash has interrupted."""
        for name in self._files.list_directory(self._data_dir):
            if name.endswith(DELETED_ENDING):
                self._files.remove_directory(f"{self._data_dir}/{name}")

    def _set_stray_aside(self, directory: str, identity: PartitionIdentity) -> None:
        """A directory of another incarnation of the topic is kept, under another name."""
        path = f"{directory}/{checkpoints.PARTITION_METADATA}"
        found = checkpoints.load(self._files, path, checkpoints.decode_partition_metadata)
        if found is not None and found != identity.topic_id:
            ending = f".{checkpoints.encode_uuid(found)}{STRAY_ENDING}"
            kept_name = identity.directory_name[: MAX_NAME_BYTES - len(ending)] + ending
            stray = f"{self._data_dir}/{kept_name}"
            self._forget([(identity.topic, identity.index)])
            log.error("%s belongs to another topic of that name; kept as %s", directory, stray)
            self._files.rename(directory, stray)
            self._files.fsync_directory(self._data_dir)

    def _write_identity(self, directory: str, identity: PartitionIdentity) -> None:
        path = f"{directory}/{checkpoints.PARTITION_METADATA}"
        if not self._files.exists(path):
            data = checkpoints.encode_partition_metadata(identity.topic_id)
            self._files.write_atomically(path, data)

    def _load_epochs(self, directory: str, opened: Log, leader_epoch: int) -> LeaderEpochs:
        path = f"{directory}/{checkpoints.LEADER_EPOCHS}"
        saved = checkpoints.load(self._files, path, checkpoints.decode_leader_epochs)
        epochs = LeaderEpochs(saved)
        changed = saved is None
        if saved is None:
            for header in opened.headers(opened.log_start_offset):
                epochs.assign(header.partition_leader_epoch, header.base_offset)
        epochs.truncate_to_start(opened.log_start_offset)
        if opened.was_cut:
            epochs.truncate_to_end(opened.log_end_offset)
            changed = True
        changed |= epochs.assign(leader_epoch, opened.log_end_offset)
        if changed:
            data = checkpoints.encode_leader_epochs(epochs.entries)
            self._files.write_atomically(path, data)
        return epochs

    def _load_producers(self, directory: str, opened: Log) -> Producers:
        producers = Producers()
        offset = opened.log_start_offset
        for end_offset in self._snapshot_offsets(directory):
            path = f"{directory}/{snapshot_name(end_offset)}"
            entries = decode_snapshot(self._files.read_bytes(path))
            if entries is not None and offset <= end_offset <= opened.log_end_offset:
                producers.load([_from_entry(entry) for entry in entries])
                offset = end_offset
                break
            self._files.unlink(path)
        if offset < opened.log_end_offset:
            for header in opened.headers(offset):
                if header.producer_id >= 0 and header.base_offset >= offset:
                    producers.replay(header, self._clock.now_ms())
        return producers

    def _save_producers(self, directory: str, producers: Producers, end_offset: int) -> None:
        entries = [_to_entry(*each) for each in producers.snapshot(end_offset)]
        path = f"{directory}/{snapshot_name(end_offset)}"
        self._files.write_atomically(path, encode_snapshot(entries))
        for old in self._snapshot_offsets(directory)[KEPT_SNAPSHOTS:]:
            self._files.unlink(f"{directory}/{snapshot_name(old)}")

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
