"""Produce and fetch on raw sockets: each for a broker, and for the server that is its limit.

    measurement       frames in flight                    the machine's limit
    one record        bursts of 500 one-record requests   answer
    16 KB, 1 MB       bursts of 8, single ones            crc-write
    fetch             two slices of 1 MB                  sendfile
    latency           one one-record request              loop-write, loop-fdatasync
    durable           8 connections, 64 KB each           write + fdatasync of 64 KB in a loop

Every answer of a produce is received but only the last is decoded: its base offset tells whether
all before it were accepted.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from minikafka.protocol.api.fetch import FetchResponse

from . import wire
from .effort import Effort
from .limits import running_limit
from .pipeline import Rate, ping, pump, pump_around, pump_slices
from .target import Server
from .wire import BrokerError, Connection, fetch_request, make_batch, produce_request

Value = tuple[str, str, float]
"""Section and row of the report, and the value."""

TOPIC = "bench-raw"
ONE_RECORD_BYTES = 100
SMALL_BATCH_RECORDS = 15  # of 1 KiB: as many as fit into 16 KB
LARGE_BATCH_RECORDS = 1_000
DURABLE_BATCH_RECORDS = 62  # 64 KB
DURABLE_CONNECTIONS = 8
WARM_UP_REQUESTS = 200
LIMIT_VERSION = 9
"""The version of the produce frames that a limit's server gets; it reads their size only."""

THROUGHPUT = "Throughput"
CPU = "CPU of the server"
LATENCY = "Latency, µs"


def one_record(server: Server, effort: Effort, cpu: int | None) -> Iterator[Value]:
    """Pipelined requests of one record each."""
    rate = _produce(server, make_batch(ONE_RECORD_BYTES), 1, 500, effort)
    yield from _one_record_values(rate)


def one_record_limit(effort: Effort, cpu: int | None) -> Iterator[Value]:
    """The same frames, split and answered."""
    yield from _one_record_values(
        _produce_to_limit("answer", make_batch(ONE_RECORD_BYTES), 500, effort, cpu)
    )


def small_batches(server: Server, effort: Effort, cpu: int | None) -> Iterator[Value]:
    """Pipelined batches of 16 KB."""
    batch = make_batch(1024, SMALL_BATCH_RECORDS)
    rate = _produce(server, batch, SMALL_BATCH_RECORDS, 8, effort)
    yield from _batch_values("16 KB", rate, len(batch))


def small_batches_limit(effort: Effort, cpu: int | None) -> Iterator[Value]:
    """The same frames, received, CRC'd and written."""
    batch = make_batch(1024, SMALL_BATCH_RECORDS)
    rate = _produce_to_limit("crc-write", batch, 8, effort, cpu)
    yield from _batch_values("16 KB", rate, len(batch))


def large_batches(server: Server, effort: Effort, cpu: int | None) -> Iterator[Value]:
    """Batches of 1 MB, two in flight."""
    batch = make_batch(1024, LARGE_BATCH_RECORDS)
    rate = _produce(server, batch, LARGE_BATCH_RECORDS, 1, effort)
    yield from _batch_values("1 MB", rate, len(batch))


def large_batches_limit(effort: Effort, cpu: int | None) -> Iterator[Value]:
    """The same frames, received, CRC'd and written."""
    batch = make_batch(1024, LARGE_BATCH_RECORDS)
    rate = _produce_to_limit("crc-write", batch, 1, effort, cpu)
    yield from _batch_values("1 MB", rate, len(batch))


def fetch(server: Server, effort: Effort, cpu: int | None) -> Iterator[Value]:
    """Slices of 1 MB, each one batch, two requests in flight."""
    batch = make_batch(1024, LARGE_BATCH_RECORDS)
    connection = _connect(server)
    for _ in range(effort.fetched_slices + 1):  # Tansu does not show the last batch
        connection.produce(produce_request(TOPIC, batch))
    requests = [
        fetch_request(TOPIC, index * LARGE_BATCH_RECORDS, len(batch))
        for index in range(effort.fetched_slices)
    ]
    answer: FetchResponse = connection.ask(requests[-1], FetchResponse)
    fetched = sum(
        len(partition.records or b"")
        for topic in answer.responses
        for partition in topic.partitions
    )
    if fetched < len(batch):
        raise BrokerError(f"fetched {fetched} bytes of a batch of {len(batch)}")
    frames = [connection.frame(request) for request in requests]
    rate, received_bytes = pump_slices(connection.socket, frames, server.pid, effort.seconds)
    _close(connection)
    yield from _fetch_values(rate, received_bytes)


def fetch_limit(effort: Effort, cpu: int | None) -> Iterator[Value]:
    """Slices of a file by sendfile."""
    with running_limit("sendfile", cpu) as (address, pid), wire.open_socket(address) as opened:
        rate, received_bytes = pump_slices(opened, [_limit_frame(b"")], pid, effort.seconds)
    yield from _fetch_values(rate, received_bytes)


def latency(server: Server, effort: Effort, cpu: int | None) -> Iterator[Value]:
    """One one-record request at a time, acks 1 and all."""
    connection = _connect(server)
    for acks, row in ((1, "acks=1"), (-1, "acks=all")):
        request = produce_request(TOPIC, make_batch(ONE_RECORD_BYTES), acks=acks)
        frame = connection.frame(request)
        yield from latency_values(row, _warm_ping(connection, frame, effort))
    _close(connection)


