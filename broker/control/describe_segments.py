"""DescribeSegments: a partition's offsets and the segments of its log, as they lie on disk.

A segment that nobody has read since the start is looked up in its index files. So others get their
turn between two segments, and each is looked for anew: meanwhile the log may have been rolled,
shortened or compacted. The answer is of one moment only as far as nothing of that happened.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Sequence

from ...protocol.control import MAX_ELEMENTS, DescribeSegments, Refused, Segment, Segments
from ..log.segment import Segment as LogSegment
from ..replica.manager import Unserved
from ..replica.partition import Partition
from .context import ControlContext


async def handle(request: DescribeSegments, context: ControlContext) -> Segments | Refused:
    """The segments whose base offset is `from_offset` or later, in order."""
    name = f"{request.topic}-{request.partition}"
    partition = context.replicas.look_up(request.topic, request.partition)
    if isinstance(partition, Unserved):
        reason = partition.message or partition.error_code.message
        return Refused(partition.error_code.name, f"partition {name!r}: {reason}")
    try:
        return await _describe(partition, request)
    except FileNotFoundError:
        return Refused("UNKNOWN_TOPIC_OR_PARTITION", f"partition {name!r} is being deleted")


async def _describe(partition: Partition, request: DescribeSegments) -> Segments:
    log, found, from_offset = partition.log, list[Segment](), request.from_offset
    limit = min(request.max_segments, MAX_ELEMENTS)
    while (segment := _first_from(log.segments, from_offset)) is not None and len(found) < limit:
        found.append(_segment(segment))
        from_offset = segment.base_offset + 1
        await asyncio.sleep(0)
        if partition.is_removed:  # Another topic may have taken the names of its files.
            raise FileNotFoundError
    return Segments(
        log_start_offset=log.log_start_offset,
        high_watermark=partition.high_watermark,
        log_end_offset=log.log_end_offset,
        has_more=segment is not None,
        segments=tuple(found),
    )


def _first_from(segments: Sequence[LogSegment], offset: int) -> LogSegment | None:
    index = bisect_left(segments, offset, key=lambda segment: segment.base_offset)
    return segments[index] if index < len(segments) else None


def _segment(segment: LogSegment) -> Segment:
    return Segment(
        base_offset=segment.base_offset,
        next_offset=segment.next_offset,
        size_bytes=segment.size_bytes,
        record_count=segment.next_offset - segment.base_offset,
        max_timestamp_ms=segment.largest.timestamp,
        name=segment.path("log").rpartition("/")[2],
    )
