"""The books of a worker: golden scripts, and any order of events.

A script line is a step and, behind `=>`, the books after it: what runs, what may be committed.
"""

from collections import defaultdict
from random import Random

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from minikafka.client.metadata import TopicPartition
from minikafka.client.record import ConsumerRecord
from minikafka.client.work_ledger import MAX_UNCOMMITTED, PartitionWork, WorkLedger

P0, P1 = TopicPartition("t", 0), TopicPartition("t", 1)


def record(offset, key=None, partition=0):
    return ConsumerRecord("t", partition, offset, -1, 0, key, b"", (), 0)


class Script:
    """Steps on a ledger: `admit 5:a` is the record at offset 5 with key a, `5:-` one without."""

    def __init__(self, slots=2, **options):
        self.ledger = WorkLedger(slots, 100, **options)
        self.works = {}
        self.now_s = 0.0

    def admit(self, *records):
        for text in records:
            offset, key = text.split(":")
            self.ledger.admit(P0, [record(int(offset), None if key == "-" else key)], self.now_s)

    def take(self):
        while (work := self.ledger.take()) is not None:
            self.works[work.record.offset] = work

    def done(self, offset):
        self.ledger.done(self.works.pop(int(offset)))

    def fail(self, offset, until_s):
        self.ledger.retry(self.works.pop(int(offset)), float(until_s))

    def wait(self, until_s):
        self.now_s = float(until_s)
        self.ledger.make_due(self.now_s)

    def unbegun(self, *offsets):
        self.ledger.put_back([self.works.pop(int(offset)) for offset in offsets])

    def back(self):
        self.ledger.hand_back([P0])

    def commit(self):
        self.ledger.committed(self.ledger.committable())

    def books(self):
        running = " ".join(str(work.record.offset) for work in self.in_order())
        return f"runs {running or '-'}, commit {self.ledger.committable().get(P0, '-')}"

    def in_order(self):
        return sorted(self.ledger.running, key=lambda work: work.record.offset)

    def play(self, script):
        for line in filter(None, map(str.strip, script.splitlines())):
            step, _, expected = line.partition("=>")
            name, *arguments = step.split()
            getattr(self, name)(*arguments)
            if expected:
                assert self.books() == expected.strip(), line


def test_the_commit_stops_at_the_first_unfinished_record():
    Script(slots=3).play("""
        admit 10:- 11:- 12:- 13:-
        take            => runs 10 11 12, commit -
        done 11         => runs 10 12, commit -
        done 10         => runs 12, commit 12
        commit          => runs 12, commit -
        take
        done 13         => runs 12, commit -
        done 12         => runs -, commit 14
    """)


def test_offsets_that_are_not_there_are_passed():
    Script().play("""
        admit 10:- 20:-
        take            => runs 10 20, commit -
        done 10         => runs 20, commit 20
        done 20         => runs -, commit 21
    """)


def test_a_key_has_one_record_at_work_and_the_others_wait_in_order():
    Script(slots=3).play("""
        admit 1:a 2:a 3:b 4:a
        take            => runs 1 3, commit -
        done 1
        take            => runs 2 3, commit 2
        done 2
        take            => runs 3 4, commit 3
        done 4
        done 3          => runs -, commit 5
    """)


def test_a_failed_record_keeps_its_key_and_gives_up_its_slot():
    Script(slots=1).play("""
        admit 1:a 2:a 3:b
        take            => runs 1, commit -
        fail 1 5
        take            => runs 3, commit -
        done 3          => runs -, commit -
        take            => runs -, commit -
        wait 5
        take            => runs 1, commit -
        done 1
        take            => runs 2, commit 2
    """)


def test_by_partition_all_records_are_one_lane():
    Script(slots=2, by_partition=True).play("""
        admit 1:a 2:b 3:-
        take            => runs 1, commit -
        done 1
        take            => runs 2, commit 2
    """)


