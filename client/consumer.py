"""The consumer: records of some partitions, in order, from a position on.

    broker ──> fetcher ──> buffer ──> getone, getmany, async for

`Consumer("orders", ...)` reads all partitions of the topics named, also those that are added
later; `assign` reads exactly what it is told. Without a group nothing is committed: the position
begins where `auto_offset_reset` says, at each start, and `seek` moves it.

    async for record in consumer     waits for ever, by design
    getmany(timeout_ms)              what is there by then, perhaps nothing
    getone(timeout_ms)               a record, or KafkaTimeout

Invariants: records of a partition come in rising order of offset; `position` is the offset after
the last record handed out; every other wait than `async for` has an end.

Left out: groups, `subscribe`, commits (the next step); read_committed.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import islice
from random import Random
from types import TracebackType
from typing import Final, Literal

from .errors import ClientNotRunning, KafkaError, KafkaTimeout, NoOffset
from .fetcher import Fetcher, FetcherSettings
from .java_names import options_of
from .keywords import suggest_keywords
from .metadata import TopicPartition
from .network import Network
from .offsets import EARLIEST, LATEST, OffsetAndTimestamp, list_offsets
from .record import ConsumerRecord
from .record_decoder import Deserializer
from .settings import NetworkSettings, parse_servers
from .subscription import PartitionState, Subscription

OffsetReset = Literal["earliest", "latest", "none"]

FETCH_MAX_BYTES: Final = 50 << 20
MAX_PARTITION_FETCH_BYTES: Final = 1 << 20
RECORDS_BETWEEN_YIELDS: Final = 500
"""After so many records handed out without a wait the loop gets a turn, to fetch ahead."""

_RESET_TO: Final[dict[str, int | None]] = {"earliest": EARLIEST, "latest": LATEST, "none": None}


class Consumer:
    """Reads records; belongs to one task at a time."""

    @suggest_keywords
    def __init__(
        self,
        *topics: str,
        bootstrap_servers: str | list[str] = "localhost:9092",
        client_id: str = "minikafka",
        group_id: str | None = None,
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
        """Check the options; nothing is opened before start(). Raises ValueError or TypeError.

        `default_api_timeout_ms` bounds every call that takes no timeout of its own.
        """
        if group_id is not None:
            raise ValueError("consumer groups are not there yet: leave group_id out, or use assign")
        if auto_offset_reset not in _RESET_TO:
            raise ValueError(
                f"auto_offset_reset={auto_offset_reset!r} is none of earliest, latest, none"
            )
        self._topics = topics
        self._random = random or Random()
        self._network_settings = NetworkSettings(
            bootstrap_servers=parse_servers(bootstrap_servers),
            client_id=client_id,
            request_timeout_ms=request_timeout_ms,
            retry_backoff_ms=retry_backoff_ms,
            metadata_max_age_ms=metadata_max_age_ms,
            allow_auto_create_topics=allow_auto_create_topics,
        )
        self._fetcher_settings = FetcherSettings(
            fetch_min_bytes=fetch_min_bytes,
            fetch_max_bytes=fetch_max_bytes,
            fetch_max_wait_ms=fetch_max_wait_ms,
            max_partition_fetch_bytes=max_partition_fetch_bytes,
            check_crcs=check_crcs,
            reset_to=_RESET_TO[auto_offset_reset],
            request_timeout_ms=request_timeout_ms,
            retry_backoff_ms=retry_backoff_ms,
            key_deserializer=key_deserializer,
            value_deserializer=value_deserializer,
        )
        self._max_poll_records = max_poll_records
        self._timeout_ms = default_api_timeout_ms
        self._subscription = Subscription()
        self._network: Network | None = None
        self._fetcher: Fetcher | None = None
        self._since_yield = 0
        self._not_running = "has not been started: use `async with` or await start()"

    @classmethod
    def from_config(cls, config: Mapping[str, object], *topics: str) -> "Consumer":
        """A consumer with options by their Java names, as strings or typed; see java_names.

        Raises ValueError for an option that is unknown or not to be had here.
        """
        return cls(*topics, **options_of(cls, config))

    async def start(self) -> "Consumer":
        """Find the cluster and the topics, and take a position in each partition.

        Raises CannotConnect or KafkaTimeout; UnknownTopicOrPartition for a topic that is not there.
        """
        if self._network is not None:
            return self
        network = Network(self._network_settings, self._random)
        await network.start()
        self._network = network
        self._fetcher = Fetcher(network, self._subscription, self._fetcher_settings)
        try:
            await self._assign_topics(network)
        except BaseException:
            await self.close()
            raise
        self._fetcher.start()
        if self._topics:
            network.on_change.append(self._adopt_new_partitions)
        return self

    async def close(self) -> None:
        """Stop fetching and close the connections."""
        network, fetcher = self._network, self._fetcher
        self._network = self._fetcher = None
        self._not_running = "is closed: make a new one"
        if fetcher is not None:
            await fetcher.close()
            # Whoever waits for records in another task has to hear of it.
            fetcher.news.fire()
        if network is not None:
            await network.close()

    async def __aenter__(self) -> "Consumer":
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

    def assign(self, partitions: Sequence[TopicPartition | tuple[str, int]]) -> None:
        """Read these partitions and no others; those already read keep their position."""
        if self._topics:
            raise ValueError("this consumer reads whole topics: give none, and then assign")
        names = [TopicPartition(*each) for each in partitions]
        if self._network is not None:
            self._network.want(name.topic for name in names)
        self._begin(self._subscription.assign(names), self._fetcher_settings.reset_to)
        self._wake()

    def assignment(self) -> set[TopicPartition]:
        """The partitions that are read."""
        return set(self._subscription.partitions)

    async def getone(self, timeout_ms: int | None = None) -> ConsumerRecord:
        """The next record; KafkaTimeout when none came in time (default_api_timeout_ms)."""
        timeout_ms = self._timeout_ms if timeout_ms is None else timeout_ms
        deadline_ms = self._require_running()[0].now_ms() + timeout_ms
        while True:
            state = await self._wait_for_records(deadline_ms)
            if state is None:
                names = ", ".join(sorted({name.topic for name in self.assignment()}))
                raise KafkaTimeout(f"no record of {names or 'no topic'} within {timeout_ms} ms")
            for record in state.decoding or ():
                return record

    async def getmany(
        self, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """The records that are there, by partition; waits up to `timeout_ms` for the first one.

        At most `max_records`, or max_poll_records. An empty dict says that there were none.
        """
        room = self._max_poll_records if max_records is None else max_records
        network, fetcher = self._require_running()
        batches: dict[TopicPartition, list[ConsumerRecord]] = {}
        try:
            state = await self._wait_for_records(network.now_ms() + timeout_ms)
            while state is not None and state.decoding is not None and room > 0:
                records = batches.setdefault(state.name, [])
                count = len(records)
                # In place, so that what comes before a damaged record is not lost with it.
                records.extend(islice(state.decoding, room))
                room -= len(records) - count
                self._since_yield += len(records) - count
                state = fetcher.next_partition()
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

    async def position(self, partition: TopicPartition | tuple[str, int]) -> int:
        """The offset of the next record to be handed out; waits until it is known."""
        network, fetcher = self._require_running()
        state = self._subscription.state(TopicPartition(*partition))
        deadline_ms = network.now_ms() + self._timeout_ms
        while state.position is None:
            if state.error is not None:
                raise state.error
            if not await fetcher.news.wait(deadline_ms):
                raise KafkaTimeout(f"no position in {state.name} within {self._timeout_ms} ms")
        return state.position

    def seek(self, partition: TopicPartition | tuple[str, int], offset: int) -> None:
        """Go on from `offset`; it is not checked before the next fetch."""
        self._subscription.seek(TopicPartition(*partition), offset)
        self._wake()

    async def seek_to_beginning(self, *partitions: TopicPartition | tuple[str, int]) -> None:
        """Go on from the first record of these partitions, or of all."""
        await self._seek_to(EARLIEST, partitions)

    async def seek_to_end(self, *partitions: TopicPartition | tuple[str, int]) -> None:
        """Go on behind the last record of these partitions, or of all."""
        await self._seek_to(LATEST, partitions)

    def pause(self, *partitions: TopicPartition | tuple[str, int]) -> None:
        """Hand out nothing of these partitions until `resume`, and fetch nothing more."""
        self._subscription.pause(TopicPartition(*each) for each in partitions)

    def resume(self, *partitions: TopicPartition | tuple[str, int]) -> None:
        """Hand out again what was paused."""
        self._subscription.resume(TopicPartition(*each) for each in partitions)
        self._wake()

    def paused(self) -> set[TopicPartition]:
        """The partitions that are paused."""
        states = self._subscription.partitions.values()
        return {state.name for state in states if state.is_paused}

    def highwater(self, partition: TopicPartition | tuple[str, int]) -> int | None:
        """The high watermark that the last fetch told: the offset after the last record."""
        return self._subscription.state(TopicPartition(*partition)).high_watermark

    def lag(self, partition: TopicPartition | tuple[str, int]) -> int | None:
        """How many records are behind the position, as of the last fetch."""
        state = self._subscription.state(TopicPartition(*partition))
        if state.high_watermark is None or state.position is None:
            return None
        return max(state.high_watermark - state.position, 0)

    async def beginning_offsets(
        self, partitions: Sequence[TopicPartition | tuple[str, int]]
    ) -> dict[TopicPartition, int]:
        """The first offset of each partition."""
        return await self._offsets_at(EARLIEST, partitions)

    async def end_offsets(
        self, partitions: Sequence[TopicPartition | tuple[str, int]]
    ) -> dict[TopicPartition, int]:
        """The offset after the last record of each partition."""
        return await self._offsets_at(LATEST, partitions)

    async def offsets_for_times(
        self, times_ms: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """The first record at or after each time (ms since 1970); None where there is none."""
        network, _ = self._require_running()
        if any(time_ms < 0 for time_ms in times_ms.values()):
            raise ValueError("times are in ms since 1970 and not below 0")
        times = {TopicPartition(*name): time_ms for name, time_ms in times_ms.items()}
        found = await list_offsets(network, times, self._timeout_ms)
        return {name: each if each.offset >= 0 else None for name, each in found.items()}

    async def partitions_for_topic(self, topic: str) -> set[int]:
        """The partitions of a topic, read or not."""
        network, _ = self._require_running()
        return set(range(len((await network.topic(topic, self._timeout_ms)).partitions)))

    async def _wait_for_records(self, deadline_ms: int | None) -> PartitionState | None:
        """A partition with a batch being decoded; None when the deadline passed before."""
        if self._since_yield >= RECORDS_BETWEEN_YIELDS:
            self._since_yield = 0
            await asyncio.sleep(0)
        while True:
            network, fetcher = self._require_running()
            state = fetcher.next_partition()
            if state is not None:
                self._since_yield += 1
                return state
            until_ms = network.now_ms() + self._timeout_ms if deadline_ms is None else deadline_ms
            self._since_yield = 0
            if not await fetcher.news.wait(until_ms) and deadline_ms is not None:
                return None

    async def _assign_topics(self, network: Network) -> None:
        """Assign all partitions of the topics, and find positions if that works at once."""
        for name in self._topics:
            await network.topic(name, self._timeout_ms)
        if self._topics:
            names = self._topic_partitions(network)
            self._begin(self._subscription.assign(names), self._fetcher_settings.reset_to)
        await self._require_running()[1].reset_positions()

    def _adopt_new_partitions(self) -> None:
        """Partitions were added to a topic: read them too, from their beginning on."""
        if self._network is None:
            return
        names = self._topic_partitions(self._network)
        if any(name not in self._subscription.partitions for name in names):
            known = list(self._subscription.partitions)
            new = self._subscription.assign(dict.fromkeys(known + names))
            # Whatever lies in them was written since this consumer started.
            self._begin(new, EARLIEST)
            self._wake()

    def _topic_partitions(self, network: Network) -> list[TopicPartition]:
        topics = [network.metadata.topics.get(name) for name in self._topics]
        return [
            TopicPartition(topic.name, each.index)
            for topic in topics
            if topic is not None
            for each in topic.partitions
        ]

    def _begin(self, new: list[PartitionState], reset_to: int | None) -> None:
        """Say where partitions without a position go."""
        for state in new:
            if reset_to is not None:
                state.reset(reset_to)
            else:
                name = f"{state.name.topic}-{state.name.partition}"
                state.error = NoOffset(f"{name} has no position, and auto_offset_reset is none")

    async def _offsets_at(
        self, time: int, partitions: Sequence[TopicPartition | tuple[str, int]]
    ) -> dict[TopicPartition, int]:
        network, _ = self._require_running()
        times = {TopicPartition(*each): time for each in partitions}
        found = await list_offsets(network, times, self._timeout_ms)
        return {name: each.offset for name, each in found.items()}

    async def _seek_to(
        self, time: int, partitions: Sequence[TopicPartition | tuple[str, int]]
    ) -> None:
        names = [TopicPartition(*each) for each in partitions] or list(self.assignment())
        for name, offset in (await self._offsets_at(time, names)).items():
            self.seek(name, offset)

    def _wake(self) -> None:
        if self._fetcher is not None:
            self._fetcher.wake()

    def _require_running(self) -> tuple[Network, Fetcher]:
        if self._network is None or self._fetcher is None:
            raise ClientNotRunning(f"this consumer {self._not_running}")
        return self._network, self._fetcher
