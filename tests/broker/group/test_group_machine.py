"""A group under any order of events: nobody is forgotten, and no partition has two owners.

Members join, repeat themselves, lose their connections, stall, leave and come back; saves are
slow, fail, or are lost with the coordinator, which starts again from what was in the log.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from minikafka.broker.group.group import Group, GroupLimits, State
from minikafka.broker.group.member import Identity, Join, Joined, Save, Sync, Synced
from minikafka.protocol.errors import ErrorCode

NAMES = ("A", "B", "C", "D")
SESSION_MS, REBALANCE_MS = 100, 300
LIMITS = GroupLimits(max_size=10, initial_rebalance_delay_ms=20)
PARTITIONS = range(12)
names = st.sampled_from(NAMES)


class Client:
    """What a member knows of itself."""

    def __init__(self, name):
        self.name = name
        self.static = f"static-{name}" if name == "D" else None
        self.member_id = ""
        self.generation = -1
        self.view = ()


class GroupMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.now_ms = 0
        self.ids = 0
        self.handles = 0
        self.clients = {name: Client(name) for name in NAMES}
        self.waiting = {}
        self.saves = []
        self.log = None
        self.owners = {}
        self.last_generation = 0
        self.group = self.new_group()

    def new_group(self):
        return Group("g", LIMITS, self.new_id)

    def new_id(self, prefix):
        self.ids += 1
        return f"m{self.ids}"

    def handle(self, client):
        self.handles += 1
        self.waiting[self.handles] = client
        return self.handles

    def follow(self, effects):
        for effect in effects:
            match effect:
                case Save():
                    self.saves.append(effect)
                case Joined():
                    self.joined(self.waiting.pop(effect.handle), effect)
                case Synced():
                    self.synced(self.waiting.pop(effect.handle), effect)

    def joined(self, client, answer):
        if answer.error_code in (ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED):
            client.member_id = answer.member_id
        elif answer.error_code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            client.member_id = ""
        if answer.error_code == ErrorCode.NONE:
            client.generation = answer.generation
            client.view = answer.members
            assert (answer.member_id == answer.leader) == bool(answer.members)

    def synced(self, client, answer):
        if answer.error_code == ErrorCode.NONE:
            for partition in answer.assignment:
                owner = self.owners.setdefault((client.generation, partition), client.name)
                assert owner == client.name

    def ask_to_join(self, name, needs_id_first, subscription):
        client = self.clients[name]
        return Join(
            self.handle(client), client.member_id, client.static, name, "host", SESSION_MS,
            REBALANCE_MS, "consumer", (("range", subscription),), needs_id_first,
        )  # fmt: skip

    @rule(name=names, needs_id_first=st.booleans(), subscription=st.sampled_from((b"", b"news")))
    def join(self, name, needs_id_first, subscription):
        self.follow(
            self.group.join(self.ask_to_join(name, needs_id_first, subscription), self.now_ms)
        )

    @rule(name=names)
    def sync(self, name):
        client = self.clients[name]
        ids = [view.member_id for view in client.view]
        shares = {
            member_id: bytes(PARTITIONS[index :: len(ids)]) for index, member_id in enumerate(ids)
        }
        identity = Identity(client.member_id, client.static, client.generation)
        sync = Sync(self.handle(client), identity, None, None, shares)
        self.follow(self.group.sync(sync, self.now_ms))

    @rule(name=names)
    def heartbeat(self, name):
        client = self.clients[name]
        identity = Identity(client.member_id, client.static, client.generation)
        error = self.group.heartbeat(identity, self.now_ms)
        if error in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            client.member_id = ""

    @rule(name=names)
    def leave(self, name):
        client = self.clients[name]
        error, effects = self.group.leave(Identity(client.member_id, client.static), self.now_ms)
        self.follow(effects)
        if error == ErrorCode.NONE:
            client.member_id = ""

    @rule(name=names)
    def forget(self, name):
        """The process dies; a new one comes without an id."""
        client = self.clients[name]
        for handle, waiting in self.waiting.items():
            if waiting is client:
                self.group.lost(handle, self.now_ms)
                self.waiting[handle] = Client(name)
        client.member_id, client.view = "", ()

    @rule(members=st.sets(names))
    def behave(self, members):
        """These do what a good client does, until they know what they own."""
        for name in sorted(members):
            if not self.is_waiting(name):
                self.join(name, False, b"")
        self.time_passes(20)
        for name in sorted(members):
            if not self.is_waiting(name):
                self.sync(name)
        while self.saves:
            self.save(False)

    def is_waiting(self, name):
        return self.clients[name] in self.waiting.values()

    @rule(failed=st.booleans())
    def save(self, failed):
        if self.saves:
            done = self.saves.pop(0)
            if not failed:
                self.log = done.group
            error = ErrorCode.COORDINATOR_NOT_AVAILABLE if failed else ErrorCode.NONE
            self.follow(done.then(error, self.now_ms))

    @rule(ms=st.integers(1, 400))
    def time_passes(self, ms):
        self.now_ms += ms
        self.tick()

    def tick(self):
        while (deadline := self.group.deadline_ms()) is not None and deadline <= self.now_ms:
            self.follow(self.group.tick(self.now_ms))

    @rule()
    def restart(self):
        """All connections end, and what was not in the log is gone."""
        self.saves.clear()
        self.waiting.clear()
        self.group = self.new_group()
        if self.log is not None:
            self.group.replay(self.log, self.now_ms)
        self.last_generation = self.group.generation

    @invariant()
    def generations_never_go_back(self):
        assert self.group.generation >= self.last_generation
        self.last_generation = self.group.generation

    @invariant()
    def who_waits_is_a_member(self):
        members = self.group.roster.members.values()
        parked = {member.joining for member in members} | {member.syncing for member in members}
        assert set(self.waiting) <= parked

    @invariant()
    def a_group_with_members_has_a_leader_among_them(self):
        if self.group.state in (State.COMPLETING, State.STABLE):
            assert self.group.roster.leader in self.group.roster.members
        assert (self.group.state is State.EMPTY) <= (not self.group.roster.members)

    def teardown(self):
        """Nobody says anything more: everybody is answered, and the group is empty in the end."""
        for _ in range(20):
            self.now_ms += 400_000
            self.tick()
            while self.saves:
                self.finish_save()
        assert not self.waiting
        assert self.group.state is State.EMPTY

    def finish_save(self):
        done = self.saves.pop(0)
        self.follow(done.then(ErrorCode.NONE, self.now_ms))


TestGroup = GroupMachine.TestCase
TestGroup.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