def test_what_is_handed_back_is_read_again_and_what_runs_goes_on():
    Script(slots=2).play("""
        admit 1:a 2:b 3:a 4:c 5:b
        take            => runs 1 2, commit -
        done 2          => runs 1, commit -
        back            => runs 1, commit -
        done 1          => runs -, commit 3
        admit 3:a 4:c
        take            => runs 3 4, commit 3
    """)


def test_what_was_taken_and_not_begun_is_the_first_to_be_taken_again():
    Script(slots=2).play("""
        admit 1:a 2:b 3:a 4:c
        take            => runs 1 2, commit -
        unbegun 1 2     => runs -, commit -
        take            => runs 1 2, commit -
        unbegun 2
        back            => runs 1, commit -
        done 1          => runs -, commit 2
    """)


def test_a_record_that_is_read_again_while_it_runs_is_not_taken_twice():
    Script(slots=3).play("""
        admit 1:a 2:b
        take            => runs 1 2, commit -
        back
        admit 1:a 2:b 3:a
        take            => runs 1 2, commit -
        done 1
        take            => runs 2 3, commit 2
    """)


def test_to_seek_back_takes_the_commit_back():
    Script().play("""
        admit 5:-
        take
        done 5          => runs -, commit 6
        commit
        admit 2:-       => runs -, commit 2
        take
        done 2          => runs -, commit 3
    """)


def test_a_lost_partition_moves_no_offset_but_holds_slot_and_key():
    ledger = WorkLedger(2, 100)
    ledger.admit(P0, [record(1, "a"), record(2, "a")], 0)
    old = ledger.take()
    assert ledger.forget([P0]) == {P0: 1}
    assert not ledger.owns(old)
    assert ledger.in_flight == 1
    ledger.admit(P0, [record(1, "a")], 0)
    assert ledger.take() is None
    ledger.done(old)
    assert ledger.committable() == {}
    new = ledger.take()
    assert new.record.offset == 1
    ledger.done(new)
    assert ledger.committable() == {P0: 2}
    assert ledger.in_flight == 0


def test_a_failure_in_a_lost_partition_is_somebody_elses():
    ledger = WorkLedger(1, 100)
    ledger.admit(P0, [record(1, "a")], 0)
    work = ledger.take()
    ledger.forget([P0])
    ledger.retry(work, 5)
    assert ledger.in_flight == 0
    assert ledger.make_due(10) is None
    assert ledger.take() is None


def test_a_lost_record_that_runs_holds_its_key_whatever_is_handed_back():
    ledger = WorkLedger(2, 100)
    ledger.admit(P0, [record(1, "a")], 0)
    old = ledger.take()
    ledger.forget([P0])
    for _ in range(2):
        ledger.admit(P0, [record(1, "a"), record(2, "a")], 0)
        ledger.forget([P0])
    ledger.admit(P0, [record(1, "a")], 0)
    assert ledger.take() is None
    ledger.done(old)
    assert ledger.take().record.offset == 1


def test_what_was_not_begun_of_a_lost_partition_is_forgotten():
    ledger = WorkLedger(1, 100)
    ledger.admit(P0, [record(1, "a")], 0)
    work = ledger.take()
    ledger.forget([P0])
    ledger.put_back([work])
    assert ledger.in_flight == 0
    assert ledger.take() is None


def test_to_forget_what_is_done_asks_for_nothing_again():
    ledger = WorkLedger(1, 100)
    ledger.admit(P0, [record(1)], 0)
    ledger.done(ledger.take())
    assert ledger.forget([P0, P1]) == {}


def test_keys_are_those_of_their_partition():
    ledger = WorkLedger(2, 100)
    ledger.admit(P0, [record(1, "a", 0)], 0)
    ledger.admit(P1, [record(1, "a", 1)], 0)
    assert ledger.take()
    assert ledger.take()


def test_keys_that_cannot_be_hashed_are_keys_as_well():
    ledger = WorkLedger(3, 100)
    ledger.admit(P0, [record(1, {"k": [1]}), record(2, {"k": [1]}), record(3, {"k": [2]})], 0)
    assert [ledger.take().record.offset, ledger.take().record.offset] == [1, 3]
    assert ledger.take() is None


