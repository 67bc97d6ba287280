"""The parts of a started consumer, and what it reads: topics it selected, or what it was assigned.

Consumer (the face) ──> Reading ──┬── network, fetcher      records of what is assigned
                                  └── group session         who says what that is

selection, in a group    its topics are told to the group, which deals out their partitions
selection, no group      every partition of its topics, also those added later
assignment               what the user said
"""

from collections.abc import Iterable
from dataclasses import dataclass

from .coordinator import Coordinator
from .fetcher import Fetcher, FetcherSettings
from .group_session import GroupSession, GroupSettings
from .metadata import TopicPartition
from .network import Network
from .offsets import EARLIEST
from .rebalance_listener import RebalanceListener
from .subscription import PartitionState, Subscription
from .topic_selection import TopicSelection


@dataclass(frozen=True, slots=True)
class ReadingSettings:
    """What a consumer's user may say about reading."""

    fetcher: FetcherSettings
    group: GroupSettings
    timeout_ms: int


class Reading:
    """Reads for one subscription over one network, which has been started."""

    def __init__(
        self, network: Network, subscription: Subscription, settings: ReadingSettings
    ) -> None:
        """Nothing is fetched before `start`."""
        self.network = network
        self.coordinator: Coordinator | None = None
        self.group: GroupSession | None = None
        self.is_ending = False
        """Whether somebody is about to close it."""
        self._subscription = subscription
        self._settings = settings
        self._selection: TopicSelection | None = None
        group_id = settings.group.member.group_id
        if group_id is not None:
            self.coordinator = Coordinator(network, group_id)
        self.fetcher = Fetcher(network, subscription, settings.fetcher, self.coordinator)
        self._join_group()

    async def start(
        self, selection: TopicSelection | None, listener: RebalanceListener | None
    ) -> None:
        """Begin with the topics, which have to be there, or with what is assigned already.

        Without a group each partition has its position then.
        """
        network = self.network
        if selection is not None:
            network.want(selection.topics)
            for name in selection.topics:
                await network.topic(name, self._settings.timeout_ms)
            self.select(selection, listener)
        else:
            network.want(name.topic for name in self._subscription.partitions)
            self._begin(self._subscription.partitions.values())
        network.on_change.append(self._follow)
        if self.group is None:
            await self.fetcher.positions.find()
        self.fetcher.start()

    def select(self, selection: TopicSelection, listener: RebalanceListener | None) -> None:
        """Read these topics from now on."""
        self._selection = selection
        if self.group is not None:
            self.group.listener = listener
        self.network.want(selection.topics)
        if selection.pattern is not None:
            self.network.want_all()
        if self.group is None:
            # Those of the selection before that are selected no more.
            selected = selection.partitions(self.network.metadata.topics)
            read = self._subscription.partitions
            self._subscription.assign([name for name in selected if name in read])
        self._follow()

    def assign(self, names: Iterable[TopicPartition]) -> None:
        """Read exactly these, having committed what was handed out of those before."""
        if self.group is not None:
            self.group.begin_auto_commit()
        self._read(names)

    def _read(self, names: Iterable[TopicPartition]) -> None:
        self._selection = None
        names = list(names)
        self.network.want(name.topic for name in names)
        self._begin(self._subscription.assign(names))

    async def leave_group(self) -> None:
        """Read nothing any more, having committed what was handed out."""
        try:
            await self.leave(commits=True)
        finally:
            self._join_group()
            self._read(())

    async def leave(self, *, commits: bool) -> None:
        """Leave the group, if there is one, for good."""
        self._selection = None  # else the next metadata would have us join once more
        if self.group is not None:
            await self.group.leave(commits=commits)

    async def close(self) -> None:
        """Stop fetching, close the connections."""
        await self.fetcher.close()
        # Whoever waits for records in another task has to hear of it.
        self.fetcher.news.fire()
        await self.network.close()

    def _join_group(self) -> None:
        """Have a new place in the group, if there is one: a member as soon as topics are told."""
        if self.coordinator is not None:
            self.group = GroupSession(
                self.network,
                self.coordinator,
                self._subscription,
                self.fetcher,
                self._settings.group,
                self._settings.timeout_ms,
            )

    def _follow(self) -> None:
        """Metadata or the selection may have changed: read what is selected now."""
        selection = self._selection
        if selection is None:
            return
        if self.group is not None:
            self.group.subscribe(selection.select(self.network.metadata.topics))
            return
        selected = selection.partitions(self.network.metadata.topics)
        read = self._subscription.partitions
        if any(name not in read for name in selected):
            topics = {name.topic for name in read}
            new = self._subscription.assign(dict.fromkeys([*read, *selected]))
            for state in new:
                if state.name.topic in topics:
                    # Whatever lies in it was written since its topic is read.
                    state.reset(EARLIEST)
            self._begin(new)

    def _begin(self, new: Iterable[PartitionState]) -> None:
        """Find positions for those that have none."""
        lacking = [each for each in new if each.position is None and each.reset_to is None]
        self.fetcher.positions.begin(lacking)
        self.fetcher.wake()
