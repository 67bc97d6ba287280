"""A random life of one partition: its store, log, flush rounds and restarts on a simulated disk.

The steps are those of a node with one topic, called in its order and one at a time. A run enables
a random part of them (swarm testing), with segments so small that they roll every few batches. The
seed decides everything.

A run ends early, as a node would, when the disk fails (`StorageFailed`) or a start is refused. A
shortage fails the batches at hand and goes on.
"""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from minikafka.broker.config import TopicConfig
from minikafka.broker.controller.image import PartitionImage
from minikafka.broker.log import checkpoints, last_run, renewal
from minikafka.broker.log.files import StorageError, StorageFailed
from minikafka.broker.log.offset_checkpoints import LogName, OffsetCheckpoints
from minikafka.broker.log.recovery import Confirmed
from minikafka.broker.replica.partition import Appended, Partition
from minikafka.broker.replica.store import PartitionIdentity, PartitionStore
from minikafka.protocol.errors import ErrorCode

from ..broker.in_process import SetClock, batch_of
from .disk import SimulatedDisk
from .files import SimulatedFiles
from .history import Batch, History

DATA_DIR = "/data"
IDENTITY = PartitionIdentity("orders", b"\x01" * 16, 0)
NOW_MS = 1_700_000_000_000
STEPS = 12
PRODUCERS = 2


@dataclass
class Features:
    """What happens in a run, and how the log is set up."""

    flush: str = "fsync"
    segment_bytes: int = 400
    index_interval_bytes: int = 100
    producers: bool = True
    truncations: bool = False
    clean_restarts: bool = True
    kills: bool = True
    retention: bool = False
    steps: int = STEPS
    config: TopicConfig = field(init=False)

    def __post_init__(self) -> None:
        self.config = TopicConfig(
            segment_bytes=self.segment_bytes, index_interval_bytes=self.index_interval_bytes
        )

    @staticmethod
    def drawn(random: Random, flush: str) -> "Features":
        """The features of one seed."""
        producers = random.random() < 0.7
        return Features(
            flush,
            segment_bytes=random.choice((300, 500, 900)),
            index_interval_bytes=random.choice((0, 100, 300)),
            producers=producers,
            truncations=not producers,  # A partition that truncates forgets no producers yet.
            clean_restarts=random.random() < 0.6,
            kills=random.random() < 0.6,
            retention=random.random() < 0.4,
        )


@dataclass
class Started:
    """What a start brings up."""

    store: PartitionStore
    partition: Partition
    offset_checkpoints: OffsetCheckpoints

    @property
    def rows(self) -> dict[LogName, Confirmed]:
        """What the checkpoints are to say."""
        return {IDENTITY.log_name: self.partition.confirmed}

    def checkpoint(self) -> None:
        """Write the offset checkpoints as a node does while it runs."""
        finish(self.offset_checkpoints.save(self.rows, ()))


