"""`minikafka bench`: how fast a cluster is, seen by our own client; it works on any Kafka cluster.

    produce   records as fast as they are acknowledged, and how long each takes
    consume   what produce left, as fast as it comes
    latency   one record at a time: sent -> acknowledged -> received

The client is Python and takes more time than the broker: for the broker's own limits, and for a
comparison of brokers, see benchmarks/.
"""

import json
from dataclasses import dataclass
from functools import partial
from random import Random
from time import perf_counter
from typing import Any, Final

import click

from ..client.admin import AdminClient, NewTopic
from ..client.consumer import Consumer
from ..client.producer import Acks, CompressionName, Producer
from ..protocol.errors import ErrorCode, error_class
from . import session
from .failure import Failure
from .in_flight import InFlight
from .measurement import Measurement
from .producer_options import acks_option, compression_option

TOPIC: Final = "minikafka-bench"
MAX_IN_FLIGHT: Final = 100_000
BATCH_RECORDS: Final = 1000
SILENCE_MS: Final = 5000
TopicAlreadyExists: Final = error_class(ErrorCode.TOPIC_ALREADY_EXISTS)

topic_option: Final = click.option("--topic", default=TOPIC, show_default=True)
size_option: Final = click.option(
    "--record-bytes",
    type=click.IntRange(min=1, max=1_000_000),
    default=100,
    show_default=True,
)


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent."""

    topic: str
    record_count: int
    record_bytes: int
    acks: Acks
    compression: CompressionName = "none"
    partitions: int = 1

    def value(self) -> bytes:
        """A value that compresses badly and is the same in each run."""
        return Random(0).randbytes(self.record_bytes)


@click.group()
def bench() -> None:
    """Measure a cluster with this package's own client.

    \b
    Example:
      minikafka bench produce --records 1000000 --record-bytes 100
    """


@bench.command()
@topic_option
@click.option("--partitions", type=click.IntRange(min=1), default=1, help="Of a new topic.")
@click.option("--records", type=click.IntRange(min=1), default=500_000, show_default=True)
@size_option
@acks_option
@compression_option
@session.output_option
@session.cluster_options
def produce(
    topic: str, partitions: int, records: int, output: str, bootstrap: str, **options: Any
) -> None:
    """Send records as fast as the cluster acknowledges them.

    \b
    Example:
      minikafka bench produce --records 1000000 --acks 1
    """
    load = Load(
        topic,
        records,
        options["record_bytes"],
        options["acks"],
        options["compression"],
        partitions,
    )
    session.run(_produce(bootstrap, load, output))


@bench.command()
@topic_option
@click.option("--records", type=click.IntRange(min=1), default=500_000, show_default=True)
@session.output_option
@session.cluster_options
def consume(topic: str, records: int, output: str, bootstrap: str) -> None:
    """Read the records of a topic from its beginning, until its end or --records.

    \b
    Example:
      minikafka bench consume --records 100000
    """
    session.run(_consume(bootstrap, topic, records, output))


@bench.command()
@topic_option
@click.option("--records", type=click.IntRange(min=1), default=5000, show_default=True)
@size_option
@acks_option
@session.output_option
@session.cluster_options
def latency(
    topic: str, records: int, record_bytes: int, acks: Acks, output: str, bootstrap: str
) -> None:
    """Send one record at a time: until it is acknowledged, and until it is received.

    \b
    Example:
      minikafka bench latency --records 10000 -o json
    """
    load = Load(topic, records, record_bytes, acks)
    session.run(_latency(bootstrap, load, output))


async def _produce(bootstrap: str, load: Load, output: str) -> None:
    await _create_topic(bootstrap, load.topic, load.partitions)
    producer = Producer(
        bootstrap_servers=bootstrap, acks=load.acks, compression_type=load.compression
    )
    async with await session.connect(producer):
        measurement = Measurement("sent", load.record_count, perf_counter())
        in_flight, value = InFlight(), load.value()

        def answered(sent_s: float, _future: object) -> None:
            measurement.add_latency((perf_counter() - sent_s) * 1000)

        for index in range(load.record_count):
            sent_s = perf_counter()
            future = await producer.send(load.topic, value)
            in_flight.add(future)
            if index % measurement.sample_every == 0:
                future.add_done_callback(partial(answered, sent_s))
            if index % BATCH_RECORDS == BATCH_RECORDS - 1:
                await in_flight.settle(MAX_IN_FLIGHT)
                measurement.add(BATCH_RECORDS, BATCH_RECORDS * len(value))
                _tell_window(measurement, perf_counter(), output)
        await in_flight.settle(0)
        rest = load.record_count - measurement.record_count
        measurement.add(rest, rest * len(value))
        if in_flight.first_error is not None:
            raise Failure(f"{in_flight.failed_count} records failed: {in_flight.first_error}")
        _tell(measurement, perf_counter(), output)


async def _consume(bootstrap: str, topic: str, record_count: int, output: str) -> None:
    consumer = Consumer(
        topic,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
    )
    async with await session.connect(consumer):
        ends = await consumer.end_offsets(sorted(consumer.assignment()))
        starts = await consumer.beginning_offsets(sorted(consumer.assignment()))
        wanted = min(record_count, sum(ends.values()) - sum(starts.values()))
        if wanted == 0:
            raise Failure(f"topic {topic} is empty: run `minikafka bench produce` first")
        measurement = Measurement("received", wanted, perf_counter())
        while measurement.record_count < wanted:
            room = min(BATCH_RECORDS, wanted - measurement.record_count)
            batches = await consumer.getmany(SILENCE_MS, room)
            if not batches:
                raise Failure(f"no record came for {SILENCE_MS} ms")
            for records in batches.values():
                size_bytes = sum(len(each.key or b"") + len(each.value or b"") for each in records)
                measurement.add(len(records), size_bytes)
            _tell_window(measurement, perf_counter(), output)
        _tell(measurement, perf_counter(), output)


async def _latency(bootstrap: str, load: Load, output: str) -> None:
    await _create_topic(bootstrap, load.topic, load.partitions)
    producer = Producer(bootstrap_servers=bootstrap, acks=load.acks, linger_ms=0)
    consumer = Consumer(load.topic, bootstrap_servers=bootstrap, auto_offset_reset="latest")
    async with await session.connect(producer), await session.connect(consumer):
        value = load.value()
        acknowledged = Measurement("acknowledged", load.record_count, perf_counter())
        received = Measurement("received", load.record_count, perf_counter())
        for _ in range(load.record_count):
            sent_s = perf_counter()
            await producer.send_and_wait(load.topic, value)
            acknowledged.add(1, len(value))
            acknowledged.add_latency((perf_counter() - sent_s) * 1000)
            await consumer.getone(SILENCE_MS)
            received.add(1, len(value))
            received.add_latency((perf_counter() - sent_s) * 1000)
        for measurement in (acknowledged, received):
            _tell(measurement, perf_counter(), output)


async def _create_topic(bootstrap: str, topic: str, partitions: int) -> None:
    """Create the topic; one that is there is used as it is."""
    async with await session.connect(AdminClient(bootstrap_servers=bootstrap)) as admin:
        try:
            await admin.create_topics([NewTopic(topic, num_partitions=partitions)])
        except TopicAlreadyExists:
            return


def _tell_window(measurement: Measurement, now_s: float, output: str) -> None:
    line = measurement.window_line(now_s)
    if line is not None and output == "table":
        click.echo(line)


def _tell(measurement: Measurement, now_s: float, output: str) -> None:
    if output == "json":
        click.echo(json.dumps({"what": measurement.verb} | measurement.summary(now_s)))
    else:
        click.echo(measurement.last_line(now_s))
