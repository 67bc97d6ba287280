"""A log from what is said of it."""

from minikafka.history.evidence import Evidence, Promises
from minikafka.history.operation import operations_of
from minikafka.history.version_order import LogBuilder, VersionOrder

from .scenes import did, history


def order(*said: tuple[int, str]) -> VersionOrder:
    builder = LogBuilder()
    for offset, value in said:
        builder.add(offset, value)
    return builder.order()


def test_an_empty_log_has_no_index() -> None:
    assert order().offsets == []
    assert order().first_index("a") is None
    assert order().index(3, "a") is None


def test_indexes_leave_out_the_gaps() -> None:
    log = order((1, "a"), (2, "a"), (2, "b"), (2, "c"), (4, "c"), (5, "c"), (5, "d"), (6, "d"))
    assert [log.first_index(each) for each in "abcd"] == [0, 1, 1, 3]
    assert [log.last_index(each) for each in "abcd"] == [1, 1, 3, 4]
    assert log.conflicts == {2: ["a", "b", "c"], 5: ["c", "d"]}
    assert log.duplicates == {"a": [1, 2], "c": [2, 4, 5], "d": [5, 6]}
    assert log.offsets_between(0, 4, limit=2) == [2, 4]


def test_a_record_of_unknown_offset_is_found_by_its_value() -> None:
    log = order((3, "a"), (7, "b"))
    assert (log.index(7, "b"), log.index(None, "b"), log.index(None, "c")) == (1, 1, None)


def test_a_transaction_in_doubt_counts_when_one_of_its_records_was_read() -> None:
    events = history(
        did(0, "poll", reads={"x": [(0, "a"), (1, "b")]}),
        did(1, "txn", "info", sends=[("x", "c", 1), ("x", "b", 3), ("x", "d", 4)]),
    )
    log = Evidence(operations_of(events), Promises()).orders["x"]
    assert log.offsets == [0, 1, 3, 4]
    assert {offset: set(each) for offset, each in log.conflicts.items()} == {1: {"b", "c"}}
