"""Plans that level brokers, move no more than that needs, and spread the lead."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minikafka import TopicPartition
from minikafka.cli.reassignment_plan import Assignment, NoSuchPlan, plan_reassignment


def partitions(*replicas: list[int], topic: str = "t") -> dict[TopicPartition, list[int]]:
    return {TopicPartition(topic, index): each for index, each in enumerate(replicas)}


def after(current: Assignment, brokers: list[int]) -> dict[TopicPartition, list[int]]:
    unchanged = {each: list(replicas) for each, replicas in current.items()}
    return unchanged | plan_reassignment(current, brokers)


def moves(current: Assignment, planned: Assignment) -> int:
    return sum(len(set(planned[each]) - set(current[each])) for each in current)


def test_what_is_level_and_spread_stays_as_it_is():
    current = partitions([1, 2, 3], [2, 3, 1], [3, 1, 2])
    assert plan_reassignment(current, [1, 2, 3]) == {}


def test_a_new_broker_takes_its_share_and_nothing_else_moves():
    current = partitions(*([[1, 2, 3], [2, 3, 1], [3, 1, 2]] * 4))
    planned = after(current, [1, 2, 3, 4])
    assert moves(current, planned) == 9
    assert Counter(each for replicas in planned.values() for each in replicas) == Counter(
        {1: 9, 2: 9, 3: 9, 4: 9}
    )
    assert Counter(replicas[0] for replicas in planned.values()) == Counter(
        {1: 3, 2: 3, 3: 3, 4: 3}
    )


def test_a_broker_that_goes_keeps_nothing():
    current = partitions([1, 2], [2, 3], [3, 1])
    planned = after(current, [1, 2])
    assert moves(current, planned) == 2
    assert all(sorted(replicas) == [1, 2] for replicas in planned.values())


def test_leaders_are_spread_without_a_move():
    current = partitions([1, 2, 3], [1, 2, 3], [1, 2, 3])
    planned = after(current, [1, 2, 3])
    assert moves(current, planned) == 0
    assert sorted(replicas[0] for replicas in planned.values()) == [1, 2, 3]


def test_the_lead_is_passed_on_over_a_broker_between():
    # 1 can only give to 2, and 2 only to 3.
    current = partitions([1, 2], [1, 2], [2, 3], [2, 1], [1, 2])
    planned = after(current, [1, 2, 3])
    assert set(Counter(replicas[0] for replicas in planned.values()).values()) <= {1, 2}


def test_a_busy_topic_is_spread_as_well():
    busy = partitions([1], [1], [1], topic="busy")
    idle = partitions([1], [1], [1], topic="idle")
    planned = after(busy | idle, [1, 2, 3])
    for topic in ("busy", "idle"):
        of_topic = [each for name, each in planned.items() if name.topic == topic]
        assert sorted(broker for (broker,) in of_topic) == [1, 2, 3]


def test_more_replicas_than_brokers_is_a_sentence():
    with pytest.raises(NoSuchPlan, match="t-0 has 3 replicas, which 2 brokers cannot hold"):
        plan_reassignment(partitions([1, 2, 3]), [1, 2])


@st.composite
def assignments(draw: st.DrawFn) -> tuple[dict[TopicPartition, list[int]], list[int]]:
    before = draw(st.lists(st.integers(1, 7), min_size=1, unique=True))
    brokers = draw(st.lists(st.integers(1, 7), min_size=1, unique=True))
    most = min(len(before), len(brokers))
    placed = st.integers(1, most).flatmap(
        lambda factor: st.lists(
            st.sampled_from(before), min_size=factor, max_size=factor, unique=True
        )
    )
    topics = draw(st.lists(st.lists(placed, min_size=1, max_size=9), min_size=1, max_size=3))
    current: dict[TopicPartition, list[int]] = {}
    for number, replicas in enumerate(topics):
        current |= partitions(*replicas, topic=f"topic-{number}")
    return current, brokers


@settings(deadline=None, max_examples=200)
@given(assignments())
def test_every_plan_is_level_and_moves_no_more_than_it_must(
    drawn: tuple[dict[TopicPartition, list[int]], list[int]],
):
    current, brokers = drawn
    planned = after(current, brokers)
    load = Counter(each for replicas in planned.values() for each in replicas)
    assert all(len(set(each)) == len(each) == len(current[name]) for name, each in planned.items())
    assert set(load) <= set(brokers)
    assert max(load[each] for each in brokers) - min(load[each] for each in brokers) <= 1
    assert plan_reassignment(planned, brokers) == {}
    before = Counter(each for replicas in current.values() for each in replicas)
    average = sum(before.values()) / len(brokers)
    must_go = sum(count for broker, count in before.items() if broker not in brokers)
    must_come = sum(max(int(average) - before[broker], 0) for broker in brokers)
    assert moves(current, planned) >= max(must_go, must_come)
    surplus = sum(max(before[broker] - int(average), 0) for broker in brokers)
    # Who takes a replica over may be one who has enough, since the others have that partition.
    assert moves(current, planned) <= 2 * must_go + surplus
