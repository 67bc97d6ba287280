"""nonmonotonic-send, within one operation, and real-time-order."""

from .scenes import assign, begins, did, ends, found, judge


def test_a_process_whose_later_send_lies_before_its_earlier_one_is_found() -> None:
    report = judge(
        did(0, "send", sends=[("x", "c", 3), ("x", "d", 4)]),
        assign(0, "y"),  # is of the consumer
        did(0, "send", sends=[("x", "a", 1), ("x", "b", 2)]),
    )
    assert found(report, "nonmonotonic-send") == [("x", (4, 1))]


def test_the_order_within_an_operation_counts_as_acknowledged_or_as_read() -> None:
    report = judge(
        did(0, "send", sends=[("x", "c", 3), ("x", "a", 1)]),
        did(1, "txn", "info", sends=[("y", "d", None), ("y", "b", None)]),
        did(2, "send", "info", sends=[("y", "c", None)]),
        did(3, "poll", reads={"y": [(2, "b"), (3, "c"), (4, "d")]}),
    )
    assert report.violated == ["int-nonmonotonic-send"]
    assert found(report, "int-nonmonotonic-send") == [("x", (3, 1)), ("y", (4, 2))]


def test_a_record_given_up_may_arrive_late_and_one_sent_later_never_early() -> None:
    late = did(0, "send", "info", sends=[("x", "a", None), ("x", "b", 1)])
    assert judge(late, did(1, "poll", reads={"x": [(1, "b"), (2, "a")]})).is_valid
    early = did(0, "send", "info", sends=[("x", "a", 1), ("x", "b", None)])
    report = judge(early, did(1, "poll", reads={"x": [(0, "b"), (1, "a")]}))
    assert found(report, "int-nonmonotonic-send") == [("x", (1, 0))]


def test_records_of_others_between_those_of_one_operation_are_legal() -> None:
    assert judge(
        begins(0, "txn", [("x", "a", None), ("x", "c", None)]),
        begins(1, "send", [("x", "b", None)]),
        ends(0, "txn", sends=[("x", "a", 1), ("x", "c", None)]),
        ends(1, "send", "info", sends=[("x", "b", None)]),
        did(2, "poll", reads={"x": [(1, "a"), (2, "b"), (3, "c")]}),
    ).is_valid


def test_two_transactions_in_opposite_orders_are_legal() -> None:
    assert judge(
        begins(0, "txn", [("x", "a", None), ("y", "a", None)]),
        begins(1, "txn", [("x", "b", None), ("y", "b", None)]),
        ends(0, "txn", sends=[("x", "a", 0), ("y", "a", 1)]),
        ends(1, "txn", sends=[("x", "b", 1), ("y", "b", 0)]),
    ).is_valid


def test_without_idempotence_disorder_of_one_sender_is_allowed() -> None:
    sends = did(0, "send", sends=[("x", "c", 3), ("x", "a", 1)])
    assert judge(sends, is_idempotent=False).is_valid


def test_what_is_sent_after_an_acknowledgement_lies_behind_it() -> None:
    first, second = did(0, "send", sends=[("x", "a", 5)]), did(1, "send", sends=[("x", "b", 4)])
    report = judge(first, second)
    assert report.violated == ["real-time-order"]
    assert found(report, "real-time-order") == [("x", (5, 4))]
    # It holds without idempotence too, and not for sends that overlap.
    assert not judge(first, second, is_idempotent=False).is_valid
    assert judge(begins(1, "send", [("x", "b", None)]), first, second[1:]).is_valid


def test_a_send_in_doubt_has_a_place_in_time_once_it_was_read() -> None:
    scenes = (
        did(0, "send", sends=[("x", "a", 5)]),
        did(1, "send", "info", sends=[("x", "b", None)]),
        did(2, "poll", reads={"x": [(4, "b"), (5, "a")]}),
    )
    assert judge(*scenes[:2]).is_valid
    assert found(judge(*scenes), "real-time-order") == [("x", (5, 4))]
