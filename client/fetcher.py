"""The background task that fetches ahead of the consumer: long polls, one per broker.

    positions ──by leader──> Fetch ──> leader ──> batches ──> buffer ──decode──> consumer

Each broker has one Fetch on the way, for all partitions that it leads and that have room in the
buffer; it parks at the broker until there is something. Batches lie in the buffer undecoded, as
slices of the answer, and are decoded, some hundred records at a time, when the consumer takes them:
what is never read costs nothing.

Invariants:
- Nothing below the wanted offset is handed out: a broker answers with whole batches, from the one
  that contains the offset.
- A poll parks only when it asks for all partitions of its broker that are read: beside one that has
  no room now it would be in the way when there is room again.
- A partition is fetched while less than `max_partition_fetch_bytes` of it lies ready, and nothing
  is while more than MAX_BUFFERED_BYTES do in all.
- An answer counts only for the position for which it was asked.
- An error that no waiting can mend is handed to the consumer, never swallowed.

Left out: fetch sessions (KIP-227), without which an idle poll over very many partitions costs the
broker more; read_committed; reading from followers (KIP-392).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ..protocol.api.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
    FetchResponse,
    FetchResponsePartition,
)
from ..protocol.batch import crc_matches, iterate_batches, read_header
from ..protocol.errors import ErrorCode, KafkaError
from ..protocol.primitives import ProtocolError
from ..transport.connection import Connection, NetworkException
from .errors import NoOffset
from .metadata import TopicPartition, error_code_of
from .network import Network
from .offsets import list_offsets
from .record_decoder import Deserializer, RecordDecoder
from .subscription import PartitionState, Subscription
from .wakeup import Signal, Wakeup

log = logging.getLogger(__name__)

MAX_BUFFERED_BYTES: Final = 64 << 20
REST_BESIDE_FULL_MS: Final = 50
"""How long a partition that had nothing new is left alone while others of its broker are full.

