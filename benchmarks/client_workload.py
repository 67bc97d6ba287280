"""A client at work, in a process of its own.

    parent  --argv: one JSON object-->  this process  --stdout: one JSON object-->  parent

The clocks run around the timed part only: connections, metadata and the first records are made
before. All clients look at each value, since a record that nobody looks at may not be decoded.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

from . import process
from .wire import Address

CLIENTS: Final = ("minikafka", "aiokafka", "kafka-python", "confluent-kafka")
BATCH_BYTES: Final = 65_536
LINGER_MS: Final = 5
WARM_UP_RECORDS: Final = 100
POLL_RECORDS: Final = 500
POLL_MS: Final = 1_000
CHUNK_RECORDS: Final = 1_000
SLOW_S: Final = 3.0
FLUSH_S: Final = 200.0


@dataclass(frozen=True, slots=True)
class ClientJob:
    """What to do, with which client, on which topic."""

    client: str
    workload: str
    topic: str
    host: str
    port: int
    records: int
    record_bytes: int
    partitions: int
    is_idempotent: bool
    uses_uvloop: bool

    @property
    def bootstrap(self) -> str:
        """HOST:PORT."""
        return f"{self.host}:{self.port}"

    @property
    def value(self) -> bytes:
        """The value of each record."""
        return b"\xa5" * self.record_bytes


@dataclass(slots=True)
class ClientOutcome:
    """What was measured."""

    records: int = 0
    seconds: float = 0.0
    client_s: float = 0.0
    memory_bytes: int = 0
    """How far the resident memory rose above its size at the start of the timed part."""


class UnfinishedWork(Exception):
    """Records did not arrive."""


def main() -> int:
    """Do the job in argv, print its outcome, and return the exit status."""
    job = ClientJob(**json.loads(sys.argv[1]))
    work = WORK[job.client, job.workload]
    outcome = ClientOutcome(records=job.records)
    if job.client in ("minikafka", "aiokafka"):
        with asyncio.Runner(loop_factory=_uvloop if job.uses_uvloop else None) as runner:
            runner.run(work(job, outcome))
    else:
        work(job, outcome)
    print(json.dumps(asdict(outcome)))
    return 0


def produce_for_consumers(address: Address, topic: str, records: int, record_bytes: int) -> None:
    """Fill a topic."""
    from confluent_kafka import Producer

    producer = Producer(_confluent_options(str(address), is_idempotent=False))
    _confluent_send(producer, topic, b"\xa5" * record_bytes, records)


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


@contextmanager
def _timed(outcome: ClientOutcome) -> Generator[None]:
    """Fill in time and memory of the body."""
    pid = os.getpid()
    process.forget_peak_memory()
    memory_before = process.memory_bytes(pid)
    client_before, began = time.process_time(), time.perf_counter()
    yield
    outcome.seconds = time.perf_counter() - began
    outcome.client_s = time.process_time() - client_before
    outcome.memory_bytes = process.peak_memory_bytes(pid) - memory_before


def _values_bytes(records: Iterable[Any]) -> int:
    """Look at each value."""
    return sum([len(record.value) for record in records])


def _check(size_bytes: int, job: ClientJob) -> None:
    if size_bytes != job.records * job.record_bytes:
        raise UnfinishedWork(f"{size_bytes} bytes of {job.records} records arrived")


# --- minikafka


@asynccontextmanager
async def _minikafka_producer(job: ClientJob) -> AsyncGenerator[Any]:
    from minikafka import Producer

    async with Producer(
        bootstrap_servers=job.bootstrap,
        enable_idempotence=job.is_idempotent,
        batch_size_bytes=BATCH_BYTES,
        linger_ms=LINGER_MS,
    ) as producer:
        await producer.send_many(job.topic, [job.value] * WARM_UP_RECORDS)
        await producer.flush()
        yield producer


async def _minikafka_send(job: ClientJob, outcome: ClientOutcome) -> None:
    async with _minikafka_producer(job) as producer:
        topic, value = job.topic, job.value
        with _timed(outcome):
            for _ in range(job.records):
                await producer.send(topic, value)
            await producer.flush(FLUSH_S)


async def _minikafka_send_many(job: ClientJob, outcome: ClientOutcome) -> None:
    async with _minikafka_producer(job) as producer:
        values = [job.value] * CHUNK_RECORDS
        with _timed(outcome):
            for _ in range(job.records // CHUNK_RECORDS):
                await producer.send_many(job.topic, values)
            await producer.flush(FLUSH_S)


@asynccontextmanager
async def _minikafka_consumer(job: ClientJob) -> AsyncGenerator[Any]:
    from minikafka import Consumer

    async with Consumer(bootstrap_servers=job.bootstrap, auto_offset_reset="earliest") as consumer:
        await consumer.partitions_for_topic(job.topic)
        yield consumer


async def _minikafka_iterate(job: ClientJob, outcome: ClientOutcome) -> None:
    left, size_bytes = job.records, 0
    async with _minikafka_consumer(job) as consumer:
        with _timed(outcome):
            consumer.assign([(job.topic, index) for index in range(job.partitions)])
            async for record in consumer:
                size_bytes += len(record.value)
                left -= 1
                if not left:
                    break
    _check(size_bytes, job)


async def _minikafka_poll(job: ClientJob, outcome: ClientOutcome) -> None:
    left, size_bytes = job.records, 0
    async with _minikafka_consumer(job) as consumer:
        with _timed(outcome):
            consumer.assign([(job.topic, index) for index in range(job.partitions)])
            while left > 0:
                batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
                for records in batches.values():
                    size_bytes += _values_bytes(records)
                    left -= len(records)
    _check(size_bytes, job)


async def _minikafka_take_slowly(job: ClientJob, outcome: ClientOutcome) -> None:
    async with _minikafka_consumer(job) as consumer:
        with _timed(outcome):
            consumer.assign([(job.topic, index) for index in range(job.partitions)])
            await _take_slowly(lambda: consumer.getone(10_000), outcome)


# --- aiokafka


@asynccontextmanager
async def _aiokafka_producer(job: ClientJob) -> AsyncGenerator[Any]:
    from aiokafka import AIOKafkaProducer

    async with AIOKafkaProducer(
        bootstrap_servers=job.bootstrap,
        acks="all",
        enable_idempotence=job.is_idempotent,
        max_batch_size=BATCH_BYTES,
        linger_ms=LINGER_MS,
        request_timeout_ms=int(FLUSH_S * 1000),
    ) as producer:
        for _ in range(WARM_UP_RECORDS):
            await producer.send(job.topic, job.value)
        await producer.flush()
        yield producer


async def _aiokafka_send(job: ClientJob, outcome: ClientOutcome) -> None:
    async with _aiokafka_producer(job) as producer:
        topic, value = job.topic, job.value
        with _timed(outcome):
            for _ in range(job.records):
                await producer.send(topic, value)
            await producer.flush()


@asynccontextmanager
async def _aiokafka_consumer(job: ClientJob) -> AsyncGenerator[Any]:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    consumer = AIOKafkaConsumer(bootstrap_servers=job.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    names = [TopicPartition(job.topic, index) for index in range(job.partitions)]
    try:
        yield consumer, names
    finally:
        await consumer.stop()


async def _aiokafka_iterate(job: ClientJob, outcome: ClientOutcome) -> None:
    left, size_bytes = job.records, 0
    async with _aiokafka_consumer(job) as (consumer, names):
        with _timed(outcome):
            consumer.assign(names)
            async for record in consumer:
                size_bytes += len(record.value)
                left -= 1
                if not left:
                    break
    _check(size_bytes, job)


async def _aiokafka_poll(job: ClientJob, outcome: ClientOutcome) -> None:
    left, size_bytes = job.records, 0
    async with _aiokafka_consumer(job) as (consumer, names):
        with _timed(outcome):
            consumer.assign(names)
            while left > 0:
                batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
                for records in batches.values():
                    size_bytes += _values_bytes(records)
                    left -= len(records)
    _check(size_bytes, job)


async def _aiokafka_take_slowly(job: ClientJob, outcome: ClientOutcome) -> None:
    async with _aiokafka_consumer(job) as (consumer, names):
        with _timed(outcome):
            consumer.assign(names)
            await _take_slowly(consumer.getone, outcome)


async def _take_slowly(take: Callable[[], Awaitable[Any]], outcome: ClientOutcome) -> None:
    """Take a record every 10 ms for a while: what is fetched ahead in that time?"""
    ends = time.monotonic() + SLOW_S
    outcome.records = 0
    while time.monotonic() < ends:
        await take()
        await asyncio.sleep(0.01)
        outcome.records += 1


# --- kafka-python


def _python_send(job: ClientJob, outcome: ClientOutcome) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(
        bootstrap_servers=job.bootstrap,
        acks="all",
        enable_idempotence=job.is_idempotent,
        batch_size=BATCH_BYTES,
        linger_ms=LINGER_MS,
    )
    topic, value = job.topic, job.value
    for _ in range(WARM_UP_RECORDS):
        producer.send(topic, value)
    producer.flush()
    with _timed(outcome):
        for _ in range(job.records):
            producer.send(topic, value)
        producer.flush(FLUSH_S)
    producer.close()


def _python_consumer(job: ClientJob) -> tuple[Any, list[Any]]:
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=job.bootstrap, auto_offset_reset="earliest")
    return consumer, [TopicPartition(job.topic, index) for index in range(job.partitions)]


def _python_iterate(job: ClientJob, outcome: ClientOutcome) -> None:
    left, size_bytes = job.records, 0
    consumer, names = _python_consumer(job)
    with _timed(outcome):
        consumer.assign(names)
        for record in consumer:
            size_bytes += len(record.value)
            left -= 1
            if not left:
                break
    consumer.close()
    _check(size_bytes, job)


def _python_poll(job: ClientJob, outcome: ClientOutcome) -> None:
    left, size_bytes = job.records, 0
    consumer, names = _python_consumer(job)
    with _timed(outcome):
        consumer.assign(names)
        while left > 0:
            for records in consumer.poll(POLL_MS, POLL_RECORDS).values():
                size_bytes += _values_bytes(records)
                left -= len(records)
    consumer.close()
    _check(size_bytes, job)


def _python_take_slowly(job: ClientJob, outcome: ClientOutcome) -> None:
    consumer, names = _python_consumer(job)
    with _timed(outcome):
        consumer.assign(names)
        outcome.records = 0
        ends = time.monotonic() + SLOW_S
        while time.monotonic() < ends:
            next(consumer)
            time.sleep(0.01)
            outcome.records += 1
    consumer.close()


# --- confluent-kafka


def _confluent_options(bootstrap: str, *, is_idempotent: bool) -> dict[str, Any]:
    return {
        "bootstrap.servers": bootstrap,
        "acks": "all",
        "enable.idempotence": is_idempotent,
        "linger.ms": LINGER_MS,
        "batch.size": BATCH_BYTES,
    }


def _confluent_send(producer: Any, topic: str, value: bytes, records: int) -> None:
    """One record after the other, waiting for room when the queue is full."""
    for _ in range(records):
        try:
            producer.produce(topic, value)
        except BufferError:
            producer.poll(POLL_MS / 1000)
            producer.produce(topic, value)
        producer.poll(0)
    if left := producer.flush(FLUSH_S):
        raise UnfinishedWork(f"{left} records were not acknowledged")


def _confluent_producer(job: ClientJob) -> Any:
    from confluent_kafka import Producer

    producer = Producer(_confluent_options(job.bootstrap, is_idempotent=job.is_idempotent))
    _confluent_send(producer, job.topic, job.value, WARM_UP_RECORDS)
    return producer


def _confluent_produce(job: ClientJob, outcome: ClientOutcome) -> None:
    producer = _confluent_producer(job)
    with _timed(outcome):
        _confluent_send(producer, job.topic, job.value, job.records)


def _confluent_produce_batch(job: ClientJob, outcome: ClientOutcome) -> None:
    producer = _confluent_producer(job)
    with _timed(outcome):
        for _ in range(job.records // CHUNK_RECORDS):
            messages = [{"value": job.value} for _ in range(CHUNK_RECORDS)]
            if producer.produce_batch(job.topic, messages) < CHUNK_RECORDS:
                raise UnfinishedWork("the client's queue refused a record")
            producer.poll(0)
        producer.flush(FLUSH_S)


def _confluent_consumer(job: ClientJob) -> tuple[Any, list[Any]]:
    from confluent_kafka import Consumer, TopicPartition

    options = {"bootstrap.servers": job.bootstrap, "group.id": "benchmarks"}
    consumer = Consumer({**options, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    return consumer, [TopicPartition(job.topic, index, 0) for index in range(job.partitions)]


def _confluent_iterate(job: ClientJob, outcome: ClientOutcome) -> None:
    left, size_bytes = job.records, 0
    consumer, names = _confluent_consumer(job)
    with _timed(outcome):
        consumer.assign(names)
        while left:
            message = consumer.poll(1.0)
            if message is not None:
                size_bytes += len(message.value())
                left -= 1
    consumer.close()
    _check(size_bytes, job)


def _confluent_poll(job: ClientJob, outcome: ClientOutcome) -> None:
    left, size_bytes = job.records, 0
    consumer, names = _confluent_consumer(job)
    with _timed(outcome):
        consumer.assign(names)
        while left > 0:
            messages = consumer.consume(POLL_RECORDS, 1.0)
            size_bytes += sum([len(message.value()) for message in messages])
            left -= len(messages)
    consumer.close()
    _check(size_bytes, job)


def _confluent_take_slowly(job: ClientJob, outcome: ClientOutcome) -> None:
    consumer, names = _confluent_consumer(job)
    with _timed(outcome):
        consumer.assign(names)
        outcome.records = 0
        ends = time.monotonic() + SLOW_S
        while time.monotonic() < ends:
            consumer.poll(1.0)
            time.sleep(0.01)
            outcome.records += 1
    consumer.close()


WORK: Final[dict[tuple[str, str], Callable[[ClientJob, ClientOutcome], Any]]] = {
    ("minikafka", "send"): _minikafka_send,
    ("minikafka", "send_many"): _minikafka_send_many,
    ("minikafka", "iterate"): _minikafka_iterate,
    ("minikafka", "poll"): _minikafka_poll,
    ("minikafka", "take_slowly"): _minikafka_take_slowly,
    ("aiokafka", "send"): _aiokafka_send,
    ("aiokafka", "iterate"): _aiokafka_iterate,
    ("aiokafka", "poll"): _aiokafka_poll,
    ("aiokafka", "take_slowly"): _aiokafka_take_slowly,
    ("kafka-python", "send"): _python_send,
    ("kafka-python", "iterate"): _python_iterate,
    ("kafka-python", "poll"): _python_poll,
    ("kafka-python", "take_slowly"): _python_take_slowly,
    ("confluent-kafka", "send"): _confluent_produce,
    ("confluent-kafka", "send_many"): _confluent_produce_batch,
    ("confluent-kafka", "iterate"): _confluent_iterate,
    ("confluent-kafka", "poll"): _confluent_poll,
    ("confluent-kafka", "take_slowly"): _confluent_take_slowly,
}

if __name__ == "__main__":
    sys.exit(main())
