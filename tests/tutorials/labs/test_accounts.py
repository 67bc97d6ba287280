"""Two records of a run, made by hand, and what is made of them."""

from array import array

import pytest

from minikafka.tutorials.labs.accounts import (
    Account,
    account_of,
    curves_of,
    id_names,
    pace_of,
    percentile,
)
from minikafka.tutorials.labs.outcomes import (
    ANSWERED,
    FAILED,
    REFUSED,
    TIMED_OUT,
    UNSENT,
    Outcomes,
    from_bytes,
)

STATUSES = bytes([ANSWERED, ANSWERED, REFUSED, TIMED_OUT, TIMED_OUT, FAILED, UNSENT, UNSENT])


def outcomes(statuses: bytes = STATUSES, late_s: float = 0.0) -> Outcomes:
    """Requests 0.1 s apart, each 0.05 s under way."""
    starts = [n / 10 + late_s for n in range(len(statuses))]
    return Outcomes(
        rate=10.0,
        count=len(statuses),
        began=100.0,
        status=bytearray(statuses),
        started_s=array("d", starts),
        ended_s=array("d", [start + 0.05 for start in starts]),
    )


def test_outcomes_survive_the_file():
    written = outcomes()
    assert from_bytes(written.to_bytes()) == written


def test_each_request_is_accounted_for_from_both_sides():
    names = id_names(8)
    finished = {names[0]: (100.2, 1), names[3]: (101.0, 2)}
    assert account_of(outcomes(), finished) == Account(
        sent=6,
        answered=2,
        refused=1,
        timed_out=2,
        failed=1,
        finished=2,
        finished_unanswered=1,
        lost=4,
        broken_promises=1,
        delivered_again=1,
    )


def test_what_enters_and_leaves_adds_up_to_the_depth():
    names = id_names(4)
    finished = {name: (101.0 + n / 10, 1) for n, name in enumerate(names)}
    curves = curves_of(outcomes(bytes([ANSWERED] * 4)), finished, is_queued=True)
    assert max(curves.depth) == 4
    assert curves.depth[-1] == 0
    for rates in (curves.offered_per_s, curves.answered_per_s, curves.finished_per_s):
        assert sum(rates) * curves.interval_s == pytest.approx(4)


def test_a_generator_in_time_has_kept_its_rate():
    assert pace_of(outcomes()).is_kept


def test_a_late_generator_says_so_and_by_how_much():
    pace = pace_of(outcomes(late_s=0.3))
    assert not pace.is_kept
    assert "fell behind" in str(pace)
    assert "the worst by 300 ms" in str(pace)


def test_a_run_that_was_stopped_before_it_began_adds_up_to_nothing():
    unsent = outcomes(bytes([UNSENT] * 3))
    assert account_of(unsent, {}).sent == 0
    assert pace_of(unsent).is_kept
    assert sum(curves_of(unsent, {}, is_queued=True).depth) == 0


def test_percentiles_are_values_that_were_measured():
    assert [percentile([1.0, 2.0, 3.0, 4.0], percent) for percent in (1, 50, 99)] == [1.0, 3.0, 4.0]
