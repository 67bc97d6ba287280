"""A member of a group as a process of its own: consumes, commits, and says what it does.

    python -m tests.compat.group_worker CLIENT BOOTSTRAP GROUP TOPIC [INSTANCE_ID]

Each line of its output is a JSON list: the monotonic time in seconds, what happened, and

    "assigned"  [partition, ...]
    "consumed"  [[partition, offset, value], ...]     in the order of reading
    "committed" {partition: next offset}              acknowledged by the coordinator

It ends with SIGTERM, by leaving the group; whoever kills it takes its last words.
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

SESSION_MS = 6_000
HEARTBEAT_MS = 300
BATCH = 200


def say(what: str, detail: Any) -> None:
    """One line, at once."""
    sys.stdout.write(json.dumps([time.monotonic(), what, detail]) + "\n")
    sys.stdout.flush()


def say_committed(offsets: Mapping[int, int]) -> None:
    """What the coordinator has acknowledged."""
    say("committed", {str(partition): offset for partition, offset in offsets.items()})


def next_offsets(rows: Sequence[tuple[int, int, str]]) -> dict[int, int]:
    """Of each partition the offset behind the last one read."""
    return {partition: offset + 1 for partition, offset, _ in rows}


class Stop:
    """Set by SIGTERM."""

    def __init__(self) -> None:
        self.is_set = False
        signal.signal(signal.SIGTERM, self._set)

    def _set(self, number: int, frame: object) -> None:
        self.is_set = True


def confluent(bootstrap: str, group: str, topic: str, instance: str | None) -> None:
    """confluent-kafka, eager."""
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    settings: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": SESSION_MS,
        "heartbeat.interval.ms": HEARTBEAT_MS,
        "partition.assignment.strategy": "roundrobin,range",
    }
    if instance:
        settings["group.instance.id"] = instance
    consumer, stop = Consumer(settings), Stop()
    consumer.subscribe(
        [topic], on_assign=lambda _, got: say("assigned", [each.partition for each in got])
    )
    while not stop.is_set:
        rows = [
            (message.partition(), message.offset(), message.value().decode())
            for message in consumer.consume(BATCH, 0.1)
            if message.error() is None
        ]
        if not rows:
            continue
        say("consumed", rows)
        offsets = next_offsets(rows)
        wanted = [TopicPartition(topic, each, offset) for each, offset in offsets.items()]
        try:
            answers = consumer.commit(offsets=wanted, asynchronous=False)
        except KafkaException:
            continue
        say_committed({each.partition: each.offset for each in answers if each.error is None})
    consumer.close()


def kafka_python(bootstrap: str, group: str, topic: str, instance: str | None) -> None:
    """kafka-python."""
    from kafka import KafkaConsumer, TopicPartition
    from kafka.consumer.subscription_state import ConsumerRebalanceListener
    from kafka.coordinator.assignors.range import RangePartitionAssignor
    from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
    from kafka.errors import KafkaError
    from kafka.structs import OffsetAndMetadata

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
        def on_partitions_revoked(self, revoked: Any) -> None:
            pass

        def on_partitions_assigned(self, assigned: Any) -> None:
            say("assigned", [each.partition for each in assigned])

    consumer, stop = (
        KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            group_instance_id=instance,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            partition_assignment_strategy=[RoundRobinPartitionAssignor, RangePartitionAssignor],
        ),
        Stop(),
    )
    consumer.subscribe([topic], listener=Listener())
    while not stop.is_set:
        polled = consumer.poll(timeout_ms=100, max_records=BATCH)
        rows = [
            (record.partition, record.offset, record.value.decode())
            for records in polled.values()
            for record in records
        ]
        if not rows:
            continue
        say("consumed", rows)
        offsets = next_offsets(rows)
        wanted = {
            TopicPartition(topic, each): OffsetAndMetadata(offset, "", -1)
            for each, offset in offsets.items()
        }
        try:
            consumer.commit(wanted)
        except KafkaError:
            continue
        say_committed(offsets)
    consumer.close()


def aiokafka(bootstrap: str, group: str, topic: str, instance: str | None) -> None:
    """aiokafka."""
    asyncio.run(_aiokafka(bootstrap, group, topic, instance))


async def _aiokafka(bootstrap: str, group: str, topic: str, instance: str | None) -> None:
    from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
    from aiokafka.coordinator.assignors.range import RangePartitionAssignor
    from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
    from aiokafka.errors import KafkaError

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
        async def on_partitions_revoked(self, revoked: Any) -> None:
            pass

        async def on_partitions_assigned(self, assigned: Any) -> None:
            say("assigned", [each.partition for each in assigned])

    consumer, stop = (
        AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            group_instance_id=instance,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            partition_assignment_strategy=[RoundRobinPartitionAssignor, RangePartitionAssignor],
        ),
        Stop(),
    )
    consumer.subscribe([topic], listener=Listener())
    await consumer.start()
    while not stop.is_set:
        polled = await consumer.getmany(timeout_ms=100, max_records=BATCH)
        rows = [
            (record.partition, record.offset, record.value.decode())
            for records in polled.values()
            for record in records
        ]
        if not rows:
            continue
        say("consumed", rows)
        offsets = next_offsets(rows)
        try:
            await consumer.commit(
                {TopicPartition(topic, each): offset for each, offset in offsets.items()}
            )
        except KafkaError:
            continue
        say_committed(offsets)
    await consumer.stop()


CLIENTS = {"confluent": confluent, "kafka-python": kafka_python, "aiokafka": aiokafka}


def main() -> None:
    """Work until told to stop."""
    client, bootstrap, group, topic, *instance = sys.argv[1:]
    CLIENTS[client](bootstrap, group, topic, instance[0] if instance else None)


if __name__ == "__main__":
    main()
