"""Topics created, enlarged and deleted: requests to the controller, and what became of each topic.

Each is one request about several topics; an outcome comes for every one of them.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ..protocol.api.create_partitions import CreatePartitionsRequest, CreatePartitionsResponse
from ..protocol.api.create_topics import CreateTopicsRequest, CreateTopicsResponse
from ..protocol.api.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from ..transport.connection import Connection
from . import questions
from .network import Network
from .new_topic import NewPartitions, NewTopic, topic_to_create, topic_to_enlarge
from .outcome import Outcome

_LAST_VERSION_BY_NAME: Final = 5  # of DeleteTopics


async def create_topics(
    network: Network, new_topics: Sequence[NewTopic], timeout_ms: int, validate_only: bool
) -> list[Outcome]:
    """Create topics; with `validate_only` find out whether that would work."""
    request = CreateTopicsRequest(
        topics=[topic_to_create(topic) for topic in new_topics],
        timeout_ms=timeout_ms,
        validate_only=validate_only,
    )

    async def ask(connection: Connection, left_ms: int) -> list[Outcome]:
        response = await connection.request(request, CreateTopicsResponse, left_ms)
        return [
            topic_outcome(each.name, each.error_code, each.error_message)
            for each in response.topics
        ]

    return await questions.change(network, ask, timeout_ms)


async def create_partitions(
    network: Network,
    topics: Mapping[str, NewPartitions | int],
    timeout_ms: int,
    validate_only: bool,
) -> list[Outcome]:
    """Give topics more partitions; with `validate_only` find out whether that would work."""
    request = CreatePartitionsRequest(
        topics=[topic_to_enlarge(name, wanted) for name, wanted in topics.items()],
        timeout_ms=timeout_ms,
        validate_only=validate_only,
    )

    async def ask(connection: Connection, left_ms: int) -> list[Outcome]:
        response = await connection.request(request, CreatePartitionsResponse, left_ms)
        return [
            topic_outcome(each.name, each.error_code, each.error_message)
            for each in response.results
        ]

    return await questions.change(network, ask, timeout_ms)


async def delete_topics(network: Network, names: Sequence[str], timeout_ms: int) -> list[Outcome]:
    """Delete topics with all their records."""
    request = DeleteTopicsRequest(topic_names=list(names), timeout_ms=timeout_ms)

    async def ask(connection: Connection, left_ms: int) -> list[Outcome]:
        version = connection.version_of(DeleteTopicsRequest, _LAST_VERSION_BY_NAME)
        response = await connection.request(request, DeleteTopicsResponse, left_ms, version)
        return [
            topic_outcome(each.name or "", each.error_code, each.error_message)
            for each in response.responses
        ]

    return await questions.change(network, ask, timeout_ms)


def topic_outcome(name: str, error_code: int, message: str | None) -> Outcome:
    """What became of one topic."""
    return Outcome(f"topic {name!r}", error_code, message)
