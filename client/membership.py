"""One member of a consumer group, and its way from one generation to the next. PURE.

    outside      it has no topics, or did not poll in time
    joining      JoinGroup is on its way, or due again: the coordinator answers when all have joined
    counting     it leads: it has to know how many partitions the topics of all members have
    syncing      SyncGroup is on its way, which brings its assignment
    taking       the user has to take what is assigned, at the next poll
    stable       it owns what it was assigned
    giving up    the group rebalances: the user has to hand over, at the next poll
    failed       the coordinator will not have it; the user sees the error
    left         it said goodbye

    from               by                                             to
    outside            topics, a poll                                 joining
    joining            an answer                                      syncing, counting
    counting           the numbers                                    syncing
    syncing            the assignment                                 taking
                       the group rebalances again                     joining
    taking             the user has taken it                          stable
                       the same, cooperatively, having given some up  joining
    stable             rebalance, owning something, eagerly           giving up
                       rebalance otherwise                            joining
    giving up          the user has handed over                       joining
    any of these       the member or its generation is unknown        joining, having lost all
                       no poll within max_poll_interval_ms            outside, having lost all

A machine: each method takes an event and the time, and returns effects (see `member`). What the
user owns changes in one place only, between `begin_change` and `end_change`, both called by the
user's own task while it asks for records. So a partition is given up when the user is done with
what it was handed, and heartbeats go on meanwhile.

*Eagerly*, everything is given up before the group is joined again. *Cooperatively* (KIP-429) a
member keeps what it owns; the leader takes away from some what others are to get, and they join
once more without it. A member does the latter if every strategy that it offers can.

Left out: the newer group protocol (KIP-848), in which the broker assigns.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

from ..protocol.api.heartbeat import HeartbeatRequest
from ..protocol.api.join_group import JoinGroupRequest, JoinGroupResponse
from ..protocol.api.leave_group import LeaveGroupRequest, LeaveGroupRequestMember
from ..protocol.api.sync_group import SyncGroupRequest, SyncGroupResponse
from ..protocol.consumer_protocol import CONSUMER_PROTOCOL_TYPE
from ..protocol.errors import ErrorCode, KafkaError
from ..protocol.primitives import ProtocolError
from .assignors import Assignor, MemberSubscription
from .group_messages import (
    assignments_of,
    read_assignment,
    read_subscriptions,
    subscription_protocols,
)
from .member import Answer, Ask, Change, Effect, LookUp, MemberSettings, Notify, Partitions, Warn
from .metadata import TopicPartition, error_code_of

NO_GENERATION = -1


class State(Enum):
    """The states above."""

    OUTSIDE = "outside"
    JOINING = "joining"
    COUNTING = "counting"
    SYNCING = "syncing"
    TAKING = "taking"
    STABLE = "stable"
    GIVING_UP = "giving up"
    FAILED = "failed"
    LEFT = "left"


_ENDED = frozenset({State.FAILED, State.LEFT})


class Membership:
    """The member; `assignors` in the order of preference."""

    def __init__(self, settings: MemberSettings, assignors: Sequence[Assignor]) -> None:
        """Outside."""
        self.state = State.OUTSIDE
        self.member_id = ""
        self.generation = NO_GENERATION
        self.owned: Partitions = ()
        """What the user has taken and not given up."""
        self.error: KafkaError | None = None
        """Why it failed."""
        self.problem: KafkaError | None = None
        """What has kept it out of the group so far, if it is tried again."""
        self._settings = settings
        self._group_id = settings.group_id or ""
        self._assignors = {each.name: each for each in assignors}
        self._is_cooperative = all(each.is_cooperative for each in assignors)
        self._topics: tuple[str, ...] = ()
        self._protocol = ""
        self._members: dict[str, MemberSubscription] = {}
        """As leader: who wants what."""
        self._counts: dict[str, int] = {}
        """As leader: the numbers of partitions that the assignment is made from."""
        self._assigned: Partitions = ()
        self._assigned_generation = NO_GENERATION
        self._change: tuple[Change, State] | None = None
        self._has_lost = False
        self._wants_rebalance = False
        self._number = 0
        self._asked: int | None = None
        self._heartbeat: int | None = None
        self._retry_at_ms = 0
        self._heartbeat_at_ms = 0
        self._is_polling = False
        self._poll_until_ms = 0
        self._is_late = False

    @property
    def is_leader(self) -> bool:
        """Whether it assigns, in this generation."""
        return bool(self._members)

    @property
    def has_news(self) -> bool:
        """Whether the user has something to hear."""
        waits = self.state in (State.TAKING, State.GIVING_UP)
        return waits or self._has_lost or self.error is not None

    @property
    def has_place(self) -> bool:
        """Whether the coordinator knows it as the owner of what it owns.

        Not while the user has yet to hear, or hears, that all is lost: it may be in the next
        generation already, but what it owned then may be another's.
        """
        is_losing = self._change is not None and bool(self._change[0].lost)
        return self.generation != NO_GENERATION and not self._has_lost and not is_losing

    def keeps(self, partitions: Iterable[TopicPartition], generation: int) -> bool:
        """Whether it owns these still, while another generation follows the one given."""
        has_moved = generation != self.generation or self._is_asking_to_join()
        return self.has_place and has_moved and set(partitions) <= set(self.owned)

    def subscribe(self, topics: Sequence[str], now_ms: int) -> list[Effect]:
        """Want these topics from now on."""
        wanted = tuple(sorted(set(topics)))
        if wanted == self._topics or self.state in _ENDED:
            return []
        self._topics = wanted
        if self.state is State.OUTSIDE:
            self._poll_until_ms = now_ms + self._settings.max_poll_interval_ms
            return self.tick(now_ms)
        return self._rebalance(now_ms, is_wanted=True)

    def poll(self, now_ms: int) -> list[Effect]:
        """The user asks for records: it is done with those that it has."""
        self._is_polling = True
        was_late, self._is_late = self._is_late, False
        return self.tick(now_ms) if was_late else []

    def work(self, now_ms: int) -> None:
        """The user has got records and works on them, or goes on with the next of them."""
        self._is_polling = False
        self._poll_until_ms = now_ms + self._settings.max_poll_interval_ms

    def went_on(self, now_ms: int) -> None:
        """The user has gone on with what it has, which is as good as a poll."""
        if not self._is_polling:
            self._poll_until_ms = now_ms + self._settings.max_poll_interval_ms

    def begin_change(self) -> Change | None:
        """What the user has to hear and do now; None if nothing. Then call `end_change`."""
        owned = () if self._has_lost else self.owned
        takes = self.state is State.TAKING
        gives_up = self.state is State.GIVING_UP
        if not (takes or gives_up or self._has_lost):
            return None
        after = self._assigned if takes else () if gives_up else owned
        change = Change(
            lost=self.owned if self._has_lost else (),
            revoked=tuple(each for each in owned if each not in set(after)),
            assigned=tuple(each for each in after if each not in set(owned)),
            owned=after,
            is_assignment=takes,
        )
        self._has_lost = False
        self._change = change, self.state
        return change

    def end_change(self, now_ms: int) -> list[Effect]:
        """The user has done it."""
        if self._change is None:
            return []
        (change, state), self._change = self._change, None
        self.owned = change.owned
        if state is not self.state or self._has_lost:
            return []
        if self.state is State.GIVING_UP or (self.state is State.TAKING and change.revoked):
            return self._join(now_ms)
        if self.state is State.TAKING:
            self.state = State.STABLE
            if self._wants_rebalance:
                return self._rebalance(now_ms)
        return []

    def answered(self, number: int, answer: Answer | KafkaError, now_ms: int) -> list[Effect]:
        """The coordinator answered, or did not: the error says why. Late answers are nothing."""
        if number == self._heartbeat:
            self._heartbeat = None
            is_error = isinstance(answer, KafkaError)
            return self._heard(answer if is_error else answer.error_code, now_ms)
        if number != self._asked:
            return []
        self._asked = None
        match answer:
            case JoinGroupResponse():
                return self._joined(answer, now_ms)
            case SyncGroupResponse():
                return self._synced(answer, now_ms)
            case KafkaError():
                return self._refused(answer, now_ms)
            case _:
                return []

    def counted(self, counts: Mapping[str, int], now_ms: int) -> list[Effect]:
        """So many partitions have the topics that were to be looked up: assign them."""
        if self.state is not State.COUNTING:
            return []
        self._counts = dict(counts)
        return self._sync(self._assignors[self._protocol].assign(counts, self._members))

    def counted_again(self, counts: Mapping[str, int], now_ms: int) -> list[Effect]:
        """So many they have now: if that is news, the leader asks for another generation."""
        has_news = any(counts[each] != self._counts.get(each) for each in counts)
        if self.state not in (State.TAKING, State.STABLE, State.GIVING_UP) or not has_news:
            return []
        self._counts |= counts
        return self._rebalance(now_ms, is_wanted=True)

    def wanted_counts(self) -> set[str]:
        """As leader: the topics whose numbers of partitions matter."""
        return {topic for member in self._members.values() for topic in member.topics}

    def commit_refused(self, code: ErrorCode, generation: int, now_ms: int) -> list[Effect]:
        """A commit of this generation was refused in a way that concerns the membership.

        While a join is on its way, its answer says more: the generation may just have passed.
        """
        is_stale = generation != self.generation or self._is_asking_to_join()
        return [] if is_stale else self._heard(code, now_ms)

    def leave(self) -> list[Effect]:
        """Say goodbye; a static member does not, so that it may come back within its session."""
        was_in = self.member_id and self.state not in _ENDED
        self.state = State.LEFT
        return self._goodbye() if was_in else []

    def deadline_ms(self) -> int | None:
        """When `tick` has something to do; None for never."""
        due_ms: list[int] = []
        if self.state in _ENDED:
            return None
        if self._must_join():
            due_ms.append(self._retry_at_ms)
        if self._beats():
            due_ms.append(self._heartbeat_at_ms)
        if self.member_id and not self._is_polling and not self._is_late:
            due_ms.append(self._poll_until_ms)
        return min(due_ms, default=None)

    def tick(self, now_ms: int) -> list[Effect]:
        """Do what is due."""
        if self.state in _ENDED:
            return []
        late = self.member_id and not self._is_polling and not self._is_late
        if late and now_ms >= self._poll_until_ms:
            return self._leave_late()
        if self._must_join() and now_ms >= self._retry_at_ms:
            return self._join(now_ms)
        if self._beats() and now_ms >= self._heartbeat_at_ms:
            self._heartbeat_at_ms = now_ms + self._settings.heartbeat_interval_ms
            self._heartbeat = self._next_number()
            return [Ask(self._heartbeat, self._heartbeat_request())]
        return []

    def _is_asking_to_join(self) -> bool:
        return self.state is State.JOINING and self._asked is not None

    def _must_join(self) -> bool:
        """Whether JoinGroup is to be sent, now or after a backoff."""
        if self.state is State.OUTSIDE:
            return bool(self._topics) and not self._is_late
        return self.state is State.JOINING and self._asked is None

    def _beats(self) -> bool:
        """Whether the coordinator waits for heartbeats."""
        waits = self.state not in (State.OUTSIDE, State.JOINING)
        return waits and self.generation != NO_GENERATION and self._heartbeat is None

    def _join(self, now_ms: int) -> list[Effect]:
        """Ask to be in the next generation."""
        settings = self._settings
        self.state = State.JOINING
        self._wants_rebalance = False
        self._asked = self._next_number()
        self._heartbeat = None  # its answer would be about the generation before
        claimed = () if self._has_lost or not self._is_cooperative else self.owned
        request = JoinGroupRequest(
            group_id=self._group_id,
            session_timeout_ms=settings.session_timeout_ms,
            rebalance_timeout_ms=settings.max_poll_interval_ms,
            member_id=self.member_id,
            group_instance_id=settings.instance_id,
            protocol_type=CONSUMER_PROTOCOL_TYPE,
            protocols=subscription_protocols(
                self._assignors.values(),
                self._topics,
                self._assigned,
                claimed,
                self._assigned_generation,
            ),
        )
        return [Ask(self._asked, request)]

    def _joined(self, answer: JoinGroupResponse, now_ms: int) -> list[Effect]:
        code = error_code_of(answer.error_code)
        if code is ErrorCode.MEMBER_ID_REQUIRED and answer.member_id and not self.member_id:
            self.member_id = answer.member_id
            return self._join(now_ms)
        if code:
            return self._refused(KafkaError.of(code), now_ms)
        if answer.protocol_name not in self._assignors:
            message = f"the group chose the strategy {answer.protocol_name!r}, which we lack"
            return self.fail(KafkaError.of(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, message))
        self.member_id, self.generation = answer.member_id, answer.generation_id
        self._protocol = answer.protocol_name or ""
        self._heartbeat_at_ms = now_ms + self._settings.heartbeat_interval_ms
        self._members = {}
        if answer.leader != answer.member_id or answer.skip_assignment:
            return self._sync({})
        self._members = read_subscriptions(answer.members)
        self.state = State.COUNTING
        return [LookUp(tuple(sorted(self.wanted_counts())))]

    def _sync(self, assigned: Mapping[str, Sequence[TopicPartition]]) -> list[Effect]:
        """Ask for the assignment; as leader, having made it."""
        self.state = State.SYNCING
        self._asked = self._next_number()
        request = SyncGroupRequest(
            group_id=self._group_id,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self._settings.instance_id,
            protocol_type=CONSUMER_PROTOCOL_TYPE,
            protocol_name=self._protocol,
            assignments=assignments_of(assigned),
        )
        return [Ask(self._asked, request)]

    def _synced(self, answer: SyncGroupResponse, now_ms: int) -> list[Effect]:
        if answer.error_code:
            return self._refused(KafkaError.of(answer.error_code), now_ms)
        try:
            self._assigned = read_assignment(answer.assignment)
        except ProtocolError as error:
            message = f"the leader's assignment cannot be read: {error}"
            return self.fail(KafkaError.of(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, message))
        self._assigned_generation = self.generation
        self.problem = None
        self.state = State.TAKING
        return [Notify()]

    def _refused(self, error: KafkaError, now_ms: int) -> list[Effect]:
        """JoinGroup or SyncGroup failed: begin again, unless that cannot help."""
        self.problem = error
        match error.code:
            case ErrorCode.UNKNOWN_MEMBER_ID | ErrorCode.ILLEGAL_GENERATION:
                return self._lose(error.code, now_ms)
            case ErrorCode.REBALANCE_IN_PROGRESS if self.state is State.SYNCING:
                return self._join(now_ms)
            case _ if error.retriable or error.code is ErrorCode.REBALANCE_IN_PROGRESS:
                return self._join_later(now_ms)
            case _:
                return self.fail(error)

    def _join_later(self, now_ms: int) -> list[Effect]:
        self.state = State.JOINING
        self._retry_at_ms = now_ms + self._settings.retry_backoff_ms
        return []

    def _heard(self, code: int | KafkaError, now_ms: int) -> list[Effect]:
        """What the coordinator says of this generation: the answer to a heartbeat or a commit."""
        error = code if isinstance(code, KafkaError) else KafkaError.of(code) if code else None
        if error is None or self.state in _ENDED:
            return []
        match error.code:
            case ErrorCode.REBALANCE_IN_PROGRESS:
                return self._rebalance(now_ms)
            case ErrorCode.UNKNOWN_MEMBER_ID | ErrorCode.ILLEGAL_GENERATION:
                return self._lose(error.code, now_ms)
            case _ if not error.retriable:
                return self.fail(error)
            case _:
                self._heartbeat_at_ms = now_ms + self._settings.retry_backoff_ms
                return []

    def _rebalance(self, now_ms: int, *, is_wanted: bool = False) -> list[Effect]:
        """The group makes another generation, or this member wants one."""
        match self.state:
            case State.TAKING if self._change is None:
                # The user has not heard of this generation and never will.
                return self._join(now_ms)
            case State.STABLE if self._is_cooperative or not self.owned:
                return self._join(now_ms)
            case State.STABLE:
                self.state = State.GIVING_UP
                return [Notify()]
            case _:
                self._wants_rebalance |= is_wanted or self.state is State.TAKING
                return []

    def _lose(self, code: ErrorCode, now_ms: int) -> list[Effect]:
        """The coordinator does not know the member, or its generation: others may own all of it."""
        if code is ErrorCode.UNKNOWN_MEMBER_ID:
            self.member_id = ""
        effects = self._forget_generation()
        self.state = State.JOINING
        self._retry_at_ms = now_ms + self._settings.retry_backoff_ms
        return effects

    def _leave_late(self) -> list[Effect]:
        """The user works for too long on what it has: let others have the partitions."""
        limit_ms = self._settings.max_poll_interval_ms
        sentence = (
            f"group {self._group_id!r}: no poll for {limit_ms} ms, so this member leaves "
            f"until the next one: raise max_poll_interval_ms, or lower max_poll_records"
        )
        effects = self._goodbye() + self._forget_generation()
        self.member_id = ""
        self._is_late = True
        self.state = State.OUTSIDE
        return [Warn(sentence), *effects]

    def _goodbye(self) -> list[Effect]:
        if self._settings.instance_id is not None:
            return []
        member = LeaveGroupRequestMember(member_id=self.member_id)
        request = LeaveGroupRequest(group_id=self._group_id, members=[member])
        return [Ask(self._next_number(), request)]

    def fail(self, error: KafkaError) -> list[Effect]:
        """Nothing can be done any more; the user sees the error at each poll."""
        if self.state in _ENDED:
            return []
        effects = self._forget_generation()
        self.state = State.FAILED
        self.error = KafkaError.of(error.code, f"group {self._group_id!r}: {error}")
        return [*effects, Notify()]

    def _forget_generation(self) -> list[Effect]:
        """Own nothing any more; the user hears of it at the next poll."""
        self.generation = NO_GENERATION
        self._asked = self._heartbeat = None
        self._members = {}
        self._assigned = ()
        self._assigned_generation = NO_GENERATION
        if not self.owned and self._change is None:
            return []
        self._has_lost = True
        return [Notify()]

    def _heartbeat_request(self) -> HeartbeatRequest:
        return HeartbeatRequest(
            group_id=self._group_id,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self._settings.instance_id,
        )

    def _next_number(self) -> int:
        self._number += 1
        return self._number
