"""What a journal says is summed up without what does not count."""

import pytest

from minikafka.tutorials.labs.cell import Load, measure
from minikafka.tutorials.labs.journal import Entry

LOAD = Load("test", rate=10.0, seconds=0.3)


def test_durations_count_from_when_a_record_was_due():
    # Due at 100.0, 100.1 and 100.2; each waits 0.5 s and takes 0.1 s.
    journal = [Entry(id, 100.5 + id / 10, 100.6 + id / 10) for id in range(3)]
    cell = measure(("pool", "waiting", LOAD, 4), 100.0, [0.0] * 3, journal)
    assert (cell.sent, cell.finished, cell.handled_again) == (3, 3, 0)
    assert (cell.wait_ms, cell.work_ms) == (pytest.approx(500), pytest.approx(100))
    assert cell.latency_ms == pytest.approx(600)
    assert cell.finished_per_s == pytest.approx(3 / 0.8)


def test_a_record_handled_twice_counts_once_and_warm_up_not_at_all():
    journal = [Entry(3, 99.0, 99.1), Entry(0, 100.0, 100.1), Entry(0, 101.0, 101.1)]
    cell = measure(("pool", "waiting", LOAD, 0), 100.0, [0.0, 0.0, 0.1], journal)
    assert (cell.finished, cell.handled_again) == (1, 1)
    assert cell.feeder_late_percent == pytest.approx(100 / 3)


def test_a_cell_of_which_nothing_was_finished_can_be_shown():
    cell = measure(("pool", "waiting", LOAD, 0), 100.0, [0.0] * 3, [])
    assert (cell.sent, cell.finished, cell.latency_ms, cell.finished_per_s) == (3, 0, 0.0, 0.0)
