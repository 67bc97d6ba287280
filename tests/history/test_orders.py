"""inconsistent-offsets and duplicate."""

from .scenes import did, found, judge


def test_two_acknowledgements_of_one_offset_are_inconsistent() -> None:
    report = judge(
        did(379, "send", sends=[("x", 641, 537)]), did(363, "send", sends=[("x", 645, 537)])
    )
    assert found(report, "inconsistent-offsets") == [("x", (537,))]
    assert "641 and 645" in report.text()


def test_a_transaction_in_doubt_may_not_have_taken_its_offsets() -> None:
    in_doubt = did(0, "txn", "info", sends=[("x", 1, 0), ("y", 1, None)])
    other = did(1, "send", sends=[("x", 2, 0)])
    assert judge(in_doubt, other).is_valid
    # But it has, if one of its other records was read.
    report = judge(in_doubt, other, did(2, "poll", reads={"y": [(5, 1)]}))
    assert found(report, "inconsistent-offsets") == [("x", (0,))]


def test_the_proof_is_who_said_what() -> None:
    report = judge(
        did(0, "send", sends=[("x", "a", 0)]),
        did(1, "send", "info", sends=[("x", "b", None)]),
        did(2, "poll", reads={"x": [(0, "b")]}),
    )
    (finding,) = report.verdicts["inconsistent-offsets"].findings
    assert [each.process for each in finding.operations] == [0, 2]


def test_a_value_at_two_offsets_is_a_duplicate() -> None:
    scenes = (
        did(0, "send", sends=[("x", "a", 1)]),
        did(1, "send", "info", sends=[("x", "b", None)]),
        did(2, "poll", reads={"x": [(2, "b"), (3, "a")]}),
    )
    assert found(judge(*scenes), "duplicate") == [("x", (1, 3))]


def test_without_idempotence_duplicates_are_allowed() -> None:
    scenes = (
        did(0, "send", sends=[("x", "a", 1)]),
        did(2, "poll", reads={"x": [(1, "a"), (2, "a")]}),
    )
    report = judge(*scenes, is_idempotent=False)
    assert report.is_valid
    assert report.verdicts["duplicate"].allowed == 1


def test_every_one_of_many_duplicates_is_found_even_at_the_same_offsets() -> None:
    scenes = [
        did(process, f, **what)
        for value in range(10)
        for process, f, what in (
            (0, "send", {"sends": [("x", value, 0)]}),
            (1, "poll", {"reads": {"x": [(1, value)]}}),
        )
    ]
    report = judge(*scenes)
    assert report.verdicts["duplicate"].violations == 10
    assert found(report, "inconsistent-offsets") == [("x", (0,)), ("x", (1,))]


def test_polls_of_aborted_transactions_tell_the_log_and_failed_sends_do_not() -> None:
    report = judge(
        did(0, "send", sends=[("x", 0, 1)]),
        did(0, "txn", "fail", sends=[("x", 1, 2)]),
        did(1, "poll", "fail", reads={"x": [(11, 0), (12, 1)]}),
    )
    assert found(report, "duplicate") == [("x", (1, 11))]
