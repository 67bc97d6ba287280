"""A short log and a long one: what a fetch at a random offset costs in each.

Both topics are filled first, in batches of 16 KB, then asked in turn for one batch each. The long
log takes as much of the disk as `Effort.long_log_bytes` says, so this runs only when it is named.
"""

import math
import statistics
import time
from collections.abc import Iterator
from random import Random

from minikafka.protocol.api.fetch import FetchResponse

from .data_path import LATENCY, SMALL_BATCH_RECORDS, Value
from .effort import Effort
from .pipeline import pump
from .target import Server
from .wire import (
    BrokerError,
    Connection,
    fetch_request,
    make_batch,
    produce_request,
)

SHORT_TOPIC, LONG_TOPIC = "bench-short", "bench-long"
SHORT_LOG_BYTES = 100 << 20
BURST = 8


def random_fetches(server: Server, effort: Effort, cpu: int | None) -> Iterator[Value]:
    """The p50 and p99 of fetches from random offsets, short and long log in turn."""
    connection = Connection(server.address)
    batch = make_batch(1024, SMALL_BATCH_RECORDS)
    sizes = {SHORT_TOPIC: SHORT_LOG_BYTES, LONG_TOPIC: effort.long_log_bytes}
    ends = {
        topic: _fill(connection, topic, batch, size_bytes) for topic, size_bytes in sizes.items()
    }
    random, times_us = Random(1), {topic: list[float]() for topic in sizes}
    for _ in range(effort.latency_requests):
        for topic, end_offset in ends.items():
            offset = random.randrange(end_offset)
            times_us[topic].append(_fetch_us(connection, topic, offset, len(batch)))
    for topic, size_bytes in sizes.items():
        percentiles = statistics.quantiles(times_us[topic], n=100)
        row = f"fetch of 16 KB from a random offset of {size_bytes / (1 << 30):.1f} GB"
        yield LATENCY, f"{row}, p50", percentiles[49]
        yield LATENCY, f"{row}, p99", percentiles[98]
        connection.delete_topic(topic)
    connection.close()


def _fill(connection: Connection, topic: str, batch: bytes, size_bytes: int) -> int:
    """Write a log of that size, and return its end offset."""
    connection.create_topic(topic, 1)
    frame = connection.frame(produce_request(topic, batch))
    pump(connection.socket, frame, BURST, None, math.inf, size_bytes)
    answer = connection.ask(fetch_request(topic, 0, len(batch)), FetchResponse)
    return answer.responses[0].partitions[0].high_watermark


def _fetch_us(connection: Connection, topic: str, offset: int, batch_bytes: int) -> float:
    """Fetch the batch that holds `offset`, and return how long the answer took."""
    began = time.perf_counter()
    answer = connection.ask(fetch_request(topic, offset, batch_bytes), FetchResponse)
    took_us = (time.perf_counter() - began) * 1e6
    if len(answer.responses[0].partitions[0].records or b"") < batch_bytes:
        raise BrokerError(f"no batch at offset {offset} of {topic}")
    return took_us
