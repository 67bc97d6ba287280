"""What became of each request, id by id: three columns, in memory and in a file. PURE.

    status      one byte     UNSENT, ANSWERED, REFUSED, TIMED_OUT, FAILED
    started_s   float64      when its bytes left, in seconds after `began`
    ended_s     float64      when its answer came, or it was given up

The id is the row's number, and row n should have started at n / rate: a request's latency counts
from there, so that a generator or a service that stands still does not hide the wait.

    file: a line of JSON (rate, count, began), then the columns, one after the other
"""

import json
from array import array
from dataclasses import dataclass, field
from typing import Final

UNSENT: Final = 0
ANSWERED: Final = 1
REFUSED: Final = 2
TIMED_OUT: Final = 3
FAILED: Final = 4

_FLOAT_BYTES: Final = 8


@dataclass(slots=True)
class Outcomes:
    """The requests of one run; `began` is when the first should have started, in seconds."""

    rate: float
    count: int
    began: float = 0.0
    status: bytearray = field(default_factory=bytearray)
    started_s: "array[float]" = field(default_factory=lambda: array("d"))
    ended_s: "array[float]" = field(default_factory=lambda: array("d"))

    def __post_init__(self) -> None:
        """Make rows for all requests, unsent."""
        if not self.status:
            self.status = bytearray(self.count)
            self.started_s = array("d", bytes(_FLOAT_BYTES * self.count))
            self.ended_s = array("d", bytes(_FLOAT_BYTES * self.count))

    def due_s(self, id: int) -> float:
        """When the request should have started, in seconds after the beginning."""
        return id / self.rate

    def latency_s(self, id: int) -> float:
        """From when the request should have started to its end."""
        return self.ended_s[id] - id / self.rate

    @property
    def answered(self) -> int:
        """How many requests were answered well."""
        return self.number_of(ANSWERED)

    def answered_latencies_s(self) -> list[float]:
        """How long each of those took."""
        statuses = enumerate(self.status)
        return [self.latency_s(id) for id, status in statuses if status == ANSWERED]

    def number_of(self, status: int) -> int:
        """How many requests ended so."""
        return self.status.count(status)

    def to_bytes(self) -> bytes:
        """The file's content."""
        head = {"rate": self.rate, "count": self.count, "began": self.began}
        columns = bytes(self.status) + self.started_s.tobytes() + self.ended_s.tobytes()
        return json.dumps(head).encode() + b"\n" + columns


def from_bytes(content: bytes) -> Outcomes:
    """Read the file's content."""
    head, _, columns = content.partition(b"\n")
    values = json.loads(head)
    count = values["count"]
    middle = count + _FLOAT_BYTES * count
    started_s, ended_s = array("d"), array("d")
    started_s.frombytes(columns[count:middle])
    ended_s.frombytes(columns[middle:])
    return Outcomes(
        **values, status=bytearray(columns[:count]), started_s=started_s, ended_s=ended_s
    )
