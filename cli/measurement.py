"""Throughput and latency of a run, told in the line format of Kafka's ProducerPerformance. PURE.

    5012 records sent, 1002.4 records/sec (0.96 MB/sec), 1.2 ms avg latency, 14.0 ms max latency.
    ..., 1 ms 50th, 2 ms 95th, 9 ms 99th, 14 ms 99.9th.      on the last line

A MB is 2**20 bytes, as Kafka has it. The last line gives percentiles with two decimals, because
whole ms say nothing about a broker on the same machine. Times are seconds, handed in. Memory is
bounded: at most MAX_SAMPLES latencies are kept, every n-th record's.
"""

from array import array
from typing import Any, Final

MAX_SAMPLES: Final = 100_000
WINDOW_S: Final = 5.0
MEBIBYTE: Final = 1 << 20
PERCENTILES: Final = (50, 95, 99, 99.9)


class Measurement:
    """One run of `record_count` records that are "sent" or "received"."""

    def __init__(self, verb: str, record_count: int, began_s: float) -> None:
        self.verb = verb
        self.record_count = 0
        self.byte_count = 0
        self.sample_every = -(-record_count // MAX_SAMPLES) or 1
        self._began_s = began_s
        self._window = (began_s, 0, 0)
        self._latencies_ms = array("d")
        self._window_index = 0

    def add(self, record_count: int, byte_count: int) -> None:
        """So many more records."""
        self.record_count += record_count
        self.byte_count += byte_count

    def add_latency(self, latency_ms: float) -> None:
        """How long one of the records took."""
        if len(self._latencies_ms) < MAX_SAMPLES:
            self._latencies_ms.append(latency_ms)

    def window_line(self, now_s: float) -> str | None:
        """A line about the last WINDOW_S seconds, when they are over."""
        began_s, record_count, byte_count = self._window
        if now_s - began_s < WINDOW_S:
            return None
        latencies_ms = self._latencies_ms[self._window_index :]
        self._window = (now_s, self.record_count, self.byte_count)
        self._window_index = len(self._latencies_ms)
        counts = (self.record_count - record_count, self.byte_count - byte_count)
        return _line(self.verb, *counts, now_s - began_s, latencies_ms, ".1f") + "."

    def summary(self, now_s: float) -> dict[str, Any]:
        """All figures by name; ms and seconds."""
        elapsed_s = now_s - self._began_s
        figures: dict[str, Any] = {
            "records": self.record_count,
            "bytes": self.byte_count,
            "elapsed_s": round(elapsed_s, 3),
            "records_per_s": round(self.record_count / elapsed_s, 1),
            "mb_per_s": round(self.byte_count / elapsed_s / MEBIBYTE, 2),
        }
        if self._latencies_ms:
            figures["avg_latency_ms"] = round(_average(self._latencies_ms), 3)
            figures["max_latency_ms"] = round(max(self._latencies_ms), 3)
            for share, latency_ms in self._percentiles():
                figures[f"p{share}_ms"] = round(latency_ms, 3)
        return figures

    def last_line(self, now_s: float) -> str:
        """The line about the whole run."""
        counts = (self.record_count, self.byte_count)
        line = _line(self.verb, *counts, now_s - self._began_s, self._latencies_ms, ".2f")
        percentiles = [f"{ms:.2f} ms {share}th" for share, ms in self._percentiles()]
        return ", ".join([line, *percentiles]) + "."

    def _percentiles(self) -> list[tuple[float, float]]:
        """Pairs of percentile and latency in ms; none without latencies."""
        ordered = sorted(self._latencies_ms)
        if not ordered:
            return []
        return [(share, ordered[_rank(share, len(ordered))]) for share in PERCENTILES]


def _line(
    verb: str,
    record_count: int,
    byte_count: int,
    seconds: float,
    latencies_ms: "array[float]",
    decimals: str,
) -> str:
    rate, mb_rate = record_count / seconds, byte_count / seconds / MEBIBYTE
    line = f"{record_count} records {verb}, {rate:.1f} records/sec ({mb_rate:.2f} MB/sec)"
    if not latencies_ms:
        return line
    average, longest = format(_average(latencies_ms), decimals), format(max(latencies_ms), decimals)
    return f"{line}, {average} ms avg latency, {longest} ms max latency"


def _average(latencies_ms: "array[float]") -> float:
    return sum(latencies_ms) / len(latencies_ms)


def _rank(share: float, count: int) -> int:
    """The index of a percentile in `count` ordered values (the nearest rank)."""
    return max(-(-int(share * 10) * count // 1000) - 1, 0)
