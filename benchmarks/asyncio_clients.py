"""minikafka and aiokafka at work. They have the same methods, so that the work is the same code."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from .client_job import (
    BATCH_BYTES,
    CHUNK_RECORDS,
    FLUSH_S,
    LINGER_MS,
    PAUSE_S,
    POLL_MS,
    POLL_RECORDS,
    SLOW_S,
    WARM_UP_RECORDS,
    ClientJob,
    ClientOutcome,
    check,
    timed,
    values_bytes,
)


def run(job: ClientJob, outcome: ClientOutcome) -> None:
    """Do the job."""
    with asyncio.Runner(loop_factory=_uvloop if job.uses_uvloop else None) as runner:
        runner.run(_run(job, outcome))


async def _run(job: ClientJob, outcome: ClientOutcome) -> None:
    producer, consumer = OPENERS[job.client]
    works = {"send": _send, "send_many": _send_many}
    if job.workload in works:
        async with producer(job) as opened:
            for _ in range(WARM_UP_RECORDS):
                await opened.send(job.topic, job.value)
            await opened.flush()
            await works[job.workload](opened, job, outcome)
        return
    works = {"iterate": _iterate, "poll": _poll, "take_slowly": _take_slowly}
    async with consumer(job) as opened:
        if job.workload != "take_slowly":
            opened.assign(_names(job))
            await opened.getone()
        await works[job.workload](opened, job, outcome)


async def _send(producer: Any, job: ClientJob, outcome: ClientOutcome) -> None:
    topic, value = job.topic, job.value
    with timed(outcome):
        for _ in range(job.records):
            await producer.send(topic, value)
        await producer.flush()


async def _send_many(producer: Any, job: ClientJob, outcome: ClientOutcome) -> None:
    values = [job.value] * CHUNK_RECORDS
    with timed(outcome):
        for _ in range(job.records // CHUNK_RECORDS):
            await producer.send_many(job.topic, values)
        await producer.flush()


async def _iterate(consumer: Any, job: ClientJob, outcome: ClientOutcome) -> None:
    left, size_bytes = job.records, 0
    with timed(outcome):
        await consumer.seek_to_beginning()
        async for record in consumer:
            size_bytes += len(record.value)
            left -= 1
            if not left:
                break
    check(size_bytes, job)


async def _poll(consumer: Any, job: ClientJob, outcome: ClientOutcome) -> None:
    left, size_bytes = job.records, 0
    with timed(outcome):
        await consumer.seek_to_beginning()
        while left > 0:
            batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS)
            for records in batches.values():
                size_bytes += values_bytes(records)
                left -= len(records)
    check(size_bytes, job)


async def _take_slowly(consumer: Any, job: ClientJob, outcome: ClientOutcome) -> None:
    outcome.records = 0
    with timed(outcome):
        consumer.assign(_names(job))
        ends = time.monotonic() + SLOW_S
        while time.monotonic() < ends:
            await consumer.getone()
            await asyncio.sleep(PAUSE_S)
            outcome.records += 1


def _names(job: ClientJob) -> list[Any]:
    """The partitions as the client wants them."""
    if job.client == "minikafka":
        return list(job.names)
    from aiokafka import TopicPartition

    return [TopicPartition(*name) for name in job.names]


@asynccontextmanager
async def _minikafka_producer(job: ClientJob) -> AsyncGenerator[Any]:
    from minikafka import Producer

    async with Producer(
        bootstrap_servers=job.bootstrap,
        enable_idempotence=job.is_idempotent,
        batch_size_bytes=BATCH_BYTES,
        linger_ms=LINGER_MS,
    ) as producer:
        yield producer


@asynccontextmanager
async def _minikafka_consumer(job: ClientJob) -> AsyncGenerator[Any]:
    from minikafka import Consumer

    async with Consumer(bootstrap_servers=job.bootstrap, auto_offset_reset="earliest") as consumer:
        yield consumer


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
        yield producer


@asynccontextmanager
async def _aiokafka_consumer(job: ClientJob) -> AsyncGenerator[Any]:
    from aiokafka import AIOKafkaConsumer

    consumer = AIOKafkaConsumer(bootstrap_servers=job.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


Opener = Callable[[ClientJob], AbstractAsyncContextManager[Any]]

OPENERS: dict[str, tuple[Opener, Opener]] = {
    "minikafka": (_minikafka_producer, _minikafka_consumer),
    "aiokafka": (_aiokafka_producer, _aiokafka_consumer),
}
