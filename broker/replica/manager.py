"""The partitions of this node, and the three things that happen to them between two requests.

    settle    at the end of a readable event: write what its requests staged, once per partition
    flush     one round at a time, over all partitions written since the last; group commit
    expire    one timer for all parked requests

After each of them high watermarks move. Who watches such a partition is told, and the waits in the
purgatory that this is about are asked again.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple, Protocol

from ...protocol.errors import ErrorCode
from ..log.files import Files, StorageError, StorageFailed
from ..log.log import FlushPoint
from .appended import Appended
from .in_sync import IsrProposal
from .partition import ALL_ACKS, Partition
from .purgatory import Purgatory, Wait

MAX_UNFLUSHED_BYTES = 64 << 20
"""Written and not yet flushed, in one partition; above it appends wait."""


log = logging.getLogger("minikafka.replicas")


class ProduceWait(Wait, Protocol):
    """A produce request that waits for its acks."""

    def partitions(self) -> list[Partition]:
        """The partitions that it was appended to."""
        ...


class Unserved(NamedTuple):
    """Why a partition is not served: what its requests are answered."""

    error_code: ErrorCode
    message: str | None = None


class ReplicaManager:
    """Finds partitions, owns their flush rounds and their waiting requests."""

    def __init__(self, files: Files, loop: asyncio.AbstractEventLoop) -> None:
        self.partitions: dict[tuple[str, int], Partition] = {}
        self.unserved: dict[tuple[str, int], Unserved] = {}
        """Partitions of this node that could not be opened: damaged, or no room for them."""
        self.on_failure: Callable[[StorageFailed], None] = _stop_loudly
        self.on_isr_proposal: Callable[[Partition], None] = _nobody_decides
        """Told of a partition whose `isr_proposal` the controller is to be asked for."""
        self.check_lease: Callable[[], None] | None = None
        """Suspends this node if its lease is over; a lone node needs none. Asked before anything is
        appended or read, since a process that was stopped reads its sockets before its timers."""
        self._files = files
        self._loop = loop
        self._purgatory = Purgatory()
        self._timer: asyncio.TimerHandle | None = None
        self._staged: dict[Partition, None] = {}
        self._unwritten: list[tuple[ProduceWait, int]] = []
        self._dirty: dict[Partition, None] = {}
        self._flushing: asyncio.Task[None] | None = None
        self._waiting_for_room: list[Callable[[], None]] = []
        self.is_suspended = False
        """Whether nothing is led here, since no controller answers."""
        self.is_full = False
        """Whether some partition has so much unflushed that appends must wait."""

    def now_ms(self) -> int:
        """The loop's monotonic clock."""
        return int(self._loop.time() * 1000)

    def find(self, topic: str, index: int) -> Partition | None:
        """The partition, if this node has a replica of it."""
        return self.partitions.get((topic, index))

    def look_up(self, topic: str, index: int) -> Partition | Unserved:
        """The partition, or why there is none."""
        found = self.partitions.get((topic, index)) or self.unserved.get((topic, index))
        return found or Unserved(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"no partition {index}")

    def add(self, partition: Partition) -> None:
        """Serve this partition from now on."""
        self.partitions[partition.log_name] = partition
        self.unserved.pop(partition.log_name, None)

    def remove(self, topic: str, index: int) -> Partition | None:
        """Serve it no longer; requests that wait for it are asked again."""
        self.unserved.pop((topic, index), None)
        partition = self.partitions.pop((topic, index), None)
        if partition is not None:
            partition.leave()
            self._staged.pop(partition, None)
            self._dirty.pop(partition, None)
            self.moved(partition)
            self._has_grown(partition)
        return partition

    def moved(self, partition: Partition) -> None:
        """What may be read in it is another: high watermark, log start, leader, or it is gone."""
        if partition.watchers:
            watchers, partition.watchers = partition.watchers, {}
            for watcher in watchers:
                self._purgatory.notify(watcher.moved())
        self._purgatory.notify(partition)

    def changed_role(self, partition: Partition) -> None:
        """It leads or follows, or its leader epoch or ISR is another: who waits is asked."""
        if partition.log.needs_flush:
            self._dirty[partition] = None
            self._start_flushing()
        self._advance(partition)
        self.moved(partition)
        self._has_grown(partition)

    def follower_fetched(
        self, partition: Partition, replica_id: int, broker_epoch: int, fetch_offset: int
    ) -> ErrorCode:
        """A follower has all below `fetch_offset` on disk: see `Partition.follower_fetched`."""
        now_ms, before = self.now_ms(), partition.isr_proposal
        error = partition.follower_fetched(replica_id, broker_epoch, fetch_offset, now_ms)
        if not error:
            self._propose_isr(partition, before)
            self._advance(partition)
        return error

    def shrink_isrs(self) -> None:
        """Propose to leave out who has fallen behind; for a timer (replica.lag.time.max.ms / 2).

        A follower that was about to join and stopped holds up the high watermark no longer.
        """
        now_ms = self.now_ms()
        for partition in list(self.partitions.values()):
            if partition.in_sync is not None:
                before = partition.isr_proposal
                partition.shrink_isr(now_ms)
                self._propose_isr(partition, before)
                self._advance(partition)

    def isr_answered(self, partition: Partition, proposal: IsrProposal, error: ErrorCode) -> bool:
        """The controller has answered: when it refuses, nobody waits for who was to join."""
        is_asked_again = partition.isr_answered(proposal, error)
        self._advance(partition)
        return is_asked_again

    def suspend(self, is_suspended: bool) -> None:
        """Serve nobody as leader while the controller is out of reach (its lease is over).

        One whose leader epoch finds no room to begin stays suspended: see `Hosting.try_again`.
        """
        self.is_suspended = is_suspended
        for partition in list(self.partitions.values()):
            try:
                partition.suspend(is_suspended)
            except StorageFailed as error:
                self.on_failure(error)
                return
            except StorageError as error:
                log.error("%s is not led: %s; tried again soon", partition, error)
            self.changed_role(partition)

    def append(
        self, partition: Partition, batch: memoryview, now_ms: int, acks: int = ALL_ACKS
    ) -> Appended:
        """Check and stage a batch; `settle` writes it."""
        if self.check_lease is not None:
            self.check_lease()
        appended = partition.append(batch, now_ms, acks)
        self._staged[partition] = None
        return appended

    def settle(self) -> None:
        """Write everything staged, and start a flush round for it."""
        if not self._unwritten:
            return
        staged, self._staged = self._staged, {}
        for partition in staged:
            self._write(partition)
        unwritten, self._unwritten = self._unwritten, []
        for wait, timeout_ms in unwritten:
            if wait.is_ready():
                wait.finish()
            else:
                self.park(wait, wait.partitions(), max(timeout_ms, 0))
        if self._dirty:
            self._start_flushing()

    def finish_after_write(self, wait: ProduceWait, timeout_ms: int) -> None:
        """Hold a produce request until `settle` has written, and then until it has its acks."""
        self._unwritten.append((wait, timeout_ms))

    def park(self, wait: Wait, keys: Iterable[Hashable], timeout_ms: int) -> int:
        """Hold a request until it is ready, `timeout_ms` at most; returns what `cancel` takes.

        It is asked when one of the partitions, or of the sessions, that are its keys moves.
        """
        deadline_ms = self.now_ms() + timeout_ms
        number = self._purgatory.park(wait, keys, deadline_ms)
        if self._timer is None or deadline_ms < self._timer.when() * 1000:
            self._arm_timer()
        return number

    def cancel(self, number: int) -> bool:
        """The client of a parked request is gone; False if it is parked no more."""
        return self._purgatory.cancel(number)

    def finish(self, key: Hashable) -> None:
        """Answer what is parked under `key`, with what there is."""
        self._purgatory.finish(key)

    async def flush(self, *partitions: Partition) -> None:
        """Flush all that is written of these partitions, beside the rounds."""
        points = [(partition, partition.log.begin_flush()) for partition in partitions]
        await self._files.flush([file for _, point in points for file in point.files])
        for partition, point in points:
            if not partition.is_removed:
                partition.flushed(point)
                self._advance(partition)

    def halt(self, partition: Partition, reason: str) -> None:
        """Leave a replica as it is, and serve it no more: a human has to look at it."""
        log.critical("%s", reason)
        self.remove(*partition.log_name)
        partition.log.let_go()
        self.unserved[partition.log_name] = Unserved(ErrorCode.CORRUPT_MESSAGE, reason)

    def wait_for_room(self, resume: Callable[[], None]) -> None:
        """Call `resume` once, when a flush has made room."""
        self._waiting_for_room.append(resume)

    async def flush_all(self) -> None:
        """Return when everything written is flushed; for a clean stop."""
        while self._flushing is not None:
            await self._flushing

    def stop(self) -> None:
        """Answer everything that waits, with what there is."""
        self._purgatory.finish_all()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start_flushing(self) -> None:
        if self._flushing is None:
            self._flushing = self._loop.create_task(self._flush_rounds())

    def _write(self, partition: Partition) -> None:
        try:
            partition.write()
        except StorageFailed as error:
            self.on_failure(error)
            return
        if partition.log.needs_flush:
            self._dirty[partition] = None
            self.is_full |= partition.log.unflushed_bytes > MAX_UNFLUSHED_BYTES
        self._advance(partition)
        if partition.end_watchers:
            self._has_grown(partition)

    def _has_grown(self, partition: Partition) -> None:
        """Let the followers that wait for records have them."""
        watchers, partition.end_watchers = partition.end_watchers, {}
        for watcher in watchers:
            self._purgatory.notify(watcher.moved())

    def _propose_isr(self, partition: Partition, before: IsrProposal | None) -> None:
        if partition.isr_proposal is not before:
            self.on_isr_proposal(partition)

    def _advance(self, partition: Partition) -> None:
        if partition.is_alone:
            has_moved = partition.advance_high_watermark()
        else:
            has_moved = partition.advance_with_followers(self.now_ms())
        if has_moved:
            self.moved(partition)

    async def _flush_rounds(self) -> None:
        try:
            while self._dirty:
                dirty, self._dirty = self._dirty, {}
                points = [(partition, partition.log.begin_flush()) for partition in dirty]
                await self._files.flush([file for _, point in points for file in point.files])
                # While that was awaited, more may have been written: only `points` is flushed.
                self._flushed(points)
        except StorageFailed as error:
            self.on_failure(error)
        finally:
            self._flushing = None

    def _flushed(self, points: list[tuple[Partition, FlushPoint]]) -> None:
        for partition, point in points:
            partition.flushed(point)
            self._advance(partition)
        self.is_full = False
        waiting, self._waiting_for_room = self._waiting_for_room, []
        for resume in waiting:
            resume()

    def _arm_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline_ms = self._purgatory.deadline_ms()
        if deadline_ms is not None:
            self._timer = self._loop.call_at(deadline_ms / 1000, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._purgatory.expire(self.now_ms())
        self._arm_timer()


def _nobody_decides(partition: Partition) -> None:
    """Leave a proposal where it is: a lone node has no followers."""


def _stop_loudly(error: StorageFailed) -> None:
    raise error
