"""A client with a session sees what one without sees: every record, once, in order.

Both consume the same partitions from the same broker, while topics are written to, cut at their
beginning, rolled, deleted and made anew, partitions come and go, limits are small, polls wait, and
sessions are lost. The truth beside them is a list of records for each partition. After a poll with
room for everything a client knows the ends of all logs: no news was left out.
"""

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from minikafka.broker.config import BrokerConfig, TopicConfig
from minikafka.broker.controller.image import Image, PartitionImage
from minikafka.broker.handlers import fetch
from minikafka.broker.log.files import Files
from minikafka.broker.log.log import Log, LogOptions
from minikafka.broker.replica.epochs import LeaderEpochs
from minikafka.broker.replica.fetch_sessions import FetchSessions
from minikafka.broker.replica.manager import ReplicaManager
from minikafka.broker.replica.partition import Partition
from minikafka.broker.replica.producers import Producers
from minikafka.protocol.api.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
    FetchResponse,
    FetchResponsePartition,
    ForgottenTopic,
)
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.primitives import ZERO_UUID
from minikafka.protocol.records import iterate, iterate_batches

from ..in_process import batch_of
from ..replica.unreliable_files import NothingKept

NOW_MS = 1_700_000_000_000
TOPICS = ("a", "b", "c")
PARTITIONS = 2
KEYS = [(topic, index) for topic in TOPICS for index in range(PARTITIONS)]
BATCH_BYTES = len(batch_of(b"0000"))
ROOM = 1 << 20
SLOTS = 2
MAX_POLLS = 200
UNKNOWN = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID)

Key = tuple[str, int]
Told = tuple[int, int, int]
"""Error code, high watermark and log start offset."""


