"""A short search through the seeds of whole clusters, and that the search can be trusted.

`make sim SEEDS=400` searches for longer, and `make sim SEED=17` looks at one.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from .__main__ import stored_seeds
from .setup import Setup, draw_setup
from .world import Result, run_seed

ROOT = Path(__file__).parents[2]
SEEDS = int(os.environ.get("MINIKAFKA_SIM_SEEDS", "6"))
SECONDS = float(os.environ.get("MINIKAFKA_SIM_SECONDS", "60"))
SEARCH_TIMEOUT_S = 600


def test_no_seed_finds_anything() -> None:
    """In a process of its own, where strings hash as they do for `make sim`."""
    command = [sys.executable, "-m", "tests.sim", "--stored", "--seeds", str(SEEDS)]
    done = subprocess.run(
        [*command, "--seconds", str(SECONDS)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=SEARCH_TIMEOUT_S,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("seed", "nodes"), [(1, 1), (3, 3)])
def test_the_same_seed_does_the_same_to_the_byte(seed: int, nodes: int) -> None:
    def run() -> Result:
        return run_seed(replace(draw_setup(seed, nodes), safety_s=6.0))

    first, second = run(), run()
    assert first.operations > 100
    assert first == second


def test_another_seed_does_something_else() -> None:
    def trace(seed: int) -> str:
        return run_seed(Setup(seed, safety_s=1.0)).trace_hash

    assert trace(1) != trace(2)


def test_without_flushes_a_power_cut_loses_records_and_the_search_finds_it() -> None:
    """The positive control."""
    found = [
        violation
        for seed in range(4)
        for violation in run_seed(
            Setup(seed, flush="os", faults=("power",), safety_s=10.0, readers=0, members=0)
        ).violations
    ]
    assert any(each.startswith("lost:") for each in found), found


def test_the_stored_seeds_can_be_read() -> None:
    assert all(seed >= 0 for seed in stored_seeds())
