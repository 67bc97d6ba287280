"""poll-skip, nonmonotonic-poll, and the same within one operation."""

import pytest

from .scenes import Row, assign, did, found, judge

WRITES = did(9, "send", sends=[("x", value, n) for n, value in enumerate("abcdefgh", 1)])


def poll(*records: tuple[int, str], process: int = 0, outcome: str = "ok") -> list[Row]:
    return did(process, "txn", outcome, reads={"x": records})


def poll_x(process: int, *offsets: int, outcome: str = "ok") -> list[Row]:
    """A process reads these offsets of x."""
    return poll(*((n, " abcdefgh"[n]) for n in offsets), process=process, outcome=outcome)


GAPPY = did(9, "send", sends=[("x", value, n) for n, value in enumerate("abcd", 1)])
GAPPY += did(8, "send", sends=[("x", "f", 6)]) + did(8, "send", sends=[("x", "g", 7)])


def gappy(*offsets: int) -> list[Row]:
    return did(0, "poll", reads={"x": [(n, " abcdefg"[n]) for n in offsets]})


def test_a_skip_is_of_records_that_exist() -> None:
    # Nobody has seen an offset 5, so the step over it and 6 is over f alone.
    report = judge(GAPPY, gappy(1, 2), gappy(4), gappy(7))
    assert found(report, "poll-skip") == [("x", (2, 3, 4)), ("x", (4, 6, 7))]
    assert judge(GAPPY, gappy(1, 2, 3, 4), gappy(6), gappy(7)).is_valid


@pytest.mark.parametrize("f", ["assign", "subscribe"])
@pytest.mark.parametrize(("keys", "violations"), [(("y",), 0), (("x", "y"), 1)])
def test_an_assignment_without_the_partition_forgets_the_position(
    f: str, keys: tuple[str, ...], violations: int
) -> None:
    for check, second in (("poll-skip", gappy(4)), ("nonmonotonic-poll", gappy(1, 2, 3, 4))):
        verdict = judge(GAPPY, gappy(1, 2), assign(0, *keys, f=f), second).verdicts[check]
        assert verdict.violations + verdict.allowed == violations
        assert verdict.allowed == (violations if f == "subscribe" else 0)


def test_a_failed_assignment_changes_nothing() -> None:
    report = judge(GAPPY, gappy(1, 2), assign(0, "y", outcome="fail"), gappy(4))
    assert found(report, "poll-skip") == [("x", (2, 3, 4))]


def test_a_subscribed_topic_keeps_its_partitions() -> None:
    sends = did(9, "send", sends=[("t-0", n, n) for n in range(4)])
    first, second = (did(0, "poll", reads={"t-0": [(n, n)]}) for n in (0, 2))
    kept = judge(sends, first, assign(0, "t", f="subscribe"), second)
    assert kept.verdicts["poll-skip"].allowed == 1


def test_a_seek_forgets_all_positions() -> None:
    seek = did(0, "assign", value={"keys": ["x"], "seek": True})
    assert judge(GAPPY, gappy(1, 2, 3), seek, gappy(1, 2, 3, 4)).is_valid


def test_under_subscribe_others_read_between_two_polls() -> None:
    report = judge(GAPPY, assign(0, "x", f="subscribe"), gappy(1, 2), gappy(4), gappy(1))
    assert "poll-skip" not in report.violated
    assert "nonmonotonic-poll" not in report.violated
    assert report.verdicts["poll-skip"].allowed == 1
    assert report.verdicts["nonmonotonic-poll"].allowed == 1


def test_a_rebalance_forgets_the_position_and_what_is_within_the_operation() -> None:
    rebalanced = did(0, "poll", reads={"x": [(4, "d"), (2, "b")]}, rebalanced=("x",))
    others = did(1, "poll", reads={"x": [(1, "a"), (2, "b"), (3, "c"), (4, "d")]})
    assert judge(GAPPY, others, gappy(1), rebalanced, gappy(3)).is_valid
    # Of another partition it says nothing.
    other = did(0, "poll", reads={"x": [(3, "c")]}, rebalanced=("y",))
    assert found(judge(GAPPY, others, gappy(1), other), "poll-skip") == [("x", (1, 2, 3))]


def test_an_aborted_transaction_is_read_again() -> None:
    assert judge(
        WRITES, poll_x(0, 1), poll_x(0, 2, 3, outcome="fail"), poll_x(0, 2, 3, outcome="info")
    ).is_valid
    assert judge(WRITES, poll_x(0, 1), poll_x(0, 2, 3, outcome="fail"), poll_x(0, 2, 3)).is_valid


@pytest.mark.parametrize("outcome", ["fail", "info"])
def test_to_go_on_behind_an_aborted_transaction_is_a_skip_whatever_becomes_of_it(
    outcome: str,
) -> None:
    aborted = poll_x(0, 2, 3, outcome="fail")
    report = judge(WRITES, poll_x(0, 1), aborted, poll_x(0, 4, 5, outcome=outcome))
    assert found(report, "poll-skip") == [("x", (1, 2, 4))]


def test_position_after_two_aborted_transactions_is_still_the_first() -> None:
    aborted = poll_x(0, 2, 3, outcome="fail"), poll_x(0, 4, 5, outcome="fail")
    report = judge(WRITES, poll_x(0, 1), *aborted, poll_x(0, 6))
    assert found(report, "poll-skip") == [("x", (1, 2, 4)), ("x", (1, 2, 6))]


def test_a_reader_that_goes_back_is_found() -> None:
    report = judge(WRITES, poll_x(0, 1, 2, 3), poll_x(0, 2, 3, 4))
    assert report.violated == ["nonmonotonic-poll"]
    assert found(report, "nonmonotonic-poll") == [("x", (3, 2))]
    # Another process may begin where it likes.
    assert judge(WRITES, poll_x(0, 1, 2, 3), poll_x(1, 2, 3, 4)).is_valid


def test_a_skip_within_a_poll_and_between_two_of_one_operation_is_internal() -> None:
    sends = did(1, "send", "info", sends=[("x", each, None) for each in "abd"])
    within = did(0, "poll", reads={"x": [(1, "a"), (4, "d")]})
    between = did(2, "poll", reads=[{"x": [(1, "a")]}, {"x": [(4, "d")]}])
    middle = did(3, "poll", reads={"x": [(2, "b")]})
    report = judge(sends, within, between, middle)
    assert report.violated == ["int-poll-skip"]
    assert found(report, "int-poll-skip") == [("x", (1, 2, 4))] * 2
    # Without the reader in the middle nobody knows that there is something between them.
    assert judge(sends, within, between).is_valid


def test_to_go_back_within_an_operation_is_internal() -> None:
    sends = did(9, "send", "info", sends=[("x", each, None) for each in "abc"])
    back = did(0, "poll", reads={"x": [(3, "c"), (1, "a")]})
    twice = did(1, "poll", reads=[{"x": [(2, "b"), (3, "c")]}, {"x": [(3, "c")]}])
    report = judge(sends, back, twice)
    assert report.violated == ["int-nonmonotonic-poll"]
    assert found(report, "int-nonmonotonic-poll") == [("x", (3, 1)), ("x", (3, 3))]


def test_records_without_an_offset_are_placed_by_their_values() -> None:
    unplaced = did(0, "poll", reads={"x": [(None, "a"), (None, "c"), (None, "zzz")]})
    report = judge(WRITES, unplaced)
    assert report.verdicts["int-poll-skip"].violations == 1
