"""Waits: finished once, when they are ready or late, and forgotten then."""

import gc
import weakref

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from minikafka.broker.replica.purgatory import MIN_HEAP_REBUILT, Purgatory


class Ticket:
    """A wait that is ready when it is told so."""

    def __init__(self) -> None:
        self.ready = False
        self.asked = 0
        self.finished = 0

    def is_ready(self) -> bool:
        self.asked += 1
        return self.ready

    def finish(self) -> None:
        self.finished += 1


def test_a_wait_is_finished_when_it_is_ready_and_only_then() -> None:
    purgatory, wait = Purgatory(), Ticket()
    purgatory.park(wait, ["a"], 100)
    purgatory.notify("a")
    assert (wait.finished, len(purgatory)) == (0, 1)
    wait.ready = True
    purgatory.notify("b")
    assert wait.finished == 0
    purgatory.notify("a")
    assert (wait.finished, len(purgatory)) == (1, 0)
    purgatory.notify("a")
    purgatory.expire(1000)
    assert wait.finished == 1


def test_a_wait_is_finished_at_its_deadline_ready_or_not() -> None:
    purgatory, wait = Purgatory(), Ticket()
    purgatory.park(wait, ["a"], 100)
    assert purgatory.deadline_ms() == 100
    purgatory.expire(99)
    assert wait.finished == 0
    purgatory.expire(100)
    assert wait.finished == 1
    assert purgatory.deadline_ms() is None
    wait.ready = True
    purgatory.notify("a")
    assert wait.finished == 1


def test_a_wait_under_several_keys_wakes_under_each() -> None:
    for key in "abc":
        purgatory, wait = Purgatory(), Ticket()
        purgatory.park(wait, "abc", 100)
        wait.ready = True
        purgatory.notify(key)
        for other in "abc":
            purgatory.notify(other)
        assert wait.finished == 1


def test_a_key_may_be_named_twice() -> None:
    purgatory, wait = Purgatory(), Ticket()
    purgatory.park(wait, ["a", "b", "a"], 100)
    wait.ready = True
    purgatory.notify("a")
    assert (wait.finished, len(purgatory)) == (1, 0)


def test_a_wait_without_keys_has_its_deadline() -> None:
    purgatory, wait = Purgatory(), Ticket()
    purgatory.park(wait, [], 5)
    purgatory.expire(5)
    assert wait.finished == 1


def test_the_next_deadline_is_that_of_a_wait_that_still_waits() -> None:
    purgatory = Purgatory()
    early, late = Ticket(), Ticket()
    purgatory.park(late, ["late"], 200)
    purgatory.park(early, ["early"], 100)
    early.ready = True
    purgatory.notify("early")
    assert purgatory.deadline_ms() == 200


def test_a_wait_may_park_another_when_it_is_finished() -> None:
    purgatory = Purgatory()
    again = Ticket()

    class Returning(Ticket):
        def finish(self) -> None:
            super().finish()
            purgatory.park(again, ["a"], 100)

    wait = Returning()
    wait.ready = True
    purgatory.park(wait, ["a"], 100)
    purgatory.notify("a")
    assert (wait.finished, again.finished, len(purgatory)) == (1, 0, 1)


def test_everything_is_finished_at_the_end() -> None:
    purgatory = Purgatory()
    waits = [Ticket() for _ in range(5)]
    for number, wait in enumerate(waits):
        purgatory.park(wait, [number], 10**12 + number)
    purgatory.finish_all()
    assert [wait.finished for wait in waits] == [1] * 5
    assert len(purgatory) == 0


def test_a_finished_wait_is_not_kept_until_its_deadline() -> None:
    purgatory = Purgatory()
    wait = Ticket()
    wait.ready = True
    seen = weakref.ref(wait)
    purgatory.park(wait, ["a"], 10**12)
    purgatory.notify("a")
    del wait
    gc.collect()
    assert seen() is None


def test_waits_that_end_early_leave_a_bounded_heap() -> None:
    purgatory = Purgatory()
    waiting = [Ticket() for _ in range(10)]
    for wait in waiting:
        purgatory.park(wait, ["b"], 10**12)
    ready = Ticket()
    ready.ready = True
    for _ in range(5 * MIN_HEAP_REBUILT):
        purgatory.park(ready, ["a"], 10**12)
        purgatory.notify("a")
        assert len(purgatory._deadlines) <= MIN_HEAP_REBUILT + 2 * len(waiting) + 1
    purgatory.expire(10**12)
    assert [wait.finished for wait in waiting] == [1] * 10
    assert ready.finished == 5 * MIN_HEAP_REBUILT


class PurgatoryMachine(RuleBasedStateMachine):
    """Against a plain list of (wait, keys, deadline)."""

    def __init__(self) -> None:
        super().__init__()
        self.purgatory = Purgatory()
        self.waiting: list[tuple[Ticket, list[str], int]] = []
        self.all: list[Ticket] = []
        self.now_ms = 0

    @rule(keys=st.lists(st.sampled_from("abc"), max_size=3), wait_ms=st.integers(0, 50))
    def park(self, keys: list[str], wait_ms: int) -> None:
        wait = Ticket()
        self.all.append(wait)
        self.waiting.append((wait, keys, self.now_ms + wait_ms))
        self.purgatory.park(wait, keys, self.now_ms + wait_ms)

    @rule(data=st.data())
    def make_ready(self, data: st.DataObject) -> None:
        if self.waiting:
            data.draw(st.sampled_from(self.waiting))[0].ready = True

    @rule(key=st.sampled_from("abc"))
    def notify(self, key: str) -> None:
        self.purgatory.notify(key)
        self.waiting = [each for each in self.waiting if not (each[0].ready and key in each[1])]

    @rule(by_ms=st.integers(0, 30))
    def expire(self, by_ms: int) -> None:
        self.now_ms += by_ms
        self.purgatory.expire(self.now_ms)
        self.waiting = [each for each in self.waiting if each[2] > self.now_ms]

    @invariant()
    def only_those_wait_that_should(self) -> None:
        waiting = {id(wait) for wait, _, _ in self.waiting}
        assert all(wait.finished == (id(wait) not in waiting) for wait in self.all)
        assert len(self.purgatory) == len(waiting)
        deadline_ms = self.purgatory.deadline_ms()
        assert deadline_ms == min((each[2] for each in self.waiting), default=None)


PurgatoryMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
TestPurgatory = PurgatoryMachine.TestCase