def test_a_partition_with_its_share_of_the_room_is_crowded():
    ledger = WorkLedger(1, 10)
    ledger.admit(P0, [record(each, "a") for each in range(5)], 0)
    ledger.admit(P1, [record(each, "a", 1) for each in range(4)], 0)
    assert ledger.crowded(2) == {P0}
    assert ledger.crowded(1) == set()
    assert ledger.room == 1


def test_a_partition_far_ahead_of_its_slowest_record_is_crowded():
    ledger = WorkLedger(2, 100)
    ledger.admit(P0, [record(0)], 0)
    slow = ledger.take()
    for offset in range(1, MAX_UNCOMMITTED):
        assert ledger.crowded(1) == set()
        ledger.admit(P0, [record(offset)], 0)
        ledger.done(ledger.take())
    assert ledger.crowded(1) == {P0}
    ledger.done(slow)
    assert ledger.crowded(1) == set()


class LedgerMachine(RuleBasedStateMachine):
    """A worker whose handlers end, fail and outlast their partitions in any order.

    The log of each partition has 40 records; the group's committed offset is kept here, as is each
    handler's end that counts. A crash begins anew from what was committed.
    """

    LENGTH = 40

    def __init__(self):
        super().__init__()
        random = Random(7)
        self.logs = {
            name: [
                record(each, random.choice("abc-"), name.partition) for each in range(self.LENGTH)
            ]
            for name in (P0, P1)
        }
        for name, log in self.logs.items():
            self.logs[name] = [each._replace(key=None) if each.key == "-" else each for each in log]
        self.committed = {P0: 0, P1: 0}
        self.ends = {P0: self.LENGTH, P1: self.LENGTH}
        self.finished = {P0: set(), P1: set()}
        self.crash()

    @rule()
    def crash(self):
        self.ledger = WorkLedger(3, 12)
        self.positions = {}
        self.burying = []
        self.now_s = 0.0

    @rule(name=st.sampled_from([P0, P1]))
    def assign(self, name):
        self.positions.setdefault(name, self.committed[name])

    @rule(name=st.sampled_from([P0, P1]), count=st.integers(1, 9))
    def poll(self, name, count):
        if name in self.positions:
            start = self.positions[name]
            records = self.logs[name][start : start + min(count, self.ledger.room)]
            self.positions[name] += len(records)
            self.ledger.admit(name, records, self.now_s)

    @rule()
    def take(self):
        work = self.ledger.take()
        if work is not None and self.ledger.owns(work) and work.record.key is not None:
            name, offset = work.partition.name, work.record.offset
            earlier = {
                each.offset
                for each in self.logs[name][:offset]
                if each.key == work.record.key and each.offset >= self.committed[name]
            }
            assert earlier <= self.finished[name], "a record began before an earlier of its key"

    def some(self, data, works):
        return data.draw(st.sampled_from(sorted(works, key=str)))

    @precondition(lambda self: self.ledger.running)
    @rule(data=st.data(), outcome=st.sampled_from(["done", "done", "retry", "bury"]))
    def end(self, data, outcome):
        work = self.some(data, self.ledger.running)
        match outcome:
            case "done":
                self.finish(work)
            case "retry":
                self.ledger.retry(work, self.now_s + data.draw(st.integers(0, 3)))
            case "bury":
                self.ledger.leave_slot(work)
                self.burying.append(work)

    @precondition(lambda self: self.ledger.running)
    @rule(data=st.data())
    def put_back(self, data):
        self.ledger.put_back([self.some(data, self.ledger.running)])

    @precondition(lambda self: self.burying)
    @rule()
    def bury(self):
        self.finish(self.burying.pop())

    def finish(self, work):
        if self.ledger.owns(work):
            self.finished[work.partition.name].add(work.record.offset)
        self.ledger.done(work)

    @rule(step_s=st.integers(1, 3))
    def pass_time(self, step_s):
        self.now_s += step_s
        due_s = self.ledger.make_due(self.now_s)
        assert due_s is None or due_s > self.now_s

    @rule()
    def commit(self):
        offsets = self.ledger.committable()
        self.committed |= offsets
        self.ledger.committed(offsets)

    @rule(name=st.sampled_from([P0, P1]))
    def revoke(self, name):
        """Whatever still runs is not waited for any longer."""
        self.ledger.hand_back([name])
        self.commit()
        self.ledger.forget([name])
        self.positions.pop(name, None)

    @rule(name=st.sampled_from([P0, P1]))
    def lose(self, name):
        self.ledger.forget([name])
        self.positions.pop(name, None)

    @rule(name=st.sampled_from([P0, P1]))
    def rest(self, name):
        """`run` ends, and is called again."""
        if name in self.positions:
            self.ledger.hand_back([name])
            self.positions |= self.ledger.forget([name])

    @invariant()
    def nothing_unfinished_was_committed(self):
        for name, offset in self.committed.items():
            assert set(range(offset)) <= self.finished[name]

    @invariant()
    def a_key_has_one_record_at_work(self):
        lanes = defaultdict(list)
        for work in [*self.ledger.running, *self.burying]:
            if work.record.key is not None:
                lanes[work.partition.name, work.record.key].append(work)
        assert all(len(works) == 1 for works in lanes.values())

    @invariant()
    def the_bounds_hold(self):
        assert len(self.ledger.running) <= 3
        assert 0 <= self.ledger.in_flight <= 12
        unfinished = len(self.ledger.unfinished([P0, P1]))
        forgotten = [w for w in [*self.ledger.running, *self.burying] if not self.ledger.owns(w)]
        assert self.ledger.in_flight == unfinished + len(forgotten)

    def teardown(self):
        """When all goes well, everything is done and committed, and nothing is left."""
        for name in (P0, P1):
            self.assign(name)
        for _ in range(1000):
            self.commit()
            if self.committed == self.ends and not self.ledger.in_flight:
                break
            self.poll(P0, 9)
            self.poll(P1, 9)
            self.take()
            for work in list(self.ledger.running):
                self.finish(work)
            if self.burying:
                self.bury()
            self.pass_time(4)
        assert self.committed == self.ends
        assert self.ledger.in_flight == 0
        assert not self.ledger._first
        assert not self.ledger._waiting


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)


