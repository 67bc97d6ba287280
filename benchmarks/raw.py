"""`python -m benchmarks.raw`: a broker without a client library, beside the machine's own limit.

    round 1:   each measurement:  target A, target B, ..., the limit
    round 2:   the same again, and so on; the tables show medians over the rounds

A broker that is started here is started afresh for each measurement, with an empty directory.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from . import data_path, log_size, process, scale
from .data_path import Value
from .effort import QUICK, Effort
from .report import Report
from .target import Server, Target, parse_target, running
from .wire import BrokerError

LIMIT = "limit"
MAX_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Measurement:
    """What is done with a broker, and with the server that is its limit, if there is one."""

    name: str
    of_broker: Callable[[Server, Effort, int | None], Iterator[Value]]
    of_limit: Callable[[Effort, int | None], Iterator[Value]] | None = None
    must_be_named: bool = False


MEASUREMENTS = (
    Measurement("one-record", data_path.one_record, data_path.one_record_limit),
    Measurement("small-batches", data_path.small_batches, data_path.small_batches_limit),
    Measurement("large-batches", data_path.large_batches, data_path.large_batches_limit),
    Measurement("fetch", data_path.fetch, data_path.fetch_limit),
    Measurement("durable", data_path.durable, data_path.durable_limit),
    Measurement("latency", data_path.latency, data_path.latency_limit),
    Measurement("connections", scale.connections),
    Measurement("partitions", scale.partitions),
    Measurement("starts", scale.starts, scale.starts_limit),
    Measurement("log-size", log_size.random_fetches, must_be_named=True),
)


def main() -> int:
    """Measure, print the tables, and return the exit status."""
    options = _parser().parse_args()
    process.end_in_order_when_terminated()
    effort = QUICK if options.quick else replace(Effort(), rounds=options.rounds)
    targets: list[Target] = options.targets or [parse_target("minikafka")]
    usual = [each.name for each in MEASUREMENTS if not each.must_be_named]
    chosen = [each for each in MEASUREMENTS if each.name in (options.only or usual)]
    cpu = process.BROKER_CPU if options.pin else None
    process.allow_many_files()
    if not options.quick:
        process.touch_memory()
    if options.pin:
        process.pin(os.getpid(), process.CLIENT_CPU)
    report = Report([*(target.name for target in targets), LIMIT])
    failures = 0
    for index in range(effort.rounds):
        _say(f"round {index + 1} of {effort.rounds}")
        for measurement in chosen:
            for target in targets:
                failures += not _measure(measurement, target, effort, cpu, report)
            if measurement.of_limit is not None:
                _say(f"  {measurement.name}: {LIMIT}")
                _add(measurement.of_limit(effort, cpu), LIMIT, report)
    print(report.markdown())
    if options.json:
        report.write_json(options.json, effort.rounds)
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.raw",
        description="Raw sockets against a broker, beside the machine's own limits.",
    )
    parser.add_argument(
        "targets",
        nargs="*",
        type=parse_target,
        metavar="TARGET",
        help="minikafka (default), minikafka-fsync, tansu or NAME=HOST:PORT[:PID]",
    )
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, choices=range(1, MAX_ROUNDS), default=3, metavar="N")
    names = [measurement.name for measurement in MEASUREMENTS]
    parser.add_argument("--only", action="append", choices=names, help="repeat it for several")
    parser.add_argument("--pin", action="store_true", help="servers on CPU 0, the client on CPU 1")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all values here")
    return parser


def _measure(
    measurement: Measurement, target: Target, effort: Effort, cpu: int | None, report: Report
) -> bool:
    """Do one measurement; a broker that fails it gets no value, False, and its error on stderr."""
    _say(f"  {measurement.name}: {target.name}")
    try:
        with running(target, cpu) as server:
            _add(measurement.of_broker(server, effort, cpu), target.name, report)
    except (BrokerError, OSError) as error:
        _say(f"  {measurement.name}: {target.name} failed: {error}")
        return False
    return True


def _add(values: Iterator[Value], column: str, report: Report) -> None:
    for section, row, value in values:
        report.add(section, row, column, value)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
