"""ground-truth."""

from .scenes import Row, did, found, judge

SENDS = did(0, "send", sends=[("x", "a", 0), ("x", "b", 1)])


def disk(node: int, high_watermark: int, *records: tuple[int, str]) -> list[Row]:
    log = {"high_watermark": high_watermark, "records": [*map(list, records)]}
    return did(100 + node, "replica", value={"node": node, "logs": {"x": log}})


def test_what_was_acknowledged_is_on_a_disk() -> None:
    assert judge(SENDS, disk(1, 2, (0, "a"), (1, "b")), disk(2, 1, (0, "a"))).is_valid
    report = judge(SENDS, disk(1, 1, (0, "a")), disk(2, 1, (0, "a")))
    assert found(report, "ground-truth") == [("x", (1,))]


def test_below_both_high_watermarks_two_replicas_are_the_same() -> None:
    whole = disk(1, 2, (0, "a"), (1, "b"))
    assert judge(SENDS, whole, disk(2, 1, (0, "a"), (1, "c"))).is_valid
    report = judge(SENDS, whole, disk(2, 2, (0, "a"), (1, "c")))
    assert found(report, "ground-truth") == [("x", (1,))]
    assert "node 1 has 'b' and node 2 'c'" in report.text()
    assert not judge(SENDS, whole, disk(2, 2, (0, "a"))).is_valid


def test_what_retention_took_is_not_missing() -> None:
    assert judge(SENDS, disk(1, 2, (1, "b")), disk(2, 2, (1, "b"))).is_valid


def test_sends_in_doubt_need_not_be_there() -> None:
    in_doubt = did(0, "txn", "info", sends=[("x", "a", 0)])
    assert judge(in_doubt, disk(1, 0)).is_valid
