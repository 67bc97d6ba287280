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
    stalled         2 GB of records to a broker that runs only a tenth of the time: how much is held?
    slow consumer   100 partitions full, a record taken now and then: how much is fetched ahead?

What is consumed was produced before, in batches of 64 KiB, once per round.
"""

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path

from . import process
from .client_workload import CLIENTS, ClientJob, ClientOutcome, produce_for_consumers
from .report import Report
from .target import Server, Target, parse_target, running
from .wire import BrokerError, Connection

JOB_DEADLINE_S = 300.0
ROOT = Path(__file__).parent.parent
SIZES = {100: "100 B", 1024: "1 KiB"}
STALLED_RECORD_BYTES = 1024
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

    @property
    def topic(self) -> str:
        """The topic to consume from, shared by all rows with the same contents."""
        return f"bench-consume-{self.partitions}-{self.record_bytes}-{self.records}"


def plan(records: int, stalled_megabytes: int) -> list[Row]:
    """All rows. Later rows (groups, say) belong here, their work into client_workload."""
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
        Row("stalled broker", "send", stalled, STALLED_RECORD_BYTES, 6),
        Row("slow consumer", "take_slowly", SLOW_RECORDS, 1024, SLOW_PARTITIONS),
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
                for row in rows:
                    failures += _measure(row, clients, server, report, options.uvloop)
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


def _measure(row: Row, clients: list[str], server: Server, report: Report, uvloop: bool) -> int:
    """Do the row's job with each client; return how many failed."""
    failures = 0
    connection = Connection(server.address)
    consumes = row.workload not in ("send", "send_many")
    if consumes:
        connection.create_topic(row.topic, row.partitions)
        produce_for_consumers(server.address, row.topic, row.records, row.record_bytes)
    for client in clients:
        if client not in row.clients:
            continue
        _say(f"  {row.name}: {client}")
        topic = row.topic if consumes else f"bench-{client}-{abs(hash(row))}"
        connection.create_topic(topic, row.partitions)
        job = ClientJob(
            client=client,
            workload=row.workload,
            topic=topic,
            host=server.address.host,
            port=server.address.port,
            records=row.records,
            record_bytes=row.record_bytes,
            partitions=row.partitions,
            is_idempotent=row.is_idempotent,
            uses_uvloop=uvloop,
        )
        with _mostly_stopped(server if row.name == "stalled broker" else None):
            outcome = _run(job)
        if not consumes:
            connection.delete_topic(topic)
        failures += outcome is None
        if outcome is not None:
            _add(row, client, outcome, report)
    if consumes:
        connection.delete_topic(row.topic)
    connection.close()
    return failures


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


def _add(row: Row, client: str, outcome: ClientOutcome, report: Report) -> None:
    if row.name not in ("stalled broker", "slow consumer"):
        per_second = outcome.records / outcome.seconds
        megabytes = per_second * row.record_bytes / 1e6
        report.add("Records/s", row.name, client, per_second)
        report.add("MB/s", row.name, client, megabytes)
        client_us = outcome.client_s * 1e6 / outcome.records
        report.add("CPU of the client, µs per record", row.name, client, client_us)
    report.add("Memory above the start, MB", row.name, client, outcome.memory_bytes / 1e6)


@contextlib.contextmanager
def _mostly_stopped(server: Server | None) -> Generator[None]:
    """Let the broker run for a tenth of the time only."""
    if server is None or server.pid is None:
        yield
        return
    with process.mostly_stopped(server.pid):
        yield


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
