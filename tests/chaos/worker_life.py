"""One life of a worker that will be killed: a program.

    python -m minikafka.tests.chaos.worker_life BOOTSTRAP TOPIC SINK CONCURRENCY LIFE

Each record becomes a line of SINK, `life process key number`, in one write(2): what the kernel has
outlives a kill. The name by which the member is known to its group is the same in each life, so
that the next one takes its place at once.
"""

import os
import sys
import time
from collections.abc import Mapping

from minikafka import Consumer, ConsumerRecord, Inline, Pool, Processes, Worker
from minikafka.client.concurrency import Concurrency

GROUP = "the killed"
WORK_S = 0.001
CONCURRENCIES: Mapping[str, Concurrency] = {
    "inline": Inline(),
    "pool": Pool(1, 4),
    "processes": Processes(2),
}


class Note:
    """The handler: works a little, then writes."""

    def __init__(self, sink: str, life: str) -> None:
        self.sink = sink
        self.life = life

    def __call__(self, record: ConsumerRecord) -> None:
        """Write a line."""
        time.sleep(WORK_S)
        line = f"{self.life} {os.getpid()} {record.key.decode()} {record.value.decode()}\n"
        file = os.open(self.sink, os.O_WRONLY | os.O_APPEND)
        os.write(file, line.encode())
        os.close(file)


def main(bootstrap: str, topic: str, sink: str, concurrency: str, life: str) -> None:
    """Work until SIGTERM, or worse."""
    consumer = Consumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=GROUP,
        group_instance_id="the worker",
        auto_offset_reset="earliest",
    )
    worker = Worker(
        consumer,
        Note(sink, life),
        concurrency=CONCURRENCIES[concurrency],
        max_in_flight=200,
        max_attempts=100,
        retry_backoff_ms=1,
        commit_interval_ms=20,
    )
    worker.run_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
