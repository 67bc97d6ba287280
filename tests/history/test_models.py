"""Histories of a queue that is right have no violation; with one thing wrong they have that one."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from minikafka.history.check import check
from minikafka.history.event import Event
from minikafka.history.evidence import Promises

from .model import Model

DRAINED = Promises(is_drained=True)
Fault = Callable[[list[Event], Random], bool]


def polled(events: list[Event]) -> Iterator[tuple[str, list[list[Any]]]]:
    """What polls that are ok returned, by partition; to be changed."""
    for event in events:
        if event.f == "poll" and event.type == "ok":
            for _, by_key in event.value:
                yield from by_key.items()


def acknowledged(events: list[Event]) -> list[list[Any]]:
    """The sends that are ok, as they ended; to be changed."""
    return [
        micro
        for event in events
        if event.f in ("send", "txn") and event.type == "ok"
        for micro in event.value
        if micro[0] == "send"
    ]


def last_poll(events: list[Event]) -> tuple[str, list[list[Any]]]:
    """What the last reader got last."""
    found = [*polled(events)]
    assume(found)
    return found[-1]


def lose(events: list[Event], random: Random) -> bool:
    """A record that was acknowledged is never read."""
    sends = acknowledged(events)
    assume(sends)
    _, key, (_, value) = random.choice(sends)
    for event in events:
        if event.f in ("poll", "txn") and event.type in ("ok", "fail") and event.value:
            for micro in event.value:
                if micro[0] == "poll" and len(micro) > 1 and key in micro[1]:
                    micro[1][key] = [each for each in micro[1][key] if each[1] != value]
    return True


def repeat(events: list[Event], random: Random) -> bool:
    """A record is there a second time."""
    _, records = last_poll(events)
    records.append([records[-1][0] + 100, records[0][1]])
    return bool(random)


def invent(events: list[Event], random: Random) -> bool:
    """A record that nobody sent is read."""
    _, records = last_poll(events)
    records.append([records[-1][0] + 100, "invented"])
    return bool(random)


def show_failed(events: list[Event], random: Random) -> bool:
    """A record whose send failed is read."""
    began = {event.process: event for event in events if event.type == "invoke"}
    failed: list[list[Any]] = []
    for event in events:
        if event.type == "invoke":
            began[event.process] = event
        elif event.type == "fail" and event.f == "send":
            failed += began[event.process].value
    assume(failed)
    _, key, value = random.choice(failed)
    for event in reversed(events):
        if event.f == "poll" and event.type == "ok":
            event.value[0][1].setdefault(key, []).append([100_000, value])
            return True
    return False


def known_records(events: list[Event], count: int) -> list[list[list[Any]]]:
    """The polls of so many records, of which the second one was acknowledged as well."""
    known = {(key, value) for _, key, (_, value) in acknowledged(events)}
    found = [
        records
        for key, records in polled(events)
        if len(records) >= count and (key, records[1][1]) in known
    ]
    assume(found)
    return found


def swap(events: list[Event], random: Random) -> bool:
    """A reader sees two records in each other's place."""
    records = random.choice(known_records(events, 2))
    records[0][1], records[1][1] = records[1][1], records[0][1]
    return True


def leave_out(events: list[Event], random: Random) -> bool:
    """A reader leaves out a record in the middle."""
    del random.choice(known_records(events, 3))[1]
    return True


def hand_out_twice(events: list[Event], random: Random) -> bool:
    """A reader gets a record twice in a poll."""
    found = [records for _, records in polled(events) if records]
    assume(found)
    records = random.choice(found)
    records.append(list(records[-1]))
    return True


def acknowledge_elsewhere(events: list[Event], random: Random) -> bool:
    """A record is acknowledged at the offset of another one."""
    sends = acknowledged(events)
    pairs = [(a, b) for a in sends for b in sends if a is not b and a[1] == b[1]]
    assume(pairs)
    one, other = random.choice(pairs)
    one[2][0] = other[2][0]
    return True


def forget_commit(events: list[Event], random: Random) -> bool:
    """A group's offset is none although one was acknowledged."""
    is_committed = False
    asked: list[Event] = []
    for event in events:
        is_committed |= event.f == "commit" and event.type == "ok"
        if is_committed and event.f == "committed" and event.type == "invoke":
            asked.append(event)
    assume(asked)
    begun = random.choice(asked)
    events[begun.i + 1].value["offsets"] = {"t-0": None}
    return True


FAULTS: list[tuple[Fault, set[str]]] = [
    (lose, {"lost-write", "unseen"}),
    (repeat, {"duplicate"}),
    (invent, {"phantom"}),
    (show_failed, {"G1a"}),
    (swap, {"inconsistent-offsets"}),
    (leave_out, {"int-poll-skip"}),
    (hand_out_twice, {"int-nonmonotonic-poll"}),
    (acknowledge_elsewhere, {"inconsistent-offsets"}),
    (forget_commit, {"commit-durability"}),
]


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 150))
def test_a_queue_that_is_right_has_no_violation(seed: int, steps: int) -> None:
    report = check(Model(Random(seed), steps).events, DRAINED)
    assert report.is_valid, report.text()


@pytest.mark.parametrize(("fault", "expected"), FAULTS, ids=[each.__name__ for each, _ in FAULTS])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.integers(0, 2**32))
def test_one_fault_is_found(fault: Fault, expected: set[str], seed: int) -> None:
    random = Random(seed)
    events = deepcopy(Model(random, 120).events)
    assert fault(events, random)
    report = check(events, DRAINED)
    assert expected & set(report.violated), report.violated
    assert report.text()