def finish(instant: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that waits for nothing."""
    with suppress(StopIteration):
        instant.send(None)
        raise AssertionError("it waits")


def start(files: SimulatedFiles, features: Features) -> Started:
    """Start as a node does, as far as one partition is concerned."""
    files.make_directory(DATA_DIR)
    is_clean = checkpoints.take_clean_shutdown(files, DATA_DIR) is not None
    offset_checkpoints = OffsetCheckpoints(files, DATA_DIR)
    if not is_clean and not last_run.has_said(files, DATA_DIR):
        renewal.renew(files, DATA_DIR, offset_checkpoints)
    store = PartitionStore(
        files,
        DATA_DIR,
        SetClock(NOW_MS),
        offset_checkpoints,
        flush="os" if features.flush == "os" else "fsync",
        is_clean=is_clean,
    )
    partition = store.open(IDENTITY, features.config)
    partition.lead(PartitionImage(0, (1,), (1,), 1, 0, 0), {}, 0)
    last_run.save(files, DATA_DIR, last_run.LastRun(features.flush, files.boot_id()))
    started = Started(store, partition, offset_checkpoints)
    started.checkpoint()
    return started


class Producer:
    """An idempotent producer, or one that is not (id -1)."""

    def __init__(self, producer_id: int) -> None:
        self.id = producer_id
        self.epoch = 0 if producer_id >= 0 else -1
        self.sequence = 0 if producer_id >= 0 else -1

    def begin_epoch(self) -> None:
        """Number the records anew, in a new epoch, while none of the old ones is under way."""
        if self.id >= 0:
            self.epoch += 1
            self.sequence = 0

    def took(self, count: int) -> None:
        """The log has taken so many records."""
        if self.id >= 0:
            self.sequence += count


class LogRun:
    """See the module. `on_operation` is called after each operation of the disk."""

    def __init__(self, seed: int, features: Features) -> None:
        self.seed = seed
        self.features = features
        self.disk = SimulatedDisk()
        self.history = History()
        self.refused: list[ErrorCode] = []
        self.failure: Exception | None = None
        """Why the run ended early."""
        self._random = random = Random(seed)
        self._files = SimulatedFiles(self.disk, random, is_instant=True)
        self._number = 0
        ids = range(100, 100 + PRODUCERS) if features.producers else ()
        self._producers = [Producer(-1), *map(Producer, ids)]
        self._started: Started | None = None

    @property
    def _alive(self) -> Started:
        """What the last start brought up."""
        assert self._started is not None
        return self._started

    @property
    def partition(self) -> Partition:
        """The partition that lives."""
        return self._alive.partition

    def run(self) -> "LogRun":
        """Live through all steps, or up to the failure of the disk."""
        try:
            self._start()
            steps, weights = zip(*self._steps(), strict=True)
            for step in self._random.choices(steps, weights, k=self.features.steps):
                step()
        except StorageFailed as failure:
            self.failure = failure
            with suppress(StorageError):
                last_run.forget(self._files, DATA_DIR)
        return self

    def try_on(self) -> None:
        """One more batch after the end: if it is acknowledged, it counts like all others."""
        if self._started is None:
            return
        try:
            self._resynchronize()
            self._write([self._append()])
            self._flush_round()
        except StorageFailed:
            return

    def _steps(self) -> list[tuple[Callable[[], None], int]]:
        features = self.features
        return [
            (self._produce, 10),
            (self._flush_round, 5),
            (self._checkpoint, 2),
            (self._roll, 1),
            (self._send_again, features.producers),
            (self._truncate, features.truncations),
            (self._restart_cleanly, features.clean_restarts),
            (self._restart_killed, features.kills),
            (self._retain, 2 * features.retention),
        ]

    def _start(self) -> None:
        try:
            self._started = start(self._files, self.features)
        except StorageError as error:
            raise StorageFailed(f"the start was refused: {error}") from error
        log = self.partition.log
        self.history.cut(log.log_end_offset)
        self._acknowledge()

    def _acknowledge(self) -> None:
        """Take notice of what is promised from now on."""
        partition, history = self.partition, self.history
        partition.advance_high_watermark()
        log = partition.log
        history.written_offset = log.written_offset
        confirmed = log.recovery_point if self.features.flush == "os" else partition.high_watermark
        history.flushed_offset = max(history.flushed_offset, confirmed)

    def _produce(self) -> None:
        """Some batches, staged and written together."""
        producer = self._random.choice(self._producers)
        if self._random.random() < 0.1:
            producer.begin_epoch()
        staged = [self._append() for _ in range(self._random.choice((1, 1, 1, 2, 4)))]
        self._write(staged)

    def _append(self) -> Appended:
        random = self._random
        producer = random.choice(self._producers)
        count = random.choice((1, 1, 2, 3))
        values = [self._value() for _ in range(count)]
        times = tuple(NOW_MS - 1_000_000 + self._number * 10 + random.randrange(30) for _ in values)
        batch = batch_of(
            *values,
            timestamps=times,
            producer=(producer.id, producer.epoch, producer.sequence),
        )
        sent = bytes(batch)
        appended = self.partition.append(memoryview(batch), NOW_MS)
        assert appended.error_code is ErrorCode.NONE, appended.error_message
        base, following = appended.base_offset, appended.next_offset
        assert base >= self.history.end_offset
        producer.took(count)
        self.history.appended(Batch(base, following, sent, bytes(batch)))
        return appended

    def _value(self) -> bytes:
        self._number += 1
        size = self._random.choice((4, 10, 30, 100, 300))
        return b"%d:" % self._number + b"v" * size

    def _write(self, staged: list[Appended]) -> None:
        log = self.partition.log
        try:
            self.partition.write()
        except StorageFailed:
            self.history.batches = self.history.batches[: len(self.history.batches) - len(staged)]
            raise
        codes = {appended.error_code for appended in staged}
        assert len(codes) <= 1
        if codes == {ErrorCode.NONE}:
            self._acknowledge()
            return
        self.refused += codes
        self.history.batches = self.history.batches[: len(self.history.batches) - len(staged)]
        assert log.log_end_offset >= self.history.end_offset
        self._resynchronize()

    def _resynchronize(self) -> None:
        """Let the producers go on behind what the partition knows of them."""
        for producer in self._producers:
            producer.epoch, producer.sequence = self._next_of(producer)

    def _next_of(self, producer: Producer) -> tuple[int, int]:
        """Epoch and sequence that this producer goes on with."""
        found = self.partition.producers.snapshot(self.partition.log.log_end_offset)
        own = [(epoch, batch) for known, epoch, batch in found if known == producer.id]
        if producer.id < 0 or not own:
            return producer.epoch, 0 if producer.id >= 0 else -1
        return own[-1][0], own[-1][1].last_sequence + 1

    def _flush_round(self) -> None:
        """One round; sometimes more is written while the disk works."""
        if self.partition.log.needs_flush:
            self._flush(during=self._produce if self._random.random() < 0.3 else None)

    def _flush(self, during: Callable[[], None] | None = None) -> None:
        """Flush all that is written by now, and what else there is of the log."""
        partition = self.partition
        point = partition.log.begin_flush()
        if during is not None:
            during()
        self._files.flush_now(self._files.shuffled(point.files))
        partition.flushed(point)
        self._acknowledge()

    def _checkpoint(self) -> None:
        try:
            self._alive.checkpoint()
        except StorageFailed:
            raise
        except StorageError:
            return  # The next start reads more.

    def _roll(self) -> None:
        try:
            self.partition.log.roll()
        except StorageFailed:
            raise
        except StorageError:
            return

    def _send_again(self) -> None:
        """A retry of something acknowledged is never appended twice."""
        known = self.partition.producers.snapshot(self.partition.high_watermark)
        if not known:
            return
        _, _, original = self._random.choice(known)
        batches = self.history.batches
        sent = next((one for one in batches if one.base_offset == original.base_offset), None)
        if sent is None:
            return
        appended = self.partition.append(memoryview(bytearray(sent.sent)), NOW_MS)
        assert (appended.error_code, appended.base_offset) in (
            (ErrorCode.NONE, sent.base_offset),
            (ErrorCode.INVALID_PRODUCER_EPOCH, -1),
        )
        assert self.partition.log.log_end_offset >= self.history.end_offset
        self.partition.write()

    def _truncate(self) -> None:
        """Cut the end, not below what a checkpoint on disk says."""
        log = self.partition.log
        data = self._files.read_bytes(f"{DATA_DIR}/{checkpoints.RECOVERY_POINT}")
        saved = checkpoints.decode_offsets(data).get(("orders", 0), 0)
        lowest = max(saved, log.log_start_offset, log.segments[0].base_offset)
        if lowest >= log.log_end_offset:
            return
        offset = self._random.randint(lowest, log.log_end_offset - 1)
        self.history.cut(offset)
        log.truncate_to(offset)
        self.history.cut(log.log_end_offset)
        self.partition.high_watermark = min(self.partition.high_watermark, log.log_end_offset)

    def _retain(self) -> None:
        """Delete some of the oldest segments, one after the other, as housekeeping does."""
        partition = self.partition
        for _ in range(self._random.randint(1, 3)):
            segments = partition.log.segments
            if len(segments) == 1 or segments[1].base_offset > partition.high_watermark:
                return
            self._flush()
            self.history.start_offset = segments[1].base_offset
            try:
                partition.delete_oldest_segment()
            except StorageFailed:
                raise
            except StorageError:
                return

    def _restart_cleanly(self) -> None:
        """Stop as a node does, and start again."""
        started, partition = self._alive, self.partition
        try:
            if partition.log.needs_flush:
                self._flush_round()
            started.store.close(partition)
            self._acknowledge()
            started.offset_checkpoints.save_now(started.rows, ())
            self._started = None  # What follows the marker would not be looked for.
            marker = checkpoints.encode_clean_shutdown(1)
            self._files.write_atomically(f"{DATA_DIR}/{checkpoints.CLEAN_SHUTDOWN}", marker)
        except StorageError as error:
            raise StorageFailed(f"the stop failed: {error}") from error
        self._start()

    def _restart_killed(self) -> None:
        """`kill -9`, and start again: what was written is there."""
        self._start()