A poll that parks would keep those from being fetched when they have room again."""

_LAST_VERSION_BY_NAME: Final = 12


@dataclass(frozen=True, slots=True)
class FetcherSettings:
    """What a consumer's user may say about fetching."""

    fetch_min_bytes: int
    fetch_max_bytes: int
    fetch_max_wait_ms: int
    max_partition_fetch_bytes: int
    check_crcs: bool
    reset_to: int | None
    """The time (see offsets) to go to when there is no position; None to fail."""
    request_timeout_ms: int
    retry_backoff_ms: int
    key_deserializer: Deserializer | None
    value_deserializer: Deserializer | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A partition in a Fetch on its way, and the position that it was asked for."""

    state: PartitionState
    seeks: int


class Fetcher:
    """Fetches for one subscription over one network."""

    def __init__(
        self, network: Network, subscription: Subscription, settings: FetcherSettings
    ) -> None:
        """Nothing is fetched before `start`; the network has been started."""
        self.news = Signal(network.loop)
        """Fires when records, positions or errors came."""
        self._network = network
        self._subscription = subscription
        self._settings = settings
        self._wakeup = Wakeup(network.loop)
        self._polled: set[int] = set()
        self._task: asyncio.Task[None] | None = None
        self._reset_task: asyncio.Task[None] | None = None
        self._current: PartitionState | None = None
        self._failure: KafkaError | None = None

    @property
    def wake(self) -> Callable[[], None]:
        """Call this after a change of the subscription."""
        return self._wakeup.set

    def start(self) -> None:
        """Start the task."""
        self._network.on_change.append(self._wakeup.set)
        self._task = self._network.loop.create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Stop the task."""
        tasks = [task for task in (self._task, self._reset_task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def next_partition(self) -> PartitionState | None:
        """The partition whose turn it is, its batch being decoded; None if nothing lies ready.

        Raises the error that keeps a partition from going on. `decoding` may be left in the middle:
        the next call goes on there.
        """
        state = self._current
        if state is None or state.decoding is None or not state.has_records:
            state = self._current = self._next_state()
            if state is None:
                return None
        if state.decoding is None:
            view, header = state.batches.popleft()
            state.buffered_bytes -= len(view)
            if state.buffered_bytes < self._settings.max_partition_fetch_bytes:
                self._wakeup.set()
            settings = self._settings
            state.decoding = RecordDecoder(
                state, view, header, settings.key_deserializer, settings.value_deserializer
            )
        return state

    def _next_state(self) -> PartitionState | None:
        """The next partition with records, after the current one in a circle."""
        if self._failure is not None:
            raise self._failure
        states = list(self._subscription.partitions.values())
        if self._current in states:
            index = states.index(self._current) + 1
            states = states[index:] + states[:index]
        for state in states:
            if state.has_records:
                return state
        for state in states:
            if state.error is not None and not state.is_paused:
                raise state.error
        return None

    async def reset_positions(self) -> None:
        """Find the positions of the partitions that lack one; KafkaError if that fails."""
        lacking = [
            state
            for state in self._subscription.partitions.values()
            if state.position is None and state.reset_to is not None
        ]
        times = {state.name: state.reset_to or 0 for state in lacking}
        asked = [(state, state.seeks) for state in lacking]
        found = await list_offsets(self._network, times, self._settings.request_timeout_ms)
        for state, seeks in asked:
            if state.seeks == seeks:
                state.set_position(found[state.name].offset)
        self._wakeup.set()
        self.news.fire()

    async def _run(self) -> None:
        while True:
            now_ms = self._network.now_ms()
            self._reset_in_background()
            self._poll(now_ms)
            await self._wakeup.wait(self._next_ms(now_ms))

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """The task ended: on purpose, or by a fault that nobody foresaw, which must not hang."""
        if not task.cancelled() and (error := task.exception()) is not None:
            is_ours = isinstance(error, KafkaError)
            self._failure = error if is_ours else KafkaError(f"the fetcher failed: {error!r}")
            self.news.fire()

    def _reset_in_background(self) -> None:
        """Begin to find missing positions, unless that is going on."""
        states = self._subscription.partitions.values()
        lacks_some = any(each.position is None and each.reset_to is not None for each in states)
        if lacks_some and (self._reset_task is None or self._reset_task.done()):
            self._reset_task = self._network.loop.create_task(self._reset())

    async def _reset(self) -> None:
        """Find missing positions; what cannot be mended becomes the partitions' error."""
        try:
            await self.reset_positions()
        except (KafkaError, ValueError) as error:
            if isinstance(error, KafkaError) and error.retriable:
                log.warning("no position yet: %s", error)
                await asyncio.sleep(self._settings.retry_backoff_ms / 1000)
            else:
                self._fail_resets(error)
        self._wakeup.set()

    def _fail_resets(self, error: KafkaError | ValueError) -> None:
        """No position can be found: tell the consumer."""
        if isinstance(error, ValueError):
            error = KafkaError.of(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, str(error))
        for state in self._subscription.partitions.values():
            if state.position is None and state.reset_to is not None:
                state.reset_to = None
                state.error = error
        self.news.fire()

    def _next_ms(self, now_ms: int) -> int | None:
        """When a partition may be tried again after an error, or after a rest."""
        states = [each for each in self._subscription.partitions.values() if not each.is_in_flight]
        times_ms = [time for each in states for time in (each.retry_at_ms, each.rest_until_ms)]
        return min((time_ms for time_ms in times_ms if time_ms > now_ms), default=None)

    def _poll(self, now_ms: int) -> None:
        """Send a Fetch to each leader that has none and should have one."""
        if self._subscription.buffered_bytes() > MAX_BUFFERED_BYTES:
            return
        by_leader: dict[int, list[PartitionState]] = {}
        for state in self._subscription.partitions.values():
            if not _wants_records(state, now_ms):
                continue
            leader = self._network.metadata.leader(*state.name)
            if leader is None:
                self._network.request_refresh()
            elif leader not in self._polled:
                by_leader.setdefault(leader, []).append(state)
        for leader, states in by_leader.items():
            limit_bytes = self._settings.max_partition_fetch_bytes
            hungry = [state for state in states if state.buffered_bytes < limit_bytes]
            is_beside_full = len(hungry) < len(states)
            if is_beside_full:
                hungry = [state for state in hungry if state.rest_until_ms <= now_ms]
            connection = self._network.ready(leader, long_poll=True) if hungry else None
            if connection is not None:
                self._fetch(leader, connection, hungry, parks=not is_beside_full)

    def _fetch(
        self, leader: int, connection: Connection, states: list[PartitionState], *, parks: bool
    ) -> None:
        """Send one Fetch for these partitions."""
        settings = self._settings
        topics = self._network.metadata.topics
        has_ids = all((topic := topics.get(s.name.topic)) and topic.has_id for s in states)
        wait_ms = settings.fetch_max_wait_ms if parks else 0
        try:
            answer = connection.submit(
                self._request(states, wait_ms),
                FetchResponse,
                settings.request_timeout_ms + wait_ms,
                connection.version_of(FetchRequest, None if has_ids else _LAST_VERSION_BY_NAME),
            )
        except NetworkException:
            return  # the connection's end wakes this task again
        asked = {state.name: _Asked(state, state.seeks) for state in states}
        for state in states:
            state.is_in_flight = True
        self._polled.add(leader)
        answer.add_done_callback(partial(self._answered, leader, asked))

    def _request(self, states: list[PartitionState], wait_ms: int) -> FetchRequest:
        settings, metadata = self._settings, self._network.metadata
        topics: dict[str, FetchRequestTopic] = {}
        for state in states:
            name, index = state.name
            topic = topics.get(name)
            if topic is None:
                topic = topics[name] = FetchRequestTopic(topic=name, partitions=[])
                known = metadata.topics.get(name)
                topic.topic_id = known.id if known else topic.topic_id
            partition = metadata.partition(name, index)
            topic.partitions.append(
                FetchRequestPartition(
                    partition=index,
                    current_leader_epoch=partition.leader_epoch if partition else -1,
                    fetch_offset=state.fetch_offset,
                    partition_max_bytes=settings.max_partition_fetch_bytes,
                )
            )
        return FetchRequest(
            max_wait_ms=wait_ms,
            min_bytes=settings.fetch_min_bytes,
            max_bytes=settings.fetch_max_bytes,
            topics=list(topics.values()),
        )

    def _answered(
        self,
        leader: int,
        asked: dict[TopicPartition, _Asked],
        answer: "asyncio.Future[FetchResponse]",
    ) -> None:
        """Take the answer, or its absence, to each partition."""
        self._polled.discard(leader)
        for each in asked.values():
            each.state.is_in_flight = False
        error = None if answer.cancelled() else answer.exception()
        if answer.cancelled() or error is not None or answer.result().error_code:
            for each in asked.values():
                self._back_off(each.state)
            self._wakeup.set()
            return
        names = {topic.id: topic.name for topic in self._network.metadata.topics.values()}
        for topic in answer.result().responses:
            for partition in topic.partitions:
                name = topic.topic or names.get(topic.topic_id, "")
                each = asked.get(TopicPartition(name, partition.partition_index))
                if each is not None and each.seeks == each.state.seeks:
                    self._take(each.state, partition)
        self._wakeup.set()
        self.news.fire()

    def _take(self, state: PartitionState, partition: FetchResponsePartition) -> None:
        """Buffer what came for one partition, or do what its error asks for."""
        if partition.error_code:
            self._take_error(state, partition)
            return
        state.high_watermark = partition.high_watermark
        state.log_start_offset = partition.log_start_offset
        try:
            self._buffer(state, partition.records or b"")
        except ProtocolError as error:
            self._fail(state, ErrorCode.CORRUPT_MESSAGE, f"{error}; seek past it to go on")

    def _buffer(self, state: PartitionState, records: Any) -> None:
        """Put the whole batches that hold something new into the buffer."""
        taken = False
        for view in iterate_batches(records):
            header = read_header(view)
            taken = True
            if header.next_offset <= state.fetch_offset:
                continue
            if self._settings.check_crcs and not crc_matches(view, header):
                raise ProtocolError(f"the batch at offset {header.base_offset} is damaged")
            state.fetch_offset = header.next_offset
            state.batches.append((view, header))
            state.buffered_bytes += len(view)
        if not len(records):
            state.rest_until_ms = self._network.now_ms() + REST_BESIDE_FULL_MS
        elif not taken:
            limit_bytes = self._settings.max_partition_fetch_bytes
            message = f"a batch at offset {state.fetch_offset} is larger than {limit_bytes} bytes"
            remedy = "raise max_partition_fetch_bytes"
            self._fail(state, ErrorCode.MESSAGE_TOO_LARGE, f"{message}: {remedy}")

    def _take_error(self, state: PartitionState, partition: FetchResponsePartition) -> None:
        code = error_code_of(partition.error_code)
        if code is ErrorCode.OFFSET_OUT_OF_RANGE:
            self._out_of_range(state)
        elif code.retriable:
            self._network.request_refresh()
            self._back_off(state)
        else:
            self._fail(state, code, code.message)

    def _out_of_range(self, state: PartitionState) -> None:
        """The log has no such offset: go where auto_offset_reset says, after what is buffered."""
        if state.has_records:
            self._back_off(state)
            return
        name, offset = f"{state.name.topic}-{state.name.partition}", state.fetch_offset
        if self._settings.reset_to is None:
            state.forget()
            message = f"{name} has no offset {offset}, and auto_offset_reset is none: seek"
            state.error = NoOffset(message)
            return
        log.warning("%s has no offset %d: going where auto_offset_reset says", name, offset)
        state.reset(self._settings.reset_to)

    def _fail(self, state: PartitionState, code: ErrorCode, message: str) -> None:
        name, index = state.name
        state.error = KafkaError.of(code, f"{name}-{index}: {message}")

    def _back_off(self, state: PartitionState) -> None:
        state.retry_at_ms = self._network.now_ms() + self._settings.retry_backoff_ms


def _wants_records(state: PartitionState, now_ms: int) -> bool:
    """Whether the partition is to be fetched, room or not."""
    return (
        state.position is not None
        and not state.is_paused
        and not state.is_in_flight
        and state.error is None
        and state.retry_at_ms <= now_ms
    )
