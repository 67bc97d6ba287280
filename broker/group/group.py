"""A consumer group: its members, its generation, and the way from one generation to the next. PURE.

    Empty                 nobody is in it; what was committed stays
    PreparingRebalance    members join; each is kept waiting until all have joined, or it is late
    CompletingRebalance   all have been told the generation; the leader's assignment is awaited
    Stable                each member knows what it owns
    Dead                  deleted, or led by another node: whoever holds it must look it up again

    from                  by                                                    to
    Empty                 a join                                                PreparingRebalance
    PreparingRebalance    everybody has joined, or the time is over             CompletingRebalance
                          the same, and nobody is left                          Empty
    CompletingRebalance   the leader's sync, once it is in the log              Stable
                          a join, a leave, a death, no sync in time             PreparingRebalance
    Stable                a join with news, a leave, a death, no sync in time   PreparingRebalance
    Empty                 deletion                                              Dead

A machine (see docs/architecture.md): requests come with the monotonic time in, effects come out.
Every join and every sync that is taken in is answered by exactly one effect, now or later. What is
to outlive this process is saved before members learn of it, and comes back through `replay`.

Rules are Kafka's classic protocol (KIP-62, KIP-134, KIP-345, KIP-394, KIP-559, KIP-814), which
eager and cooperative members share: to the broker subscriptions and assignments are bytes. Where we
differ: a static member that comes back for other topics causes a rebalance (Kafka does not see the
change), and a join or sync which its own repetition overtakes is answered with
REBALANCE_IN_PROGRESS instead of never.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from ...protocol.errors import ErrorCode
from .member import (
    Effect,
    Identity,
    Join,
    Joined,
    Member,
    Save,
    SavedGroup,
    Sync,
    Synced,
    member_of,
)
from .roster import Roster

NEW_MEMBER_TIMEOUT_MS = 300_000
"""How long a member may wait for its first answer before it counts as dead."""


class State(Enum):
    """The states above, by Kafka's names."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """Options of the node: how many members, and how long an empty group waits for more."""

    max_size: int
    initial_rebalance_delay_ms: int


