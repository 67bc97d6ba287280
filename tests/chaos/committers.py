"""Consumers in groups that commit as they read, whatever happens to the nodes.

Each is a function that runs in a thread of its own: it reads a topic, commits what it has read, and
notes each commit that was acknowledged. What it noted must be committed in the end.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import TypeAlias

from minikafka import Consumer, KafkaError, TopicPartition

from ..compat.confluent_client import confluent

POLL_S = 0.2
POLL_RECORDS = 500
COMMIT_DEADLINE_S = 30.0


class Commits:
    """The offsets of one group that were acknowledged; written in one thread."""

    def __init__(self, group: str) -> None:
        self.group = group
        self.count = 0
        self.acknowledged: dict[TopicPartition, int] = {}

    def lost(self, committed: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """What was acknowledged and is not committed, nor anything behind it."""
        return {
            each: offset
            for each, offset in self.acknowledged.items()
            if committed.get(each, -1) < offset
        }

    def note(self, offsets: Mapping[TopicPartition, int]) -> None:
        """These were acknowledged."""
        self.count += 1
        self.acknowledged.update(offsets)


Commit: TypeAlias = Callable[[str, str, Commits, threading.Event], None]
"""(bootstrap, topic, commits, stop)"""


def commit_with_minikafka(
    bootstrap: str, topic: str, commits: Commits, stop: threading.Event
) -> None:
    """Our own consumer, in an event loop of its own."""

    async def run() -> None:
        consumer = Consumer(
            topic,
            bootstrap_servers=bootstrap,
            group_id=commits.group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        async with consumer:
            while not stop.is_set():
                batches = await consumer.getmany(int(POLL_S * 1000), POLL_RECORDS)
                offsets = {each: records[-1].offset + 1 for each, records in batches.items()}
                if offsets:
                    try:
                        await asyncio.wait_for(consumer.commit(offsets), COMMIT_DEADLINE_S)
                    except (KafkaError, TimeoutError):
                        continue  # What it read is read again, or the next commit is behind it.
                    commits.note(offsets)

    asyncio.run(run())


def commit_with_confluent(
    bootstrap: str, topic: str, commits: Commits, stop: threading.Event
) -> None:
    """Librdkafka, with commits that are waited for."""
    consumer = confluent.Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": commits.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    while not stop.is_set():
        messages = consumer.consume(POLL_RECORDS, POLL_S)
        offsets = {
            TopicPartition(topic, each.partition()): each.offset() + 1
            for each in messages
            if each.error() is None
        }
        if offsets:
            try:
                committed = consumer.commit(
                    offsets=[confluent.TopicPartition(*each, end) for each, end in offsets.items()],
                    asynchronous=False,
                )
            except confluent.KafkaException:
                continue
            if all(each.error is None for each in committed):
                commits.note(offsets)
    consumer.close()


COMMITTERS: Mapping[str, Commit] = {
    "minikafka": commit_with_minikafka,
    "confluent": commit_with_confluent,
}
