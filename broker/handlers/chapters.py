"""The broker as far as a chapter of the tutorials has built it: `minikafka serve --chapter N`.

A filter on the table, and nothing else: APIs of later chapters are neither advertised nor served;
those that are there do all that they ever do. Chapters 1 to 3 build what no client sees: files,
indexes, batches. So their broker answers one question, what it speaks, and says: nothing more.

An API belongs to the chapter that explains it; where none does, to the one whose subject it
manages. Clients that were not written for a ladder can climb it too: chapter 6 has committed
offsets, because a consumer that assigns itself may want to keep its place, and FindCoordinator,
because that is how it asks where.
"""

import functools
from collections.abc import Callable, Mapping

from .route import Route
from .table import SERVED_VERSIONS, find_route

LAST_CHAPTER = 10

CHAPTERS: dict[int, tuple[int, ...]] = {
    # A log, its segments, its batches: a broker that can say what it speaks.
    1: (18,),  # ApiVersions
    # The protocol on the wire: what the cluster is, and how that is changed.
    # Metadata, CreateTopics, DeleteTopics, DescribeConfigs, AlterConfigs, AlterReplicaLogDirs,
    # DescribeLogDirs, CreatePartitions, IncrementalAlterConfigs, DescribeCluster,
    # ListConfigResources, DescribeTopicPartitions
    4: (3, 19, 20, 32, 33, 34, 35, 37, 44, 60, 74, 75),
    # Producing: Produce, DeleteRecords, InitProducerId, DescribeProducers
    5: (0, 21, 22, 61),
    # Consuming: Fetch, ListOffsets, OffsetCommit, OffsetFetch, FindCoordinator
    6: (1, 2, 8, 9, 10),
    # Groups: JoinGroup, Heartbeat, LeaveGroup, SyncGroup, DescribeGroups, ListGroups,
    # DeleteGroups, OffsetDelete
    7: (11, 12, 13, 14, 15, 16, 42, 47),
    # Replication: OffsetForLeaderEpoch, AlterPartitionReassignments, ListPartitionReassignments
    8: (23, 45, 46),
    # The controller and failover: ElectLeaders, DescribeQuorum, UnregisterBroker
    9: (43, 55, 64),
}
"""Chapter to the API keys that it adds."""

FindRoute = Callable[[int, int], Route | None]


def chapter_of(api_key: int) -> int:
    """The chapter that adds this API."""
    return next(chapter for chapter, keys in CHAPTERS.items() if api_key in keys)


@functools.cache
def served_until(chapter: int) -> Mapping[int, tuple[int, int]]:
    """The part of SERVED_VERSIONS that the broker of this chapter has."""
    keys = {key for number, added in CHAPTERS.items() if number <= chapter for key in added}
    return {key: versions for key, versions in SERVED_VERSIONS.items() if key in keys}


def find_route_until(chapter: int) -> FindRoute:
    """What finds the routes of this chapter's broker; of a whole one, the table's own function."""
    if chapter >= LAST_CHAPTER:
        return find_route
    served = served_until(chapter)
    return lambda api_key, version: find_route(api_key, version) if api_key in served else None
