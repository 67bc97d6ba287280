"""A member of a group as a process of its own: consumes, commits, and says what it does.

    python -m tests.compat.group_worker CLIENT BOOTSTRAP GROUP TOPIC STRATEGY SESSION_MS [INSTANCE]

Each line of its output is a JSON list, an event for `ownership`: the monotonic time in seconds,
what happened, and

    "assigned"  [partition, ...]
    "revoked"   [partition, ...]                      given up in good order
    "lost"      [partition, ...]                      perhaps somebody else's already
    "consumed"  [[partition, offset, value], ...]     in the order of reading
    "committed" [time, {partition: next offset}]      asked for then, and acknowledged now
    "refused"   error                                 a commit that the coordinator did not take
    "leaving"   null                                  it reads no more
    "failed"    error                                 its last word: it cannot go on

It ends with SIGTERM, by leaving the group; whoever kills it takes its last words.
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

HEARTBEAT_MS = 300
POLL_MS = 100
BATCH = 200
SLEEP_S = 1.0
"""A poll that took so long did not only wait for records."""

EAGER = "roundrobin"
COOPERATIVE = "cooperative-sticky"

Row = tuple[int, int, str]
"""Partition, offset, value."""


def say(what: str, detail: Any) -> None:
    """One line, at once."""
    sys.stdout.write(json.dumps([time.monotonic(), what, detail]) + "\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Post:
    """Where a member works, and how."""

    bootstrap: str
    group: str
    topic: str
    strategy: str
    session_ms: int
    instance: str | None = None

    def keywords(self) -> dict[str, Any]:
        """As options of the three clients in Python, which agree on their names."""
        return {
            "bootstrap_servers": self.bootstrap,
            "group_id": self.group,
            "group_instance_id": self.instance,
            "session_timeout_ms": self.session_ms,
            "heartbeat_interval_ms": HEARTBEAT_MS,
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
        }

    def properties(self) -> dict[str, Any]:
        """As options of librdkafka."""
        properties = {
            "bootstrap.servers": self.bootstrap,
            "group.id": self.group,
            "session.timeout.ms": self.session_ms,
            "heartbeat.interval.ms": HEARTBEAT_MS,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "partition.assignment.strategy": self.strategy,
        }
        return properties | ({"group.instance.id": self.instance} if self.instance else {})


class Member(Protocol):
    """What the loop below needs of a client; those that block do so inside."""

    error: type[Exception]
    """What it raises when the coordinator says no."""

    def __init__(self, post: Post) -> None: ...

    async def start(self) -> None:
        """Subscribe."""
        ...

    async def poll(self) -> Sequence[Row]:
        """What has come within POLL_MS; changes of the assignment are said meanwhile."""
        ...

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit, and wait until the coordinator has it."""
        ...

    async def close(self) -> None:
        """Leave."""
        ...


class Changes:
    """Of what is owned; said and counted."""

    count = 0

    @classmethod
    def say(cls, what: str, names: Iterable[Any]) -> None:
        """The numbers alone: a worker has one topic."""
        cls.count += 1
        say(what, sorted(each.partition for each in names))


