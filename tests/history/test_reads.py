"""phantom, G1a and precommitted-read."""

from .scenes import begins, did, ends, found, judge


def test_to_read_what_failed_is_an_aborted_read() -> None:
    report = judge(
        did(0, "send", "fail", sends=[("x", 2, None), ("y", 3, None)]),
        did(1, "poll", reads={"x": [(0, 2)]}),
    )
    assert report.violated == ["G1a"]
    (finding,) = report.verdicts["G1a"].findings
    assert [each.process for each in finding.operations] == [0, 1]


def test_to_read_what_is_in_doubt_is_not() -> None:
    assert judge(
        did(0, "send", "info", sends=[("x", 2, None)]), did(1, "poll", reads={"x": [(0, 2)]})
    ).is_valid


def test_to_read_what_nobody_wrote_is_a_phantom() -> None:
    report = judge(did(1, "poll", reads={"x": [(0, "a")]}))
    assert found(report, "phantom") == [("x", (0,))]
    # The same value in another partition is another record.
    report = judge(did(0, "send", sends=[("y", "a", 0)]), did(1, "poll", reads={"x": [(0, "a")]}))
    assert found(report, "phantom") == [("x", (0,))]


def test_to_read_before_the_send_began_is_a_phantom() -> None:
    send = did(0, "send", sends=[("x", "a", 0)])
    assert found(judge(did(1, "poll", reads={"x": [(0, "a")]}), send), "phantom") == [("x", (0,))]
    assert judge(begins(1, "poll"), send, ends(1, "poll", reads={"x": [(0, "a")]})).is_valid


def test_a_transaction_must_not_read_its_own_sends() -> None:
    report = judge(did(0, "txn", sends=[("x", "a", 0)], reads={"x": [(0, "a")]}))
    assert report.violated == ["precommitted-read"]
    assert found(report, "precommitted-read") == [("x", (0,))]
