"""Raft under any order of events: what was agreed stays agreed, and in quiet times all agree.

Messages are late, lost, sent twice, or take no way at all in one direction; disks are slow or
full; nodes crash with a write half done, and come back with what their disk has. `raft_world.Law`
looks at each step; in the end everything heals, and everybody has the same log.
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from minikafka.broker.controller.raft import State

from .raft_world import World

NODES = 6
indexes = st.integers(0, 1000)
nodes = st.integers(1, NODES)


class RaftMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.world = World(voters=3)
        self.proposals = 0

    @initialize(
        voters=st.sampled_from((1, 2, 3, 3, 4, 5, 5)),
        observers=st.integers(0, 1),
        seed=indexes,
        limit=st.integers(1, 3),
        slow_disks=st.booleans(),
    )
    def begin(self, voters, observers, seed, limit, slow_disks):
        self.world = World(voters, observers, seed, slow_disks=slow_disks)
        self.world.batches_in_answer = limit

    def node(self, number):
        """One of the nodes."""
        return 1 + (number - 1) % len(self.world.nodes)

    def is_up(self, node_id):
        return self.world.raft(node_id) is not None

    @precondition(lambda self: self.world.wire)
    @rule(index=indexes, keep=st.booleans())
    def arrives(self, index, keep):
        self.world.deliver(index % len(self.world.wire), keep=keep)

    @precondition(lambda self: self.world.wire)
    @rule(index=indexes)
    def lost(self, index):
        self.world.wire.pop(index % len(self.world.wire))

    @rule(ms=st.sampled_from((1, 50, 300, 1000, 2000)), asleep=st.sets(nodes))
    def time_passes(self, ms, asleep):
        """For all but some: clocks stop, and come back."""
        self.world.now_ms += ms
        for node_id in self.world.nodes:
            if node_id not in asleep and self.is_up(node_id):
                self.world.tick(node_id)

    @rule(ms=st.sampled_from((10, 200, 1500, 3000)), asleep=st.sets(nodes, max_size=1))
    def quiet(self, ms, asleep):
        """What is under way arrives; so there are elections, and commits."""
        slow, self.world.slow_disks = self.world.slow_disks, False
        self.finish_writes()
        self.world.run(ms, but=asleep)
        self.world.slow_disks = slow

    @rule(number=nodes)
    def stands(self, number):
        """One is the first to miss the leader."""
        if self.is_up(self.node(number)):
            self.world.now_ms += 2000
            self.world.tick(self.node(number))

    @rule(count=st.integers(1, 30))
    def arrive(self, count):
        """The next messages arrive, and disks keep up; what they cause does not."""
        for _ in range(min(count, len(self.world.wire))):
            self.world.deliver()
            self.finish_writes()

    @rule(number=nodes)
    def disk_is_done(self, number):
        self.world.finish_write(self.node(number))

    def finish_writes(self):
        while any(node.writes for node in self.world.nodes.values()):
            for node_id in self.world.nodes:
                self.world.finish_write(node_id)

    @rule(number=nodes, is_full=st.booleans())
    def disk_has_room_or_not(self, number, is_full):
        self.world.nodes[self.node(number)].is_full = is_full

    @rule(number=nodes, durable=st.integers(0, 2))
    def crashes(self, number, durable):
        if self.is_up(self.node(number)):
            self.world.crash(self.node(number), durable)

    @rule(number=nodes)
    def comes_back(self, number):
        if not self.is_up(self.node(number)):
            self.world.boot(self.node(number))

    @rule(number=nodes, count=st.integers(1, 2))
    def is_asked_for_more(self, number, count):
        """A client proposes, mostly to a leader."""
        node_id = self.world.leader() or self.node(number)
        if number == NODES:
            node_id = self.node(number)
        if self.is_up(node_id):
            self.proposals += 1
            self.world.propose(node_id, *(f"{self.proposals}.{each}" for each in range(count)))

    @rule(number=nodes)
    def takes_a_snapshot(self, number):
        if self.is_up(self.node(number)):
            self.world.snapshot(self.node(number))

    @rule(here=st.sets(nodes, min_size=1, max_size=3))
    def parted(self, here):
        self.world.isolate(*sorted({self.node(each) for each in here}))

    @rule(source=nodes, to=nodes)
    def one_way_cut(self, source, to):
        self.world.cuts.add((self.node(source), self.node(to)))

    @rule()
    def healed(self):
        self.world.heal()

    def teardown(self):
        """Everything works again: one leads, everybody has the same, and more can be agreed on."""
        world = self.world
        world.heal()
        world.slow_disks = False
        for node in world.nodes.values():
            node.is_full = False
        self.finish_writes()
        for node_id in world.nodes:
            if not self.is_up(node_id):
                world.boot(node_id)
        world.run(20_000)
        self.all_agree(world.leader())
        if len(world.voter_ids) >= 3:
            self.one_is_away(world.leader())

    def all_agree(self, leader):
        world = self.world
        assert leader is not None, "nobody leads"
        assert world.raft(leader).is_ready
        handle = world.propose(leader, "one more")
        world.run(2000)
        assert world.nodes[leader].outcomes[handle] == "committed"
        logs = [node.disk.records for node in world.nodes.values()]
        assert all(log == logs[0] for log in logs)
        assert all(node.applied == logs[0] for node in world.nodes.values())

    def one_is_away(self, leader):
        """A follower that was cut off comes back unnoticed; a leader that is cut off resigns."""
        world, epoch = self.world, self.world.raft(leader).epoch
        world.isolate(next(each for each in world.voter_ids if each != leader))
        world.run(5000)
        world.heal()
        world.run(2000)
        assert (world.leader(), world.raft(leader).epoch) == (leader, epoch)
        world.isolate(leader)
        world.run(5000)
        assert world.raft(leader).state is not State.LEADER
        assert world.leader() is not None


TestRaft = RaftMachine.TestCase
TestRaft.settings = settings(
    max_examples=int(os.environ.get("MINIKAFKA_RAFT_EXAMPLES", "100")),
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
