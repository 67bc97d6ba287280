"""`python -m benchmarks`: the same client against several brokers, interleaved in one run.

    round 1:   A and B start;  job 1 on A, job 1 on B, job 2 on A, job 2 on B, ...;  both end
    round 2:   the same again, and so on; the tables show medians over the rounds

A broker that is started here begins each round with an empty directory, which is removed after the
round, so that the kernel's limits on dirty pages are not what is measured. While one broker works
the others are idle. The client is a process of its own for each job (see workload).
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from . import process
from .job import Job, plan
from .report import Report
from .target import Server, Target, default_targets, parse_target, running
from .wire import BrokerError
from .workload import Assignment, Outcome

JOB_DEADLINE_S = 180.0
MAX_ROUNDS = 100
MAX_MEGABYTES = 1_000
ROOT = Path(__file__).parent.parent

DESCRIPTION = "The same client against several brokers, interleaved in one run."
MEMORY = "Start-up and memory"


def main() -> int:
    """Measure, print the tables, and return the exit status."""
    options = _parser().parse_args()
    process.end_in_order_when_terminated()
    targets: list[Target] = options.targets or default_targets()
    megabytes, latency_records, seconds = (32, 500, 1) if options.quick else (256, 3_000, 5)
    jobs = plan(options.megabytes or megabytes, latency_records, seconds)
    jobs = [job for job in jobs if options.only in job.row]
    rounds = 1 if options.quick else options.rounds
    report = Report([target.name for target in targets])
    if not options.quick:
        process.touch_memory()
    failures = 0
    try:
        for index in range(rounds):
            _say(f"round {index + 1} of {rounds}")
            failures += _round(targets, jobs, report, options.pin)
    except BrokerError as error:
        print(error, file=sys.stderr)
        return 1
    print(report.markdown())
    if options.json:
        report.write_json(options.json, rounds)
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=DESCRIPTION)
    parser.add_argument(
        "targets",
        nargs="*",
        type=parse_target,
        metavar="TARGET",
        help="minikafka, minikafka-fsync, tansu (default: these three) or NAME=HOST:PORT[:PID]",
    )
    parser.add_argument("--quick", action="store_true", help="one round of small jobs")
    parser.add_argument("--rounds", type=_bounded(MAX_ROUNDS), default=3)
    parser.add_argument(
        "--megabytes", type=_bounded(MAX_MEGABYTES), help="per throughput job; default 256"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="jobs whose row has this text")
    parser.add_argument("--pin", action="store_true", help="brokers on CPU 0, clients on CPU 1")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all values here")
    return parser


def _round(targets: list[Target], jobs: list[Job], report: Report, is_pinned: bool) -> int:
    """Start all targets, do each job on each of them, end them; return how many jobs failed."""
    failures = 0
    with contextlib.ExitStack() as stack:
        cpu = process.BROKER_CPU if is_pinned else None
        servers = [stack.enter_context(running(target, cpu)) for target in targets]
        for server in servers:
            if server.start_ms:
                name = server.target.name
                report.add(MEMORY, "start to first produce, ms", name, server.start_ms)
        _add_memory(servers, "memory idle, MB", report)
        for job in jobs:
            for server in servers:
                _say(f"  {job.row}: {server.target.name}")
                failures += not _add_outcome(job, server, report, is_pinned)
        _add_memory(servers, "memory after the round, MB", report)
    return failures


def _add_memory(servers: list[Server], row: str, report: Report) -> None:
    for server in servers:
        if server.pid:
            report.add(MEMORY, row, server.target.name, process.memory_bytes(server.pid) / 1e6)


def _add_outcome(job: Job, server: Server, report: Report, is_pinned: bool) -> bool:
    """Do the job; a broker that fails it gets no value, False, and its error on stderr."""
    client_cpu = process.CLIENT_CPU if is_pinned else None
    assignment = Assignment(job, *server.address, server.pid, client_cpu)
    command = [sys.executable, "-m", f"{__package__}.workload", json.dumps(asdict(assignment))]
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=JOB_DEADLINE_S
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        _say(f"  {job.row}: {server.target.name} failed: {type(error).__name__}")
        return False
    _report_outcome(job, server.target.name, Outcome(**json.loads(done.stdout)), report)
    return True


def _report_outcome(job: Job, column: str, outcome: Outcome, report: Report) -> None:
    if outcome.latencies_us:
        percentiles = statistics.quantiles(outcome.latencies_us, n=100)
        report.add("Latency, µs", f"{job.row}, p50", column, percentiles[49])
        report.add("Latency, µs", f"{job.row}, p99", column, percentiles[98])
        return
    megabytes = job.records * job.record_bytes / 1e6
    report.add("Throughput, MB/s", job.row, column, megabytes / outcome.seconds)
    if outcome.broker_s is None:
        return
    broker_us, client_us = outcome.broker_s * 1e6, outcome.client_s * 1e6
    report.add("CPU of the broker, µs per MB", job.row, column, broker_us / megabytes)
    if outcome.requests:
        row = "CPU of the broker, µs per batch"
        report.add(row, job.row, column, broker_us / outcome.requests)
    report.add("CPU of the broker / of the client", job.row, column, broker_us / client_us)


def _bounded(most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if not 1 <= number <= most:
            raise argparse.ArgumentTypeError(f"{number} is not between 1 and {most}")
        return number

    return parse


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
