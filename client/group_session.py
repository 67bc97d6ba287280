"""What a consumer has of its group: a place in it, its partitions, and commits.

    poll    the user asks for records, so it is done with what it was handed:
              changes of the assignment are carried out, the listener is told
              positions are committed, every auto_commit_interval_ms
    work    the user has something to work on

With `subscribe` the consumer is a member, and the group says what it reads. With `assign` it is
none: it commits under the group's name, which the coordinator allows while it has no members.

A commit at a poll covers only what the user has come back from: auto-commit never says of a record
that it was read before the next one is asked for.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..protocol.errors import ErrorCode, KafkaError
from .assignors import Assignor
from .commits import Commits, Identity
from .coordinator import Coordinator
from .fetcher import Fetcher
from .group_member import GroupMember
from .member import Change, MemberSettings
from .membership import NO_GENERATION, Membership
from .network import Network
from .rebalance_listener import RebalanceListener, call_listener
from .subscription import Subscription

_NOBODY: Final = Identity()


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """What a consumer's user may say about its group; times in ms."""

    member: MemberSettings
    assignors: tuple[Assignor, ...]
    auto_commit_interval_ms: int | None
    """None where the user commits."""


class GroupSession:
    """The group of one consumer."""

    def __init__(
        self,
        network: Network,
        coordinator: Coordinator,
        subscription: Subscription,
        fetcher: Fetcher,
        settings: GroupSettings,
        timeout_ms: int,
    ) -> None:
        """Not yet a member; the network has been started. `timeout_ms` bounds each auto-commit."""
        self.listener: RebalanceListener | None = None
        self._network = network
        self._coordinator = coordinator
        self._subscription = subscription
        self._fetcher = fetcher
        self._settings = settings
        self._timeout_ms = timeout_ms
        self._member: GroupMember | None = None
        self.commits = Commits(
            network, coordinator, subscription, self._identity, self._commit_refused
        )
        self._commit_at_ms: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        if settings.auto_commit_interval_ms is not None:
            self._schedule_commit(settings.auto_commit_interval_ms)

    def subscribe(self, topics: Sequence[str]) -> None:
        """Be a member, for these topics."""
        if self._member is None:
            settings = self._settings
            self._member = GroupMember(
                self._network,
                self._coordinator,
                Membership(settings.member, settings.assignors),
                settings.member,
                self._interrupt,
                self._progress,
            )
            self._member.start()
        effects = self._member.membership.subscribe(topics, self._network.now_ms())
        self._member.perform(effects)

    async def poll(self) -> None:
        """Carry out what has changed; raises the error that keeps it out of the group."""
        now_ms = self._network.now_ms()
        if self._member is not None:
            membership = self._member.membership
            self._member.perform(membership.poll(now_ms))
            while membership.has_news and (change := membership.begin_change()) is not None:
                await self._carry_out(change, self._member)
            if membership.error is not None:
                raise membership.error
        if self._commit_at_ms is not None and now_ms >= self._commit_at_ms:
            self.commits.begin_auto_commit(self._timeout_ms)
            self._schedule_commit(self._settings.auto_commit_interval_ms or 0)

    def work(self) -> None:
        """The user goes to work."""
        if self._member is not None:
            self._member.membership.work(self._network.now_ms())

    async def leave(self, *, commits: bool) -> None:
        """Give up what is owned, leave the group, and stop; `commits` if the work was done."""
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._give_up_all(commits=commits)
        finally:
            member, self._member = self._member, None
            await self.commits.close()
            if member is not None:
                await member.close()

    async def _give_up_all(self, *, commits: bool) -> None:
        """Hand over in good order, whatever the coordinator says to it."""
        if commits and self._settings.auto_commit_interval_ms is not None:
            await self.commits.commit_quietly(self._timeout_ms)
        owned = self._member.membership.owned if self._member is not None else ()
        if owned and self.listener is not None:
            await call_listener(self.listener.on_partitions_revoked, set(owned))

    async def _carry_out(self, change: Change, member: GroupMember) -> None:
        """Tell the listener, and read what is owned then. What the listener raises is raised."""
        try:
            await self._give_up(change)
        finally:
            new = self._subscription.assign(change.owned)
            self._fetcher.positions.begin(new)
            self._fetcher.wake()
            member.perform(member.membership.end_change(self._network.now_ms()))
        if change.is_assignment and self.listener is not None:
            await call_listener(self.listener.on_partitions_assigned, set(change.assigned))

    async def _give_up(self, change: Change) -> None:
        if change.lost and self.listener is not None:
            await call_listener(self.listener.on_partitions_lost, set(change.lost))
        if change.revoked:
            if self._settings.auto_commit_interval_ms is not None:
                await self.commits.commit_quietly(self._timeout_ms)
            if self.listener is not None:
                await call_listener(self.listener.on_partitions_revoked, set(change.revoked))

    def _schedule_commit(self, interval_ms: int) -> None:
        """Bring the user to poll when positions are to be committed."""
        self._commit_at_ms = self._network.now_ms() + interval_ms
        # One ms late rather than early: a poll looks at a clock that was rounded down.
        at_s = (self._commit_at_ms + 1) / 1000
        self._timer = self._network.loop.call_at(at_s, self._interrupt)

    def _interrupt(self) -> None:
        self._subscription.interrupt()
        self._fetcher.news.fire()

    def _progress(self) -> object:
        return [state.position for state in self._subscription.partitions.values()]

    def _identity(self) -> Identity:
        """In whose name is committed; raises what keeps this consumer from being a member."""
        if self._member is None:
            return _NOBODY
        membership = self._member.membership
        if membership.error is not None:
            raise membership.error
        if membership.generation == NO_GENERATION:
            raise KafkaError.of(
                ErrorCode.ILLEGAL_GENERATION,
                f"this consumer has no place in group {self._coordinator.group_id!r} at present, "
                f"so it can commit nothing: poll first",
            )
        instance_id = self._settings.member.instance_id
        return Identity(membership.generation, membership.member_id, instance_id)

    def _commit_refused(self, code: ErrorCode, generation: int) -> None:
        if self._member is not None:
            now_ms = self._network.now_ms()
            membership = self._member.membership
            self._member.perform(membership.commit_refused(code, generation, now_ms))
