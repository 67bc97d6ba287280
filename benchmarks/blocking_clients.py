"""kafka-python and confluent-kafka at work."""

import time
from collections.abc import Callable
from typing import Any, Final

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
    UnfinishedWork,
    check,
    timed,
    values_bytes,
)


def run(job: ClientJob, outcome: ClientOutcome) -> None:
    """Do the job."""
    WORKS[job.client, job.workload](job, outcome)


def produce_for_consumers(job: ClientJob) -> None:
    """Fill the topic of a job that consumes."""
    _confluent_send(_confluent_producer(job, 0), job.topic, job.value, job.records)


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
    with timed(outcome):
        for _ in range(job.records):
            producer.send(topic, value)
        producer.flush(FLUSH_S)
    producer.close()


def _python_consumer(job: ClientJob) -> tuple[Any, list[Any]]:
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(bootstrap_servers=job.bootstrap, auto_offset_reset="earliest")
    return consumer, [TopicPartition(*name) for name in job.names]


def _python_warm_consumer(job: ClientJob) -> Any:
    consumer, names = _python_consumer(job)
    consumer.assign(names)
    next(consumer)
    return consumer


def _python_iterate(job: ClientJob, outcome: ClientOutcome) -> None:
    left, size_bytes = job.records, 0
    consumer = _python_warm_consumer(job)
    with timed(outcome):
        consumer.seek_to_beginning()
        for record in consumer:
            size_bytes += len(record.value)
            left -= 1
            if not left:
                break
    consumer.close()
    check(size_bytes, job)


def _python_poll(job: ClientJob, outcome: ClientOutcome) -> None:
    left, size_bytes = job.records, 0
    consumer = _python_warm_consumer(job)
    with timed(outcome):
        consumer.seek_to_beginning()
        while left > 0:
            for records in consumer.poll(POLL_MS, POLL_RECORDS).values():
                size_bytes += values_bytes(records)
                left -= len(records)
    consumer.close()
    check(size_bytes, job)


def _python_take_slowly(job: ClientJob, outcome: ClientOutcome) -> None:
    consumer, names = _python_consumer(job)
    with timed(outcome):
        consumer.assign(names)
        outcome.records = 0
        ends = time.monotonic() + SLOW_S
        while time.monotonic() < ends:
            next(consumer)
            time.sleep(PAUSE_S)
            outcome.records += 1
    consumer.close()


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


def _confluent_producer(job: ClientJob, warm_up_records: int = WARM_UP_RECORDS) -> Any:
    from confluent_kafka import Producer

    producer = Producer(
        {
            "bootstrap.servers": job.bootstrap,
            "acks": "all",
            "enable.idempotence": job.is_idempotent,
            "linger.ms": LINGER_MS,
            "batch.size": BATCH_BYTES,
        }
    )
    _confluent_send(producer, job.topic, job.value, warm_up_records)
    return producer


def _confluent_produce(job: ClientJob, outcome: ClientOutcome) -> None:
    producer = _confluent_producer(job)
    with timed(outcome):
        _confluent_send(producer, job.topic, job.value, job.records)


def _confluent_produce_batch(job: ClientJob, outcome: ClientOutcome) -> None:
    producer = _confluent_producer(job)
    with timed(outcome):
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
    beginning = [TopicPartition(*name, 0) for name in job.names]
    return consumer, beginning


def _confluent_warm_consumer(job: ClientJob) -> tuple[Any, list[Any]]:
    consumer, beginning = _confluent_consumer(job)
    consumer.assign(beginning)
    consumer.poll(1.0)
    return consumer, beginning


def _confluent_iterate(job: ClientJob, outcome: ClientOutcome) -> None:
    left, size_bytes = job.records, 0
    consumer, beginning = _confluent_warm_consumer(job)
    with timed(outcome):
        consumer.assign(beginning)
        while left:
            message = consumer.poll(1.0)
            if message is not None:
                size_bytes += len(message.value())
                left -= 1
    consumer.close()
    check(size_bytes, job)


def _confluent_poll(job: ClientJob, outcome: ClientOutcome) -> None:
    left, size_bytes = job.records, 0
    consumer, beginning = _confluent_warm_consumer(job)
    with timed(outcome):
        consumer.assign(beginning)
        while left > 0:
            messages = consumer.consume(POLL_RECORDS, 1.0)
            size_bytes += sum([len(message.value()) for message in messages])
            left -= len(messages)
    consumer.close()
    check(size_bytes, job)


def _confluent_take_slowly(job: ClientJob, outcome: ClientOutcome) -> None:
    consumer, beginning = _confluent_consumer(job)
    with timed(outcome):
        consumer.assign(beginning)
        outcome.records = 0
        ends = time.monotonic() + SLOW_S
        while time.monotonic() < ends:
            consumer.poll(1.0)
            time.sleep(PAUSE_S)
            outcome.records += 1
    consumer.close()


WORKS: Final[dict[tuple[str, str], Callable[[ClientJob, ClientOutcome], None]]] = {
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
