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

- With `read_committed` nothing is handed out of a transaction that was aborted (KIP-98), and the
  broker tells nothing of one that is open; what is passed over moves the position all the same.

Left out: fetch sessions (KIP-227), without which an idle poll over very many partitions costs the
broker more; reading from followers (KIP-392).
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
from .aborted import Aborted
from .coordinator import Coordinator
from .metadata import TopicPartition, error_code_of
from .network import Lane, Network
from .positions import Positions, PositionSettings
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
    positions: PositionSettings
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
        self,
        network: Network,
        subscription: Subscription,
        settings: FetcherSettings,
        coordinator: Coordinator | None = None,
    ) -> None:
        """Nothing is fetched before `start`; the network has been started.

        With a coordinator partitions begin where its group has committed.
        """
        self.positions = Positions(
            network, subscription, coordinator, settings.positions, self._tell
        )
        self.news = Signal(network.loop)
        """Fires when records, positions or errors came."""
        self._network = network
        self._subscription = subscription
        self._settings = settings
        self._wakeup = Wakeup(network.loop)
        self._polled: set[int] = set()
        self._task: asyncio.Task[None] | None = None
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
        """Stop the tasks."""
        await self.positions.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def next_partition(self) -> PartitionState | None:
        """The partition whose turn it is, its batch being decoded; None if nothing lies ready.

        Raises the error that keeps a partition from going on. `decoding` may be left in the middle:
        the next call goes on there.
        """
        state = self._current
        if state is None or state.decoding is None or not state.has_records:
            state = self._current = self._next_state()
        while state is not None and state.decoding is None:
            self._open_batch(state)
            if not state.has_records:
                state = self._current = self._next_state()
        return state

    def _open_batch(self, state: PartitionState) -> None:
        """Begin to decode the partition's next batch, or pass it over if nobody is to see it."""
        view, header, is_hidden = state.batches.popleft()
        state.buffered_bytes -= len(view)
        if state.buffered_bytes < self._settings.max_partition_fetch_bytes:
            self._wakeup.set()
        if is_hidden:
            state.position = max(state.position or 0, header.next_offset)
            return
        settings = self._settings
        state.decoding = RecordDecoder(
            state, view, header, settings.key_deserializer, settings.value_deserializer
        )

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

    async def _run(self) -> None:
        while True:
            now_ms = self._network.now_ms()
            self.positions.find_in_background()
            self._poll(now_ms)
            await self._wakeup.wait(self._next_ms(now_ms))

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """The task ended: on purpose, or by a fault that nobody foresaw, which must not hang."""
        if not task.cancelled() and (error := task.exception()) is not None:
            is_ours = isinstance(error, KafkaError)
            self._failure = error if is_ours else KafkaError(f"the fetcher failed: {error!r}")
            self.news.fire()

    def _tell(self) -> None:
        """Positions or errors came."""
        self._wakeup.set()
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
            connection = self._network.ready(leader, Lane.FETCHES) if hungry else None
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
                self._network.settings.request_timeout_ms + wait_ms,
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
            isolation_level=settings.positions.isolation_level,
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
        self._tell()

    def _take(self, state: PartitionState, partition: FetchResponsePartition) -> None:
        """Buffer what came for one partition, or do what its error asks for."""
        if partition.error_code:
            self._take_error(state, partition)
            return
        state.high_watermark = partition.high_watermark
        state.log_start_offset = partition.log_start_offset
        aborted = Aborted(partition.aborted_transactions or ())
        try:
            self._buffer(state, partition.records or b"", aborted)
        except ProtocolError as error:
            self._fail(state, ErrorCode.CORRUPT_MESSAGE, f"{error}; seek past it to go on")

    def _buffer(self, state: PartitionState, records: Any, aborted: Aborted) -> None:
        """Put the whole batches that hold something new into the buffer."""
        taken = False
        for view in iterate_batches(records):
            header = read_header(view)
            taken = True
            # Control batches too: a marker ends the transaction whose batches are hidden.
            is_hidden = aborted.hides(view, header) or header.is_control
            if header.next_offset <= state.fetch_offset:
                continue
            if self._settings.check_crcs and not crc_matches(view, header):
                raise ProtocolError(f"the batch at offset {header.base_offset} is damaged")
            state.fetch_offset = header.next_offset
            state.batches.append((view, header, is_hidden))
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
        log.warning("%s has no offset %d: going where auto_offset_reset says", name, offset)
        self.positions.reset(state)

    def _fail(self, state: PartitionState, code: ErrorCode, message: str) -> None:
        name, index = state.name
        state.error = KafkaError.of(code, f"{name}-{index}: {message}")

    def _back_off(self, state: PartitionState) -> None:
        state.retry_at_ms = self._network.now_ms() + self._network.settings.retry_backoff_ms


def _wants_records(state: PartitionState, now_ms: int) -> bool:
    """Whether the partition is to be fetched, room or not."""
    return (
        state.position is not None
        and not state.is_paused
        and not state.is_in_flight
        and state.error is None
        and state.retry_at_ms <= now_ms
    )
