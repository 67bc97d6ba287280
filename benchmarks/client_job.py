"""What a client is to do, and what was measured: values that travel as JSON, and the clocks."""

import os
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from . import process

BATCH_BYTES: Final = 65_536
LINGER_MS: Final = 5
WARM_UP_RECORDS: Final = 100
POLL_RECORDS: Final = 500
POLL_MS: Final = 1_000
CHUNK_RECORDS: Final = 1_000
PAUSE_S: Final = 0.01
SLOW_S: Final = 3.0
FLUSH_S: Final = 200.0


@dataclass(frozen=True, slots=True)
class ClientJob:
    """What to do, with which client, on which topic."""

    client: str
    workload: str
    topic: str
    bootstrap: str
    records: int
    record_bytes: int
    partitions: int
    is_idempotent: bool
    uses_uvloop: bool

    @property
    def value(self) -> bytes:
        """The value of each record."""
        return b"\xa5" * self.record_bytes

    @property
    def names(self) -> list[tuple[str, int]]:
        """All partitions of the topic."""
        return [(self.topic, index) for index in range(self.partitions)]


@dataclass(slots=True)
class ClientOutcome:
    """What was measured."""

    records: int = 0
    seconds: float = 0.0
    client_s: float = 0.0
    memory_bytes: int = 0
    """How far the resident memory rose above its size at the start of the timed part."""


class UnfinishedWork(Exception):
    """Records did not arrive."""


@contextmanager
def timed(outcome: ClientOutcome) -> Generator[None]:
    """Fill in time and memory of the body."""
    process.forget_peak_memory()
    memory_before = process.memory_bytes(os.getpid())
    client_before, began = time.process_time(), time.perf_counter()
    yield
    outcome.seconds = time.perf_counter() - began
    outcome.client_s = time.process_time() - client_before
    outcome.memory_bytes = process.peak_memory_bytes(os.getpid()) - memory_before


def values_bytes(records: Iterable[Any]) -> int:
    """Look at each value: a record that nobody looks at may not be decoded."""
    return sum([len(record.value) for record in records])


def check(size_bytes: int, job: ClientJob) -> None:
    """Raise UnfinishedWork unless these are all records of the job."""
    if size_bytes != job.records * job.record_bytes:
        raise UnfinishedWork(f"{size_bytes} bytes of {job.records} records arrived")
