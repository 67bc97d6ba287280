"""The lab end to end, small: real processes, a real node, and counts that cannot be otherwise."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from minikafka.tutorials.labs.child import Child, ChildFailed
from minikafka.tutorials.labs.load_levelling import Plan, Run
from minikafka.tutorials.labs.report import Report

from ...nodes import NodeProcess

RATE = 200.0
COUNT = 200


def ignore(what: str, done: int, total: int) -> None:
    """Nobody looks on."""


def kill(child: Child | None) -> None:
    """SIGKILL, which nobody can prepare for."""
    assert child is not None
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)


class RunWhoseServiceDies(Run):
    """The service is killed as soon as it serves."""

    async def _start(self) -> None:
        await super()._start()
        kill(self._service)


async def direct(directory: Path, plan: Plan) -> Report:
    return await Run(plan, "direct", "", directory, ignore).measure()


async def test_without_a_queue_requests_are_lost(tmp_path: Path):
    plan = Plan(rate=RATE, seconds=1, timeout_s=0.3, work_ms=100, slots=2)
    account = (await direct(tmp_path, plan)).account
    assert account.sent == COUNT
    assert account.answered + account.timed_out + account.failed == COUNT
    assert account.timed_out > 0
    assert account.lost > 0
    assert account.broken_promises == 0


async def test_a_short_backlog_turns_time_outs_into_refusals(tmp_path: Path):
    plan = Plan(rate=RATE, seconds=1, timeout_s=20, work_ms=100, slots=2, backlog=2)
    account = (await direct(tmp_path, plan)).account
    assert (account.sent, account.timed_out) == (COUNT, 0)
    assert account.answered + account.refused == COUNT
    assert account.refused == account.lost > 0


async def test_with_a_queue_each_request_is_finished_once(tmp_path: Path, broker: NodeProcess):
    plan = Plan(rate=RATE, seconds=1, timeout_s=30, work_ms=10)
    report = await Run(plan, "queued", broker.bootstrap, tmp_path, ignore).measure()
    account = report.account
    assert (account.sent, account.answered, account.finished) == (COUNT, COUNT, COUNT)
    assert (account.lost, account.broken_promises) == (0, 0)
    assert max(report.curves.depth) <= COUNT
    assert report.curves.depth[-1] == 0
    assert not report.is_interrupted


async def test_an_interrupted_run_keeps_what_was_measured(tmp_path: Path):
    some_are_finished = asyncio.Event()

    def look(what: str, done: int, total: int) -> None:
        if done:
            some_are_finished.set()

    plan = Plan(rate=RATE, seconds=600, timeout_s=30, work_ms=10)
    run = asyncio.create_task(Run(plan, "direct", "", tmp_path, look).measure())
    async with asyncio.timeout(60):
        await some_are_finished.wait()
        run.cancel()
        report = await run
    assert report.is_interrupted
    assert 0 < report.account.answered <= report.account.sent < plan.count
    assert report.account.broken_promises == 0


async def test_a_service_that_dies_ends_the_lab_with_a_sentence(tmp_path: Path):
    run = RunWhoseServiceDies(Plan(rate=RATE, seconds=600), "direct", "", tmp_path, ignore)
    with pytest.raises(ChildFailed, match="service"):
        await run.measure()


def test_slots_are_dealt_out_and_none_is_lost():
    assert Plan(rate=5000, work_ms=20).slot_count == 50
    assert Plan(slots=7, workers=3).worker_slots() == [3, 2, 2]
    assert Plan(slots=2, workers=3).worker_slots() == [1, 1]
