"""`python -m benchmarks.groups`: how long a group of three needs to begin, and to lose one.

Clients take turns on one broker, in as many rounds as asked for; the table shows medians. Each is a
process of its own (see group_workload); its start and its imports are not counted.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import uuid
from collections.abc import Generator
from pathlib import Path

from . import process
from .group_workload import PARTITIONS
from .report import Report
from .target import parse_target, running
from .wire import Connection

CLIENTS = ("minikafka", "aiokafka", "kafka-python", "confluent-kafka")
DEADLINE_S = 120.0
ROOT = Path(__file__).parent.parent
SECTION = "Group of three, ms"
ROWS = {"start_ms": "from start until all share", "leave_ms": "one leaves, the others share"}


def main() -> int:
    """Measure, print the table, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.groups", description=__doc__)
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help=", ".join(CLIENTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write all values to this file")
    options = parser.parse_args()
    process.end_in_order_when_terminated()
    clients: list[str] = options.clients or list(CLIENTS)
    report = Report(clients)
    with running(parse_target("minikafka")) as server:
        connection = Connection(server.address)
        for _ in range(options.rounds):
            for client in clients:
                with _topic(connection) as topic:
                    host, port = server.address
                    for name, value in _measure(client, f"{host}:{port}", topic).items():
                        report.add(SECTION, ROWS[name], client, value)
    print(report.markdown())
    if options.json:
        report.write_json(options.json, options.rounds)
    return 0


@contextlib.contextmanager
def _topic(connection: Connection) -> Generator[str]:
    name = f"bench-group-{uuid.uuid4().hex[:8]}"
    connection.create_topic(name, PARTITIONS)
    yield name
    connection.delete_topic(name)


def _measure(client: str, bootstrap: str, topic: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.group_workload", client, bootstrap, topic, topic]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    return json.loads(ended.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
