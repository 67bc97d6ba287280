"""Fetch sessions (KIP-227): what each client asked for last and was told last. PURE.

    session id, epoch
    0, -1    a fetch without a session             id, -1    the same, and that session is closed
    0,  0    a fetch that would like a session     id,  0    the same, and that session is closed
    id, n    the session goes on: n counts from 1, and after 2,147,483,647 comes 1 again

In a session a request names only the partitions that change (others, another offset, no longer
wanted), and an answer only those with news: records, an error, another high watermark or log start.
So that a poll costs what has changed and not what there is, a session reads the *moved* alone:

           named in a request; or the partition told its watchers that it has moved
    settled -----------------------------------------------------------------------> moved
           <-----------------------------------------------------------------------
           an answer has said that nothing is left: no records, no error

A partition that gave records, or would have given some if the limits had let it, stays moved until
the client asks for a later offset. Those that gave some go behind the others, so each has its turn.
Whoever settles is watching: from then on it is the partition that speaks first.

A session belongs to no connection, as in Kafka: a client that reconnects may go on with it. Clients
that never close theirs are why the cache is bounded, by sessions and by partitions in them. When it
is full a new session takes the place of one that nobody has used for two minutes, else of a smaller
one as old as that, else it is not given; the client then fetches without one.

Left out: sessions of followers, which in Kafka are worth more than those of consumers.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from .partition import Partition

if TYPE_CHECKING:
    from random import Random

    from ...protocol.api.fetch import (
        FetchRequestPartition,
        FetchRequestTopic,
        FetchResponsePartition,
        ForgottenTopic,
    )
    from .purgatory import Watcher

NO_SESSION = 0
INITIAL_EPOCH = 0
FINAL_EPOCH = -1
MAX_INT32 = 2**31 - 1
MIN_EVICTABLE_MS = 120_000
MAX_CACHED_PARTITIONS = 100_000
"""In all sessions together; each takes some 400 bytes."""
NOTHING_TOLD = -1

Key = tuple[str, bytes, int]
"""A topic's name and no id or, in newer versions, its id and no name; and the partition."""


class SessionPartition:
    """One partition of a session: what was asked last, and what was told last."""

    __slots__ = (
        "_watched",
        "asked",
        "high_watermark",
        "log_start_offset",
        "session",
        "topic",
        "topic_id",
    )

    def __init__(
        self, session: "FetchSession", topic: str, topic_id: bytes, asked: "FetchRequestPartition"
    ) -> None:
        self.session = session
        self.topic = topic
        self.topic_id = topic_id
        self.asked = asked
        self.high_watermark = self.log_start_offset = NOTHING_TOLD
        self._watched: Partition | None = None

    def watch(self, partition: Partition) -> None:
        """Be told, once, when what may be read in `partition` changes."""
        if self._watched is not partition:
            self.unwatch()
            self._watched = partition
            self._watchers(partition)[self] = None

    def unwatch(self) -> None:
        """Wish to be told nothing."""
        if self._watched is not None:
            self._watchers(self._watched).pop(self, None)
            self._watched = None

    def _watchers(self, partition: Partition) -> "dict[Watcher, None]":
        return partition.end_watchers if self.session.is_followers else partition.watchers

    def moved(self) -> "FetchSession":
        """What may be read has changed; the session is what its waiting request is parked under."""
        self._watched = None
        self.session.moved[self] = None
        self.session.unweighed.append(self)
        return self.session


