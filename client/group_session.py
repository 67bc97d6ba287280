"""What a consumer has of its group: a place in it, its partitions, and commits.

    poll    the user asks for records, so it is done with what it was handed:
              changes of the assignment are carried out, the listener is told
              positions are committed, every auto_commit_interval_ms
    work    the user has something to work on

With `subscribe` the consumer is a member, and the group says what it reads. With `assign` it is
none: it commits under the group's name, which the coordinator allows while it has no members.

A commit at a poll covers only what the user has come back from: auto-commit never says of a record
that it was read before the next one is asked for.

A change runs to its end, whoever stops waiting for it: getmany() at its timeout, a task that is
cancelled. Until then no record is handed out.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..protocol.errors import ErrorCode, KafkaError
from .assignors import Assignor
from .commits import Commits, Identity, Offsets
from .coordinator import Coordinator
from .fetcher import Fetcher
from .group_member import GroupMember
from .member import Change, MemberSettings
from .membership import Membership
from .network import Network
from .rebalance_listener import RebalanceListener, call_listener
from .subscription import Subscription

log = logging.getLogger(__name__)

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
        self._changing: asyncio.Task[None] | None = None
        """A change that is carried out: a task, so that it ends even if the user waits no more."""
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

    async def poll(self, deadline_ms: int | None) -> bool:
        """Carry out what has changed; False if that lasts beyond the deadline: no records then.

        Raises the error that keeps it out of the group, and what the listener raises.
        """
        now_ms = self._network.now_ms()
        if self._member is not None:
            membership = self._member.membership
            if effects := membership.poll(now_ms):
                self._member.perform(effects)
            while self._changing is not None or membership.has_news:
                if self._changing is None and (change := membership.begin_change()) is not None:
                    work = self._carry_out(change, self._member)
                    self._changing = self._network.loop.create_task(work)
                if self._changing is None:
                    break
                if not await self._has_changed(self._changing, deadline_ms):
                    return False
            if membership.error is not None:
                raise membership.error
        if self._commit_at_ms is not None and now_ms >= self._commit_at_ms:
            self.begin_auto_commit()
            self._schedule_commit(self._settings.auto_commit_interval_ms or 0)
        return True

    def begin_auto_commit(self) -> None:
        """Commit the positions in the background, unless committing is the user's business."""
        if self._settings.auto_commit_interval_ms is not None:
            self.commits.begin_auto_commit(self._timeout_ms)

    def why_nothing(self) -> str:
        """Why there are no partitions to read."""
        group = f"group {self._coordinator.group_id!r}"
        if self._member is None or self._member.membership.problem is None:
            return f"{group} has given it no partitions so far"
        return f"it is not in {group} yet: {self._member.membership.problem}"

    def work(self) -> None:
        """The user goes to work."""
        if self._member is not None:
            self._member.membership.work(self._network.now_ms())

    async def leave(self, *, commits: bool) -> None:
        """Give up what is owned, leave the group, and stop; `commits` if the work was done."""
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._end_change()
            await self._give_up_all(commits=commits)
        finally:
            member, self._member = self._member, None
            await self.commits.close()
            if member is not None:
                await member.close()

    async def _end_change(self) -> None:
        """Let the change that is carried out come to its end, but do not wait for ever."""
        changing, self._changing = self._changing, None
        if changing is None or changing is asyncio.current_task():
            return
        await asyncio.wait((changing,), timeout=self._timeout_ms / 1000)
        changing.cancel()
        (error,) = await asyncio.gather(changing, return_exceptions=True)
        if error is not None:
            log.warning("the rebalance before the end: %r", error)

    async def _give_up_all(self, *, commits: bool) -> None:
        """Hand over in good order, whatever the coordinator says to it."""
        if commits and self._settings.auto_commit_interval_ms is not None:
            await self.commits.commit_quietly(self._timeout_ms)
        membership = self._member.membership if self._member is not None else None
        listener = self.listener
        if membership is not None and membership.owned and listener is not None:
            tell = listener.on_partitions_revoked
            await call_listener(
                tell if membership.has_place else listener.on_partitions_lost,
                set(membership.owned),
            )

    async def _has_changed(self, changing: "asyncio.Task[None]", deadline_ms: int | None) -> bool:
        """Wait for the change; raises what it raised."""
        if changing is asyncio.current_task():
            raise RuntimeError("a rebalance listener cannot ask for records")
        timeout_s = None
        if deadline_ms is not None:
            timeout_s = max(deadline_ms - self._network.now_ms(), 0) / 1000
        done, _ = await asyncio.wait((changing,), timeout=timeout_s)
        if done and self._changing is changing:
            self._changing = None
            changing.result()
        return bool(done)

    async def _carry_out(self, change: Change, member: GroupMember) -> None:
        """Tell the listener, and read what is owned then. What the listener raises is raised."""
        try:
            await self._give_up(change)
        finally:
            if self._member is member:  # and the listener has not unsubscribed
                await self._take(change, member)

    async def _take(self, change: Change, member: GroupMember) -> None:
        if change.lost:
            self._subscription.assign(())  # where they stood means nothing any more
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
        if not membership.has_place:
            raise KafkaError.of(
                ErrorCode.ILLEGAL_GENERATION,
                f"this consumer has no place in group {self._coordinator.group_id!r} at present, "
                f"and another may read the partition; poll again to go on, and see "
                f"max_poll_interval_ms and session_timeout_ms",
            )
        instance_id = self._settings.member.instance_id
        return Identity(membership.generation, membership.member_id, instance_id)

    def _commit_refused(self, code: ErrorCode, identity: Identity, offsets: Offsets) -> bool:
        """Tell the membership; whether the same may be committed in the next generation."""
        if self._member is None:
            return False
        membership = self._member.membership
        generation, now_ms = identity.generation, self._network.now_ms()
        self._member.perform(membership.commit_refused(code, generation, now_ms))
        return code is ErrorCode.ILLEGAL_GENERATION and membership.keeps(offsets, generation)
