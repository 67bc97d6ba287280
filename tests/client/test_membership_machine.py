"""Members and their coordinator under any order of events.

Messages arrive in any order or are lost, users work for too long, members die, leave and come, the
coordinator starts again from its log. Always: of those that the coordinator counts as members, no
two own one partition. In the end, when all is quiet: every partition has exactly one owner.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from minikafka.client.membership import State
from minikafka.protocol.errors import ErrorCode

from .group_world import POLL_MS, SESSION_MS, World

NAMES = ("A", "B", "C")
names = st.sampled_from(NAMES)


class MembershipMachine(RuleBasedStateMachine):
    strategies = ("range",)

    def __init__(self):
        super().__init__()
        self.world = World(partition_count=5)
        self.generations = {}
        self.has_restarted = False

    def person(self, name):
        person = self.world.people.get(name)
        return None if person is None or person.is_dead else person

    @rule(name=names, is_static=st.booleans())
    def come(self, name, is_static):
        if self.person(name) is None:
            self.world.add(name, *self.strategies, is_static=is_static)

    @rule(name=names)
    def poll(self, name):
        if (person := self.person(name)) is not None:
            self.world.poll(person)

    @rule(name=names)
    def begin_to_take(self, name):
        """The user is in the middle of a change while other things happen."""
        person = self.person(name)
        if person is not None and person.machine.begin_change() is not None:
            if self.world.wire:
                self.world.deliver()
            self.world.perform(person, person.machine.end_change(self.world.now_ms))

    @rule(name=names)
    def die(self, name):
        """Its process is killed, and what it had sent has arrived or never will."""
        if (person := self.person(name)) is not None:
            person.is_dead = True
            self.world.wire = [each for each in self.world.wire if each[0] is not person]

    @rule(name=names)
    def leave(self, name):
        if (person := self.person(name)) is not None:
            while person.machine.begin_change() is not None:
                person.machine.end_change(self.world.now_ms)
            effects = person.machine.leave()
            person.is_dead = True
            # Its connection ends as well: an old join must not come after that of a successor.
            self.world.wire = [each for each in self.world.wire if each[0] is not person]
            self.world.perform(person, effects)

    @precondition(lambda self: self.world.wire)
    @rule(data=st.data())
    def deliver(self, data):
        self.world.deliver(data.draw(st.integers(0, len(self.world.wire) - 1)))

    @precondition(lambda self: self.world.wire)
    @rule(data=st.data())
    def lose(self, data):
        self.world.lose(data.draw(st.integers(0, len(self.world.wire) - 1)))

    @rule(step_ms=st.sampled_from([1, 5, 20, SESSION_MS, POLL_MS]))
    def pass_time(self, step_ms):
        self.world.tick(self.world.now_ms + step_ms)

    @rule(busy=names, rounds=st.integers(1, 12))
    def flow(self, busy, rounds):
        """Things go well, while the user of one member works."""
        person = self.person(busy)
        self.world.settle(rounds=rounds, but=[person])

    @rule()
    def restart(self):
        self.world.restart_coordinator()
        self.has_restarted = True

    @invariant()
    def no_two_members_own_one_partition(self):
        owners = {}
        for person in self.world.alive():
            machine = person.machine
            is_member = machine.member_id in self.world.group.roster.members
            if not is_member or machine._has_lost:
                continue
            for partition in machine.owned:
                assert partition not in owners, (person.name, owners[partition], partition)
                owners[partition] = person.name

    @invariant()
    def an_assignment_is_exclusive_in_its_generation(self):
        for person in self.world.alive():
            machine = person.machine
            if machine.state is State.TAKING:
                for partition in machine._assigned:
                    key = machine.generation, partition
                    assert self.generations.setdefault(key, person.name) == person.name

    def is_fenced(self, person):
        """Whether the new id of a static member went with a coordinator that had not written it.

        The log then still has the old id under its name; in Kafka as well that is the end for it.
        """
        error = person.machine.error
        is_fenced = error is not None and error.code is ErrorCode.FENCED_INSTANCE_ID
        return is_fenced and person.is_static and self.has_restarted

    def teardown(self):
        self.world.settle()
        alive = [each for each in self.world.alive() if not self.is_fenced(each)]
        assert all(each.machine.state is State.STABLE for each in alive), [
            (each.name, each.machine.state) for each in alive
        ]
        owned = sorted(partition for each in alive for partition in each.owned)
        assert owned == (list(range(5)) if alive else [])


class CooperativeMachine(MembershipMachine):
    strategies = ("cooperative-sticky",)


class StickyMachine(MembershipMachine):
    strategies = ("sticky", "range")


MACHINE = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestEager = MembershipMachine.TestCase
TestEager.settings = MACHINE
TestCooperative = CooperativeMachine.TestCase
TestCooperative.settings = MACHINE
TestSticky = StickyMachine.TestCase
TestSticky.settings = MACHINE
