"""What is measured through librdkafka: each job is one row of the table.

    produce      100 B and 1 KiB records, 1 and 6 partitions, batches of 1 MB and of 16 KB
    latency      one record at a time, acks 1 and all
    consume      what was produced in batches of 1 MB, from the start
    end to end   1,000 records a second, from produce() until the consumer has it

A job is a value that travels to a process of its own as JSON (see workload).
"""

from dataclasses import dataclass
from typing import Final

LARGE_BATCH_BYTES: Final = 1_000_000  # librdkafka's own default of batch.size
SMALL_BATCH_BYTES: Final = 16_384  # the Java client's
MAX_RECORDS: Final = 1_000_000
"""Records of 100 B are so many per MB that this bounds them, and not their bytes."""
END_TO_END_PER_SECOND: Final = 1_000


@dataclass(frozen=True, slots=True)
class Job:
    """One measurement: what to do, with how many records of what size."""

    row: str
    workload: str
    records: int
    record_bytes: int
    partitions: int = 1
    batch_bytes: int = LARGE_BATCH_BYTES
    acks: str = "all"
    replicas: int = 1


def plan(megabytes: int, latency_records: int, seconds: int) -> list[Job]:
    """Return all jobs: throughput with so many MB each, end to end for so many seconds."""
    jobs = [
        _throughput("produce", record_bytes, partitions, batch_bytes, megabytes)
        for record_bytes in (1024, 100)
        for batch_bytes in (LARGE_BATCH_BYTES, SMALL_BATCH_BYTES)
        for partitions in (1, 6)
    ]
    jobs += [
        _throughput("consume", record_bytes, partitions, LARGE_BATCH_BYTES, megabytes)
        for record_bytes in (1024, 100)
        for partitions in (1, 6)
    ]
    jobs += [
        Job(f"produce, acks={acks}", "latency", latency_records, 100, acks=acks)
        for acks in ("1", "all")
    ]
    records = END_TO_END_PER_SECOND * seconds
    jobs.append(Job("end to end at 1,000/s", "end_to_end", records, 100, acks="1"))
    return jobs


def _throughput(
    workload: str, record_bytes: int, partitions: int, batch_bytes: int, megabytes: int
) -> Job:
    size = "1 KiB" if record_bytes == 1024 else f"{record_bytes} B"
    batch = "1 MB" if batch_bytes == LARGE_BATCH_BYTES else "16 KB"
    plural = "partition" if partitions == 1 else "partitions"
    row = f"{workload} {size}, {partitions} {plural}, batches of {batch}"
    records = min(megabytes * 1_000_000 // record_bytes, MAX_RECORDS)
    return Job(row, workload, records, record_bytes, partitions, batch_bytes)
