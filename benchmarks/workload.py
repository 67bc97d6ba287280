"""A job at work: a process of its own that drives one broker through librdkafka.

    parent  --argv: one JSON object-->  this process  --stdout: one JSON object-->  parent

The clocks run here, around the timed part only: topics, connections and the data to consume are
made before. `broker_s` and `client_s` are the CPU seconds of both sides in that part; they hold
when the client is the bottleneck, which with librdkafka at 1 KiB it is.

Settings: no idempotence, no compression, `linger.ms` 5 for throughput and 0 for latency; queues are
wide enough never to stall. Records are handed over in lists (`produce_batch`), and not one by one,
to keep Python's part of the client's work small; for the same reason librdkafka calls back for
those that failed alone. What is consumed is counted.
"""

import json
import sys
import threading
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from . import process
from .job import END_TO_END_PER_SECOND, Job
from .wire import Address, BrokerError, Connection

CHUNK_RECORDS = 1_000
DEADLINE_S = 60.0
"""The longest that one timed part may take."""
WARM_UP_RECORDS = 100
STATISTICS_MS = 100


@dataclass(frozen=True, slots=True)
class Assignment:
    """A job and the broker to do it on."""

    job: Job
    host: str
    port: int
    broker_pid: int | None = None
    client_cpu: int | None = None

    @property
    def address(self) -> Address:
        """Where the broker listens."""
        return Address(self.host, self.port)


@dataclass(slots=True)
class Outcome:
    """What a job measured; absent figures are None or empty."""

    records: int = 0
    seconds: float = 0.0
    broker_s: float | None = None
    client_s: float = 0.0
    requests: int = 0
    latencies_us: list[float] = field(default_factory=list[float])


class WorkloadError(Exception):
    """The broker did not do what the job asked for."""


def main() -> int:
    """Do the job in argv, print its outcome or one sentence, and return the exit status."""
    values: dict[str, Any] = json.loads(sys.argv[1])
    values["job"] = Job(**values["job"])
    assignment = Assignment(**values)
    process.pin(0, assignment.client_cpu)
    try:
        outcome = _work(assignment)
    except (WorkloadError, BrokerError, KafkaException, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(asdict(outcome)))
    return 0


def _work(assignment: Assignment) -> Outcome:
    """Do the job on a fresh topic, which is deleted afterwards."""
    topic = f"bench-{uuid.uuid4().hex}"
    connection = Connection(assignment.address)
    connection.create_topic(topic, assignment.job.partitions, assignment.job.replicas)
    workloads = {
        "produce": _produce,
        "consume": _consume,
        "latency": _latency,
        "end_to_end": _end_to_end,
    }
    outcome = workloads[assignment.job.workload](assignment, topic)
    connection.delete_topic(topic)
    connection.close()
    return outcome


@contextmanager
def _timed(assignment: Assignment, outcome: Outcome) -> Generator[None]:
    """Fill in the seconds, on the clock and on both sides' CPU, that the body takes."""
    pid = assignment.broker_pid
    broker_before = process.cpu_seconds(pid) if pid else 0.0
    client_before, began = time.process_time(), time.perf_counter()
    yield
    outcome.seconds = time.perf_counter() - began
    outcome.client_s = time.process_time() - client_before
    outcome.broker_s = process.cpu_seconds(pid) - broker_before if pid else None


def _produce(assignment: Assignment, topic: str) -> Outcome:
    job, outcome = assignment.job, Outcome(records=assignment.job.records)
    statistics: list[str] = []
    producer = _bulk_producer(assignment, stats_cb=statistics.append)
    _send(producer, topic, job, job.partitions)
    requests_before = _produce_requests(producer, statistics)
    with _timed(assignment, outcome):
        _send(producer, topic, job, job.records)
    outcome.requests = _produce_requests(producer, statistics) - requests_before
    return outcome


def _consume(assignment: Assignment, topic: str) -> Outcome:
    job, outcome = assignment.job, Outcome(records=assignment.job.records)
    _send(_bulk_producer(assignment), topic, job, job.records)
    consumer = _consumer(assignment)
    with _timed(assignment, outcome):
        consumer.assign([TopicPartition(topic, index, 0) for index in range(job.partitions)])
        remaining, deadline = job.records, time.monotonic() + DEADLINE_S
        while remaining > 0 and time.monotonic() < deadline:
            remaining -= _count(consumer.consume(min(remaining, CHUNK_RECORDS), 1.0))
    consumer.close()
    if remaining:
        raise WorkloadError(f"{remaining} of {job.records} records were not consumed")
    return outcome


def _latency(assignment: Assignment, topic: str) -> Outcome:
    job, outcome = assignment.job, Outcome(records=assignment.job.records)
    producer = _producer(assignment)
    value = b"\xa5" * job.record_bytes
    for _ in range(WARM_UP_RECORDS):
        _produce_and_wait(producer, topic, value)
    with _timed(assignment, outcome):
        outcome.latencies_us = [
            _produce_and_wait(producer, topic, value) for _ in range(job.records)
        ]
    return outcome


