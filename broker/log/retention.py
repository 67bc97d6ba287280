"""Retention: which of a log's oldest segments may go. PURE.

    a segment goes, and all before it, when                           in topics with cleanup.policy
    the next one begins at or below the log start                     any
    the log without it still has `retention.bytes`                    delete
    its newest record is older than `retention.ms`                    delete
        (without timestamps: it was last written before that)

Whole segments go, oldest first, and the first one that must stay keeps all behind it. So a record
with a time far ahead of ours keeps its segment, and those after it, until that time is past; what a
producer may send is bounded by `message.timestamp.after.max.ms`. Nothing at or above the high
watermark goes. The active segment may go as well: whoever deletes it rolls the log first.

Left out: retention of the bytes that were moved elsewhere (tiered storage).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

UNLIMITED = -1


class RetainedSegment(Protocol):
    """What retention looks at, and compaction as well."""

    base_offset: int
    next_offset: int

    @property
    def size_bytes(self) -> int:
        """The size of its records."""
        ...

    @property
    def newest_ms(self) -> int:
        """The time of its newest record, or of its last write if no record has a time."""
        ...


@dataclass(frozen=True, slots=True)
class Retention:
    """A topic's limits; UNLIMITED for none."""

    retention_ms: int = UNLIMITED
    retention_bytes: int = UNLIMITED


def count_deletable(
    segments: Sequence[RetainedSegment],
    retention: Retention,
    log_start_offset: int,
    high_watermark: int,
    now_ms: int,
) -> int:
    """Return how many of the first segments may go; an empty active one never does."""
    settled = _count_settled(segments, high_watermark)
    count = 0
    closed = min(settled, len(segments) - 1)
    while count < closed and segments[count + 1].base_offset <= log_start_offset:
        count += 1
    if retention.retention_bytes != UNLIMITED:
        surplus_bytes = sum(one.size_bytes for one in segments[count:]) - retention.retention_bytes
        while count < settled and surplus_bytes >= segments[count].size_bytes:
            surplus_bytes -= segments[count].size_bytes
            count += 1
    if retention.retention_ms != UNLIMITED:
        oldest_ms = now_ms - retention.retention_ms
        while count < settled and segments[count].newest_ms < oldest_ms:
            count += 1
    return count


def _count_settled(segments: Sequence[RetainedSegment], high_watermark: int) -> int:
    """Return how many segments hold something and end at or below the high watermark."""
    count = len(segments)
    while count and (
        segments[count - 1].next_offset > high_watermark or not segments[count - 1].size_bytes
    ):
        count -= 1
    return count
