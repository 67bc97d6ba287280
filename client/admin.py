"""The administrator: topics created, deleted and described; who belongs to the cluster.

Each call is one question to one broker. A question that only reads is asked again when it fails and
may succeed, until its time is over; a change is asked again only of another controller, because
nobody knows what became of one whose connection broke. A call about several topics tries all of
them and raises the error of the first that failed, naming every one that did; the others are done.

Left out: configs, groups, record deletion, partitions added later (with the APIs they need).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Final

from ..protocol.api.create_topics import (
    BROKER_DEFAULT,
    CreateTopicsRequest,
    CreateTopicsRequestAssignment,
    CreateTopicsRequestConfig,
    CreateTopicsRequestTopic,
    CreateTopicsResponse,
)
from ..protocol.api.delete_topics import (
    DeleteTopicsRequest,
    DeleteTopicsResponse,
)
from ..protocol.api.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from ..protocol.errors import ErrorCode, KafkaError
from ..transport.connection import Connection
from .errors import ClientNotRunning
from .keywords import suggest_keywords
from .metadata import (
    BrokerAddress,
    PartitionInfo,
    TopicInfo,
    brokers_of,
    error_code_of,
    topic_of,
)
from .network import ANY_NODE, Network
from .settings import NetworkSettings, parse_servers

_Outcome = tuple[str, int, str | None]
"""A topic, its error code, and what the broker says about it."""

_LAST_VERSION_BY_NAME: Final = 5  # of DeleteTopics
_NOT_CONTROLLER: Final = int(ErrorCode.NOT_CONTROLLER)

__all__ = [
    "AdminClient",
    "BrokerAddress",
    "ClusterDescription",
    "NewTopic",
    "PartitionInfo",
    "TopicInfo",
]


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic to create: -1 leaves a count to the broker.

    `replica_assignments` names the brokers of each partition, the preferred leader first, in place
    of the two counts.
    """

    name: str
    num_partitions: int = BROKER_DEFAULT
    replication_factor: int = BROKER_DEFAULT
    configs: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    replica_assignments: Mapping[int, Sequence[int]] = field(
        default_factory=dict[int, Sequence[int]]
    )


@dataclass(frozen=True, slots=True)
class ClusterDescription:
    """Who belongs to the cluster; `controller_id` is -1 where nobody is known."""

    cluster_id: str | None
    controller_id: int
    brokers: tuple[BrokerAddress, ...]


