"""The consumer: records of some partitions, in order, from a position on.

    broker ──> fetcher ──> buffer ──> getone, getmany, async for

    Consumer("orders", group_id="billing")   a member of a group: the group deals out the partitions
    Consumer("orders")                       no group: all partitions, also those added later
    assign([("orders", 0)])                  exactly these

With a group the position begins where the group has committed, else where `auto_offset_reset` says;
`seek` moves it.

    async for record in consumer     waits for ever, by design
    getmany(timeout_ms)              what is there by then, perhaps nothing
    getone(timeout_ms)               a record, or KafkaTimeout

To ask for records is to be done with those handed out before: only then are partitions given up to
other members, listeners called and positions committed (see group_session).

Invariants: records of a partition come in rising order of offset; `position` is the offset after
the last record handed out; every other wait than `async for` has an end.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random
from types import TracebackType
from typing import Final

from .committed_offsets import Offsets, committable, fetch_committed
from .consumer_options import (
    ISOLATION,
    RESET_TO,
    STRATEGIES,
    AssignorName,
    IsolationLevel,
    OffsetReset,
    assignors_of,
    one_of,
)
from .coordinator import Coordinator
from .errors import ClientNotRunning, KafkaError, KafkaTimeout
from .fetcher import FetcherSettings
from .group_session import GroupSession, GroupSettings
from .java_names import options_of
from .keywords import suggest_keywords
from .member import MemberSettings
from .metadata import TopicPartition
from .network import Network
from .offsets import EARLIEST, LATEST, OffsetAndTimestamp, list_offsets
from .positions import PositionSettings
from .reading import Reading, ReadingSettings
from .rebalance_listener import Listeners, RebalanceListener
from .record import ConsumerRecord
from .record_decoder import Deserializer
from .settings import NetworkSettings, parse_servers
from .subscription import PartitionState, Subscription
from .topic_selection import TopicSelection

Partition = TopicPartition | tuple[str, int]

FETCH_MAX_BYTES: Final = 50 << 20
MAX_PARTITION_FETCH_BYTES: Final = 1 << 20
RECORDS_BETWEEN_YIELDS: Final = 500
"""After so many records handed out without a wait the loop gets a turn, to fetch ahead."""


class Consumer:
    """Reads records; belongs to one task at a time.

    `default_api_timeout_ms` bounds every call that takes no timeout of its own. Of several
    strategies the group takes one that all its members have; see docs/groups.md.
    """

    _committer: RebalanceListener | None = None
    _is_asking = False
    """Whether the user asks for records, and so is done with those handed out."""

    @suggest_keywords
    def __init__(
        self,
        *topics: str,
        bootstrap_servers: str | list[str] = "localhost:9092",
        client_id: str = "minikafka",
        group_id: str | None = None,
        group_instance_id: str | None = None,
        partition_assignment_strategy: AssignorName | Sequence[AssignorName] = STRATEGIES,
        session_timeout_ms: int = 10_000,
        heartbeat_interval_ms: int = 300,
        max_poll_interval_ms: int = 300_000,
        enable_auto_commit: bool = True,
        auto_commit_interval_ms: int = 5000,
        isolation_level: IsolationLevel = "read_uncommitted",
        auto_offset_reset: OffsetReset = "latest",
        fetch_min_bytes: int = 1,
        fetch_max_bytes: int = FETCH_MAX_BYTES,
        fetch_max_wait_ms: int = 500,
        max_partition_fetch_bytes: int = MAX_PARTITION_FETCH_BYTES,
        max_poll_records: int = 500,
        check_crcs: bool = True,
        key_deserializer: Deserializer | None = None,
        value_deserializer: Deserializer | None = None,
        allow_auto_create_topics: bool = True,
        default_api_timeout_ms: int = 60_000,
        request_timeout_ms: int = 30_000,
        retry_backoff_ms: int = 100,
        metadata_max_age_ms: int = 300_000,
        random: Random | None = None,
    ) -> None:
        """Check the options; nothing is opened before start(). Raises ValueError or TypeError."""
        reset_to = one_of(RESET_TO, "auto_offset_reset", auto_offset_reset)
        self._isolation = isolation = one_of(ISOLATION, "isolation_level", isolation_level)
        self._selection = TopicSelection(topics) if topics else None
        self._listener: RebalanceListener | None = None
        self._random = random or Random()
        self._network_settings = NetworkSettings(
            bootstrap_servers=parse_servers(bootstrap_servers),
            client_id=client_id,
            request_timeout_ms=request_timeout_ms,
            retry_backoff_ms=retry_backoff_ms,
            metadata_max_age_ms=metadata_max_age_ms,
            allow_auto_create_topics=allow_auto_create_topics,
        )
        fetcher_settings = FetcherSettings(
            fetch_min_bytes=fetch_min_bytes,
            fetch_max_bytes=fetch_max_bytes,
            fetch_max_wait_ms=fetch_max_wait_ms,
            max_partition_fetch_bytes=max_partition_fetch_bytes,
            check_crcs=check_crcs,
            positions=PositionSettings(reset_to, isolation),
            key_deserializer=key_deserializer,
            value_deserializer=value_deserializer,
        )
        member = MemberSettings(
            group_id=group_id,
            instance_id=group_instance_id,
            session_timeout_ms=session_timeout_ms,
            heartbeat_interval_ms=heartbeat_interval_ms,
            max_poll_interval_ms=max_poll_interval_ms,
            retry_backoff_ms=retry_backoff_ms,
        )
        commit_ms = auto_commit_interval_ms if enable_auto_commit else None
        group = GroupSettings(member, assignors_of(partition_assignment_strategy), commit_ms)
        self._settings = ReadingSettings(fetcher_settings, group, default_api_timeout_ms)
        self._max_poll_records = max_poll_records
        self._subscription = Subscription()
        self._running: Reading | None = None
        self._since_yield = 0
        self._not_running = "has not been started: use `async with` or await start()"

    @classmethod
    def from_config(cls, config: Mapping[str, object], *topics: str) -> "Consumer":
        """A consumer with options by their Java names, as strings or typed; see java_names.

        Raises ValueError for an option that is unknown or not to be had here.
        """
        return cls(*topics, **options_of(cls, config))

    @property
    def group_id(self) -> str | None:
        """The group for which is committed, if there is one."""
        return self._settings.group.member.group_id

    @property
    def bootstrap_servers(self) -> list[str]:
        """Where the cluster was said to be, as HOST:PORT."""
        return [f"{host}:{port}" for host, port in self._network_settings.bootstrap_servers]

    async def start(self) -> "Consumer":
        """Find the cluster and the topics; without a group, take a position in each partition.

        Raises CannotConnect or KafkaTimeout; UnknownTopicOrPartition for a topic that is not there.
        A group is joined in the background; its partitions come with the polls.
        """
        if self._running is not None:
            return self
        network = Network(self._network_settings, self._random)
        await network.start()
        self._running = Reading(network, self._subscription, self._settings)
        try:
            await self._running.start(self._selection, self._listeners())
        except BaseException:
            await self._stop(commits=False)
            raise
        return self

    async def close(self) -> None:
        """Commit what was handed out (with auto-commit), leave the group, close the connections."""
        await self._stop(commits=True)

    async def __aenter__(self) -> "Consumer":
        """Start."""
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; after an error, without committing the records that it may have hit.

        An error or a cancellation that came while records were waited for has hit none of them.
        """
        await self._stop(commits=error is None or self._is_asking)

    def assign(self, partitions: Sequence[Partition]) -> None:
        """Read these partitions and no others; those already read keep their position."""
        if self._selection is not None:
            raise ValueError("this consumer has subscribed to topics: unsubscribe, then assign")
        names = [TopicPartition(*each) for each in partitions]
        if self._running is not None:
            self._running.assign(names)
        else:
            self._subscription.assign(names)

    def subscribe(
        self,
        topics: Iterable[str] = (),
        *,
        pattern: str | None = None,
        listener: RebalanceListener | None = None,
    ) -> None:
        """Read these topics, or all that match, instead of those before.

        In a group, the group deals out their partitions, and the listener hears of it; without one
        all of them are read. What is assigned changes at the next poll. Topics that do not exist
        yet are read when they do.
        """
        selection = TopicSelection(topics, pattern)
        if not selection.topics and selection.pattern is None:
            raise ValueError("subscribe to topics or to a pattern; unsubscribe() is for nothing")
        if self._selection is None and self._subscription.partitions:
            raise ValueError("this consumer has partitions by assign: assign([]), then subscribe")
        self._selection = selection
        self._listener = listener
        if self._running is not None:
            self._running.select(selection, self._listeners())

    def hand_over(self, committer: RebalanceListener) -> None:
        """Let somebody else commit, who hears of each rebalance before the user's listener does.

        Before `start`; there is no auto-commit then. A Worker calls this.
        """
        if self._running is not None:
            raise ValueError("this consumer has been started: the Worker starts and closes it")
        self._committer = committer
        group = replace(self._settings.group, auto_commit_interval_ms=None)
        self._settings = replace(self._settings, group=group)

    async def unsubscribe(self) -> None:
        """Read nothing, and leave the group, having committed what was handed out."""
        self._selection = self._listener = None
        if self._running is not None:
            await self._running.leave_group()

    def subscription(self) -> set[str]:
        """The topics that are subscribed to: those named, or those known that match."""
        if self._selection is None:
            return set()
        known = self._running.network.metadata.topics if self._running is not None else {}
        return set(self._selection.select(known))

    def assignment(self) -> set[TopicPartition]:
        """The partitions that are read."""
        return set(self._subscription.partitions)

    async def getone(self, timeout_ms: int | None = None) -> ConsumerRecord:
        """The next record; KafkaTimeout when none came in time (default_api_timeout_ms)."""
        timeout_ms = self._settings.timeout_ms if timeout_ms is None else timeout_ms
        deadline_ms = self._require_running().network.now_ms() + timeout_ms
        while True:
            state = await self._wait_for_records(deadline_ms)
            if state is None:
                raise KafkaTimeout(f"{self._nothing_of()} within {timeout_ms} ms")
            for record in state.decoding or ():
                return record

    async def getmany(
        self, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """The records that are there, by partition; waits up to `timeout_ms` for the first one.

        At most `max_records`, or max_poll_records. An empty dict says that there were none.
        """
        room = self._max_poll_records if max_records is None else max_records
        running = self._require_running()
        batches: dict[TopicPartition, list[ConsumerRecord]] = {}
        try:
            state = await self._wait_for_records(running.network.now_ms() + timeout_ms)
            while state is not None and state.decoding is not None and room > 0:
                records = batches.setdefault(state.name, [])
                count = len(records)
                # In place, so that what comes before a damaged record is not lost with it.
                state.decoding.take(records, room)
                room -= len(records) - count
                self._since_yield += len(records) - count
                state = running.fetcher.next_partition()
        except KafkaError:
            # The error stays with its partition: it is for the next call if there are records.
            if not any(batches.values()):
                raise
        return {name: records for name, records in batches.items() if records}

    async def __aiter__(self) -> AsyncIterator[ConsumerRecord]:
        """Every record, for ever, as `async for record in consumer`."""
        subscription = self._subscription
        while True:
            state = await self._wait_for_records(None)
            epoch = subscription.epoch
            for record in (state and state.decoding) or ():
                yield record
                if subscription.epoch != epoch:
                    break

    async def position(self, partition: Partition) -> int:
        """The offset of the next record to be handed out; waits until it is known."""
        running = self._require_running()
        state = self._subscription.state(TopicPartition(*partition))
        deadline_ms = running.network.now_ms() + self._settings.timeout_ms
        while state.position is None:
            if state.error is not None:
                raise state.error
            if not await running.fetcher.news.wait(deadline_ms):
                raise KafkaTimeout(
                    f"no position in {state.name} within {self._settings.timeout_ms} ms"
                )
        return state.position

    async def commit(self, offsets: Offsets | ConsumerRecord | None = None) -> None:
        """Tell the group up to where was read; returns when the coordinator has it.

        `None` commits the position in each partition; a record commits that it was read, and all
        before it; a mapping commits these offsets, each that of the next record to read. Raises
        IllegalGeneration, UnknownMemberId or FencedInstanceId when the place in the group is lost.
        """
        group, _ = self._require_group()
        wanted = group.commits.positions() if offsets is None else committable(offsets)
        await group.commits.commit(wanted, self._settings.timeout_ms)

    async def committed(self, partition: Partition) -> int | None:
        """The offset that the group has committed, or None; of any partition, read here or not."""
        _, coordinator = self._require_group()
        name = TopicPartition(*partition)
        found = await fetch_committed(coordinator, [name], self._settings.timeout_ms)
        return found[name].offset if name in found else None

    def seek(self, partition: Partition, offset: int) -> None:
        """Go on from `offset`; it is not checked before the next fetch."""
        self._subscription.seek(TopicPartition(*partition), offset)
        self._wake()

    async def seek_to_beginning(self, *partitions: Partition) -> None:
        """Go on from the first record of these partitions, or of all."""
        await self._seek_to(EARLIEST, partitions)

    async def seek_to_end(self, *partitions: Partition) -> None:
        """Go on behind the last record of these partitions, or of all."""
        await self._seek_to(LATEST, partitions)

    def pause(self, *partitions: Partition) -> None:
        """Hand out nothing of these partitions until `resume`, and fetch nothing more."""
        self._subscription.pause(TopicPartition(*each) for each in partitions)

    def resume(self, *partitions: Partition) -> None:
        """Hand out again what was paused."""
        self._subscription.resume(TopicPartition(*each) for each in partitions)
        self._wake()

    def paused(self) -> set[TopicPartition]:
        """The partitions that are paused."""
        states = self._subscription.partitions.values()
        return {state.name for state in states if state.is_paused}

    def highwater(self, partition: Partition) -> int | None:
        """The high watermark that the last fetch told: the offset after the last record."""
        return self._subscription.state(TopicPartition(*partition)).high_watermark

    def lag(self, partition: Partition) -> int | None:
        """How many records are behind the position, as of the last fetch."""
        state = self._subscription.state(TopicPartition(*partition))
        if state.high_watermark is None or state.position is None:
            return None
        return max(state.high_watermark - state.position, 0)

    async def beginning_offsets(self, partitions: Sequence[Partition]) -> dict[TopicPartition, int]:
        """The first offset of each partition."""
        return await self._offsets_at(EARLIEST, partitions)

    async def end_offsets(self, partitions: Sequence[Partition]) -> dict[TopicPartition, int]:
        """The offset after the last record of each partition."""
        return await self._offsets_at(LATEST, partitions)

    async def offsets_for_times(
        self, times_ms: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """The first record at or after each time (ms since 1970); None where there is none."""
        network = self._require_running().network
        if any(time_ms < 0 for time_ms in times_ms.values()):
            raise ValueError("times are in ms since 1970 and not below 0")
        times = {TopicPartition(*name): time_ms for name, time_ms in times_ms.items()}
        found = await list_offsets(network, times, self._settings.timeout_ms)
        return {name: each if each.offset >= 0 else None for name, each in found.items()}

    async def partitions_for_topic(self, topic: str) -> set[int]:
        """The partitions of a topic, read or not."""
        network = self._require_running().network
        return set(range(len((await network.topic(topic, self._settings.timeout_ms)).partitions)))

    async def _wait_for_records(self, deadline_ms: int | None) -> PartitionState | None:
        """A partition with a batch being decoded; None when the deadline passed before."""
        self._is_asking = True
        if self._since_yield >= RECORDS_BETWEEN_YIELDS:
            self._since_yield = 0
            await asyncio.sleep(0)
        try:
            while True:
                running = self._require_running()
                if running.is_ending:
                    raise ClientNotRunning("this consumer is being closed")
                is_settled = running.group is None or await running.group.poll(deadline_ms)
                state = running.fetcher.next_partition() if is_settled else None
                if state is not None:
                    self._since_yield += 1
                    break
                now_ms = running.network.now_ms()
                until_ms = (
                    now_ms + self._settings.timeout_ms if deadline_ms is None else deadline_ms
                )
                self._since_yield = 0
                has_news = await running.fetcher.news.wait(until_ms)
                if not has_news and deadline_ms is not None:
                    break
            self._is_asking = False
            return state
        finally:
            # Also when nothing came, or the user was told an error, or does not wait any more.
            if self._running is not None and self._running.group is not None:
                self._running.group.work()

    def _nothing_of(self) -> str:
        """The sentence for no records: of which topics, or why of none."""
        names = ", ".join(sorted({name.topic for name in self.assignment()}))
        group = self._require_running().group
        if names or group is None:
            return f"no record of {names or 'no topic'}"
        return f"no record of no topic: {group.why_nothing()}"

    async def _offsets_at(
        self, time: int, partitions: Sequence[Partition]
    ) -> dict[TopicPartition, int]:
        network = self._require_running().network
        times = {TopicPartition(*each): time for each in partitions}
        found = await list_offsets(network, times, self._settings.timeout_ms, self._isolation)
        return {name: each.offset for name, each in found.items()}

    async def _seek_to(self, time: int, partitions: Sequence[Partition]) -> None:
        names = [TopicPartition(*each) for each in partitions] or list(self.assignment())
        for name, offset in (await self._offsets_at(time, names)).items():
            self.seek(name, offset)

    def _listeners(self) -> RebalanceListener | None:
        both = [each for each in (self._committer, self._listener) if each is not None]
        return Listeners(*both) if both else None

    def _wake(self) -> None:
        if self._running is not None:
            self._running.fetcher.wake()

    async def _stop(self, *, commits: bool) -> None:
        running = self._running
        if running is None or running.is_ending:
            return
        running.is_ending = True
        try:
            # The listener hears of it, and may commit: so this consumer still runs.
            await running.leave(commits=commits)
        finally:
            self._running = None
            self._not_running = "is closed: make a new one"
            await running.close()

    def _require_running(self) -> Reading:
        if self._running is None:
            raise ClientNotRunning(f"this consumer {self._not_running}")
        return self._running

    def _require_group(self) -> tuple[GroupSession, Coordinator]:
        running = self._require_running()
        if running.group is None or running.coordinator is None:
            raise ValueError("offsets are committed for a group: give the consumer a group_id")
        return running.group, running.coordinator
