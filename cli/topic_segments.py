"""The segments of topics, for `minikafka topic describe --segments`.

The leaders' control planes tell them, so that they can be seen on minikafka only.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ..client.cluster import Cluster, Segment
from ..client.metadata import TopicPartition
from . import session
from .dump_line import shown_time

SEGMENT_COLUMNS: Final = (
    "topic",
    "partition",
    "base_offset",
    "next_offset",
    "record_count",
    "size_bytes",
    "max_timestamp",
    "name",
)
Segments = Mapping[TopicPartition, Sequence[Segment]]


async def read_segments(bootstrap: str, partitions: Iterable[TopicPartition]) -> Segments:
    """The segments of each of these partitions, which must have leaders."""
    cluster = Cluster(bootstrap_servers=bootstrap, request_timeout_ms=session.REQUEST_TIMEOUT_MS)
    async with await session.connect(cluster):
        return {
            each: await cluster.topics[each.topic].partitions[each.partition].segments()
            for each in partitions
        }


def segment_rows(segments: Segments) -> Iterator[tuple[Any, ...]]:
    """A line of the table for each segment."""
    for partition, those in segments.items():
        for each in those:
            yield (
                *partition,
                each.base_offset,
                each.next_offset,
                each.record_count,
                each.size_bytes,
                shown_time(each.max_timestamp_ms),
                each.name,
            )


def segment_objects(segments: Sequence[Segment] | None) -> list[dict[str, Any]] | None:
    """A partition's segments as JSON has them; null where nobody leads it."""
    return None if segments is None else [dataclasses.asdict(each) for each in segments]
