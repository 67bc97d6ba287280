"""Many of each: memory, connections, partitions, starts.

    memory        resident memory: idle, per connection, per partition
    connections   one active among many idle; a request each on few and on many
    partitions    one partition alone and among many; many in one request; an idle poll
    starts        process start to first accepted produce, fresh and restarted

Most have no limit but the row beside; that of a start is the interpreter with nothing to do.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from minikafka.protocol.api.api_versions import ApiVersionsRequest
from minikafka.protocol.api.fetch import FetchRequest, FetchResponse

from . import process, wire
from .data_path import CPU, ONE_RECORD_BYTES, WARM_UP_REQUESTS, Value, latency_values
from .effort import Effort
from .pipeline import Rate, answer_size, ping, pump, pump_around
from .target import Server, running
from .wire import Connection, fetch_request, make_batch, produce_request

TOPIC = "bench-one"
WIDE_TOPIC = "bench-wide"
EMPTY_TOPIC = "bench-empty"
FEW_CONNECTIONS = 10
BURST = 500
IDLE_POLLS = 200
IDLE_POLL_WAIT_MS = 2
OPENS_SESSION, WITHOUT_SESSION = 0, -1
"""Session epochs of a fetch that names all its partitions."""

MEMORY = "Memory"
START = "Start-up, ms"


def connections(server: Server, effort: Effort, cpu: int | None) -> Iterator[Value]:
    """Memory of idle connections, and what they cost those that work."""
    first = Connection(server.address)
    first.create_topic(TOPIC, 1)
    frame = first.frame(produce_request(TOPIC, make_batch(ONE_RECORD_BYTES)))
    ping(first.socket, frame, WARM_UP_REQUESTS)
    yield from latency_values(
        "acks=1, the only connection", ping(first.socket, frame, effort.latency_requests)
    )
    before_bytes = process.memory_bytes(server.pid) if server.pid else 0
    if server.pid:
        yield MEMORY, "idle, MB", before_bytes / 1e6
    hello = wire.encode(ApiVersionsRequest(), 0)
    sockets = [wire.open_socket(server.address) for _ in range(effort.connections)]
    for opened in sockets:
        answer_size(opened, hello)
    count = f"{effort.connections:,}"
    if server.pid:
        more_bytes = process.memory_bytes(server.pid) - before_bytes
        yield MEMORY, "a connection, KiB", more_bytes / effort.connections / 1024
    yield from latency_values(
        f"acks=1, among {count} connections", ping(first.socket, frame, effort.latency_requests)
    )
    for some in (sockets[:FEW_CONNECTIONS], sockets):
        rate = pump_around(some, frame, server.pid, effort.seconds, effort.max_bytes)
        yield from _cost(f"a request on each of {len(some):,} connections, µs a request", rate)
    for opened in sockets:
        opened.close()
    first.delete_topic(TOPIC)
    first.close()


def partitions(server: Server, effort: Effort, cpu: int | None) -> Iterator[Value]:
    """What a thousand partitions cost: the one beside them, in one request, idle."""
    count = effort.partitions
    connection = Connection(server.address)
    connection.create_topic(TOPIC, 1)
    row = "one-record requests, {} partitions, µs a request"
    yield from _cost(row.format("without other"), _pump_one(connection, server, effort))
    before_bytes = process.memory_bytes(server.pid) if server.pid else 0
    connection.create_topic(WIDE_TOPIC, count)
    if server.pid:
        more_bytes = process.memory_bytes(server.pid) - before_bytes
        yield MEMORY, "a partition, KiB", more_bytes / count / 1024
    yield from _cost(row.format(f"beside {count:,}"), _pump_one(connection, server, effort))
    yield from _idle_polls(connection, server, count)
    yield from _one_request(connection, server, effort)
    if server.pid:
        more_bytes = process.memory_bytes(server.pid) - before_bytes
        yield MEMORY, "a partition written to, KiB", more_bytes / count / 1024
    connection.delete_topic(TOPIC)
    connection.delete_topic(WIDE_TOPIC)
    connection.close()


def starts(server: Server, effort: Effort, cpu: int | None) -> Iterator[Value]:
    """Fresh starts, restarts with one topic, and restarts with many partitions written to."""
    if not server.target.is_started_by_us:
        return
    fresh_ms: list[float] = []
    for _ in range(effort.starts):
        with running(server.target, cpu) as fresh:
            fresh_ms.append(fresh.start_ms)
    yield START, "fresh data", statistics.median(fresh_ms)
    yield START, "restart", _restart_ms(server, effort.starts)
    connection = Connection(server.address)
    connection.create_topic(WIDE_TOPIC, effort.partitions)
    batch = make_batch(ONE_RECORD_BYTES)
    connection.produce(produce_request(WIDE_TOPIC, batch, range(effort.partitions)))
    connection.close()
    row = f"restart with {effort.partitions:,} partitions"
    yield START, row, _restart_ms(server, effort.starts)


def starts_limit(effort: Effort, cpu: int | None) -> Iterator[Value]:
    """The interpreter itself: it starts and ends."""
    starts_ms: list[float] = []
    for _ in range(effort.starts):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        starts_ms.append((time.perf_counter() - began) * 1000)
    yield START, "fresh data", statistics.median(starts_ms)


def _restart_ms(server: Server, count: int) -> float:
    restarts_ms: list[float] = []
    for _ in range(count):
        server.stop()
        server.start()
        restarts_ms.append(server.start_ms)
    return statistics.median(restarts_ms)


def _pump_one(connection: Connection, server: Server, effort: Effort) -> Rate:
    frame = connection.frame(produce_request(TOPIC, make_batch(ONE_RECORD_BYTES)))
    return pump(connection.socket, frame, BURST, server.pid, effort.seconds, effort.max_bytes)


def _one_request(connection: Connection, server: Server, effort: Effort) -> Iterator[Value]:
    """One record to each partition, all in one request."""
    indexes = range(effort.partitions)
    request = produce_request(WIDE_TOPIC, make_batch(ONE_RECORD_BYTES), indexes)
    connection.produce(request)
    frame = connection.frame(request)
    rate = pump(connection.socket, frame, 1, server.pid, effort.seconds, effort.max_bytes)
    if rate.server_us is not None:
        row = f"{effort.partitions:,} partitions in one request, µs a partition"
        yield CPU, row, rate.server_us / effort.partitions


def _idle_polls(connection: Connection, server: Server, count: int) -> Iterator[Value]:
    """Long polls that find nothing; in fetch sessions (KIP-227) where the broker grants them."""
    connection.create_topic(EMPTY_TOPIC, 1)
    for topic, partitions, epoch in (
        (EMPTY_TOPIC, 1, OPENS_SESSION),
        (WIDE_TOPIC, count, OPENS_SESSION),
        (WIDE_TOPIC, count, WITHOUT_SESSION),
    ):
        full = fetch_request(topic, 0, 1 << 20, range(partitions))
        full.max_wait_ms, full.session_epoch = IDLE_POLL_WAIT_MS, epoch
        yield from _idle_poll(connection, server, full, partitions)
    connection.delete_topic(EMPTY_TOPIC)


def _idle_poll(
    connection: Connection, server: Server, full: FetchRequest, count: int
) -> Iterator[Value]:
    opened: FetchResponse = connection.ask(full, FetchResponse)
    before_s = process.cpu_seconds(server.pid) if server.pid else 0.0
    for epoch in range(1, IDLE_POLLS + 1):
        request = full
        if opened.session_id:
            request = FetchRequest(
                max_wait_ms=IDLE_POLL_WAIT_MS,
                min_bytes=1,
                session_id=opened.session_id,
                session_epoch=epoch,
                topics=[],
            )
        connection.ask(request, FetchResponse)
    if server.pid:
        name = "in a session" if opened.session_id else "without a session"
        noun = "partition" if count == 1 else "partitions"
        used_us = (process.cpu_seconds(server.pid) - before_s) * 1e6
        yield CPU, f"idle poll of {count:,} {noun} {name}, µs", used_us / IDLE_POLLS


def _cost(row: str, rate: Rate) -> Iterator[Value]:
    if rate.server_us is not None:
        yield CPU, row, rate.server_us
