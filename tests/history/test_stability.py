"""read-stability."""

from .scenes import assign, did, found, judge

SENDS = did(9, "send", sends=[("x", each, n) for n, each in enumerate("abc")])


def test_two_readers_that_see_different_values_at_an_offset_disagree() -> None:
    in_doubt = did(8, "send", "info", sends=[("x", "d", None)])
    first, second = (did(n, "poll", reads={"x": [(0, each)]}) for n, each in enumerate("ad"))
    report = judge(SENDS, in_doubt, first, second)
    assert found(report, "read-stability") == [("x", (0,))]


def test_what_was_read_and_is_left_out_later_is_gone() -> None:
    whole = did(0, "poll", reads={"x": [(0, "a"), (1, "b"), (2, "c")]})
    holed = did(1, "poll", reads={"x": [(0, "a"), (2, "c")]})
    assert found(judge(SENDS, whole, holed), "read-stability") == [("x", (1,))]
    # Was it read only afterwards, it was skipped and is there.
    report = judge(SENDS, holed, whole)
    assert (found(report, "read-stability"), report.violated) == ([], ["int-poll-skip"])


def test_what_others_of_a_group_read_is_not_gone() -> None:
    whole = did(0, "poll", reads={"x": [(0, "a"), (1, "b"), (2, "c")]})
    parts = (did(1, "poll", reads={"x": [(n, "abc"[n])]}) for n in (0, 2))
    assert judge(SENDS, whole, assign(1, "x", f="subscribe"), *parts).is_valid