class Broker:
    """Partitions, sessions and the handler, without a socket, beside the true records."""

    def __init__(self, data_dir: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.files = Files()
        self.replicas = ReplicaManager(self.files, self.loop)
        self.sessions = FetchSessions(SLOTS, Random(1))
        self.image = Image()
        self.truth: dict[Key, list[bytes]] = {}
        self.context: Any = SimpleNamespace(
            config=BrokerConfig(),
            controller=SimpleNamespace(image=self.image),
            replicas=self.replicas,
            fetch_sessions=self.sessions,
        )
        self._data_dir = data_dir
        self._written = self._topics = 0

    def create(self, name: str) -> None:
        """A topic of this name, another one each time."""
        self._topics += 1
        topic_id = self._topics.to_bytes(16, "big")
        self.image.apply(
            {"type": "TopicCreated", "topic_id": topic_id, "name": name, "configs": {}}
        )
        for index in range(PARTITIONS):
            directory = self._data_dir / f"{name}-{index}-{self._topics}"
            log = Log.open(self.files, str(directory), LogOptions(flush_on_write="os"))
            epochs = LeaderEpochs([(0, 0)])
            partition = Partition(
                name, index, log, TopicConfig(), Producers(), epochs, NothingKept()
            )
            led_alone = PartitionImage(index, (1,), (1,), 1, 0, 0)
            partition.lead(led_alone, self.image.brokers, 0)
            self.image.topics[name].partitions[index] = led_alone
            self.replicas.add(partition)
            self.truth[name, index] = []

    def delete(self, name: str) -> None:
        """The topic is gone, and who waits for it hears so."""
        self.image.apply({"type": "TopicDeleted", "topic_id": self.image.topics[name].topic_id})
        for index in range(PARTITIONS):
            self.replicas.remove(name, index)
            del self.truth[name, index]

    def append(self, key: Key, counts: list[int]) -> None:
        """Batches of so many records each."""
        partition = self.partition(key)
        for count in counts:
            values = [b"%04d" % (self._written + number) for number in range(count)]
            self._written += count
            self.truth[key] += values
            appended = self.replicas.append(partition, memoryview(batch_of(*values)), NOW_MS)
            assert not appended.error_code
        self.settle()

    def settle(self) -> None:
        """Write what is staged, as at the end of a readable event."""
        self.replicas._unwritten.append((Acknowledged(), 0))  # type: ignore[arg-type]
        self.replicas.settle()
        self.loop.run_until_complete(self.replicas.flush_all())

    def partition(self, key: Key) -> Partition:
        """The partition as it is now."""
        found = self.replicas.find(*key)
        assert found is not None
        return found


class Acknowledged:
    """A produce request that waits for nothing more."""

    def is_ready(self) -> bool:
        return True

    def finish(self) -> None:
        pass

    def partitions(self) -> list[Partition]:
        return []


class Exchange:
    """One request, without a connection."""

    correlation_id = 1

    def __init__(self, version: int) -> None:
        self.version = version
        self.response: FetchResponse | None = None
        self.lose: Any = lambda: None

    def answer(self, response: FetchResponse) -> None:
        assert self.response is None
        self.response = response

    def when_lost(self, cancel: Any) -> None:
        self.lose = cancel


@dataclass
class Reader:
    """Where a client is in a partition."""

    topic_id: bytes
    position: int = 0


@dataclass
class Client:
    """A consumer, as real clients keep their sessions; with an epoch of -1 it has none."""

    broker: Broker
    version: int
    has_session: bool
    readers: dict[Key, Reader] = field(default_factory=dict[Key, Reader])
    told: dict[tuple[Key, bytes], Told] = field(default_factory=dict[tuple[Key, bytes], Told])
    """What the broker has said last, also of partitions that are not read any more."""
    session_id: int = 0
    epoch: int = 0
    sent: dict[Key, tuple[bytes, int]] = field(default_factory=dict[Key, tuple[bytes, int]])
    exchange: Exchange | None = None
    min_bytes: int = 0
    partition_max_bytes: int = 0

    @property
    def uses_topic_ids(self) -> bool:
        """From version 13 on."""
        return self.version >= 13

    def add(self, key: Key) -> None:
        """Read this partition from its beginning; a topic's id is what it is now."""
        topic = self.broker.image.topics.get(key[0])
        if not self.uses_topic_ids:
            self.readers[key] = Reader(ZERO_UUID)
        elif topic is not None:
            self.readers[key] = Reader(topic.topic_id)

    def add_or_forget(self, key: Key) -> None:
        """Begin to read a partition, or stop."""
        if key in self.readers:
            del self.readers[key]
        else:
            self.add(key)

    def refresh(self) -> None:
        """Learn the ids that topics have now; another topic is read from its beginning."""
        if not self.uses_topic_ids:
            return
        for (name, index), reader in self.readers.items():
            topic = self.broker.image.topics.get(name)
            if topic is not None and topic.topic_id != reader.topic_id:
                self.readers[name, index] = Reader(topic.topic_id)

    def send(
        self, *, min_bytes: int = 1, partition_max_bytes: int = ROOM, **limits: int
    ) -> FetchResponse | None:
        """Poll; the answer may come later."""
        self.min_bytes, self.partition_max_bytes = min_bytes, partition_max_bytes
        request = self._request(**limits)
        self.exchange = exchange = Exchange(self.version)
        response = fetch.handle(exchange, request, self.broker.context)  # type: ignore[arg-type]
        if response is not None:
            exchange.answer(response)
        return self.receive()

    def receive(self) -> FetchResponse | None:
        """Take the answer, if it is there."""
        if self.exchange is None or self.exchange.response is None:
            return None
        response, self.exchange = self.exchange.response, None
        if response.error_code:
            assert self.has_session
            self.epoch = 0
            return response
        names = {reader.topic_id: key[0] for key, reader in self.readers.items()}
        for topic in response.responses:
            name = names.get(topic.topic_id, "") if self.uses_topic_ids else topic.topic
            for answer in topic.partitions:
                self._take((name, answer.partition_index), answer)
        self.session_id = response.session_id
        self.epoch = self.epoch + 1 if response.session_id else 0
        return response

    def lose(self) -> None:
        """The connection breaks while a poll is under way."""
        if self.exchange is not None:
            self.exchange.lose()
            self.exchange = None
            self.epoch = 0

    def _request(self, **limits: int) -> FetchRequest:
        wanted = {key: (each.topic_id, each.position) for key, each in self.readers.items()}
        is_full = not self.has_session or self.epoch == 0
        before = {} if is_full else self.sent
        named = {key: asked for key, asked in wanted.items() if before.get(key) != asked}
        gone = [
            (key, topic_id)
            for key, (topic_id, _) in before.items()
            if key not in wanted or (self.uses_topic_ids and wanted[key][0] != topic_id)
        ]
        self.sent = wanted
        return FetchRequest(
            session_id=self.session_id if self.has_session else 0,
            session_epoch=self.epoch if self.has_session else -1,
            topics=[
                FetchRequestTopic(
                    **self._topic(name, topic_id),
                    partitions=[
                        FetchRequestPartition(
                            partition=index,
                            fetch_offset=position,
                            partition_max_bytes=self.partition_max_bytes,
                        )
                    ],
                )
                for (name, index), (topic_id, position) in named.items()
            ],
            forgotten_topics_data=[
                ForgottenTopic(**self._topic(name, topic_id), partitions=[index])
                for (name, index), topic_id in gone
            ],
            min_bytes=self.min_bytes,
            **{"max_wait_ms": 0, "max_bytes": ROOM} | limits,
        )

    def _topic(self, name: str, topic_id: bytes) -> dict[str, Any]:
        return {"topic_id": topic_id} if self.uses_topic_ids else {"topic": name}

    def _take(self, key: Key, answer: FetchResponsePartition) -> None:
        reader = self.readers.get(key)
        if reader is None:
            return
        ends = answer.high_watermark, answer.log_start_offset
        self.told[key, reader.topic_id] = answer.error_code, *ends
        if self.sent[key] != (reader.topic_id, reader.position):
            return  # It was begun anew while the answer was under way.
        if answer.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
            reader.position = answer.log_start_offset
        if answer.error_code:
            return
        truth = self.broker.truth.get(key, [])
        records: Any = answer.records  # A slice, which only a socket would make bytes of.
        batches = iterate_batches(records.read() if records else b"")
        for record in (each for batch in batches for each in iterate(batch)):
            if record.offset >= reader.position:
                assert record.offset == reader.position
                assert truth[record.offset] == record.value
                reader.position += 1
        assert reader.position <= answer.high_watermark


class FetchSessionMachine(RuleBasedStateMachine):
    """A client with a session and one without, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self.broker = Broker(Path(self._directory.name))
        self.clients: list[Client] = []

    @initialize(version=st.sampled_from((12, 16)))
    def start(self, version: int) -> None:
        self.clients = [Client(self.broker, version, has) for has in (True, False)]
        for name in TOPICS[:2]:
            self.broker.create(name)
        for client in self.clients:
            for key in KEYS[: 2 * PARTITIONS]:
                client.add(key)

    @rule(
        keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=3),
        counts=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    )
    def append(self, keys: list[Key], counts: list[int]) -> None:
        for key in keys:
            if key in self.broker.truth:
                self.broker.append(key, counts)

    @rule(key=st.sampled_from(KEYS), kept_records=st.integers(0, 3))
    def delete_records(self, key: Key, kept_records: int) -> None:
        if key in self.broker.truth:
            partition = self.broker.partition(key)
            start = max(partition.high_watermark - kept_records, partition.log.log_start_offset)
            partition.log.advance_start(start)
            self.broker.replicas.moved(partition)

    @rule(key=st.sampled_from(KEYS), what=st.sampled_from(("roll", "forget", "topic")))
    def change(self, key: Key, what: str) -> None:
        """Roll a log, have the clients begin or stop to read it, or make or delete its topic."""
        if what == "forget":
            for client in self.clients:
                client.add_or_forget(key)
        elif key not in self.broker.truth:
            self.broker.create(key[0])
        elif what == "topic":
            self.broker.delete(key[0])
        else:
            self.broker.partition(key).log.roll()

    @rule(
        max_bytes=st.integers(0, 6 * BATCH_BYTES),
        partition_max_bytes=st.integers(0, 4 * BATCH_BYTES),
        min_bytes=st.sampled_from((0, 1, BATCH_BYTES, 5 * BATCH_BYTES)),
        max_wait_ms=st.sampled_from((0, 1000)),
    )
    def poll(self, **limits: int) -> None:
        for client in self.clients:
            if client.exchange is None:
                client.send(**limits)

    @rule(is_refreshed=st.booleans())
    def poll_with_room(self, is_refreshed: bool) -> None:
        self.broker.replicas.stop()  # Who waits has waited long enough.
        for client in self.clients:
            client.receive()
            if is_refreshed:
                client.refresh()
            response = client.send(max_wait_ms=0)
            assert response is not None
            if not response.error_code:
                self.knows_the_ends(client)

    @rule(size=st.integers(0, 6), what=st.sampled_from(("connection", "epoch", "evict", "years")))
    def disturb(self, size: int, what: str) -> None:
        """Break the connections, repeat an epoch, or have strangers open sessions."""
        client = self.clients[0]
        if what == "connection":
            for each in self.clients:
                each.lose()
        elif what != "epoch":
            self.open_other_sessions(size, what == "years")
        elif client.exchange is None and client.epoch > 1:
            client.epoch -= 1
            client.send()
            assert client.epoch == 0

    def open_other_sessions(self, size: int, years: bool) -> None:
        """Take all slots, if their sessions are so small or nobody has used them for years."""
        now_ms = self.broker.replicas.now_ms() + (10**9 if years else 0)
        for _ in range(SLOTS):
            other = fetch.FetchSession(uses_topic_ids=False)
            partitions = [
                FetchRequestPartition(partition=index, fetch_offset=0, partition_max_bytes=0)
                for index in range(size)
            ]
            other.update([FetchRequestTopic(topic="other", partitions=partitions)])
            self.broker.sessions.keep(other, now_ms)
            if not years:
                self.broker.sessions.close(other.id)

    @invariant()
    def nobody_waits_for_what_is_there(self) -> None:
        for client in self.clients:
            client.receive()
            if client.exchange is not None:
                available = [self.available_bytes(client, key) for key in client.sent]
                assert sum(available) < client.min_bytes

    @invariant()
    def only_the_living_watch(self) -> None:
        living = set(self.broker.sessions._sessions.values())
        parked = {id(key) for key in self.broker.replicas._purgatory._watched}
        for partition in self.broker.replicas.partitions.values():
            for watcher in partition.watchers:
                session = watcher.session  # type: ignore[attr-defined]
                assert session in living or id(session) in parked

    def available_bytes(self, client: Client, key: Key) -> int:
        """What a client that waits could have of a partition, which is there."""
        topic_id, position = client.sent[key]
        topic = self.broker.image.topics[key[0]]
        assert topic_id == topic.topic_id or not client.uses_topic_ids
        records = self.broker.partition(key).read(position, ROOM, at_least_one=True)
        return min(len(records or b""), client.partition_max_bytes)

    def knows_the_ends(self, client: Client) -> None:
        """Nothing that the broker should have told is missing."""
        for key, reader in client.readers.items():
            error_code, *ends = client.told[key, reader.topic_id]
            topic = self.broker.image.topics.get(key[0])
            if topic is None or (client.uses_topic_ids and topic.topic_id != reader.topic_id):
                assert error_code in UNKNOWN
                assert ends == [-1, -1]
                continue
            log = self.broker.partition(key).log
            assert error_code in (0, ErrorCode.OFFSET_OUT_OF_RANGE)
            assert ends == [-1 if error_code else log.log_end_offset, log.log_start_offset]

    def teardown(self) -> None:
        for client in self.clients:
            self.broker.replicas.stop()
            client.receive()
            client.refresh()
            self.drain(client)
        self.broker.loop.close()
        self._directory.cleanup()

    def drain(self, client: Client) -> None:
        """Poll until every partition has been read to its end."""
        behind: list[Key] = []
        for _ in range(MAX_POLLS):
            client.send(max_bytes=2 * BATCH_BYTES)
            behind = [
                key
                for key, reader in client.readers.items()
                if key in self.broker.truth and reader.position != len(self.broker.truth[key])
            ]
            if not behind:
                return
        raise AssertionError(f"never read to the end: {behind}")


FetchSessionMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None
)
TestFetchSessions = FetchSessionMachine.TestCase
