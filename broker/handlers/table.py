"""The APIs that this broker serves: what ApiVersions answers and where a request goes.

An API stands here only if its handler answers truthfully in each of these versions. A handler's
module and its messages are imported, and their codec compiled, on the first request: a broker that
starts pays for none of them.
"""

import functools
from importlib import import_module

from ...protocol.api import API_MODULES, request_class, response_class
from ...protocol.codec import decoder_of, encoder_of
from ...protocol.header import has_flexible_request_header, has_flexible_response_header
from .context import Handle
from .route import Route

PRODUCE_KEY = 0
FETCH_KEY = 1
API_VERSIONS_KEY = 18

SERVED_VERSIONS: dict[int, tuple[int, int]] = {
    0: (3, 13),  # Produce
    1: (4, 18),  # Fetch
    2: (1, 11),  # ListOffsets
    3: (0, 13),  # Metadata
    8: (2, 10),  # OffsetCommit
    9: (1, 10),  # OffsetFetch
    10: (0, 6),  # FindCoordinator
    11: (0, 9),  # JoinGroup
    12: (0, 4),  # Heartbeat
    13: (0, 5),  # LeaveGroup
    14: (0, 5),  # SyncGroup
    15: (0, 6),  # DescribeGroups
    16: (0, 5),  # ListGroups
    18: (0, 4),  # ApiVersions
    19: (2, 7),  # CreateTopics
    20: (1, 6),  # DeleteTopics
    21: (0, 2),  # DeleteRecords
    22: (0, 5),  # InitProducerId
    23: (2, 4),  # OffsetForLeaderEpoch
    32: (1, 4),  # DescribeConfigs
    33: (0, 2),  # AlterConfigs
    34: (1, 2),  # AlterReplicaLogDirs
    35: (1, 5),  # DescribeLogDirs
    37: (0, 3),  # CreatePartitions
    42: (0, 2),  # DeleteGroups
    43: (0, 2),  # ElectLeaders
    44: (0, 1),  # IncrementalAlterConfigs
    45: (0, 1),  # AlterPartitionReassignments
    46: (0, 0),  # ListPartitionReassignments
    47: (0, 0),  # OffsetDelete
    55: (0, 2),  # DescribeQuorum
    60: (0, 2),  # DescribeCluster
    61: (0, 0),  # DescribeProducers
    64: (0, 0),  # UnregisterBroker
    74: (0, 1),  # ListConfigResources
    75: (0, 0),  # DescribeTopicPartitions
}
"""API key to the first and last version served."""
FORWARDED = frozenset(
    {
        19,  # CreateTopics
        20,  # DeleteTopics
        33,  # AlterConfigs
        37,  # CreatePartitions
        43,  # ElectLeaders
        44,  # IncrementalAlterConfigs
        45,  # AlterPartitionReassignments
        46,  # ListPartitionReassignments
        55,  # DescribeQuorum
        64,  # UnregisterBroker
    }
)
"""What only the active controller can answer; other brokers hand it on (see forwarding.py)."""
MAX_ROUTES = 1024
"""More than there are, so that only what peers ask for in vain is ever forgotten."""


def advertised_versions(api_key: int) -> tuple[int, int]:
    """What ApiVersions says. Produce is advertised from 0 although 0 to 2 are refused.

    Older librdkafka looks up its compression codecs in these versions (KAFKA-18659).
    """
    first, last = SERVED_VERSIONS[api_key]
    return (0 if api_key == PRODUCE_KEY else first), last


@functools.lru_cache(MAX_ROUTES)
def find_route(api_key: int, version: int) -> Route | None:
    """The route of a request, or None for an API or version that is not served."""
    first, last = SERVED_VERSIONS.get(api_key, (0, -1))
    request, response = request_class(api_key), response_class(api_key)
    if not first <= version <= last or request is None or response is None:
        return None
    return Route(
        api_key,
        version,
        has_flexible_request_header(request, version),
        has_flexible_response_header(response, version),
        decoder_of(request, version),
        encoder_of(response, version),
        _handle_of(api_key),
    )


def handler_of(api_key: int) -> Handle:
    """The handler of an API that is served, for who is the active controller if it needs one."""
    handle: Handle = import_module(f".{API_MODULES[api_key]}", __package__).handle
    return handle


def _handle_of(api_key: int) -> Handle:
    if api_key not in FORWARDED:
        return handler_of(api_key)
    from .forwarding import forwarding  # It is not needed to produce or to fetch.

    return forwarding(api_key)
