"""exactly-once."""

from .scenes import Row, did, found, judge

SOURCE = did(0, "send", sends=[("in-0", each, n) for n, each in zip((0, 1, 3), "abc", strict=True)])
SOURCE += did(1, "poll", reads={"in-0": [(0, "a"), (1, "b"), (3, "c")]})


def copied(*values: str) -> list[Row]:
    """The copies, written and read."""
    sends = [("out-0", each, n) for n, each in enumerate(values)]
    reads = {"out-0": [(n, each) for n, each in enumerate(values)]}
    return did(2, "txn", sends=sends) + did(3, "poll", reads=reads)


def test_each_source_record_is_there_once() -> None:
    assert judge(SOURCE, copied("in-0@0", "in-0@1#2", "in-0@3"), copies_to="out").is_valid
    assert judge(SOURCE, copied("in-0@0"), copies_to="out").is_valid  # the others may follow


def test_a_hole_and_a_second_copy_are_found() -> None:
    report = judge(SOURCE, copied("in-0@0", "in-0@3"), copies_to="out")
    assert report.violated == ["exactly-once"]
    assert "offset 1 was copied 0 times" in report.text()
    report = judge(SOURCE, copied("in-0@0", "in-0@0#2"), copies_to="out")
    assert "offset 0 was copied 2 times" in report.text()
    assert found(report, "exactly-once") == [("in-0", (0,))]


def test_nothing_is_counted_where_no_copy_is_promised() -> None:
    assert judge(SOURCE, copied("in-0@0", "in-0@0#2")).is_valid