class Listener:
    """The methods that the listeners of all three clients in Python have."""

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """All of them, or cooperatively those that are new."""
        Changes.say("assigned", assigned)

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Before the others get them."""
        Changes.say("revoked", revoked)

    def on_partitions_lost(self, lost: Iterable[Any]) -> None:
        """Too late to commit."""
        Changes.say("lost", lost)


def rows_of(polled: Mapping[Any, Iterable[Any]]) -> list[Row]:
    """The records of a poll, as the three clients in Python return them."""
    return [
        (record.partition, record.offset, record.value.decode())
        for records in polled.values()
        for record in records
    ]


class ConfluentMember:
    """confluent-kafka, which is librdkafka."""

    def __init__(self, post: Post) -> None:
        from confluent_kafka import Consumer, KafkaException, TopicPartition

        self.error = KafkaException
        self._topic = post.topic
        self._position = TopicPartition
        self._consumer = Consumer(post.properties())
        self._next_offsets: dict[int, int] = {}

    async def start(self) -> None:
        self._consumer.subscribe(
            [self._topic],
            on_assign=lambda _, names: self._assigned(names),
            on_revoke=lambda _, names: Changes.say("revoked", names),
            on_lost=lambda _, names: Changes.say("lost", names),
        )

    async def poll(self) -> Sequence[Row]:
        rows: list[Row] = []
        for message in self._consumer.consume(BATCH, POLL_MS / 1000):
            error = message.error()
            if error is None:
                partition, offset = message.partition(), message.offset()
                # Of a partition that was lost and came back, librdkafka may hand out in between
                # what it had fetched before it was paused.
                if offset >= self._next_offsets.get(partition, 0):
                    self._next_offsets[partition] = offset + 1
                    rows.append((partition, offset, message.value().decode()))
            elif error.fatal():
                raise self.error(error)
        return rows

    def _assigned(self, names: Iterable[Any]) -> None:
        for each in names:
            self._next_offsets.pop(each.partition, None)
        Changes.say("assigned", names)

    async def commit(self, offsets: Mapping[int, int]) -> None:
        wanted = [self._position(self._topic, each, offset) for each, offset in offsets.items()]
        for answer in self._consumer.commit(offsets=wanted, asynchronous=False):
            if answer.error is not None:
                raise self.error(answer.error)

    async def close(self) -> None:
        self._consumer.close()


class KafkaPythonMember:
    """kafka-python."""

    def __init__(self, post: Post) -> None:
        from kafka import KafkaConsumer
        from kafka.consumer.subscription_state import ConsumerRebalanceListener
        from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
        from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
        from kafka.errors import KafkaError

        assignors = {EAGER: RoundRobinPartitionAssignor, COOPERATIVE: CooperativeStickyAssignor}
        consumer = KafkaConsumer(
            partition_assignment_strategy=[assignors[post.strategy]], **post.keywords()
        )

        class KafkaPythonListener(Listener, ConsumerRebalanceListener):  # type: ignore[misc]
            def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
                # It keeps a question for committed offsets that took longer than a poll, and takes
                # the answer for new when the same partitions come back to it, much later.
                consumer._coordinator._offset_fetch_futures.clear()
                super().on_partitions_assigned(assigned)

        self.error = KafkaError
        self._topic = post.topic
        self._consumer = consumer
        self._listener = KafkaPythonListener()

    async def start(self) -> None:
        self._consumer.subscribe([self._topic], listener=self._listener)

    async def poll(self) -> Sequence[Row]:
        return rows_of(self._consumer.poll(timeout_ms=POLL_MS, max_records=BATCH))

    async def commit(self, offsets: Mapping[int, int]) -> None:
        from kafka.structs import OffsetAndMetadata, TopicPartition

        self._consumer.commit(
            {
                TopicPartition(self._topic, each): OffsetAndMetadata(offset, "", -1)
                for each, offset in offsets.items()
            }
        )

    async def close(self) -> None:
        self._consumer.close()


class AiokafkaMember:
    """aiokafka, which has no cooperative strategy."""

    def __init__(self, post: Post) -> None:
        from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
        from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
        from aiokafka.errors import KafkaError

        class AiokafkaListener(Listener, ConsumerRebalanceListener):  # type: ignore[misc]
            pass

        self.error = KafkaError
        self._topic = post.topic
        self._listener = AiokafkaListener()
        assignors = {EAGER: RoundRobinPartitionAssignor}
        self._consumer = AIOKafkaConsumer(
            partition_assignment_strategy=[assignors[post.strategy]], **post.keywords()
        )

    async def start(self) -> None:
        self._consumer.subscribe([self._topic], listener=self._listener)
        await self._consumer.start()

    async def poll(self) -> Sequence[Row]:
        return rows_of(await self._consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH))

    async def commit(self, offsets: Mapping[int, int]) -> None:
        from aiokafka import TopicPartition

        wanted = {TopicPartition(self._topic, each): offset for each, offset in offsets.items()}
        await self._consumer.commit(wanted)

    async def close(self) -> None:
        await self._consumer.stop()


class MinikafkaMember:
    """Our own."""

    def __init__(self, post: Post) -> None:
        from minikafka import Consumer, KafkaError, RebalanceListener

        class MinikafkaListener(Listener, RebalanceListener):
            pass

        self.error = KafkaError
        self._topic = post.topic
        strategy: Any = post.strategy
        self._consumer = Consumer(partition_assignment_strategy=strategy, **post.keywords())
        self._consumer.subscribe([post.topic], listener=MinikafkaListener())

    async def start(self) -> None:
        await self._consumer.start()

    async def poll(self) -> Sequence[Row]:
        return rows_of(await self._consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH))

    async def commit(self, offsets: Mapping[int, int]) -> None:
        from minikafka import TopicPartition

        wanted = {TopicPartition(self._topic, each): offset for each, offset in offsets.items()}
        await self._consumer.commit(wanted)

    async def close(self) -> None:
        await self._consumer.close()


class Stop:
    """Set by SIGTERM."""

    def __init__(self) -> None:
        self.is_set = False
        signal.signal(signal.SIGTERM, self._set)

    def _set(self, number: int, frame: object) -> None:
        self.is_set = True


KINDS: dict[str, type[Member]] = {
    "confluent": ConfluentMember,
    "kafka-python": KafkaPythonMember,
    "aiokafka": AiokafkaMember,
    "minikafka": MinikafkaMember,
}


async def work(kind: str, post: Post, stop: Stop) -> None:
    """Read, commit what was read, and go on until told to stop.

    Who wakes up from a long sleep commits what it had read before, as if it had been about to: the
    coordinator has to refuse that if others have the partitions by then.
    """
    member = KINDS[kind](post)
    await member.start()
    offsets: dict[int, int] = {}
    while not stop.is_set:
        asked_s, changes = time.monotonic(), Changes.count
        rows = await member.poll()
        if rows:
            say("consumed", rows)
            offsets = {partition: offset + 1 for partition, offset, _ in rows}
        elif time.monotonic() - asked_s < SLEEP_S or changes != Changes.count or not offsets:
            continue
        asked_s = time.monotonic()
        try:
            await member.commit(offsets)
        except member.error as error:
            say("refused", repr(error))
            continue
        say("committed", [asked_s, offsets])
    say("leaving", None)
    await member.close()


def main() -> None:
    """Be a member until told to stop."""
    kind, bootstrap, group, topic, strategy, session_ms, *instance = sys.argv[1:]
    post = Post(bootstrap, group, topic, strategy, int(session_ms), *instance)
    stop = Stop()
    try:
        asyncio.run(work(kind, post, stop))
    except Exception as error:  # noqa: BLE001  # Whatever it is, it is a last word.
        say("failed", repr(error))


if __name__ == "__main__":
    main()
