"""Our own clients, and a history of what they did.

    log = HistoryLog(loop.time, events.append)
    sender = RecordedProducer(producer, log)
    await sender.send("orders", 0, ["a", "b"])       one operation: its records go out together

A value is a text, unique in its partition. A producer that is not shared may be wrapped as often as
needed, one wrapper for each task.
"""

from collections.abc import Mapping, Sequence

from minikafka import Consumer, KafkaError, Producer
from minikafka.client.record import ConsumerRecord
from minikafka.history.outcome import outcome_of
from minikafka.history.recorder import HistoryLog


def key_of(topic: str, partition: int) -> str:
    """A partition as histories name it."""
    return f"{topic}-{partition}"


class RecordedProducer:
    """One process that sends."""

    def __init__(self, producer: Producer, log: HistoryLog) -> None:
        """The producer has acks="all": what it acknowledges is kept."""
        self._producer = producer
        self._recorder = log.recorder()

    async def send(self, topic: str, partition: int, values: Sequence[str]) -> None:
        """Send these records, wait for all, and write down what became of them."""
        key = key_of(topic, partition)
        sends = [["send", key, value] for value in values]
        begun = self._recorder.invoke("send", sends)
        deliveries = [
            await self._producer.send(topic, value.encode(), partition=partition)
            for value in values
        ]
        errors: list[str] = []
        told: list[list[object]] = []
        for value, delivery in zip(values, deliveries, strict=True):
            try:
                placed = await delivery
            except KafkaError as error:
                errors.append(error.name)
                told.append(["send", key, value])
            else:
                told.append(["send", key, [placed.offset, value]])
        if not errors:
            begun.ok(told)
        elif len(errors) == len(values) and outcome_of(errors) == "fail":
            begun.fail(errors[0])
        else:
            begun.info(errors[0], told)


class RecordedConsumer:
    """One process that reads; of a group, or partitions that it chose itself."""

    def __init__(self, consumer: Consumer, log: HistoryLog) -> None:
        self._consumer = consumer
        self._recorder = log.recorder()
        self._assigned: set[str] = set()

    def assign(self, topic: str, partitions: Sequence[int]) -> None:
        """Read these partitions."""
        begun = self._recorder.invoke("assign", [key_of(topic, each) for each in partitions])
        self._consumer.assign([(topic, each) for each in partitions])
        self._assigned = self._now_assigned()
        begun.ok()

    def subscribe(self, topic: str) -> None:
        """Read what the group deals out."""
        begun = self._recorder.invoke("subscribe", [topic])
        self._consumer.subscribe([topic])
        begun.ok()

    async def poll(self, timeout_ms: int) -> int:
        """Take what is there, and write it down; the number of records."""
        begun = self._recorder.invoke("poll", [["poll"]])
        before = self._assigned
        try:
            batches: Mapping[tuple[str, int], list[ConsumerRecord]]
            batches = await self._consumer.getmany(timeout_ms)
        except KafkaError as error:
            begun.fail(error.name)  # nothing was handed out
            return 0
        self._assigned = self._now_assigned()
        read = {
            key_of(*name): [[each.offset, each.value.decode()] for each in records]
            for name, records in batches.items()
        }
        begun.ok([["poll", read]], sorted(before ^ self._assigned))
        return sum(map(len, read.values()))

    async def commit(self, group: str) -> None:
        """Commit the positions."""
        positions = {
            key_of(*name): await self._consumer.position(name)
            for name in sorted(self._consumer.assignment())
        }
        begun = self._recorder.invoke("commit", {"group": group, "offsets": positions})
        try:
            await self._consumer.commit()
        except KafkaError as error:
            begun.info(error.name)
        else:
            begun.ok()

    async def committed(self, group: str, topic: str, partitions: Sequence[int]) -> None:
        """Ask what the group has committed."""
        begun = self._recorder.invoke("committed", {"group": group})
        offsets = {
            key_of(topic, each): await self._consumer.committed((topic, each))
            for each in partitions
        }
        begun.ok({"group": group, "offsets": offsets})

    def _now_assigned(self) -> set[str]:
        return {key_of(*each) for each in self._consumer.assignment()}