class Group:
    """The group `group_id`. `new_id(prefix)` gives a member id that nobody has had."""

    def __init__(self, group_id: str, limits: GroupLimits, new_id: Callable[[str], str]) -> None:
        self.group_id = group_id
        self.state = State.EMPTY
        self.generation = 0
        self.roster = Roster()
        self._limits = limits
        self._new_id = new_id
        self._pending: dict[str, int] = {}
        """Ids given to those who have to join again with them, and until when they may."""
        self._unsynced: set[str] = set()
        self._join_deadline_ms: int | None = None
        self._sync_deadline_ms: int | None = None
        self._initial_wait: _InitialWait | None = None

    def join(self, join: Join, now_ms: int) -> list[Effect]:
        """Take a member in, or take notice that it wants to stay (JoinGroup)."""
        error = self._refuse_join(join)
        if error:
            return [Joined(join.handle, error, join.member_id)]
        if not join.member_id:
            return self._join_without_id(join, now_ms)
        if join.member_id in self._pending and join.instance_id is None:
            del self._pending[join.member_id]
            return self._add(join, join.member_id, now_ms)
        error = self.roster.check(join.member_id, join.instance_id)
        if error:
            return [Joined(join.handle, error, join.member_id)]
        return self._join_again(self.roster.members[join.member_id], join, now_ms)

    def sync(self, sync: Sync, now_ms: int) -> list[Effect]:
        """Tell a member what it owns, once the leader has said so (SyncGroup)."""
        error = self._refuse_sync(sync)
        if error:
            return [Synced(sync.handle, error)]
        member = self.roster.members[sync.identity.member_id]
        self._unsynced.discard(member.member_id)
        if not self._unsynced:
            self._sync_deadline_ms = None
        self._heard_of(member, now_ms)
        if self.state is State.STABLE:
            return [self._assignment_of(member, sync.handle)]
        effects = self._overtake(member)
        member.syncing = sync.handle
        if member.member_id == self.roster.leader:
            effects.append(self._save_assignment(sync.assignments))
        return effects

    def heartbeat(self, identity: Identity, now_ms: int) -> ErrorCode:
        """Note that a member lives; the answer tells it whether to join again (Heartbeat)."""
        error = self._check_identity(identity)
        if error:
            return error
        self._heard_of(self.roster.members[identity.member_id], now_ms)
        rebalances = self.state is State.PREPARING
        return ErrorCode.REBALANCE_IN_PROGRESS if rebalances else ErrorCode.NONE

    def leave(self, leaving: Identity, now_ms: int) -> tuple[ErrorCode, list[Effect]]:
        """Let a member go: by its id, or a static one by its name alone (LeaveGroup, KIP-345)."""
        if self.state is State.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE, []
        member_id = leaving.member_id
        if self._pending.pop(member_id, None) is not None:
            return ErrorCode.NONE, self._complete_join_if_all(now_ms)
        if not member_id and leaving.instance_id is not None:
            member_id = self.roster.id_of(leaving.instance_id) or ""
        error = self.roster.check(member_id, leaving.instance_id)
        if error:
            return error, []
        return ErrorCode.NONE, [*self._remove([member_id]), *self._rebalance(now_ms)]

    def lost(self, handle: object, now_ms: int) -> None:
        """The connection of a waiting join is gone: a new member's session runs from here on.

        Kafka keeps such a member for five minutes, and the others wait for it.
        """
        for member in self.roster.members.values():
            if member.joining is handle and member.is_new:
                self._heard_of(member, now_ms)

    def check_commit(self, identity: Identity, now_ms: int) -> ErrorCode:
        """Whether this one may commit offsets: a member, or anybody while it is empty."""
        if self.state is State.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        is_outsider = identity.generation < 0 and not identity.member_id
        if is_outsider and identity.instance_id is None:
            is_empty = self.state is State.EMPTY
            return ErrorCode.NONE if is_empty else ErrorCode.UNKNOWN_MEMBER_ID
        if identity.generation < 0 and self.state is State.EMPTY:
            return ErrorCode.NONE
        error = self._check_identity(identity)
        if error:
            return error
        self._heard_of(self.roster.members[identity.member_id], now_ms)
        completes = self.state is State.COMPLETING
        return ErrorCode.REBALANCE_IN_PROGRESS if completes else ErrorCode.NONE

    def delete(self) -> ErrorCode:
        """End an empty group."""
        if self.state is State.DEAD:
            return ErrorCode.GROUP_ID_NOT_FOUND
        if self.state is not State.EMPTY:
            return ErrorCode.NON_EMPTY_GROUP
        self.state = State.DEAD
        return ErrorCode.NONE

    def revive(self) -> None:
        """Its deletion could not be written: it is empty, as before."""
        self.state = State.EMPTY

    def resign(self) -> list[Effect]:
        """It goes on elsewhere: whoever waits has to ask there."""
        members = self.roster.members.values()
        effects = [self._answer_waiting(member, ErrorCode.NOT_COORDINATOR) for member in members]
        self.state = State.DEAD
        return [effect for each in effects for effect in each]

    def deadline_ms(self) -> int | None:
        """When `tick` next has something to do. A heartbeat moves it later, and nothing earlier."""
        deadlines = [
            member.expires_ms for member in self.roster.members.values() if member.can_expire
        ]
        deadlines += self._pending.values()
        deadlines += (
            each for each in (self._join_deadline_ms, self._sync_deadline_ms) if each is not None
        )
        return min(deadlines, default=None)

    def tick(self, now_ms: int) -> list[Effect]:
        """Let go of who has been silent for too long, and end a wait whose time is over."""
        effects: list[Effect] = []
        late = [member_id for member_id, until_ms in self._pending.items() if until_ms <= now_ms]
        for member_id in late:
            del self._pending[member_id]
        dead = [
            member.member_id
            for member in self.roster.members.values()
            if member.can_expire and member.expires_ms <= now_ms
        ]
        if self._sync_deadline_ms is not None and self._sync_deadline_ms <= now_ms:
            self._sync_deadline_ms = None
            dead += sorted(self._unsynced - set(dead))
        if dead:
            effects += self._remove(dead)
            effects += self._rebalance(now_ms)
        elif late:
            effects += self._complete_join_if_all(now_ms)
        if self._join_deadline_ms is not None and self._join_deadline_ms <= now_ms:
            effects += self._end_of_join(now_ms)
        return effects

    def replay(self, saved: SavedGroup, now_ms: int) -> None:
        """Be as the log says: after a start, or when another node coordinated until now."""
        self.generation = saved.generation
        self.roster.replay(saved, now_ms)
        self.state = State.STABLE if self.roster.members else State.EMPTY

    def _refuse_join(self, join: Join) -> ErrorCode:
        if self.state is State.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        is_known = join.member_id in self.roster.members or join.member_id in self._pending
        is_known |= self.roster.id_of(join.instance_id) is not None
        if not is_known and len(self.roster.members) + len(self._pending) >= self._limits.max_size:
            return ErrorCode.GROUP_MAX_SIZE_REACHED
        if not self.roster.supports(join):
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        return ErrorCode.NONE

    def _join_without_id(self, join: Join, now_ms: int) -> list[Effect]:
        if join.instance_id is not None:
            member_id = self._new_id(join.instance_id)
            if self.roster.id_of(join.instance_id) is not None:
                return self._replace_static(join, member_id, now_ms)
            return self._add(join, member_id, now_ms)
        member_id = self._new_id(join.client_id)
        if not join.needs_id_first:
            return self._add(join, member_id, now_ms)
        self._pending[member_id] = now_ms + join.session_timeout_ms
        return [Joined(join.handle, ErrorCode.MEMBER_ID_REQUIRED, member_id)]

    def _add(self, join: Join, member_id: str, now_ms: int) -> list[Effect]:
        member = member_of(join, member_id, now_ms + NEW_MEMBER_TIMEOUT_MS)
        self.roster.add(member, join.protocol_type)
        if self._initial_wait is not None:
            self._initial_wait.has_grown = True
        return self._rebalance(now_ms)

    def _join_again(self, member: Member, join: Join, now_ms: int) -> list[Effect]:
        """A member of the group joins: it missed the answer, was asked to, or has news."""
        has_news = member.protocols != join.protocols
        if self.state is State.STABLE:
            # The leader asks for a rebalance in this way, when it sees that one is needed.
            has_news |= member.member_id == self.roster.leader
        if self.state is State.PREPARING or has_news:
            effects = self._overtake(member)
            member.update(join)
            return [*effects, *self._rebalance(now_ms)]
        self._heard_of(member, now_ms)
        return [self._place_of(member, join.handle)]

    def _replace_static(self, join: Join, member_id: str, now_ms: int) -> list[Effect]:
        """A static member came back under a new id: it keeps its place, its old id is fenced."""
        roster, instance_id = self.roster, join.instance_id or ""
        old_id, old_leader = roster.id_of(instance_id) or "", roster.leader
        effects = self._answer_waiting(roster.members[old_id], ErrorCode.FENCED_INSTANCE_ID)
        member = roster.rename(instance_id, member_id)
        if old_id in self._unsynced:
            self._unsynced.remove(old_id)
            self._unsynced.add(member_id)
        before = roster.wanted(member)
        member.update(join)
        self._heard_of(member, now_ms)
        has_news = before != roster.wanted(member)
        if self.state is not State.STABLE or has_news or roster.vote() != roster.protocol_name:
            return [*effects, *self._rebalance(now_ms)]
        # A client that cannot skip the leader's work must not be told that it leads.
        leader = (roster.leader if join.can_skip_assignment else old_leader) or ""

        def then(error: ErrorCode, now_ms: int) -> list[Effect]:
            if member.joining is not join.handle or self.state is not State.STABLE:
                return []  # Another change has overtaken this one, and answers the join.
            return self._static_saved(member, leader, error, now_ms)

        return [*effects, Save(roster.saved(self.generation), then)]

    def _static_saved(
        self, member: Member, leader: str, error: ErrorCode, now_ms: int
    ) -> list[Effect]:
        """The new id of a static member is in the log: it may know that nothing has changed."""
        handle, member.joining = member.joining, None
        if error:
            return [Joined(handle, error, member.member_id), *self._rebalance(now_ms)]
        member.is_new = False
        self._heard_of(member, now_ms)
        return [self._place_of(member, handle, leader)]

    def _rebalance(self, now_ms: int) -> list[Effect]:
        """Begin a rebalance, or see whether the one under way can end."""
        if self.state is State.PREPARING:
            return self._complete_join_if_all(now_ms)
        effects: list[Effect] = []
        if self.state is State.COMPLETING:
            for member in self.roster.members.values():
                member.assignment = b""
                effects += self._answer_sync(member, ErrorCode.REBALANCE_IN_PROGRESS)
        self._sync_deadline_ms = None
        self._unsynced.clear()
        is_first = self.state is State.EMPTY
        self.state = State.PREPARING
        if is_first:
            delay_ms = self._limits.initial_rebalance_delay_ms
            self._initial_wait = _InitialWait(max(self.roster.rebalance_timeout_ms() - delay_ms, 0))
            self._join_deadline_ms = now_ms + delay_ms
            return effects
        self._join_deadline_ms = now_ms + self.roster.rebalance_timeout_ms()
        return [*effects, *self._complete_join_if_all(now_ms)]

    def _complete_join_if_all(self, now_ms: int) -> list[Effect]:
        if self.state is not State.PREPARING or self._initial_wait is not None or self._pending:
            return []
        if any(member.joining is None for member in self.roster.members.values()):
            return []
        return self._complete_join(now_ms)

    def _end_of_join(self, now_ms: int) -> list[Effect]:
        """The time for joining is over; an empty group waits on while new members keep coming."""
        wait = self._initial_wait
        if wait is not None and wait.has_grown:
            delay_ms = min(self._limits.initial_rebalance_delay_ms, wait.left_ms)
            if delay_ms > 0:
                self._initial_wait = _InitialWait(wait.left_ms - delay_ms)
                self._join_deadline_ms = now_ms + delay_ms
                return []
        self._initial_wait = None
        return self._complete_join(now_ms)

    def _complete_join(self, now_ms: int) -> list[Effect]:
        """Begin the next generation with those who joined; a late static member keeps its place."""
        late = [
            member.member_id
            for member in self.roster.members.values()
            if member.joining is None and member.instance_id is None
        ]
        effects = self._remove(late)
        self._join_deadline_ms = None
        joined = [member for member in self.roster.members.values() if member.joining is not None]
        if self.roster.members and not joined:
            self._join_deadline_ms = now_ms + max(self.roster.rebalance_timeout_ms(), 1)
            return effects
        self.generation += 1
        if not joined:
            self.state = State.EMPTY
            self.roster.protocol_name = self.roster.leader = None
            return [*effects, Save(self.roster.saved(self.generation), _nothing_to_do)]
        if self.roster.leader is None or self.roster.members[self.roster.leader].joining is None:
            self.roster.leader = joined[0].member_id
        self.roster.protocol_name = self.roster.vote()
        self.state = State.COMPLETING
        self._unsynced = set(self.roster.members)
        self._sync_deadline_ms = now_ms + self.roster.rebalance_timeout_ms()
        for member in joined:
            handle, member.joining, member.is_new = member.joining, None, False
            self._heard_of(member, now_ms)
            effects.append(self._place_of(member, handle))
        return effects

    def _place_of(self, member: Member, handle: object, leader: str | None = None) -> Joined:
        """The answer to a join: the present generation. `leader` when another is to be named."""
        leader = self.roster.leader or "" if leader is None else leader
        leads = member.member_id == leader
        return Joined(
            handle,
            ErrorCode.NONE,
            member.member_id,
            self.generation,
            self.roster.protocol_type,
            self.roster.protocol_name,
            leader,
            self.roster.views() if leads else (),
            skips_assignment=leads and self.state is State.STABLE,
        )

    def _refuse_sync(self, sync: Sync) -> ErrorCode:
        error = self._check_identity(sync.identity)
        if error:
            return error
        if sync.protocol_type not in (None, self.roster.protocol_type):
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        if sync.protocol_name not in (None, self.roster.protocol_name):
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        if self.state is State.PREPARING:
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def _save_assignment(self, assignments: Mapping[str, bytes]) -> Save:
        generation = self.generation

        def then(error: ErrorCode, now_ms: int) -> list[Effect]:
            if self.state is not State.COMPLETING or self.generation != generation:
                return []  # A rebalance has overtaken it, and has answered those who waited.
            return self._assigned(assignments, error, now_ms)

        return Save(self.roster.saved(self.generation, assignments), then)

    def _assigned(
        self, assignments: Mapping[str, bytes], error: ErrorCode, now_ms: int
    ) -> list[Effect]:
        """The leader's assignment is in the log, or could not be written."""
        effects: list[Effect] = []
        if error:
            for member in self.roster.members.values():
                effects += self._answer_sync(member, error)
            return [*effects, *self._rebalance(now_ms)]
        self.state = State.STABLE
        for member in self.roster.members.values():
            member.assignment = assignments.get(member.member_id, b"")
            if member.syncing is not None:
                handle, member.syncing = member.syncing, None
                self._heard_of(member, now_ms)
                effects.append(self._assignment_of(member, handle))
        return effects

    def _assignment_of(self, member: Member, handle: object) -> Synced:
        return Synced(
            handle,
            ErrorCode.NONE,
            self.roster.protocol_type,
            self.roster.protocol_name,
            member.assignment,
        )

    def _check_identity(self, identity: Identity) -> ErrorCode:
        """Whether this is a member, and of this generation."""
        if self.state is State.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        error = self.roster.check(identity.member_id, identity.instance_id)
        if error:
            return error
        if identity.generation != self.generation:
            return ErrorCode.ILLEGAL_GENERATION
        return ErrorCode.NONE

    def _heard_of(self, member: Member, now_ms: int) -> None:
        member.expires_ms = now_ms + member.session_timeout_ms

    def _remove(self, member_ids: Iterable[str]) -> list[Effect]:
        """Take members out; who of them waits for an answer learns that it is no member."""
        effects: list[Effect] = []
        for member_id in member_ids:
            member = self.roster.remove(member_id)
            effects += self._answer_waiting(member, ErrorCode.UNKNOWN_MEMBER_ID)
            self._unsynced.discard(member_id)
        return effects

    def _overtake(self, member: Member) -> list[Effect]:
        """Answer what the member still waits for, since it has sent another request."""
        return self._answer_waiting(member, ErrorCode.REBALANCE_IN_PROGRESS)

    def _answer_waiting(self, member: Member, error: ErrorCode) -> list[Effect]:
        effects = self._answer_sync(member, error)
        if member.joining is not None:
            effects.append(Joined(member.joining, error, member.member_id))
            member.joining = None
        return effects

    def _answer_sync(self, member: Member, error: ErrorCode) -> list[Effect]:
        if member.syncing is None:
            return []
        handle, member.syncing = member.syncing, None
        return [Synced(handle, error)]


@dataclass(slots=True)
class _InitialWait:
    """An empty group waits for members: how long it still may, and whether one came meanwhile."""

    left_ms: int
    has_grown: bool = False


def _nothing_to_do(error: ErrorCode, now_ms: int) -> list[Effect]:
    """An empty generation that is not in the log costs nothing: the next one will be."""
    del error, now_ms
    return []
