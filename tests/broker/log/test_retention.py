"""Which of a log's oldest segments may go."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikafka.broker.log.retention import Retention, count_deletable

NOW_MS = 1_000_000
AGE = Retention(retention_ms=1000)
SIZE = Retention(retention_bytes=100)


@dataclass
class Piece:
    """A segment as retention sees it."""

    base_offset: int
    next_offset: int
    size_bytes: int
    newest_ms: int


def pieces(*each: tuple[int, int]) -> list[Piece]:
    """Segments of ten offsets, given by (size, age in ms)."""
    return [
        Piece(index * 10, index * 10 + (10 if size else 0), size, NOW_MS - age)
        for index, (size, age) in enumerate(each)
    ]


def count(
    segments: list[Piece], retention: Retention, log_start: int = 0, high_watermark: int = 1000
) -> int:
    return count_deletable(segments, retention, log_start, high_watermark, NOW_MS)


@pytest.mark.parametrize(
    ("ages", "deleted"),
    [
        ([1001, 1001, 5], 2),
        ([1000, 1001, 5], 0),  # just old enough to be kept, and it keeps what is behind it
        ([1001, 1000, 1001], 1),
        ([1001, 1001, 1001], 3),  # the active one as well
        ([5, 5000, 5], 0),
        ([-9_000_000, 5000, 5000], 0),  # a time ahead of ours is not old
        ([5000, -9_000_000, 5000], 1),
    ],
)
def test_a_segment_goes_when_its_newest_record_is_too_old(ages: list[int], deleted: int) -> None:
    assert count(pieces(*((10, age) for age in ages)), AGE) == deleted


@pytest.mark.parametrize(
    ("sizes", "deleted"),
    [
        ([50, 50], 0),
        ([50, 50, 49], 0),  # without the first it would have less than it may keep
        ([50, 50, 50], 1),
        ([50, 50, 50, 50], 2),
        ([500], 0),
        ([1, 500], 1),
        ([50, 50, 50, 0], 1),
        ([], 0),
    ],
)
def test_segments_go_while_enough_is_left(sizes: list[int], deleted: int) -> None:
    assert count(pieces(*((size, 0) for size in sizes)), SIZE) == deleted


def test_with_retention_bytes_of_zero_all_of_it_goes() -> None:
    assert count(pieces((50, 0), (50, 0)), Retention(retention_bytes=0)) == 2


@pytest.mark.parametrize(("log_start", "deleted"), [(0, 0), (9, 0), (10, 1), (25, 2), (30, 2)])
def test_what_lies_below_the_log_start_goes_without_any_limit(log_start: int, deleted: int) -> None:
    """But not the active segment: nothing says that the log shall begin behind it."""
    assert count(pieces(*[(10, 0)] * 3), Retention(), log_start) == deleted


@pytest.mark.parametrize(("high_watermark", "deleted"), [(9, 0), (10, 1), (29, 2), (30, 3)])
def test_nothing_above_the_high_watermark_goes(high_watermark: int, deleted: int) -> None:
    segments = pieces(*[(10, 5000)] * 3)
    assert count(segments, AGE, high_watermark=high_watermark) == deleted
    assert count(segments, Retention(retention_bytes=0), 0, high_watermark) == deleted


def test_an_empty_active_segment_stays() -> None:
    assert count(pieces((10, 5000), (0, 5000)), AGE) == 1
    assert count(pieces((0, 5000)), AGE) == 0


def test_each_limit_counts_from_what_the_others_leave() -> None:
    segments = pieces((50, 0), (50, 0), (50, 5000), (50, 0), (50, 0))
    both = Retention(retention_ms=1000, retention_bytes=150)
    assert count(segments, both, log_start=10) == 3


@given(
    st.lists(st.tuples(st.integers(1, 100), st.integers(-500, 3000)), max_size=8),
    st.integers(0, 80),
    st.integers(0, 80),
    st.integers(-1, 400),
    st.integers(-1, 2000),
)
def test_the_first_segment_that_stays_has_a_reason(
    each: list[tuple[int, int]], log_start: int, high_watermark: int, size: int, age: int
) -> None:
    segments = pieces(*each)
    deleted = count(segments, Retention(age, size), log_start, high_watermark)
    assert all(one.next_offset <= high_watermark for one in segments[:deleted])
    kept = segments[deleted:]
    if kept and kept[0].next_offset <= high_watermark:
        assert age < 0 or NOW_MS - kept[0].newest_ms <= age
        assert size < 0 or sum(one.size_bytes for one in kept[1:]) < size
        assert len(kept) == 1 or kept[1].base_offset > log_start
