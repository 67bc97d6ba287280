"""Faults of every kind befall a cluster of three under load, and nothing is lost.

A test run takes the first three faults; MINIKAFKA_CHAOS=N (`make chaos`) takes each of them, N
times in a row on one cluster; MINIKAFKA_CHAOS_MINUTES=N takes one after the other as the dice fall,
all on one cluster. Each test says one line of figures.
"""

import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .cluster_faults import FAULTS, Fault
from .cluster_trial import ClusterTrial

ROUNDS = int(os.environ.get("MINIKAFKA_CHAOS", "0"))
MINUTES = float(os.environ.get("MINIKAFKA_CHAOS_MINUTES", "0"))
ANY = "any_fault"
CHOSEN = [ANY] if MINUTES else list(FAULTS) if ROUNDS else list(FAULTS)[:3]

# Clients leave the sockets of failed connections to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]


@pytest.fixture
def tell(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Callable[[str], None]:
    """Print a line that is seen even when the test passes."""
    caplog.set_level(logging.CRITICAL, "aiokafka")

    def print_line(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")

    return print_line


def faults_of(name: str) -> Iterator[Fault]:
    """The faults of a test: this one so many times, or any for so many minutes."""
    if name != ANY:
        yield from [FAULTS[name]] * max(ROUNDS, 1)
        return
    end_s = time.monotonic() + MINUTES * 60
    while time.monotonic() < end_s:
        yield random.choice(list(FAULTS.values()))


@pytest.mark.parametrize("name", CHOSEN)
def test_a_cluster_gets_over_it_and_loses_nothing(
    tmp_path: Path, tell: Callable[[str], None], name: str
):
    began_s, count = time.monotonic(), 0
    with ClusterTrial(tmp_path) as trial:
        for fault in faults_of(name):
            trial.suffer(fault)
            count += 1
        verdict = trial.finish()
    tell(
        f"{name}, {count} times: {trial.acknowledged()} records acknowledged, "
        f"{sum(each.count for each in trial.commits.values())} commits, {len(verdict.lost)} lost, "
        f"{len(verdict.duplicated)} duplicated, {len(verdict.disordered)} out of order, "
        f"a history of {trial.witnessed} records is valid, "
        f"everybody got on within {trial.slowest_s:.1f} s, {time.monotonic() - began_s:.0f} s"
    )
    assert not verdict.lost
    assert not verdict.duplicated
    assert not verdict.disordered
    assert not verdict.unknown
    for each in trial.ledgers.values():
        assert not each.failures
