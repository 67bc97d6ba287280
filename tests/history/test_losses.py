"""lost-write and unseen."""

from .scenes import begins, did, found, judge


def test_what_lies_below_a_read_record_must_have_been_read() -> None:
    report = judge(
        did(0, "send", sends=[("x", "a", 0)]),
        did(0, "send", sends=[("x", "b", 1), ("x", "d", 3)]),
        did(1, "send", "info", sends=[("x", "c", None)]),
        did(0, "poll", reads={"x": [(2, "c")]}),
    )
    assert found(report, "lost-write") == [("x", (0, 2)), ("x", (1, 2))]


def test_what_lies_above_may_be_read_later() -> None:
    assert judge(
        did(0, "send", sends=[("x", "a", 0), ("x", "b", 1)]),
        did(1, "poll", reads={"x": [(0, "a")]}),
    ).is_valid


def test_an_overwritten_record_is_lost_as_well() -> None:
    # b took the offset of a; there is nothing at offset 1.
    report = judge(
        did(0, "send", sends=[("x", "a", 0)]),
        did(0, "send", sends=[("x", "b", 0), ("x", "c", 2)]),
        did(0, "poll", reads={"x": [(0, "b"), (2, "c")]}),
    )
    assert found(report, "lost-write") == [("x", (0, 2))]
    assert "inconsistent-offsets" in report.violated


def test_a_transaction_in_doubt_is_lost_as_a_whole_or_not_at_all() -> None:
    in_doubt = did(0, "txn", "info", sends=[("x", "a", None), ("y", "b", 0)])
    later = did(1, "send", "info", sends=[("y", "c", None)])
    of_c = did(3, "poll", reads={"y": [(1, "c")]})
    assert judge(in_doubt, later, of_c).is_valid
    report = judge(in_doubt, later, did(2, "poll", reads={"x": [(0, "a")]}), of_c)
    assert found(report, "lost-write") == [("y", (0, 1))]


def test_records_sent_together_without_a_transaction_stand_alone() -> None:
    in_doubt = did(0, "send", "info", sends=[("x", "a", None), ("y", "b", None), ("y", "c", 1)])
    later = did(1, "send", sends=[("y", "d", 2)])
    scenes = (did(2, "poll", reads={"x": [(0, "a")]}), did(3, "poll", reads={"y": [(2, "d")]}))
    # a was read and c acknowledged, which says nothing of b.
    assert found(judge(in_doubt, later, *scenes), "lost-write") == [("y", (1, 2))]


def test_a_failed_send_is_not_lost() -> None:
    assert judge(
        did(0, "send", "fail", sends=[("x", "a", 0)]),
        did(0, "send", sends=[("x", "b", 1)]),
        did(1, "poll", reads={"x": [(1, "b")]}),
    ).is_valid


def test_unseen_is_what_was_acknowledged_and_not_read_in_the_end() -> None:
    send = did(0, "send", sends=[("x", "a", 0), ("x", "b", 1), ("y", "c", None)])
    read_a = did(1, "poll", reads={"x": [(0, "a")]})
    report = judge(send, read_a)
    assert report.is_valid
    assert report.verdicts["unseen"].allowed == 2
    report = judge(send, read_a, is_drained=True)
    assert found(report, "unseen") == [("y", ()), ("x", (1,))]
    read_b = did(1, "poll", reads={"x": [(1, "b")], "y": [(0, "c")]})
    assert judge(send, read_a, read_b, is_drained=True).is_valid


def test_what_is_in_doubt_need_not_be_seen() -> None:
    open_send = begins(0, "send", [("x", "a", None)])
    aborted = did(2, "txn", "fail", sends=[("x", "c", 2)])
    unknown = did(1, "txn", "info", sends=[("x", "b", 1)])
    assert judge(open_send, aborted, unknown, is_drained=True).is_valid
