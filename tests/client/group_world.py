"""Members and their coordinator in one world without clocks or sockets.

The members are the client's `Membership`, the coordinator is the broker's `Group`: both pure, so
that a test says when each message arrives and how time passes. Partitions are those of TOPIC.
"""

from minikafka.broker.group.group import Group, GroupLimits
from minikafka.broker.group.member import Identity, Join, Joined, Save, Sync, Synced
from minikafka.client.assignors import ASSIGNORS
from minikafka.client.member import Ask, LookUp, MemberSettings, Notify, Warn
from minikafka.client.membership import Membership
from minikafka.client.metadata import TopicPartition
from minikafka.protocol.api.heartbeat import HeartbeatRequest, HeartbeatResponse
from minikafka.protocol.api.join_group import (
    JoinGroupRequest,
    JoinGroupResponse,
    JoinGroupResponseMember,
)
from minikafka.protocol.api.leave_group import LeaveGroupRequest, LeaveGroupResponse
from minikafka.protocol.api.sync_group import SyncGroupRequest, SyncGroupResponse
from minikafka.protocol.consumer_protocol import CONSUMER_PROTOCOL_TYPE
from minikafka.protocol.errors import ErrorCode, KafkaError

TOPIC = "t"
SESSION_MS, HEARTBEAT_MS, POLL_MS, BACKOFF_MS = 100, 10, 500, 5
LIMITS = GroupLimits(max_size=10, initial_rebalance_delay_ms=20)


def partitions(*indexes):
    return tuple(TopicPartition(TOPIC, index) for index in indexes)


def settings_of(name, *, is_static=False, poll_ms=POLL_MS):
    return MemberSettings(
        group_id="g",
        instance_id=name if is_static else None,
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        max_poll_interval_ms=poll_ms,
        retry_backoff_ms=BACKOFF_MS,
    )


class Person:
    """A member with its user, who polls when the test says so."""

    def __init__(self, name, strategies, *, is_static=False, poll_ms=POLL_MS):
        assignors = [ASSIGNORS[each] for each in strategies]
        settings = settings_of(name, is_static=is_static, poll_ms=poll_ms)
        self.name = name
        self.is_static = is_static
        self.machine = Membership(settings, assignors)
        self.changes = []
        self.warnings = []
        self.is_dead = False

    @property
    def owned(self):
        return [each.partition for each in self.machine.owned]


