"""commit-durability and group-exclusivity."""

from typing import Any

from .scenes import Row, begins, did, ends, found, judge


def offsets(offset: int | None, generation: int | None = None) -> dict[str, Any]:
    value: dict[str, Any] = {"group": "g", "offsets": {"x": offset}}
    return value if generation is None else value | {"generation": generation}


def commit(process: int, offset: int, outcome: str = "ok", generation: int = 1) -> list[Row]:
    return did(process, "commit", outcome, value=offsets(offset, generation))


def fetch(offset: int | None) -> list[Row]:
    return did(9, "committed", value=offsets(offset))


def test_a_group_has_what_was_acknowledged_last() -> None:
    assert judge(commit(0, 3), commit(0, 5), fetch(5)).is_valid
    report = judge(commit(0, 3), commit(0, 5), fetch(3))
    assert report.violated == ["commit-durability"]
    assert found(report, "commit-durability") == [("x", (5,))]


def test_nothing_is_right_only_before_the_first_acknowledgement() -> None:
    assert judge(fetch(None), commit(0, 3)).is_valid
    assert not judge(commit(0, 3), fetch(None)).is_valid
    assert judge(commit(0, 3, "fail"), fetch(None)).is_valid


def test_what_nobody_committed_is_wrong() -> None:
    assert not judge(commit(0, 3), fetch(4)).is_valid
    assert not judge(commit(0, 3), commit(0, 4, "fail"), fetch(4)).is_valid


def test_a_commit_may_go_back() -> None:
    assert judge(commit(0, 5), commit(0, 3), fetch(3)).is_valid
    assert not judge(commit(0, 5), commit(0, 3), fetch(5)).is_valid


def test_a_commit_in_doubt_may_come_true_at_any_later_time() -> None:
    in_doubt = commit(1, 4, "info")
    assert judge(commit(0, 3), in_doubt, fetch(3), fetch(4)).is_valid
    assert judge(in_doubt, commit(0, 5), fetch(4)).is_valid


def test_commits_that_overlap_may_be_in_either_order() -> None:
    first, second = (did(n, "commit", value=offsets(3 + n)) for n in (0, 1))
    overlapping = first[:1], second, first[1:]
    assert judge(*overlapping, fetch(3)).is_valid
    assert judge(*overlapping, fetch(4)).is_valid
    assert not judge(*overlapping, commit(0, 9), fetch(4)).is_valid


def test_a_commit_during_the_fetch_may_be_seen() -> None:
    scenes = commit(0, 3), begins(9, "committed", value=offsets(None)), commit(0, 4)
    assert judge(*scenes, ends(9, "committed", value=offsets(3))).is_valid
    assert judge(*scenes, ends(9, "committed", value=offsets(4))).is_valid


def deal(process: int, generation: int, *keys: str, **more: Any) -> list[Row]:
    value = {"group": "g", "generation": generation, "keys": [*keys], **more}
    return did(process, "assign", value=value)


def test_a_partition_has_one_owner_in_a_generation() -> None:
    assert judge(deal(0, 1, "x"), deal(1, 1, "y"), deal(0, 2, "y"), deal(1, 2, "x")).is_valid
    report = judge(deal(0, 1, "x", "y"), deal(1, 1, "y"))
    assert report.violated == ["group-exclusivity"]
    assert found(report, "group-exclusivity") == [("y", ())]


def test_a_member_may_say_it_twice_under_another_process() -> None:
    assert judge(deal(0, 1, "x", member="m"), deal(1, 1, "x", member="m")).is_valid


def test_an_old_generation_does_not_commit_after_a_new_one_has() -> None:
    report = judge(commit(0, 3, generation=1), commit(1, 4, generation=2), commit(0, 5))
    assert report.violated == ["group-exclusivity"]
    # What began before, or was refused, is no harm.
    late = did(0, "commit", value=offsets(5, 1))
    assert judge(late[:1], commit(1, 4, generation=2), late[1:]).is_valid
    assert judge(commit(1, 4, generation=2), commit(0, 5, "fail")).is_valid
