"""The blocking twins of the cluster and its views: see cluster and views.

What a view tells of the client's metadata can be read from any thread: the values there are never
changed, only replaced. Only what is asked of a broker goes through the background loop.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from . import cluster, views
from .background_loop import BackgroundLoop, background_loop
from .blocking import blocking, closing, same_options, starting
from .cluster import Event
from .java_names import options_of
from .views import Broker, Topics


class Partition:
    """A partition: who has it, and what its leader tells of it."""

    def __init__(self, view: views.Partition, background: BackgroundLoop) -> None:
        """Made by a Topic."""
        self.asyncio_client = view
        self.background = background

    @property
    def topic(self) -> str:
        """The name of its topic."""
        return self.asyncio_client.topic

    @property
    def index(self) -> int:
        """Its place in the topic."""
        return self.asyncio_client.index

    @property
    def leader(self) -> int | None:
        """The broker that is written to and read from, by its id; None while there is none."""
        return self.asyncio_client.leader

    @property
    def leader_epoch(self) -> int:
        """How many leaders it has had; -1 where a broker does not say."""
        return self.asyncio_client.leader_epoch

    @property
    def replicas(self) -> tuple[int, ...]:
        """The ids of the brokers that have it, or are to have it."""
        return self.asyncio_client.replicas

    @property
    def in_sync_replicas(self) -> tuple[int, ...]:
        """The ids of those that have all that was acknowledged."""
        return self.asyncio_client.in_sync_replicas

    offsets = blocking(views.Partition.offsets)
    segments = blocking(views.Partition.segments)


class Topic:
    """A topic and its partitions."""

    def __init__(self, view: views.Topic, background: BackgroundLoop) -> None:
        """Made by a Cluster."""
        self._view = view
        self._background = background

    @property
    def name(self) -> str:
        """Its name."""
        return self._view.name

    @property
    def id(self) -> bytes:
        """16 bytes, all zero where a broker gives no id: another one for a topic made anew."""
        return self._view.id

    @property
    def is_internal(self) -> bool:
        """Whether it is the cluster's own, such as __consumer_offsets."""
        return self._view.is_internal

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Its partitions; the place of each is its index."""
        return tuple(Partition(each, self._background) for each in self._view.partitions)


class Cluster:
    """Looks at a cluster, and changes nothing."""

    @same_options(cluster.Cluster)
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.asyncio_client = cluster.Cluster(*args, **kwargs)
        self.background = background_loop()

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """A cluster with options by their Java names, as strings or typed; see java_names.

        Raises ValueError for an option that is unknown or not to be had here.
        """
        return cls(**options_of(cls, config))

    start = starting(cluster.Cluster.start)
    __enter__ = starting(cluster.Cluster.__aenter__)
    close = closing(cluster.Cluster.close)
    __exit__ = closing(cluster.Cluster.__aexit__)

    @property
    def id(self) -> str | None:
        """The cluster's id; None where a broker does not say."""
        return self.asyncio_client.id

    @property
    def brokers(self) -> tuple[Broker, ...]:
        """The live brokers in order of id."""
        return self.asyncio_client.brokers

    @property
    def topics(self) -> Topics[Topic]:
        """All topics there are now, also those of the cluster's own."""
        topics = self.asyncio_client.topics.items()
        return Topics((name, Topic(view, self.background)) for name, view in topics)

    refresh = blocking(cluster.Cluster.refresh)

    def events(self, from_offset: int = 0) -> Iterator[Event]:
        """What has happened to the cluster, from an offset of its metadata log on, up to now."""
        events = self.asyncio_client.events(from_offset)

        async def take() -> Event | None:
            return await anext(events, None)

        while (event := self.background.run(take())) is not None:
            yield event
