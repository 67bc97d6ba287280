"""G1c, and the components of a graph."""

from hypothesis import given
from hypothesis import strategies as st

from minikafka.history.cycles import components

from .scenes import begins, ends, judge


def test_two_transactions_that_saw_each_other_are_a_circle() -> None:
    report = judge(
        begins(0, "txn", [("x", "a", None)]),
        begins(1, "txn", [("y", "b", None)]),
        ends(0, "txn", sends=[("x", "a", 0)], reads={"y": [(0, "b")]}),
        ends(1, "txn", sends=[("y", "b", 0)], reads={"x": [(0, "a")]}),
    )
    assert report.violated == ["G1c"]
    (finding,) = report.verdicts["G1c"].findings
    assert [each.process for each in finding.operations] == [0, 1]


def test_one_transaction_in_doubt_or_one_direction_is_none() -> None:
    scenes = (
        begins(0, "txn", [("x", "a", None)]),
        begins(1, "txn", [("y", "b", None)]),
        ends(0, "txn", sends=[("x", "a", 0)], reads={"y": [(0, "b")]}),
    )
    in_doubt = ends(1, "txn", "info", sends=[("y", "b", 0)], reads={"x": [(0, "a")]})
    assert judge(*scenes, in_doubt).is_valid
    assert judge(*scenes, ends(1, "txn", sends=[("y", "b", 0)])).is_valid


def test_a_circle_that_needs_the_order_of_writes_is_legal() -> None:
    assert judge(
        begins(0, "txn", [("x", "a", None), ("y", "c", None)]),
        begins(1, "txn", [("y", "b", None)]),
        ends(0, "txn", sends=[("x", "a", 0), ("y", "c", 2)]),
        ends(1, "txn", sends=[("y", "b", 1)], reads={"x": [(0, "a")]}),
    ).is_valid


def test_the_shortest_circle_is_shown() -> None:
    keys = "abcd"
    rows = [begins(n, "txn", [(key, key, None)]) for n, key in enumerate(keys)]
    read_of = {0: "db", 1: "a", 2: "b", 3: "c"}  # a circle of four, and one of a and b
    rows += [
        ends(n, "txn", sends=[(key, key, 0)], reads={each: [(0, each)] for each in read_of[n]})
        for n, key in enumerate(keys)
    ]
    (finding,) = judge(*rows).verdicts["G1c"].findings
    assert [each.process for each in finding.operations] == [0, 1]


def test_a_long_chain_needs_no_recursion() -> None:
    assert len(components({n: [n + 1] for n in range(20_000)})) == 20_001
    assert len(components({n: [(n + 1) % 20_000] for n in range(20_000)})) == 1


@given(st.dictionaries(st.integers(0, 7), st.lists(st.integers(0, 7), max_size=4), max_size=8))
def test_who_reach_each_other_are_one_component(graph: dict[int, list[int]]) -> None:
    def reached_from(start: int) -> set[int]:
        seen, todo = {start}, [start]
        while todo:
            for each in graph.get(todo.pop(), ()):
                if each not in seen:
                    seen.add(each)
                    todo.append(each)
        return seen

    nodes = graph.keys() | {each for successors in graph.values() for each in successors}
    reached = {each: reached_from(each) for each in nodes}
    expected = {
        frozenset(other for other in reached[each] if each in reached[other]) for each in nodes
    }
    assert {frozenset(each) for each in components(graph)} == expected