class AdminClient:
    """Asks a cluster about itself and changes it."""

    @suggest_keywords
    def __init__(
        self,
        *,
        bootstrap_servers: str | list[str] = "localhost:9092",
        client_id: str = "minikafka",
        request_timeout_ms: int = 30_000,
        retry_backoff_ms: int = 100,
        metadata_max_age_ms: int = 300_000,
        random: Random | None = None,
    ) -> None:
        """Check the options; nothing is opened before start(). Raises ValueError or TypeError."""
        self._random = random or Random()
        self._timeout_ms = request_timeout_ms
        self._settings = NetworkSettings(
            bootstrap_servers=parse_servers(bootstrap_servers),
            client_id=client_id,
            request_timeout_ms=request_timeout_ms,
            retry_backoff_ms=retry_backoff_ms,
            metadata_max_age_ms=metadata_max_age_ms,
            allow_auto_create_topics=False,
        )
        self._network: Network | None = None
        self._not_running = "has not been started: use `async with` or await start()"

    async def start(self) -> "AdminClient":
        """Find the cluster; raises CannotConnect or KafkaTimeout within request_timeout_ms."""
        if self._network is None:
            network = Network(self._settings, self._random)
            await network.start()
            self._network = network
        return self

    async def close(self) -> None:
        """Close the connections."""
        network, self._network = self._network, None
        self._not_running = "is closed: make a new one"
        if network is not None:
            await network.close()

    async def __aenter__(self) -> "AdminClient":
        """Start."""
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        await self.close()

    async def create_topics(
        self,
        new_topics: Sequence[NewTopic],
        *,
        timeout_ms: int | None = None,
        validate_only: bool = False,
    ) -> None:
        """Create topics, or with `validate_only` only find out whether that would work."""
        timeout_ms = self._timeout_ms if timeout_ms is None else timeout_ms
        request = CreateTopicsRequest(
            topics=[_topic_to_create(topic) for topic in new_topics],
            timeout_ms=timeout_ms,
            validate_only=validate_only,
        )

        async def ask(connection: Connection) -> list[_Outcome]:
            response = await connection.request(request, CreateTopicsResponse, timeout_ms)
            return [(each.name, each.error_code, each.error_message) for each in response.topics]

        await self._change(ask, timeout_ms)

    async def delete_topics(self, names: Sequence[str], *, timeout_ms: int | None = None) -> None:
        """Delete topics with all their records."""
        timeout_ms = self._timeout_ms if timeout_ms is None else timeout_ms
        request = DeleteTopicsRequest(topic_names=list(names), timeout_ms=timeout_ms)

        async def ask(connection: Connection) -> list[_Outcome]:
            version = connection.version_of(DeleteTopicsRequest, _LAST_VERSION_BY_NAME)
            response = await connection.request(request, DeleteTopicsResponse, timeout_ms, version)
            return [
                (each.name or "", each.error_code, each.error_message)
                for each in response.responses
            ]

        await self._change(ask, timeout_ms)

    async def list_topics(self, *, include_internal: bool = False) -> list[str]:
        """The names of all topics, in order."""
        response = await self._ask_metadata(None)
        return sorted(
            topic.name
            for topic in response.topics
            if topic.name is not None and (include_internal or not topic.is_internal)
        )

    async def describe_topics(self, names: Sequence[str] | None = None) -> list[TopicInfo]:
        """These topics, or all of them, in order of name; raises the error of one not there."""
        response = await self._ask_metadata(names)
        _raise_first([(topic.name or "", topic.error_code, None) for topic in response.topics])
        return sorted((topic_of(topic) for topic in response.topics), key=lambda each: each.name)

    async def describe_cluster(self) -> ClusterDescription:
        """The cluster's id, its controller and its brokers in order of id."""
        response = await self._ask_metadata([])
        brokers = brokers_of(response)
        return ClusterDescription(
            response.cluster_id,
            response.controller_id,
            tuple(brokers[node_id] for node_id in sorted(brokers)),
        )

    async def _ask_metadata(self, names: Sequence[str] | None) -> MetadataResponse:
        """Metadata of these topics, or of all; asked again until there is an answer."""
        topics = None if names is None else [MetadataRequestTopic(name=name) for name in names]
        request = MetadataRequest(topics=topics, allow_auto_topic_creation=False)
        network = self._require_running()
        deadline_ms = network.now_ms() + self._timeout_ms
        while True:
            left_ms = max(deadline_ms - network.now_ms(), 1)
            try:
                return await network.request(request, MetadataResponse, left_ms)
            except KafkaError as error:
                if not error.retriable or network.now_ms() >= deadline_ms:
                    raise
            pause_ms = self._settings.retry_backoff_ms
            await network.changed.wait(min(deadline_ms, network.now_ms() + pause_ms))

    async def _change(
        self, ask: Callable[[Connection], Awaitable[list[_Outcome]]], timeout_ms: int
    ) -> None:
        """Ask the controller for a change; if it is not the controller any more, its successor."""
        network = self._require_running()
        deadline_ms = network.now_ms() + timeout_ms
        while True:
            left_ms = max(deadline_ms - network.now_ms(), 1)
            controller_id = network.metadata.controller_id
            known = controller_id in network.metadata.brokers
            outcomes = await ask(
                await network.connection(controller_id if known else ANY_NODE, left_ms)
            )
            has_moved = any(code == _NOT_CONTROLLER for _, code, _ in outcomes)
            if not has_moved or network.now_ms() >= deadline_ms:
                break
            network.request_refresh()
            pause_ms = self._settings.retry_backoff_ms
            await network.changed.wait(min(deadline_ms, network.now_ms() + pause_ms))
        _raise_first(outcomes)

    def _require_running(self) -> Network:
        if self._network is None:
            raise ClientNotRunning(f"this admin client {self._not_running}")
        return self._network


def _topic_to_create(topic: NewTopic) -> CreateTopicsRequestTopic:
    by_hand = bool(topic.replica_assignments)
    return CreateTopicsRequestTopic(
        name=topic.name,
        num_partitions=BROKER_DEFAULT if by_hand else topic.num_partitions,
        replication_factor=BROKER_DEFAULT if by_hand else topic.replication_factor,
        assignments=[
            CreateTopicsRequestAssignment(partition_index=index, broker_ids=list(brokers))
            for index, brokers in sorted(topic.replica_assignments.items())
        ],
        configs=[
            CreateTopicsRequestConfig(name=name, value=value)
            for name, value in sorted(topic.configs.items())
        ],
    )


def _raise_first(outcomes: list[_Outcome]) -> None:
    """Raise the first error, naming each topic that has one."""
    failed = [
        (name, code, message or error_code_of(code).message)
        for name, code, message in outcomes
        if code
    ]
    if failed:
        sentences = [f"topic {name!r}: {message}" for name, _, message in failed]
        raise KafkaError.of(failed[0][1], "; ".join(sentences))
