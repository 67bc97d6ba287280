"""What happens to logs behind the back of those who use them: old segments go.

    every log.retention.check.interval.ms    for each partition, segment by segment: is it too old,
                                             too much, or below the log start? (see log/retention)
    DeleteRecords                            moves the log start, and has it on disk at once

Deleting is spread out: one segment, then the event loop's other work. Whoever is being sent a part
of a segment holds its file, so its bytes stay until that is over. For this reason nothing waits
for `file.delete.delay.ms`, by which Kafka keeps such files.

A log whose every record is too old is rolled first, and the new segment's name is on disk before
the old ones go: after a power cut there must not be none at all.
"""

import asyncio
import logging
from collections.abc import Sequence

from ...protocol.errors import ErrorCode
from ..clock import WallClock
from ..log.files import StorageError, StorageFailed
from ..log.scan import CorruptLog
from .manager import ReplicaManager
from .partition import Partition
from .store import PartitionStore

FIRST_CHECK_MS = 30_000
"""After a start, so that it is not the housekeeping that a start waits for."""

log = logging.getLogger("minikafka.housekeeping")


class Housekeeping:
    """Retention of all partitions of one node."""

    def __init__(
        self,
        replicas: ReplicaManager,
        store: PartitionStore,
        clock: WallClock,
        *,
        check_interval_ms: int,
    ) -> None:
        self._replicas = replicas
        self._store = store
        self._clock = clock
        self._check_interval_ms = check_interval_ms
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin the regular work."""
        self._task = asyncio.get_running_loop().create_task(self._delete_regularly())

    async def stop(self) -> None:
        """End it; when this returns, no log is being changed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def delete_records(self, wanted: Sequence[tuple[Partition, int]]) -> list[ErrorCode]:
        """Let each log start at an offset, durably; the segments below go later.

        StorageError when the new starts could not be saved: they hold until the next start.
        """
        answers = [partition.delete_records(offset) for partition, offset in wanted]
        self._store.checkpoint_log_starts(self._replicas.partitions.values())
        for partition, _ in wanted:
            self._replicas.notify(partition)
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
        await asyncio.sleep(min(self._check_interval_ms, FIRST_CHECK_MS) / 1000)
        while True:
            await self.delete_old_segments()
            await asyncio.sleep(self._check_interval_ms / 1000)

    async def _delete_old_segments(self, partition: Partition) -> None:
        # The segments may be others after each await, so they are looked at anew.
        while not partition.is_removed and partition.count_deletable_segments(self._clock.now_ms()):
            if len(partition.log.segments) == 1:
                partition.log.roll()
                await self._replicas.flush(partition)
                continue
            first = partition.log.segments[0]
            partition.delete_oldest_segment()
            log.info("%s: deleted the segment at offset %d", partition, first.base_offset)
            self._replicas.notify(partition)
            await asyncio.sleep(0)