def latency_limit(effort: Effort, cpu: int | None) -> Iterator[Value]:
    """An event loop that answers, that writes and answers, that syncs too and answers."""
    frame = _limit_frame(make_batch(ONE_RECORD_BYTES))
    rows = {"loop-write": ("acks=1", "acks=all"), "loop-answer": ("echo only",)}
    rows["loop-fdatasync"] = ("echo with write and fdatasync",)
    for name, its_rows in rows.items():
        with running_limit(name, cpu) as (address, _), wire.open_socket(address) as opened:
            ping(opened, frame, WARM_UP_REQUESTS)
            latencies_us = ping(opened, frame, effort.latency_requests)
        for row in its_rows:
            yield from latency_values(row, latencies_us)


def durable(server: Server, effort: Effort, cpu: int | None) -> Iterator[Value]:
    """Batches of 64 KB on eight connections: what group commit is for."""
    batch = make_batch(1024, DURABLE_BATCH_RECORDS)
    first = _connect(server)
    frame = first.frame(produce_request(TOPIC, batch, acks=-1))
    sockets = [wire.open_socket(server.address) for _ in range(DURABLE_CONNECTIONS)]
    rate = pump_around(sockets, frame, server.pid, effort.seconds, effort.max_bytes)
    for opened in sockets:
        opened.close()
    _close(first)
    yield THROUGHPUT, "8 connections, 64 KB batches, MB/s", rate.per_second * len(batch) / 1e6


def durable_limit(effort: Effort, cpu: int | None) -> Iterator[Value]:
    """The machine's disk: write 64 KB, fdatasync, again."""
    batch = make_batch(1024, DURABLE_BATCH_RECORDS)
    written_bytes = 0
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as directory:
        file = os.open(Path(directory) / "log", os.O_WRONLY | os.O_CREAT)
        began = time.perf_counter()
        while (elapsed_s := time.perf_counter() - began) < effort.seconds:
            written_bytes += os.write(file, batch)
            os.fdatasync(file)
        os.close(file)
    yield THROUGHPUT, "8 connections, 64 KB batches, MB/s", written_bytes / elapsed_s / 1e6


def latency_values(row: str, latencies_us: list[float]) -> Iterator[Value]:
    """The p50 and the p99."""
    percentiles = statistics.quantiles(latencies_us, n=100)
    yield LATENCY, f"{row}, p50", percentiles[49]
    yield LATENCY, f"{row}, p99", percentiles[98]


def _connect(server: Server) -> Connection:
    connection = Connection(server.address)
    connection.create_topic(TOPIC, 1)
    return connection


def _close(connection: Connection) -> None:
    connection.delete_topic(TOPIC)
    connection.close()


def _produce(server: Server, batch: bytes, records: int, burst: int, effort: Effort) -> Rate:
    """Pump the batch into a fresh topic; raises BrokerError unless all of it was accepted."""
    connection = _connect(server)
    request = produce_request(TOPIC, batch)
    frame = connection.frame(request)
    connection.produce(request)
    rate = pump(connection.socket, frame, burst, server.pid, effort.seconds, effort.max_bytes)
    last = connection.produce(request).responses[0].partition_responses[0]
    expected = (rate.requests + 2) * records  # one before, and the one that pump() begins with
    _close(connection)
    if last.base_offset != expected:
        raise BrokerError(f"{expected} records were sent, the next offset is {last.base_offset}")
    return rate


def _produce_to_limit(name: str, batch: bytes, burst: int, effort: Effort, cpu: int | None) -> Rate:
    frame = _limit_frame(batch)
    with running_limit(name, cpu) as (address, pid), wire.open_socket(address) as opened:
        return pump(opened, frame, burst, pid, effort.seconds, effort.max_bytes)


def _limit_frame(batch: bytes) -> bytes:
    return wire.encode(produce_request(TOPIC, batch), LIMIT_VERSION)


def _warm_ping(connection: Connection, frame: bytes, effort: Effort) -> list[float]:
    ping(connection.socket, frame, WARM_UP_REQUESTS)
    return ping(connection.socket, frame, effort.latency_requests)


def _one_record_values(rate: Rate) -> Iterator[Value]:
    yield THROUGHPUT, "one-record requests, pipelined, requests/s", rate.per_second
    if rate.server_us is not None:
        yield CPU, "one-record requests, µs a request", rate.server_us


def _batch_values(size: str, rate: Rate, batch_bytes: int) -> Iterator[Value]:
    megabytes = batch_bytes / 1e6
    yield THROUGHPUT, f"batches of {size}, pipelined, MB/s", rate.per_second * megabytes
    if rate.server_us is not None:
        yield CPU, f"batches of {size}, µs a batch", rate.server_us
        yield CPU, f"batches of {size}, µs a MB", rate.server_us / megabytes


def _fetch_values(rate: Rate, received_bytes: int) -> Iterator[Value]:
    megabytes = received_bytes / 1e6
    yield THROUGHPUT, "fetch of 1 MB slices, MB/s", megabytes / rate.seconds
    if rate.server_s is not None:
        yield CPU, "fetch of 1 MB slices, µs a MB", rate.server_s * 1e6 / megabytes