class World:
    def __init__(self, partition_count=6):
        self.now_ms = 0
        self.partition_count = partition_count
        self.people = {}
        self.wire = []
        """(person, number, request) on the way to the coordinator."""
        self.waiting = {}
        """handle -> (person, number): kept at the coordinator."""
        self.log = None
        self.ids = 0
        self.group = self.new_group()

    def new_group(self):
        return Group("g", LIMITS, self.new_id)

    def new_id(self, prefix):
        self.ids += 1
        return f"{prefix}-{self.ids}"

    def add(self, name, *strategies, **options):
        person = self.people[name] = Person(name, strategies or ("range",), **options)
        self.perform(person, person.machine.subscribe([TOPIC], self.now_ms))
        return person

    def perform(self, person, effects):
        for effect in effects:
            match effect:
                case Ask():
                    self.wire.append((person, effect.number, effect.request))
                case LookUp():
                    counts = {TOPIC: self.partition_count} if TOPIC in effect.topics else {}
                    self.perform(person, person.machine.counted(counts, self.now_ms))
                case Notify():
                    assert person.machine.has_news
                case Warn():
                    person.warnings.append(effect.sentence)

    def poll(self, person):
        """The user asks for records, carries out what has changed, and goes to work."""
        self.perform(person, person.machine.poll(self.now_ms))
        while person.machine.has_news:
            change = person.machine.begin_change()
            if change is None:
                break
            person.changes.append(change)
            self.perform(person, person.machine.end_change(self.now_ms))
        person.machine.work(self.now_ms)

    def tick(self, now_ms):
        """Time passes for everybody."""
        self.now_ms = now_ms
        self.follow(self.group.tick(now_ms))
        for person in self.people.values():
            if not person.is_dead:
                self.perform(person, person.machine.tick(now_ms))

    def deliver(self, index=0):
        """A message arrives at the coordinator, and its answer, if there is one yet, comes back."""
        person, number, request = self.wire.pop(index)
        match request:
            case JoinGroupRequest():
                handle = object()
                self.waiting[handle] = person, number
                self.follow(self.group.join(_join(handle, person, request), self.now_ms))
            case SyncGroupRequest():
                handle = object()
                self.waiting[handle] = person, number
                self.follow(self.group.sync(_sync(handle, request), self.now_ms))
            case HeartbeatRequest():
                identity = Identity(
                    request.member_id, request.group_instance_id, request.generation_id
                )
                code = self.group.heartbeat(identity, self.now_ms)
                self.answer(person, number, HeartbeatResponse(error_code=code))
            case LeaveGroupRequest():
                identity = Identity(request.members[0].member_id)
                code, effects = self.group.leave(identity, self.now_ms)
                self.follow(effects)
                self.answer(person, number, LeaveGroupResponse(error_code=code))

    def lose(self, index=0):
        """A message is lost: its connection broke."""
        person, number, _ = self.wire.pop(index)
        self.answer(person, number, KafkaError.of(ErrorCode.NETWORK_EXCEPTION))

    def answer(self, person, number, answer):
        if not person.is_dead:
            self.perform(person, person.machine.answered(number, answer, self.now_ms))

    def follow(self, effects):
        for effect in effects:
            match effect:
                case Save():
                    self.log = effect.group
                    self.follow(effect.then(ErrorCode.NONE, self.now_ms))
                case Joined():
                    self.answer(*self.waiting.pop(effect.handle), _joined(effect))
                case Synced():
                    answer = SyncGroupResponse(
                        error_code=effect.error_code, assignment=effect.assignment
                    )
                    self.answer(*self.waiting.pop(effect.handle), answer)

    def restart_coordinator(self):
        """The coordinator is another process: what waited at the old one is lost."""
        waiting, self.waiting = self.waiting, {}
        self.group = self.new_group()
        if self.log is not None:
            self.group.replay(self.log, self.now_ms)
        for person, number in waiting.values():
            self.answer(person, number, KafkaError.of(ErrorCode.NETWORK_EXCEPTION))

    def settle(self, *, rounds=300, but=()):
        """Everything arrives and everybody polls, until nothing is to be done."""
        for _ in range(rounds):
            self.tick(self.now_ms + 5)
            while self.wire:
                self.deliver()
            for person in self.people.values():
                if not person.is_dead and person not in but:
                    self.poll(person)

    def alive(self):
        return [each for each in self.people.values() if not each.is_dead]


def _join(handle, person, request):
    return Join(
        handle=handle,
        member_id=request.member_id,
        instance_id=request.group_instance_id,
        client_id=person.name,
        client_host="h",
        session_timeout_ms=request.session_timeout_ms,
        rebalance_timeout_ms=request.rebalance_timeout_ms,
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        protocols=tuple((each.name, each.metadata) for each in request.protocols),
        needs_id_first=request.group_instance_id is None,
        can_skip_assignment=True,
    )


def _sync(handle, request):
    return Sync(
        handle=handle,
        identity=Identity(request.member_id, request.group_instance_id, request.generation_id),
        protocol_type=request.protocol_type,
        protocol_name=request.protocol_name,
        assignments={each.member_id: each.assignment for each in request.assignments},
    )


def _joined(effect):
    return JoinGroupResponse(
        error_code=effect.error_code,
        generation_id=effect.generation,
        protocol_type=effect.protocol_type,
        protocol_name=effect.protocol_name,
        leader=effect.leader,
        skip_assignment=effect.skips_assignment,
        member_id=effect.member_id,
        members=[
            JoinGroupResponseMember(
                member_id=each.member_id,
                group_instance_id=each.instance_id,
                metadata=each.subscription,
            )
            for each in effect.members
        ],
    )
