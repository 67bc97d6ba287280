"""`python -m benchmarks.client`: several clients at the same work, interleaved, on one broker.

    round 1:   job 1 with A, job 1 with B, ...;  job 2 with A, job 2 with B, ...
    round 2:   the same again, and so on; the tables show medians over the rounds

Every job of every client is a process of its own (see client_workload), of which are told: records
a second, MB a second, CPU time per record, and how far its memory rose above where it began. CPU
time is what to compare on a machine that others use too.

The clients get the same settings: acks=all, no compression, batches of 64 KiB, 5 ms of linger, all
else by default. `send` awaits each send, and the records once at the end.

    send            one record after the other, then flush; idempotent and not
    send_many       the client's own way to hand over many, where it has one
    async for       one record after the other: the iterator, or what is next to it
    getmany         up to 500 records a call, Kafka's default of max.poll.records
    stalled broker  2 GB for a broker that runs a tenth of the time: how much is held?
    slow consumer   100 partitions of records, one is taken every 10 ms: how much is fetched ahead?

Each job has a fresh topic. What is consumed is produced into it before, in batches of 64 KiB; the
clock starts when a consumer that has seen a record goes back to the beginning.
"""

import argparse
import contextlib
import itertools
import json
import subprocess
import sys
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from . import process
from .blocking_clients import produce_for_consumers
from .client_job import ClientJob, ClientOutcome
from .report import Report
from .target import Server, Target, parse_target, running
from .wire import BrokerError, Connection

JOB_DEADLINE_S = 300.0
ROOT = Path(__file__).parent.parent
CLIENTS = ("minikafka", "aiokafka", "kafka-python", "confluent-kafka")
SIZES = {100: "100 B", 1024: "1 KiB"}
STALLED = "stalled broker"
STALLED_RECORD_BYTES = 1024
SLOW = "slow consumer"
SLOW_PARTITIONS = 100
SLOW_RECORDS = 200_000


@dataclass(frozen=True, slots=True)
class Row:
    """A job without its client: the row's name, and who can do it."""

    name: str
    workload: str
    records: int
    record_bytes: int
    partitions: int
    is_idempotent: bool = False
    clients: tuple[str, ...] = CLIENTS


def plan(records: int, stalled_megabytes: int) -> list[Row]:
    """All rows; a row's work is in asyncio_clients and blocking_clients, under `workload`."""
    rows: list[Row] = []
    shapes = [(size, partitions) for size in SIZES for partitions in (1, 6)]
    for size, partitions in shapes:
        of = f"{SIZES[size]}, {partitions} partition{'s' * (partitions > 1)}"
        many = ("minikafka", "confluent-kafka")
        rows += [
            Row(f"send {of}, idempotent", "send", records, size, partitions, is_idempotent=True),
            Row(f"send {of}", "send", records, size, partitions),
            Row(f"send_many {of}", "send_many", records, size, partitions, clients=many),
            Row(f"async for {of}", "iterate", records, size, partitions),
            Row(f"getmany {of}", "poll", records, size, partitions),
        ]
    stalled = stalled_megabytes * 1_000_000 // STALLED_RECORD_BYTES
    rows += [
        Row(STALLED, "send", stalled, STALLED_RECORD_BYTES, 6),
        Row(SLOW, "take_slowly", SLOW_RECORDS, 1024, SLOW_PARTITIONS),
    ]
    return rows


def main() -> int:
    """Measure, print the tables, and return the exit status."""
    options = _parser().parse_args()
    process.end_in_order_when_terminated()
    clients: list[str] = options.clients or list(CLIENTS)
    records = 20_000 if options.quick else options.records
    rows = plan(records, 100 if options.quick else options.stalled_megabytes)
    rows = [row for row in rows if any(only in row.name for only in options.only or [""])]
    rounds = 1 if options.quick else options.rounds
    report = Report(clients)
    failures = 0
    try:
        for index in range(rounds):
            _say(f"round {index + 1} of {rounds}")
            with running(options.bootstrap) as server:
                for row, client in itertools.product(rows, clients):
                    if client in row.clients:
                        _say(f"  {row.name}: {client}")
                        outcome = _measure(row, client, server, options.uvloop)
                        failures += outcome is None
                        _add(row, client, outcome, report)
    except BrokerError as error:
        print(error, file=sys.stderr)
        return 1
    print(report.markdown())
    if options.json:
        report.write_json(options.json, rounds)
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help=", ".join(CLIENTS))
    parser.add_argument("--quick", action="store_true", help="one round of small jobs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=100_000, help="per job; default 100,000")
    parser.add_argument("--stalled-megabytes", type=int, default=2_000, help="default 2,000")
    parser.add_argument("--only", action="append", metavar="TEXT", help="rows with this text")
    parser.add_argument("--uvloop", action="store_true", help="run asyncio's clients on uvloop")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all values here")
    parser.add_argument(
        "--bootstrap",
        type=parse_target,
        default=Target("minikafka"),
        metavar="NAME=HOST:PORT[:PID]",
        help="a broker that runs already, instead of one of ours",
    )
    return parser


def _measure(row: Row, client: str, server: Server, uses_uvloop: bool) -> ClientOutcome | None:
    """Do the row's job with one client, on a fresh topic."""
    topic = f"bench-{uuid.uuid4().hex}"
    connection = Connection(server.address)
    connection.create_topic(topic, row.partitions)
    job = ClientJob(
        client=client,
        workload=row.workload,
        topic=topic,
        bootstrap=str(server.address),
        records=row.records,
        record_bytes=row.record_bytes,
        partitions=row.partitions,
        is_idempotent=row.is_idempotent,
        uses_uvloop=uses_uvloop,
    )
    if not row.workload.startswith("send"):
        produce_for_consumers(job)
    stops = row.name == STALLED and server.pid is not None
    with process.mostly_stopped(server.pid or 0) if stops else contextlib.nullcontext():
        outcome = _run(job)
    connection.delete_topic(topic)
    connection.close()
    return outcome


def _run(job: ClientJob) -> ClientOutcome | None:
    """The job in a process of its own; None, and its error on stderr, if it failed."""
    command = [sys.executable, "-m", f"{__package__}.client_workload", json.dumps(asdict(job))]
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=JOB_DEADLINE_S
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        _say(f"  {job.client} failed: {type(error).__name__}")
        return None
    return ClientOutcome(**json.loads(done.stdout))


def _add(row: Row, client: str, outcome: ClientOutcome | None, report: Report) -> None:
    if outcome is None:
        return
    if row.name not in (STALLED, SLOW):
        per_second = outcome.records / outcome.seconds
        report.add("Records/s", row.name, client, per_second)
        report.add("MB/s", row.name, client, per_second * row.record_bytes / 1e6)
        client_us = outcome.client_s * 1e6 / outcome.records
        report.add("CPU of the client, µs per record", row.name, client, client_us)
    report.add("Memory above the start, MB", row.name, client, outcome.memory_bytes / 1e6)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
