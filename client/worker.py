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
from typing import Final, Protocol

from ..protocol.errors import ErrorCode
from .concurrency import (
    Concurrency,
    Inline,
    Pool,
    Processes,
    Tasks,
    ThreadPerRecord,
    Threads,
    slots_of,
)
from .consumer import Consumer
from .dead_letter import dead_letter
from .errors import ClientNotRunning, KafkaError
from .handler import (
    CannotStartHandler,
    Handler,
    HandlerCall,
    HandlerTimeout,
    describe,
    is_async,
)
from .keywords import suggest_keywords
from .metadata import TopicPartition
from .producer import Producer
from .rebalance_listener import RebalanceListener
from .task_runner import Finished, TaskRunner
from .thread_runner import ThreadRunner
from .wakeup import Signal
from .work_ledger import Work, WorkLedger
from .work_statistics import WorkStatistics

log = logging.getLogger(__name__)

Until = Callable[[WorkStatistics], bool]

TURN_MS: Final = 100
"""So often, at least, the group is polled."""
OVERDUE_S: Final = 60.0
"""A handler that takes so long is told of, if nothing else is said by `handler_timeout_s`."""

INLINE: Final = Inline()

_NO_PLACE: Final = frozenset(
    {
        ErrorCode.ILLEGAL_GENERATION,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.REBALANCE_IN_PROGRESS,
    }
)
"""A commit that is refused so is made good by whoever has the partition next."""


