"""The report of all checks."""

from minikafka.history.check import CHECKS, MAX_FINDINGS_KEPT

from .scenes import did, judge


def test_a_report_has_every_check_and_counts_operations() -> None:
    report = judge(
        did(0, "send", sends=[("x", "a", 0)]),
        did(0, "send", "fail", sends=[("x", "b", None)]),
        did(1, "poll", reads={"x": [(0, "a")]}),
        did(0, "send", "info", sends=[("x", "c", None)]),
    )
    assert report.is_valid
    assert list(report.verdicts) == list(CHECKS)
    assert report.counts == {"ok": 2, "fail": 1, "info": 1}
    assert (report.records_sent, report.records_read) == (3, 1)
    assert report.text() == ""
    assert report.proves_something
    assert not judge(did(0, "assign", value=["x"])).proves_something


def test_of_many_violations_all_are_counted_and_the_simplest_kept() -> None:
    values = [(n, f"p{n}") for n in range(100)]
    report = judge(did(1, "poll", reads={"x": values}))
    assert report.verdicts["phantom"].violations == 100
    assert len(report.verdicts["phantom"].findings) == MAX_FINDINGS_KEPT
    assert report.text().count("phantom in x (1 of 100)") == 1
