"""Records with one copy and with three, on the same nodes, in turn, through librdkafka.

Each job is a process of its own (see workload), on a fresh topic; both factors take turns, so that
a slow minute of the machine hits both. acks=all, and one partition.
"""

import asyncio
import json
import statistics
import sys
from dataclasses import asdict, replace
from pathlib import Path

from .job import LARGE_BATCH_BYTES, SMALL_BATCH_BYTES, Job
from .report import Report
from .three_nodes import ThreeNodes
from .workload import Assignment, Outcome

ROOT = Path(__file__).parent.parent
MEGABYTES = 64
LATENCY_RECORDS = 500
RECORD_BYTES = 1024


def jobs() -> list[Job]:
    """What both factors do."""
    records = MEGABYTES * 1_000_000 // RECORD_BYTES
    return [
        Job("one record at a time, p50", "latency", LATENCY_RECORDS, 100),
        Job("batches of 1 MB", "produce", records, RECORD_BYTES, 1, LARGE_BATCH_BYTES),
        Job("batches of 16 KB", "produce", records // 4, RECORD_BYTES, 1, SMALL_BATCH_BYTES),
    ]


async def compare(cluster: ThreeNodes, report: Report, flush: str) -> None:
    """One round of all jobs."""
    for job in jobs():
        for replicas in (1, 3):
            outcome = await _do(cluster, replace(job, replicas=replicas))
            column = f"factor {replicas}"
            if outcome.latencies_us:
                median_us = statistics.median(outcome.latencies_us)
                report.add(f"Latency, flush {flush}, µs", job.row, column, median_us)
            else:
                rate = job.records * job.record_bytes / 1e6 / outcome.seconds
                report.add(f"Throughput, flush {flush}, MB/s", job.row, column, rate)


async def _do(cluster: ThreeNodes, job: Job) -> Outcome:
    assignment = Assignment(job, "127.0.0.1", cluster.nodes[1].port)
    command = [sys.executable, "-m", "benchmarks.workload", json.dumps(asdict(assignment))]
    working = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await working.communicate()
    if working.returncode:
        raise RuntimeError(f"{job.row} failed with {job.replicas} replicas")
    return Outcome(**json.loads(told))