def _end_to_end(assignment: Assignment, topic: str) -> Outcome:
    """Send on a fixed schedule, whatever the broker does: nothing coordinated is omitted.

    A record carries the moment of its produce(); the consumer's thread subtracts it from its own.
    """
    job, outcome = assignment.job, Outcome(records=assignment.job.records)
    producer = _producer(assignment)
    for _ in range(WARM_UP_RECORDS):
        _produce_and_wait(producer, topic, bytes(job.record_bytes))
    is_reading = threading.Event()
    reader = threading.Thread(
        target=_read_latencies, args=(assignment, topic, outcome.latencies_us, is_reading)
    )
    reader.start()
    is_reading.wait(DEADLINE_S)
    with _timed(assignment, outcome):
        due = time.perf_counter()
        for _ in range(job.records):
            due += 1 / END_TO_END_PER_SECOND
            time.sleep(max(0.0, due - time.perf_counter()))
            sent = time.perf_counter_ns().to_bytes(8, "big")
            producer.produce(topic, sent.ljust(job.record_bytes, b"\xa5"), partition=0)
            producer.poll(0)
        producer.flush(DEADLINE_S)
    reader.join(DEADLINE_S)
    if len(outcome.latencies_us) < job.records:
        raise WorkloadError(f"{len(outcome.latencies_us)} of {job.records} records arrived")
    return outcome


def _read_latencies(
    assignment: Assignment, topic: str, latencies_us: list[float], is_reading: threading.Event
) -> None:
    """Read the last record of the warm-up, say so, and then all records of the job."""
    consumer = _consumer(assignment)
    consumer.assign([TopicPartition(topic, 0, WARM_UP_RECORDS - 1)])
    deadline = time.monotonic() + DEADLINE_S
    while len(latencies_us) < assignment.job.records and time.monotonic() < deadline:
        message = consumer.poll(1.0)
        arrived_ns = time.perf_counter_ns()
        if message is None:
            continue
        (value,) = _values([message])
        if is_reading.is_set():
            latencies_us.append((arrived_ns - int.from_bytes(value[:8], "big")) / 1000)
        is_reading.set()
    consumer.close()


def _producer(assignment: Assignment, **more: Any) -> Producer:
    """Return a producer that sends each record at once."""
    settings: dict[str, Any] = {
        "bootstrap.servers": str(assignment.address),
        "acks": assignment.job.acks,
        "linger.ms": 0,
        **more,
    }
    return Producer(settings)


def _bulk_producer(assignment: Assignment, **more: Any) -> Producer:
    """Return a producer that fills its batches, and calls back only for records that failed."""
    return _producer(
        assignment,
        **{
            "linger.ms": 5,
            "batch.size": assignment.job.batch_bytes,
            "batch.num.messages": 1_000_000,
            "message.max.bytes": 2_000_000,
            "queue.buffering.max.messages": 2_000_000,
            "queue.buffering.max.kbytes": 2_000_000,
            "delivery.report.only.error": True,
            "statistics.interval.ms": STATISTICS_MS,
            **more,
        },
    )


def _consumer(assignment: Assignment) -> Consumer:
    """Return a consumer that never stalls on a full queue, for a second, as the defaults do."""
    return Consumer(
        {
            "bootstrap.servers": str(assignment.address),
            "group.id": "benchmarks",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "queued.min.messages": 2_000_000,
            "queued.max.messages.kbytes": 2_000_000,
            "fetch.queue.backoff.ms": 1,
        }
    )


def _send(producer: Producer, topic: str, job: Job, records: int) -> None:
    """Produce that many records, chunk by chunk to one partition after the other, and flush."""
    failures: list[str] = []

    def on_failure(error: object, message: object) -> None:
        failures.append(str(error))

    value = b"\xa5" * job.record_bytes
    chunk_records = max(1, min(CHUNK_RECORDS, records // job.partitions))
    sent = 0
    while sent < records:
        count = min(chunk_records, records - sent)
        chunk: list[dict[str, Any]] = [{"value": value} for _ in range(count)]
        partition = sent // chunk_records % job.partitions
        if producer.produce_batch(topic, chunk, partition, on_failure) != count:
            raise WorkloadError("the client's queue refused a record")
        sent += count
    if left := producer.flush(DEADLINE_S):
        raise WorkloadError(f"{left} records were not acknowledged after {DEADLINE_S:.0f} s")
    if failures:
        raise WorkloadError(f"{len(failures)} records failed: {failures[0]}")


def _produce_and_wait(producer: Producer, topic: str, value: bytes) -> float:
    """Produce one record and return the microseconds until its acknowledgement."""
    acknowledged: list[float] = []

    def on_delivery(error: object, message: object) -> None:
        if error is None:
            acknowledged.append(time.perf_counter())

    began = time.perf_counter()
    producer.produce(topic, value, partition=0, on_delivery=on_delivery)
    producer.poll(DEADLINE_S)
    if not acknowledged:
        producer.flush(DEADLINE_S)
    if not acknowledged:
        raise WorkloadError("a record was not acknowledged")
    return (acknowledged[0] - began) * 1_000_000


def _produce_requests(producer: Producer, statistics: list[str]) -> int:
    """Return how many produce requests librdkafka has sent so far: one batch each."""
    statistics.clear()
    deadline = time.monotonic() + DEADLINE_S
    while not statistics and time.monotonic() < deadline:
        producer.poll(STATISTICS_MS / 1000)
    brokers: dict[str, Any] = json.loads(statistics[-1])["brokers"] if statistics else {}
    return sum(broker["req"].get("Produce", 0) for broker in brokers.values())


def _count(messages: list[Message]) -> int:
    """Return how many; looks at each as little as can be, for the client is the limit already."""
    if any(map(Message.error, messages)):
        _values(messages)
    return len(messages)


def _values(messages: list[Message]) -> list[bytes]:
    """Return the values; raises KafkaException for a message that is an error."""
    for message in messages:
        if (error := message.error()) is not None:
            raise KafkaException(error)
    return [message.value() or b"" for message in messages]


if __name__ == "__main__":
    sys.exit(main())
