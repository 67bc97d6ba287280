"""The cluster as a client sees it: live views from its brokers down to segments.

    async with Cluster(bootstrap_servers="localhost:9092") as cluster:
        for broker in cluster.brokers: print(broker.id, broker.host, broker.is_controller)
        partition = cluster.topics["orders"].partitions[0]
        print(partition.leader, await partition.offsets())
        for segment in await partition.segments(): print(segment.base_offset, segment.size_bytes)

What is told without `await` comes from the client's metadata, which is asked for anew every
`metadata_max_age_ms`, when a connection breaks, and by `refresh()`. Segments and events are
minikafka's own, and UnsupportedByCluster elsewhere.
"""

from collections.abc import AsyncGenerator, Mapping
from random import Random
from types import TracebackType

from ..protocol.api.metadata import MetadataRequest, MetadataResponse
from ..protocol.control import Event, Events, ReadEvents, Segment
from ..protocol.primitives import ProtocolError
from . import questions
from .control_plane import ControlPlane
from .errors import CannotConnect, ClientNotRunning
from .java_names import options_of
from .keywords import suggest_keywords
from .network import Network
from .settings import NetworkSettings, parse_servers
from .views import Broker, Partition, PartitionOffsets, Running, Topic, Topics

__all__ = [
    "Broker",
    "Cluster",
    "Event",
    "Partition",
    "PartitionOffsets",
    "Segment",
    "Topic",
    "Topics",
]


class Cluster:
    """Looks at a cluster, and changes nothing."""

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
        self._running: Running | None = None
        self._not_running = "has not been started: use `async with` or await start()"

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> "Cluster":
        """A cluster with options by their Java names, as strings or typed; see java_names.

        Raises ValueError for an option that is unknown or not to be had here.
        """
        return cls(**options_of(cls, config))

    async def start(self) -> "Cluster":
        """Find the cluster; raises CannotConnect or KafkaTimeout within request_timeout_ms."""
        if self._running is None:
            network = Network(self._settings, self._random)
            network.want_all()
            await network.start()
            self._running = Running(network, ControlPlane(network), self._timeout_ms)
        return self

    async def close(self) -> None:
        """Close the connections; views tell nothing any more."""
        running, self._running = self._running, None
        self._not_running = "is closed: make a new one"
        if running is not None:
            running.control.close()
            await running.network.close()

    async def __aenter__(self) -> "Cluster":
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

    @property
    def id(self) -> str | None:
        """The cluster's id; None where a broker does not say."""
        return self._look().network.metadata.cluster_id

    @property
    def brokers(self) -> tuple[Broker, ...]:
        """The live brokers in order of id."""
        brokers = self._look().network.metadata.brokers
        return tuple(Broker(id, self._look) for id in sorted(brokers))

    @property
    def topics(self) -> Topics[Topic]:
        """All topics there are now, also those of the cluster's own."""
        topics = self._look().network.metadata.topics
        return Topics((name, Topic(name, self._look)) for name in sorted(topics))

    async def refresh(self) -> None:
        """Ask for brokers, topics and leaders now, and return when they are known."""
        network = self._look().network
        request = MetadataRequest(topics=None, allow_auto_topic_creation=False)
        response = await questions.ask(network, request, MetadataResponse, self._timeout_ms)
        try:
            network.metadata.update(response, network.now_ms())
        except ProtocolError as error:
            raise CannotConnect(f"the cluster's metadata: {error}") from error

    async def events(self, from_offset: int = 0) -> AsyncGenerator[Event]:
        """What has happened to the cluster, from an offset of its metadata log on, up to now."""
        end_offset = from_offset + 1
        while from_offset < end_offset:
            network, control, timeout_ms = self._look()
            node_id = _controller_or_any(network)
            told = await control.ask(node_id, ReadEvents(from_offset), Events, timeout_ms)
            for event in told.events:
                yield event
            if not told.events:
                return
            from_offset, end_offset = told.events[-1].offset + 1, told.end_offset

    def _look(self) -> Running:
        if self._running is None:
            raise ClientNotRunning(f"this cluster view {self._not_running}")
        return self._running


def _controller_or_any(network: Network) -> int:
    """Who knows the cluster's life: its controller, or in a lone node's place whoever is there."""
    metadata = network.metadata
    if metadata.controller_id in metadata.brokers:
        return metadata.controller_id
    return min(metadata.brokers, default=metadata.controller_id)