class FetchSession:
    """The partitions of a client's fetches; of one fetch only, if it has no id."""

    __slots__ = (
        "_partitions",
        "created_ms",
        "epoch",
        "id",
        "is_followers",
        "is_waiting",
        "last_used_ms",
        "moved",
        "unweighed",
        "uses_topic_ids",
    )

    def __init__(self, uses_topic_ids: bool, is_followers: bool = False) -> None:
        self.is_followers = is_followers
        """Whether it reads up to the log's end, and is told when that has moved."""
        self.id = NO_SESSION
        self.epoch = INITIAL_EPOCH
        self.uses_topic_ids = uses_topic_ids
        self.created_ms = self.last_used_ms = 0
        self.is_waiting = False
        """Whether a request of it is parked."""
        self.moved: dict[SessionPartition, None] = {}
        """What the next answer is made of, in this order."""
        self.unweighed: list[SessionPartition] = []
        """What has moved since the parked request looked."""
        self._partitions: dict[Key, SessionPartition] = {}

    def __len__(self) -> int:
        return len(self._partitions)

    def update(
        self, topics: "Iterable[FetchRequestTopic]", forgotten: "Iterable[ForgottenTopic]" = ()
    ) -> None:
        """Take in what a request says; a partition named twice is one, as in Kafka."""
        partitions = self._partitions
        for topic in topics:
            for asked in topic.partitions:
                key = (topic.topic, topic.topic_id, asked.partition)
                partition = partitions.get(key)
                if partition is None:
                    partition = SessionPartition(self, topic.topic, topic.topic_id, asked)
                    partitions[key] = partition
                partition.asked = asked
                self.moved[partition] = None
        for topic in forgotten:
            for index in topic.partitions:
                partition = partitions.pop((topic.topic, topic.topic_id, index), None)
                if partition is not None:
                    partition.unwatch()
                    self.moved.pop(partition, None)

    def tell(self, partition: SessionPartition, answer: "FetchResponsePartition") -> bool:
        """Note what the client is told of a partition, and return whether that is news."""
        has_records = bool(answer.records)
        is_news = (
            has_records
            or answer.error_code != 0
            or answer.high_watermark != partition.high_watermark
            or answer.log_start_offset != partition.log_start_offset
        )
        # That of an error is -1, so whatever comes after it is news again.
        partition.high_watermark = answer.high_watermark
        partition.log_start_offset = answer.log_start_offset
        if has_records:
            del self.moved[partition]
            self.moved[partition] = None
        elif not answer.error_code and partition.asked.fetch_offset >= answer.high_watermark:
            del self.moved[partition]
        return is_news

    def take_unweighed(self) -> list[SessionPartition]:
        """What has moved since this was called last."""
        unweighed, self.unweighed = self.unweighed, []
        return unweighed

    def close(self) -> None:
        """Watch nothing, and let go of the partitions: they would wait for a garbage collection."""
        for partition in self._partitions.values():
            partition.unwatch()
        self._partitions.clear()
        self.moved.clear()
        self.unweighed.clear()


class FetchSessions:
    """The sessions of one node, by id; those in the cache are the ones that have one."""

    def __init__(self, slots: int, random: "Random") -> None:
        self._slots = slots
        self._random = random
        self._sessions: dict[int, FetchSession] = {}
        """The one not used for longest first."""
        self._partitions = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def find(self, session_id: int, epoch: int, uses_topic_ids: bool) -> FetchSession | ErrorCode:
        """The session that a request goes on with, or why it cannot."""
        session = self._sessions.get(session_id)
        if session is None:
            return ErrorCode.FETCH_SESSION_ID_NOT_FOUND
        if epoch != session.epoch:
            return ErrorCode.INVALID_FETCH_SESSION_EPOCH
        if uses_topic_ids != session.uses_topic_ids:
            return ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
        return session

    def update(
        self,
        session: FetchSession,
        topics: "Iterable[FetchRequestTopic]",
        forgotten: "Iterable[ForgottenTopic]",
        now_ms: int,
    ) -> None:
        """Go on with a session; it is closed if nothing is left in it, or more than may be kept."""
        del self._sessions[session.id]
        self._sessions[session.id] = session
        self._partitions -= len(session)
        session.update(topics, forgotten)
        self._partitions += len(session)
        session.epoch = session.epoch % MAX_INT32 + 1
        session.last_used_ms = now_ms
        if len(session) == 0 or self._partitions > MAX_CACHED_PARTITIONS:
            self.close(session.id)

    def keep(self, session: FetchSession, now_ms: int) -> None:
        """Give a new session an id, if there is room or another one has to go."""
        if len(session) > MAX_CACHED_PARTITIONS:
            return
        while not self._has_room(len(session)):
            evicted = self._evictable(len(session), now_ms)
            if evicted is None:
                return
            self.close(evicted.id)
        session.id = self._new_id()
        session.epoch = INITIAL_EPOCH + 1
        session.created_ms = session.last_used_ms = now_ms
        self._sessions[session.id] = session
        self._partitions += len(session)

    def close(self, session_id: int) -> None:
        """Forget a session, if it is there; a request of it that is parked keeps what it needs."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._partitions -= len(session)
            session.id = NO_SESSION
            if not session.is_waiting:
                session.close()

    def _has_room(self, size: int) -> bool:
        """Whether one more session of `size` partitions may be kept."""
        return (
            len(self._sessions) < self._slots and self._partitions + size <= MAX_CACHED_PARTITIONS
        )

    def _evictable(self, size: int, now_ms: int) -> FetchSession | None:
        """What may go for a new session of this size: one unused for long, else a smaller one."""
        oldest = next(iter(self._sessions.values()), None)
        if oldest is None or now_ms - oldest.last_used_ms > MIN_EVICTABLE_MS:
            return oldest
        created_by_ms = now_ms - MIN_EVICTABLE_MS
        old = (each for each in self._sessions.values() if each.created_ms < created_by_ms)
        smallest = min(old, key=len, default=None)
        return smallest if smallest is not None and len(smallest) < size else None

    def _new_id(self) -> int:
        while (session_id := self._random.randint(1, MAX_INT32)) in self._sessions:
            pass
        return session_id