def forgetful_of_keys(ledger, work):
    ledger._ready.append(work)


def test_what_was_handed_back_is_not_committed_because_of_what_still_runs():
    ledger = WorkLedger(slots=1, max_in_flight=10)
    ledger.admit(P0, [record(0), record(1)], 0.0)
    failed = ledger.take()
    ledger.retry(failed, 5.0)
    assert ledger.take().record.offset == 1
    ledger.hand_back([P0])
    assert ledger.partitions[P0].committable == 0


def forgetful_of_what_runs(partition):
    return partition.next_offset


def forgetful_of_what_waits(ledger, names):
    hand_back(ledger, names)
    for partition in ledger.partitions.values():
        partition.next_offset = partition.end_offset


def quick_to_free_lanes(ledger, names):
    again = forget(ledger, names)
    ledger._first = {k: v for k, v in ledger._first.items() if k[0] in ledger.partitions}
    return again


hand_back, forget = WorkLedger.hand_back, WorkLedger.forget


@pytest.mark.parametrize(
    ("owner", "name", "mistake"),
    [
        (WorkLedger, "_line_up", forgetful_of_keys),
        (PartitionWork, "committable", property(forgetful_of_what_runs)),
        (WorkLedger, "hand_back", forgetful_of_what_waits),
        (WorkLedger, "forget", quick_to_free_lanes),
    ],
    ids=["keys", "running", "waiting", "lanes"],
)
def test_the_machine_notices_a_mistake(monkeypatch, owner, name, mistake):
    monkeypatch.setattr(owner, name, mistake)
    with pytest.raises((AssertionError, KeyError, FlakyFailure)):
        run_state_machine_as_test(
            LedgerMachine,
            settings=settings(
                max_examples=2000,
                stateful_step_count=40,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                derandomize=True,
            ),
        )
