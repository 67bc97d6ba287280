"""Each target keeps its promises on stored inputs, changed ones, and what hypothesis thinks of.

MINIKAFKA_FUZZ is the number of executions a target, 20,000 unless set; `make fuzz` does more.
"""

import os
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from . import corpus, runner
from .seeds import seeds
from .targets import TARGETS

EXECUTIONS = int(os.environ.get("MINIKAFKA_FUZZ", "20000"))
SEED = 2026

every_target = pytest.mark.parametrize("name", TARGETS)


@every_target
def test_a_target_keeps_its_promises_on_changed_inputs(name: str) -> None:
    outcome = runner.run(name, EXECUTIONS, SEED)
    each_us = 1e6 * outcome.cpu_s / outcome.executions
    print(f"{name}: {outcome.executions:,} executions, {each_us:.0f} µs each", file=sys.stderr)
    if outcome.failure is not None:
        stored = corpus.keep(name, outcome.failure.data)
        raise AssertionError(f"{name} fails on {stored}") from outcome.failure.error
    assert outcome.executions == EXECUTIONS


@every_target
@settings(max_examples=100, deadline=None, database=None)
@given(data=st.binary(max_size=400))
def test_a_target_keeps_its_promises_on_any_bytes(name: str, data: bytes) -> None:
    with runner.silenced():
        TARGETS[name](data)


def test_the_stored_inputs_are_small_and_each_belongs_to_a_target() -> None:
    paths = [path for path in corpus.FOLDER.rglob("*") if path.is_file()]
    assert {path.parent.name for path in paths} <= TARGETS.keys()
    assert sum(path.stat().st_size for path in paths) < corpus.MAX_BYTES


@every_target
def test_every_target_has_seeds(name: str) -> None:
    assert any(seeds(name))


def test_a_run_can_be_repeated_and_finds_a_broken_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> None:
        assert b"\xff\xff" not in data

    monkeypatch.setitem(TARGETS, "addresses", broken)
    first, second = (runner.run("addresses", 5000, SEED) for _ in range(2))
    assert first.failure is not None
    assert second.failure is not None
    assert first.failure.data == second.failure.data
