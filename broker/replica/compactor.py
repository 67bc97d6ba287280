"""Compaction of a node's dirty logs, the dirtiest first (see log/compaction and log/cleaner).

It is spread out: it works for WORK_MS and rests for REST_MS, so that it takes a quarter of the
event loop's time at most, and no request waits long for it. A round that an error ends changes
nothing; the log is tried again after the next backoff.
"""

import asyncio
import logging
from contextlib import closing

from ..clock import WallClock
from ..log.cleaner import Round, Steps
from ..log.compaction import (
    KEY_ENTRY_BYTES,
    CompactionPolicy,
    DirtyPart,
    NewestOffsets,
    Offsets,
    Survival,
    TooManyKeys,
    find_dirty_part,
)
from ..log.files import Files, StorageError, StorageFailed
from ..log.scan import CorruptLog
from .manager import ReplicaManager
from .partition import Partition

WORK_MS = 2
REST_MS = 6

log = logging.getLogger("minikafka.compactor")


class Compactor:
    """Compacts one log at a time."""

    def __init__(self, files: Files, replicas: ReplicaManager, clock: WallClock) -> None:
        self._files = files
        self._replicas = replicas
        self._clock = clock

    async def compact_dirty_logs(self, dedupe_buffer_bytes: int) -> None:
        """Compact the dirtiest log, and again, until none needs it."""
        max_keys = dedupe_buffer_bytes // KEY_ENTRY_BYTES
        tried: set[Partition] = set()
        while found := self._find_dirtiest(tried):
            partition, part = found
            try:
                await self._compact(partition, part, max_keys)
            except StorageFailed as error:
                self._replicas.on_failure(error)
                return
            except (StorageError, CorruptLog, TooManyKeys, OSError) as error:
                log.error("%s: not compacted: %s", partition, error)
            if partition.cleaned_offset <= part.start_offset:
                tried.add(partition)  # An error, or its segments were deleted meanwhile.

    def _find_dirtiest(self, tried: set[Partition]) -> tuple[Partition, DirtyPart] | None:
        dirtiest: tuple[Partition, DirtyPart] | None = None
        now_ms = self._clock.now_ms()
        for partition in self._replicas.partitions.values():
            if partition in tried:
                continue
            try:
                part = _dirty_part(partition, now_ms)
            except (StorageError, CorruptLog, OSError) as error:
                log.error("%s: not compacted: %s", partition, error)
                tried.add(partition)
                continue
            if part is None or not part.is_due:
                continue
            if dirtiest is None or part.ratio > dirtiest[1].ratio:
                dirtiest = partition, part
        return dirtiest

    async def _compact(self, partition: Partition, part: DirtyPart, max_keys: int) -> None:
        survival = Survival(
            NewestOffsets(part.start_offset, max_keys),
            partition.producers.last_offsets(),
            self._clock.now_ms(),
            partition.config.delete_retention_ms,
        )
        one_round = Round(self._files, partition.log, part, survival)
        await self._drive(one_round.steps(), partition)
        if not partition.is_removed:
            partition.cleaned_offset = one_round.cleaned_offset
            message = "%s: compacted up to offset %d, %d bytes less"
            log.info(message, partition, one_round.cleaned_offset, one_round.removed_bytes)

    async def _drive(self, steps: Steps, partition: Partition) -> None:
        """Take all steps, with rests, or until the partition is removed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WORK_MS / 1000
        with closing(steps):
            for files in steps:
                if files:
                    await self._files.flush(files)
                elif loop.time() >= deadline:
                    await asyncio.sleep(REST_MS / 1000)
                else:
                    continue
                if partition.is_removed:
                    return
                deadline = loop.time() + WORK_MS / 1000


def _dirty_part(partition: Partition, now_ms: int) -> DirtyPart | None:
    """What a compaction of the log would read; None if the topic is not compacted."""
    config, segments = partition.config, partition.log.segments
    if not config.is_compacted:
        return None
    policy = CompactionPolicy(
        config.min_cleanable_dirty_ratio,
        config.min_compaction_lag_ms,
        config.max_compaction_lag_ms,
    )
    offsets = Offsets(
        partition.log.log_start_offset, partition.cleaned_offset, partition.high_watermark
    )
    return find_dirty_part(segments, offsets, policy, now_ms)
