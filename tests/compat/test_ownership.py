"""The checker of groups, on histories written by hand: it sees each wrong, and nothing else."""

from typing import Any

from .ownership import Event, Finding, judge


def histories(*lines: tuple[str, str, Any]) -> dict[str, list[Event]]:
    """One line a second: who, what, detail."""
    told: dict[str, list[Event]] = {}
    for time_s, (name, what, detail) in enumerate(lines):
        told.setdefault(name, []).append(Event(float(time_s), what, detail))
    return told


def findings(*lines: tuple[str, str, Any]) -> list[tuple[str, str, int]]:
    """What is wrong, with whom, and where."""
    return [found[:3] for found in judge(histories(*lines))]


def rows(partition: int, *offsets: int) -> list[tuple[int, int, str]]:
    """Records whose value is their offset."""
    return [(partition, offset, str(offset)) for offset in offsets]


def test_a_partition_handed_over_in_good_order_is_no_finding():
    assert not findings(
        ("a", "assigned", [0, 1]),
        ("a", "consumed", rows(0, 0, 1)),
        ("a", "committed", (1.5, {"0": 2})),
        ("a", "revoked", [0, 1]),
        ("b", "assigned", [0]),
        ("a", "assigned", [1]),
        ("b", "consumed", rows(0, 2, 3)),
        ("b", "committed", (6.5, {"0": 4})),
        ("a", "consumed", rows(1, 0)),
    )


def test_a_partition_assigned_while_another_member_owns_it_has_two_owners():
    assert findings(
        ("a", "assigned", [0, 1]),
        ("b", "assigned", [1]),
    ) == [("two owners", "b", 1)]


def test_cooperatively_what_is_not_revoked_is_kept():
    lines = [
        ("a", "assigned", [0, 1]),
        ("a", "consumed", rows(0, 0)),
        ("a", "revoked", [1]),
        ("b", "assigned", [1]),
        ("a", "assigned", []),
        ("a", "consumed", rows(0, 1)),
    ]
    assert not findings(*lines)
    assert findings(*lines, ("b", "assigned", [0])) == [("two owners", "b", 0)]


def test_lost_leaving_failed_and_killed_members_own_nothing():
    for what, detail in (("lost", [0]), ("leaving", None), ("failed", "x"), ("killed", None)):
        assert not findings(("a", "assigned", [0]), ("a", what, detail), ("b", "assigned", [0]))


def test_what_is_assigned_to_a_member_that_is_leaving_is_not_owned():
    lines = [("a", "leaving", None), ("a", "assigned", [0]), ("b", "assigned", [0])]
    assert not findings(*lines)
    assert findings(*lines, ("a", "consumed", rows(0, 0))) == [("read beyond", "a", 0)]


def test_a_record_below_a_commit_is_read_again():
    lines = [
        ("a", "assigned", [0]),
        ("a", "consumed", rows(0, 0, 1, 2)),
        ("a", "committed", (1.5, {"0": 3})),
        ("a", "killed", None),
        ("b", "assigned", [0]),
    ]
    assert findings(*lines, ("b", "consumed", rows(0, 2, 3))) == [("read again", "b", 0)]
    assert not findings(*lines, ("b", "consumed", rows(0, 3)))


def test_a_record_that_nobody_committed_may_be_read_again():
    assert not findings(
        ("a", "assigned", [0]),
        ("a", "consumed", rows(0, 0, 1, 2)),
        ("a", "killed", None),
        ("b", "assigned", [0]),
        ("b", "consumed", rows(0, 0, 1, 2)),
    )


def test_a_record_read_after_its_partition_was_given_up_is_read_beyond():
    assert findings(
        ("a", "assigned", [0]),
        ("a", "revoked", [0]),
        ("a", "consumed", rows(0, 0)),
    ) == [("read beyond", "a", 0)]


def test_a_record_left_out_or_read_twice_is_a_gap():
    begun = [("a", "assigned", [0]), ("a", "consumed", rows(0, 0, 1))]
    assert findings(*begun, ("a", "consumed", rows(0, 3, 4))) == [("gap", "a", 0)]
    assert findings(*begun, ("a", "consumed", rows(0, 1, 2))) == [("gap", "a", 0)]


def test_what_a_paused_member_owned_may_be_owned_by_another():
    assert not findings(
        ("a", "assigned", [0]),
        ("a", "paused", None),
        ("b", "assigned", [0]),
        ("a", "resumed", None),
        ("a", "consumed", rows(0, 0)),  # from its buffer: it does not know yet
        ("a", "refused", "IllegalGeneration"),
        ("a", "lost", [0]),
    )


def test_a_member_that_was_away_may_not_commit_over_the_new_owner():
    away = [
        ("a", "assigned", [0]),
        ("a", "consumed", rows(0, 0, 1)),
        ("a", "paused", None),
        ("b", "assigned", [0]),
        ("a", "resumed", None),
    ]
    assert findings(*away, ("a", "committed", (4.5, {"0": 2}))) == [("late commit", "a", 0)]
    # Taken before the pause, and said after it.
    assert not findings(*away, ("a", "committed", (1.5, {"0": 2})))


def test_a_member_that_was_away_counts_again_once_it_has_given_up_what_it_had():
    back = [
        ("a", "assigned", [0]),
        ("a", "paused", None),
        ("b", "assigned", [0, 1]),
        ("a", "resumed", None),
        ("a", "lost", [0]),
        ("b", "revoked", [0]),
        ("a", "assigned", [0]),
    ]
    assert not findings(*back)
    assert findings(*back, ("b", "assigned", [0])) == [("two owners", "b", 0)]


def test_a_dead_members_last_words_count_as_commits():
    assert findings(
        ("a", "assigned", [0]),
        ("a", "consumed", rows(0, 0, 1)),
        ("a", "killed", None),
        ("a", "committed", (1.5, {"0": 2})),  # the reader of its output was a little late
        ("b", "assigned", [0]),
        ("b", "consumed", rows(0, 1)),
    ) == [("read again", "b", 0)]


def test_events_are_judged_in_the_order_of_time_not_of_members():
    told = {
        "a": [Event(1.0, "assigned", [0]), Event(4.0, "assigned", [0])],
        "b": [Event(2.0, "assigned", [0]), Event(3.0, "revoked", [0])],
    }
    assert judge(told) == [Finding("two owners", "b", 0, 2.0)]
