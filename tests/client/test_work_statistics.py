"""Durations in bounded memory: percentiles within 5 %, averages exact."""

from random import Random

import pytest

from minikafka.client.work_statistics import BUCKETS, Durations


@pytest.mark.parametrize("percent", [1, 50, 90, 99, 99.9, 100])
def test_a_percentile_is_right_within_5_percent(percent: float):
    random = Random(3)
    values = [random.lognormvariate(-6, 2) for _ in range(10_000)]
    durations = Durations()
    for value in values:
        durations.add(value)
    exact_ms = sorted(values)[round(len(values) * percent / 100) - 1] * 1000
    assert exact_ms <= durations.percentile_ms(percent) * 1.0001 <= exact_ms * 1.06
    assert durations.average_ms == pytest.approx(sum(values) * 1000 / len(values))


def test_the_shortest_and_the_longest_have_a_bucket_too():
    durations = Durations()
    for value in (0.0, -1e-9, 1e-12, 1e9):
        durations.add(value)
    assert durations.count == 4
    assert durations.percentile_ms(100) == 1e12
    assert durations.percentile_ms(25) < 0.01
    assert len(durations._buckets) == BUCKETS


def test_of_nothing_all_is_0():
    assert Durations().average_ms == Durations().percentile_ms(99) == 0.0


@pytest.mark.parametrize("percent", [0, -1, 101])
def test_a_percentile_lies_between_0_and_100(percent: float):
    with pytest.raises(ValueError, match="not above 0"):
        Durations().percentile_ms(percent)
