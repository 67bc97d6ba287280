"""The worker: runs a handler on a consumer's records, many at once, and commits what is done.

    consumer ──getmany──> ledger ──> runner ──> handler
                            │  ^                   │
            commit <────────┘  └── done, or failed ┘──> again after a while ──> dead letter, or stop

    ledger    which records are in work, in which order, up to where may be committed (work_ledger)
    runner    tasks, threads or processes that call the handler (see concurrency)

The promise: each record is handled at least once, those of one key in the order of the partition,
and the committed offset never passes a record that is not done. What is not promised: a record may
be handled again after a crash, a time-out or a rebalance that it outlasted.

All decisions are made in the event loop, in `_turn`, which asks the consumer for records as often
as the group needs to hear of this member, and in `_finished`. When `max_in_flight` records are in
work nothing more is taken, so that the consumer's own bounds stop the fetching.

A partition that is revoked is given up when its running handlers have ended, or after
`stop_timeout_s`; then what is done is committed. What waited has not begun: its next owner gets it.
Of one that is lost nothing is committed, since another member may be at work on it already.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Collection
from random import Random
from types import TracebackType
from typing import Final

from .concurrency import Concurrency, Inline, ahead_of, slots_of
from .consumer import Consumer
from .dead_letters import DeadLetters
from .errors import ClientNotRunning, KafkaError
from .handler import CannotStartHandler, Handler, HandlerTimeout, describe
from .keywords import suggest_keywords
from .metadata import TopicPartition
from .producer import Producer
from .rebalance_listener import RebalanceListener
from .runner import Runner, make_runner, require_fitting
from .wakeup import Signal
from .work_commits import WorkCommits
from .work_ledger import Work, WorkLedger
from .work_statistics import WorkStatistics

log = logging.getLogger(__name__)

Until = Callable[[WorkStatistics], bool]

TURN_MS: Final = 100
"""So often, at least, the group is polled."""
OVERDUE_S: Final = 60.0
"""A handler that takes so long is told of, if nothing else is said by `handler_timeout_s`."""

INLINE: Final = Inline()


class Worker:
    """Runs `handler` on every record of `consumer`, which it starts, commits for and closes.

    async with Worker(consumer, handle, concurrency=Pool(5, 10)) as worker:
        await worker.run()
    """

    @suggest_keywords
    def __init__(
        self,
        consumer: Consumer,
        handler: Handler,
        *,
        concurrency: Concurrency = INLINE,
        max_in_flight: int = 1000,
        max_attempts: int = 3,
        retry_backoff_ms: int = 100,
        retry_backoff_max_ms: int = 10_000,
        dead_letter_topic: str | None = None,
        producer: Producer | None = None,
        handler_timeout_s: float | None = None,
        stop_timeout_s: float = 10.0,
        commit_interval_ms: int = 1000,
        random: Random | None = None,
    ) -> None:
        """Check the options; nothing is opened before start(). Raises ValueError or TypeError.

        A record whose handler has failed `max_attempts` times goes to the `dead_letter_topic`, sent
        by `producer` or by one of the worker's own; without such a topic the worker stops.
        `handler_timeout_s` ends handlers in processes and async ones in the event loop; of those in
        threads it warns. `stop_timeout_s` bounds the wait for running handlers when the worker
        stops, or partitions are revoked.
        """
        slots = slots_of(concurrency)
        if max_in_flight < slots:
            raise ValueError(f"max_in_flight={max_in_flight} leaves some of {concurrency} idle")
        if max_attempts < 1:
            raise ValueError("max_attempts counts the first one too: it is 1 or more")
        require_fitting(concurrency, handler)
        self.statistics = WorkStatistics()
        self._consumer = consumer
        self._handler = handler
        self._concurrency = concurrency
        self._max_attempts = max_attempts
        self._backoff_s = retry_backoff_ms / 1000
        self._backoff_max_s = retry_backoff_max_ms / 1000
        self._dead_letters: DeadLetters | None = None
        if dead_letter_topic is not None:
            self._dead_letters = DeadLetters(dead_letter_topic, consumer, producer)
        self._handler_timeout_s = handler_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._commit_interval_s = commit_interval_ms / 1000
        self._random = random or Random()
        lanes_are_partitions = isinstance(concurrency, Inline)
        slots += ahead_of(concurrency)
        self._ledger = WorkLedger(slots, max_in_flight, by_partition=lanes_are_partitions)
        self._commits = WorkCommits(consumer, self._ledger, self._stop_with)
        self._runner: Runner | None = None
        self._news: Signal
        self._paused: set[TopicPartition] = set()
        self._until: Until | None = None
        self._is_stopping = True
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._is_draining = False
        self._failure: BaseException | None = None
        self._commit_at_s = 0.0
        self._look_at_s = 0.0
        self._burials: set[asyncio.Task[None]] = set()
        consumer.hand_over(_Listener(self._give_up))

    async def start(self) -> "Worker":
        """Start the consumer, and the tasks, threads or processes."""
        if self._runner is not None:
            return self
        loop = asyncio.get_running_loop()
        self._news = Signal(loop)
        try:
            if self._dead_letters is not None:
                await self._dead_letters.start()
            await self._consumer.start()
        except BaseException:
            await self.close()
            raise
        self._runner = make_runner(
            self._concurrency, self._handler, self._handler_timeout_s, self._finished
        )
        return self

    async def close(self) -> None:
        """Let `run` come to its end, and close all; handlers still at work then go unheard."""
        self.stop()
        await self._at_rest.wait()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.close()
        await self._consumer.close()
        if self._dead_letters is not None:
            await self._dead_letters.close()

    async def __aenter__(self) -> "Worker":
        """Start."""
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        await self.close()

    async def run(self, until: Until | None = None) -> None:
        """Work until `stop` is called, or `until` says so, which is asked after each record.

        Then no handler is begun any more, those that run are waited for, and what is done is
        committed. Raises what the handler raised, if that stopped the worker, and what the consumer
        raises. May be called again.
        """
        if self._runner is None:
            raise ClientNotRunning("this worker is not started: use `async with` or start()")
        self._until = until
        self._failure = None
        self._is_stopping = False
        self._at_rest.clear()
        try:
            while not self._is_stopping:
                await self._turn()
        finally:
            self._is_stopping = True
            try:
                await self._come_to_rest()
            finally:
                self._at_rest.set()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Let `run` come to its end; from another thread by `loop.call_soon_threadsafe`."""
        self._is_stopping = True
        if self._runner is not None:
            self._news.fire()

    def run_forever(self) -> None:
        """The whole of a program: start, work until SIGINT or SIGTERM, and stop in good order."""

        async def work() -> None:
            async with self:
                loop = asyncio.get_running_loop()
                for number in (signal.SIGINT, signal.SIGTERM):
                    loop.add_signal_handler(number, self.stop)
                await self.run()

        asyncio.run(work())

    async def _turn(self) -> None:
        """Take records as far as there is room; if there is little, wait until there is more."""
        now_s = time.perf_counter()
        if now_s >= self._commit_at_s:
            self._commits.begin()
            self._commit_at_s = now_s + self._commit_interval_s
        if now_s >= self._look_at_s:
            self._look_for_overdue(now_s)
            self._look_for_the_end()
            self._look_at_s = now_s + TURN_MS / 1000
        ledger = self._ledger
        if self._has_room():
            self._pause_crowded()
            batches = await self._consumer.getmany(TURN_MS, ledger.room)
            now_s = time.perf_counter()
            for name, records in batches.items():
                ledger.admit(name, records, now_s)
            self._dispatch()
        else:
            deadline_ms = int(asyncio.get_running_loop().time() * 1000) + TURN_MS
            while not self._has_room() and await self._news.wait(deadline_ms):
                pass
            # Takes nothing, but shows the group that we live, and learns what it wants.
            await self._consumer.getmany(0, 0)

    def _has_room(self) -> bool:
        """Whether it is worth while to ask for records; and it is time to look in any case."""
        return self._is_stopping or 2 * self._ledger.room >= self._ledger.max_in_flight

    def _pause_crowded(self) -> None:
        assigned = self._consumer.assignment()
        crowded = self._ledger.crowded(len(assigned)) & assigned
        paused = self._paused & assigned
        if crowded != paused:
            self._consumer.pause(*(crowded - paused))
            self._consumer.resume(*(paused - crowded))
        self._paused = crowded

    def _dispatch(self) -> None:
        """Begin what may be begun."""
        if self._is_stopping or self._runner is None:
            return
        self._ledger.make_due(time.perf_counter())
        while (work := self._ledger.take()) is not None:
            self._runner.run(work)

    def _finished(self, work: Work, ended_s: float, error: BaseException | None) -> None:
        """A handler has come back."""
        statistics = self.statistics
        if not self._ledger.owns(work):
            self._ledger.done(work)  # given up meanwhile: whoever has it now handles it again
        else:
            if not work.failures:
                statistics.wait.add(work.began_s - work.admitted_s)
            statistics.work.add(ended_s - work.began_s)
            if error is None:
                self._ledger.done(work)
                statistics.done += 1
            else:
                self._failed(work, error)
        self._go_on()

    def _go_on(self) -> None:
        """Something has ended: begin the next, and tell who waits for it."""
        self.statistics.in_flight = self._ledger.in_flight
        self._look_for_the_end()
        self._dispatch()
        if self._is_draining or self._has_room():
            self._news.fire()

    def _look_for_the_end(self) -> None:
        if self._until is None or self._is_stopping:
            return
        try:
            is_over = self._until(self.statistics)
        except Exception as error:  # noqa: BLE001 - whatever it is, `run` raises it
            self._stop_with(error)
        else:
            if is_over:
                self.stop()

    def _failed(self, work: Work, error: BaseException) -> None:
        """Try again, put aside, or stop."""
        if isinstance(error, HandlerTimeout) and not work.is_overdue:
            self.statistics.overdue += 1
        attempts = work.failures + 1
        if isinstance(error, CannotStartHandler):
            self._stop_at(work, error)
        elif attempts < self._max_attempts:
            self.statistics.retried += 1
            delay_s = self._delay_s(work.failures)
            log.info("%s: attempt %d failed: %s", work, attempts, describe(error))
            self._ledger.retry(work, time.perf_counter() + delay_s)
            asyncio.get_running_loop().call_later(delay_s, self._dispatch)
        elif self._dead_letters is not None:
            self._ledger.leave_slot(work)
            burial = asyncio.create_task(self._bury(work, error, self._dead_letters))
            self._burials.add(burial)
            burial.add_done_callback(self._burials.discard)
        else:
            self._stop_at(work, error)

    def _delay_s(self, failures: int) -> float:
        """Twice as long after each failure, and not the same for all who failed together."""
        longest_s = min(self._backoff_s * 2.0 ** min(failures, 30), self._backoff_max_s)
        return longest_s * (0.5 + self._random.random() / 2)

    async def _bury(self, work: Work, error: BaseException, dead_letters: DeadLetters) -> None:
        """Put a record aside; if that cannot be done, it is not done."""
        attempts = work.failures + 1
        try:
            await dead_letters.send(work.record, describe(error), attempts)
        except (KafkaError, TypeError, ValueError) as refusal:
            self._stop_at(work, refusal)
        else:
            log.warning("%s: put aside after attempt %d: %s", work, attempts, describe(error))
            self._ledger.done(work)
            self.statistics.failed += 1
        self._go_on()

    def _stop_at(self, work: Work, error: BaseException) -> None:
        """Give up, the record not being done."""
        self.statistics.failed += 1
        error.add_note(f"the worker stopped at {work}, attempt {work.failures + 1}")
        self._ledger.retry(work, time.perf_counter())
        self._stop_with(error)

    def _stop_with(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self.stop()

    def _look_for_overdue(self, now_s: float) -> None:
        """Name the handlers that take too long: commits of their partitions wait for them."""
        limit_s = self._handler_timeout_s or OVERDUE_S
        for work in self._ledger.running:
            if work.began_s and not work.is_overdue and now_s - work.began_s > limit_s:
                work.is_overdue = True
                self.statistics.overdue += 1
                log.warning("%s: its handler has been at work for more than %s s", work, limit_s)

    def _take_back(self, names: Collection[TopicPartition]) -> None:
        """Begin nothing more of these partitions; go on with others."""
        if self._runner is not None:
            self._ledger.put_back(self._runner.take_back())
        self._ledger.hand_back(names)
        self._dispatch()

    async def _drain(self, names: Collection[TopicPartition]) -> None:
        """Wait for what runs of these partitions, for a while, and commit what is done."""
        ledger = self._ledger
        self._take_back(names)
        deadline_ms = int((asyncio.get_running_loop().time() + self._stop_timeout_s) * 1000)
        self._is_draining = True
        while (left := ledger.unfinished(names)) and await self._news.wait(deadline_ms):
            ledger.hand_back(names)  # those that failed meanwhile
        self._is_draining = False
        if left:
            log.warning(
                "%d records are still in work after %s s, and will be read again; the first is %s",
                len(left),
                self._stop_timeout_s,
                left[0],
            )
        await self._commits.finish(names)

    async def _give_up(self, names: Collection[TopicPartition], is_lost: bool) -> None:
        """These partitions go to somebody else, or are there already."""
        if is_lost:
            self._take_back(names)
            await self._commits.cancel()
        else:
            await self._drain(names)
        self._forget(names)

    async def _come_to_rest(self) -> None:
        """The end of `run`: as if all partitions were given up, but go on there the next time."""
        names = list(self._ledger.partitions)
        await self._drain(names)
        assigned = self._consumer.assignment()
        for name, offset in self._forget(names).items():
            if name in assigned:
                self._consumer.seek(name, offset)

    def _forget(self, names: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        again = self._ledger.forget(names)
        self._paused.difference_update(names)
        self.statistics.in_flight = self._ledger.in_flight
        return again


class _Listener(RebalanceListener):
    """What the group tells the worker."""

    def __init__(self, give_up: Callable[[set[TopicPartition], bool], Awaitable[None]]) -> None:
        self._give_up = give_up

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._give_up(revoked, False)

    async def on_partitions_lost(self, lost: set[TopicPartition]) -> None:
        await self._give_up(lost, True)