class _Runner(Protocol):
    def run(self, work: Work) -> None: ...

    async def close(self) -> None: ...


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
        if isinstance(concurrency, Tasks) and not is_async(handler):
            raise TypeError("Tasks needs an async handler: for a plain one there is Threads")
        if isinstance(concurrency, Processes):
            from .handler_process import require_picklable

            require_picklable(handler)
        self.statistics = WorkStatistics()
        self._consumer = consumer
        self._handler = handler
        self._concurrency = concurrency
        self._max_attempts = max_attempts
        self._backoff_s = retry_backoff_ms / 1000
        self._backoff_max_s = retry_backoff_max_ms / 1000
        self._dead_letter_topic = dead_letter_topic
        self._own_producer: Producer | None = None
        if dead_letter_topic is not None and producer is None:
            producer = Producer(bootstrap_servers=consumer.bootstrap_servers)
            self._own_producer = producer
        self._producer = producer
        self._handler_timeout_s = handler_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._commit_interval_s = commit_interval_ms / 1000
        self._random = random or Random()
        self._ledger = WorkLedger(
            slots, max_in_flight, by_partition=isinstance(concurrency, Inline)
        )
        self._runner: _Runner | None = None
        self._news: Signal
        self._paused: set[TopicPartition] = set()
        self._until: Until | None = None
        self._is_stopping = True
        self._is_draining = False
        self._failure: BaseException | None = None
        self._commit_at_s = 0.0
        self._look_at_s = 0.0
        self._committing: asyncio.Task[None] | None = None
        self._burials: set[asyncio.Task[None]] = set()
        consumer.hand_over(_Listener(self._give_up))

    async def start(self) -> "Worker":
        """Start the consumer, and the tasks, threads or processes."""
        if self._runner is not None:
            return self
        loop = asyncio.get_running_loop()
        self._news = Signal(loop)
        try:
            if self._own_producer is not None:
                await self._own_producer.start()
            await self._consumer.start()
        except BaseException:
            await self.close()
            raise
        self._runner = _make_runner(
            self._concurrency, self._handler, self._handler_timeout_s, self._finished
        )
        return self

    async def close(self) -> None:
        """Close all that was started; handlers that are still at work go unheard."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.close()
        await self._consumer.close()
        if self._own_producer is not None:
            await self._own_producer.close()

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
        try:
            while not self._is_stopping:
                await self._turn()
        finally:
            self._is_stopping = True
            await self._come_to_rest()
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
            self._commit_in_background()
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
        now_s = time.perf_counter()
        self._ledger.make_due(now_s)
        while (work := self._ledger.take(now_s)) is not None:
            self._runner.run(work)

    def _finished(
        self, work: Work, began_s: float, ended_s: float, error: BaseException | None
    ) -> None:
        """A handler has come back."""
        statistics = self.statistics
        if not self._ledger.owns(work):
            self._ledger.done(work)  # given up meanwhile: whoever has it now handles it again
        else:
            if not work.failures:
                statistics.wait.add(began_s - work.admitted_s)
            statistics.work.add(ended_s - began_s)
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
        if attempts < self._max_attempts and not isinstance(error, CannotStartHandler):
            self.statistics.retried += 1
            delay_s = self._delay_s(work.failures)
            log.info("%s: attempt %d failed: %s", work, attempts, describe(error))
            self._ledger.retry(work, time.perf_counter() + delay_s)
            asyncio.get_running_loop().call_later(delay_s, self._dispatch)
        elif self._producer is not None and self._dead_letter_topic is not None:
            self._ledger.leave_slot(work)
            burial = asyncio.create_task(self._bury(work, error, self._producer))
            self._burials.add(burial)
            burial.add_done_callback(self._burials.discard)
        else:
            self._stop_at(work, error)

    def _delay_s(self, failures: int) -> float:
        """Twice as long after each failure, and not the same for all who failed together."""
        longest_s = min(self._backoff_s * 2.0 ** min(failures, 30), self._backoff_max_s)
        return longest_s * (0.5 + self._random.random() / 2)

    async def _bury(self, work: Work, error: BaseException, producer: Producer) -> None:
        """Put a record aside; if that cannot be done, it is not done."""
        attempts = work.failures + 1
        letter = dead_letter(work.record, describe(error), attempts)
        topic = self._dead_letter_topic or ""
        try:
            await producer.send_and_wait(topic, *letter)
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
            if not work.is_overdue and now_s - work.taken_s > limit_s:
                work.is_overdue = True
                self.statistics.overdue += 1
                log.warning("%s: its handler has been at work for more than %s s", work, limit_s)

    def _commit_in_background(self) -> None:
        """Begin to commit: a group that rebalances may have to be polled before it is done."""
        if self._committing is None or self._committing.done():
            offsets = self._ledger.committable()
            if offsets:
                self._committing = asyncio.create_task(self._commit(offsets))

    async def _commit(self, offsets: dict[TopicPartition, int]) -> None:
        """Commit; a refusal that passes is made good by a later commit."""
        if self._consumer.group_id is None or not offsets:
            return
        try:
            await self._consumer.commit(offsets)
        except KafkaError as error:
            if error.retriable or error.code in _NO_PLACE:
                log.warning("commit: %s", error)
            else:
                self._stop_with(error)
        else:
            self._ledger.committed(offsets)

    async def _end_commit(self) -> None:
        """End the commit in the background, so that it cannot undo a later one."""
        if self._committing is not None:
            self._committing.cancel()
            await asyncio.gather(self._committing, return_exceptions=True)

    async def _drain(self, names: Collection[TopicPartition]) -> None:
        """Wait for what runs of these partitions, for a while, and commit what is done."""
        ledger = self._ledger
        ledger.hand_back(names)
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
        await self._end_commit()
        news = ledger.committable()
        await self._commit({name: news[name] for name in names if name in news})

    async def _give_up(self, names: Collection[TopicPartition], is_lost: bool) -> None:
        """These partitions go to somebody else, or are there already."""
        if is_lost:
            await self._end_commit()
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


def _make_runner(
    concurrency: Concurrency, handler: Handler, timeout_s: float | None, finished: Finished
) -> _Runner:
    """What runs the handler; within the running loop."""

    def call() -> HandlerCall:
        return HandlerCall(handler)

    match concurrency:
        case Inline():
            return TaskRunner(handler, 1, timeout_s, finished)
        case Tasks(count):
            return TaskRunner(handler, count, timeout_s, finished)
        case Threads(count):
            return ThreadRunner(call, count, count, finished)
        case Pool(least, most):
            return ThreadRunner(call, least, most, finished)
        case ThreadPerRecord(most):
            return ThreadRunner(call, 0, most, finished, is_thread_per_record=True)
        case Processes(count):
            from .handler_process import HandlerProcess

            def child() -> HandlerProcess:
                return HandlerProcess(handler, timeout_s)

            return ThreadRunner(child, count, count, finished)
