"""Files at the seam they have: their flush waits for the test, their disk is full or broken."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from minikafka.broker.config import TopicConfig
from minikafka.broker.controller.image import PartitionImage
from minikafka.broker.log.files import DiskFull, File, Files, StorageError, StorageFailed
from minikafka.broker.log.log import Log, LogOptions
from minikafka.broker.replica.epochs import LeaderEpochs
from minikafka.broker.replica.partition import Partition
from minikafka.broker.replica.producers import Producers
from minikafka.protocol.primitives import Buffer

DEADLINE_S = 5.0


class UnreliableFile(File):
    """A file that fails to take an append as its owner says."""

    __slots__ = ("owner",)

    def append(self, chunks: Sequence[Buffer]) -> None:
        if self.owner.append_error is not None:
            raise self.owner.append_error
        super().append(chunks)


class UnreliableFiles(Files):
    """Set `append_error` or `flush_error` to fail; hold `flush` back with `hold` and `release`."""

    def __init__(self) -> None:
        super().__init__()
        self.append_error: StorageError | None = None
        self.flush_error: StorageFailed | None = None
        self.flushes = 0
        self._gate = asyncio.Event()
        self._gate.set()
        self.flushing = asyncio.Event()

    def open(self, path: str, *, create: bool = False) -> File:
        opened = super().open(path, create=create)
        file = UnreliableFile(path, os.dup(opened.fileno()))
        file.owner = self
        return file

    async def flush(self, files: Sequence[File | str]) -> None:
        self.flushes += 1
        self.flushing.set()
        await self._gate.wait()
        if self.flush_error is not None:
            raise self.flush_error
        await super().flush(files)

    def hold(self) -> None:
        """Let no flush end."""
        self._gate.clear()
        self.flushing.clear()

    async def held(self) -> None:
        """Wait until a flush is being held."""
        async with asyncio.timeout(DEADLINE_S):
            await self.flushing.wait()

    def release(self) -> None:
        """Let them end."""
        self._gate.set()


FULL = DiskFull("no space left")
SHORTAGE = StorageError("too many open files")
BROKEN = StorageFailed("input/output error")


class NothingKept:
    """A keeper of a partition whose test never starts it anew."""

    def note_epochs(self, partition: Partition) -> None:
        """They are in memory."""

    def save_epochs(self, partition: Partition) -> None:
        """They are in memory."""

    def before_truncation(self, partition: Partition, offset: int) -> None:
        """There are no checkpoints."""

    def after_truncation(self, partition: Partition) -> None:
        """The producers are those that the log says."""
        partition.producers = Producers()
        for header in partition.log.headers(partition.log.log_start_offset):
            if header.producer_id >= 0:
                partition.producers.replay(header, 0)


def open_partition(
    files: Files,
    data_dir: Path,
    *,
    index: int = 0,
    flush: str = "fsync",
    config: TopicConfig | None = None,
) -> Partition:
    """A partition of `orders` that this node leads alone in epoch 0, new or as it was left."""
    options = LogOptions(flush_on_write="os" if flush == "os" else "fsync")
    log = Log.open(files, str(data_dir / f"orders-{index}"), options)
    epochs = LeaderEpochs([(0, 0)])
    config = config or TopicConfig()
    partition = Partition("orders", index, log, config, Producers(), epochs, NothingKept())
    partition.lead(PartitionImage(index, (1,), (1,), 1, 0, 0), {}, 0)
    return partition
