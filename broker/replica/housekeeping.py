"""What happens to logs behind the back of those who use them: old segments go, others shrink.

    every log.retention.check.interval.ms    for each partition, segment by segment: is it too old,
                                             too much, or below the log start? (see log/retention)
    every log.cleaner.backoff.ms             compact the dirtiest log, until none needs it
                                             (see compactor)
    DeleteRecords                            moves the log start, and has it on disk at once

Deleting is spread out: a flush, during which the event loop has other work, and then one segment.
Whoever is being sent a part of a segment holds its file, so its bytes stay until that is over. For
this reason nothing waits for `file.delete.delay.ms`, by which Kafka keeps such files.

A log whose every record is too old is rolled first. Before a segment goes, the names of those
behind it are on disk, and that of the one before it is gone for good: after a power cut there must
not be none at all, nor a hole between two, which a start would take for damage.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from ...protocol.errors import ErrorCode
from ..clock import WallClock
from ..config import BrokerConfig
from ..log.files import Files, StorageError, StorageFailed
from ..log.scan import CorruptLog
from .manager import ReplicaManager
from .partition import Partition
from .store import PartitionStore

FIRST_CHECK_MS = 30_000
"""After a start, so that it is not the housekeeping that a start waits for."""

log = logging.getLogger("minikafka.housekeeping")


class Housekeeping:
    """Retention and compaction of all partitions of one node, by its options as they are now."""

    def __init__(
        self,
        config_now: Callable[[], BrokerConfig],
        files: Files,
        replicas: ReplicaManager,
        store: PartitionStore,
        clock: WallClock,
    ) -> None:
        self._config_now = config_now
        self._files = files
        self._replicas = replicas
        self._store = store
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def _config(self) -> BrokerConfig:
        return self._config_now()

    def start(self) -> None:
        """Begin the regular work."""
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._delete_regularly()))
        if self._config.log_cleaner_enable:
            self._tasks.append(loop.create_task(self._compact_regularly()))
        for task in self._tasks:
            task.add_done_callback(_say_why)

    async def stop(self) -> None:
        """End it; when this returns, no log is being changed."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def delete_records(self, wanted: Sequence[tuple[Partition, int]]) -> list[ErrorCode]:
        """Let each log start at an offset, durably; the segments below go later.

        StorageError when the new starts could not be saved: they hold until the next start.
        """
        answers = [partition.delete_records(offset) for partition, offset in wanted]
        self._store.save_log_starts(partition for partition, _ in wanted)
        for partition, _ in wanted:
            self._replicas.moved(partition)
        return answers

    async def delete_old_segments(self) -> None:
        """Look at every partition once."""
        for partition in list(self._replicas.partitions.values()):
            try:
                await self._delete_old_segments(partition)
            except StorageFailed as error:
                self._replicas.on_failure(error)
                return
            except (StorageError, CorruptLog, OSError) as error:
                log.error("%s: old segments stay for now: %s", partition, error)
            await asyncio.sleep(0)

    async def _delete_regularly(self) -> None:
        interval_ms = self._config.log_retention_check_interval_ms
        await asyncio.sleep(min(interval_ms, FIRST_CHECK_MS) / 1000)
        while True:
            await self.delete_old_segments()
            await asyncio.sleep(interval_ms / 1000)

    async def _delete_old_segments(self, partition: Partition) -> None:
        while not partition.is_removed and partition.count_deletable_segments(self._clock.now_ms()):
            first = partition.log.segments[0]
            if len(partition.log.segments) == 1:
                partition.log.roll()
            await self._replicas.flush(partition)
            if partition.is_removed or partition.log.segments[0] is not first:
                continue  # Compaction has put another in its place meanwhile.
            partition.delete_oldest_segment()
            log.info("%s: deleted the segment at offset %d", partition, first.base_offset)
            self._replicas.moved(partition)

    async def compact_dirty_logs(self) -> None:
        """Compact the dirtiest log, and again, until none needs it."""
        if any(each.config.is_compacted for each in self._replicas.partitions.values()):
            from .compactor import Compactor  # Start-up is imports, and many nodes compact nothing.

            compactor = Compactor(self._files, self._replicas, self._clock)
            await compactor.compact_dirty_logs(self._config.log_cleaner_dedupe_buffer_size)

    async def _compact_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._config.log_cleaner_backoff_ms / 1000)
            await self.compact_dirty_logs()


def _say_why(task: asyncio.Task[None]) -> None:
    """The regular work never ends by itself."""
    if not task.cancelled():
        message = "nothing is deleted or compacted until the next start: there is an error in here"
        log.critical(message, exc_info=task.exception())
