"""How many threads there are, that each tells its end, and that none holds up the close."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from minikafka import ConsumerRecord, TopicPartition
from minikafka.client import thread_runner
from minikafka.client.thread_runner import ThreadRunner
from minikafka.client.work_ledger import PartitionWork, Work

DEADLINE_S = 30.0


class Calls:
    """Calls that wait for `go`, and what came of them."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.made = 0
        self.closed = 0
        self.threads: list[threading.Thread] = []
        self.finished: list[tuple[Work, BaseException | None]] = []
        self.error: BaseException | None = None

    def make(self) -> "Calls":
        self.made += 1
        return self

    def __call__(self, record: ConsumerRecord) -> None:
        self.threads.append(threading.current_thread())
        self.go.wait(DEADLINE_S)
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed += 1

    def take_back(self, work: Work, ended_s: float, error: Any) -> None:
        assert 0 < work.began_s <= ended_s
        self.finished.append((work, error))


def work() -> Work:
    record = ConsumerRecord("t", 0, 1, -1, 0, None, b"v", (), 0)
    return Work(record, PartitionWork(TopicPartition("t", 0), 1), None, 0.0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_pool_has_as_many_threads_as_it_needs_within_its_bounds(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(thread_runner, "IDLE_S", 0.01)
    calls = Calls()
    runner = ThreadRunner(calls.make, 1, 3, calls.take_back)
    await until(lambda: calls.made == 1)
    for _ in range(3):
        runner.run(work())
    await until(lambda: len(calls.threads) == 3)
    assert calls.made == 3
    calls.go.set()
    await until(lambda: len(calls.finished) == 3 and calls.closed == 2)
    runner.run(work())
    await until(lambda: len(calls.finished) == 4)
    assert calls.made == 3
    await runner.close()
    assert calls.closed == 3


async def test_a_thread_per_record_is_a_new_one_each_time():
    calls = Calls()
    calls.go.set()
    runner = ThreadRunner(calls.make, 0, 2, calls.take_back, is_thread_per_record=True)
    for count in range(1, 6):
        runner.run(work())
        await until(lambda count=count: len(calls.finished) == count)
    assert len(set(calls.threads)) == 5
    await runner.close()
    assert calls.closed == 5


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1)], ids=lambda each: repr(each))
async def test_what_a_handler_raises_is_told_and_the_thread_lives(error: BaseException):
    calls = Calls()
    calls.go.set()
    calls.error = error
    runner = ThreadRunner(calls.make, 1, 1, calls.take_back)
    for count in (1, 2):
        runner.run(work())
        await until(lambda count=count: len(calls.finished) == count)
    assert [each for _, each in calls.finished] == [error, error]
    assert calls.made == 1
    await runner.close()


async def test_a_handler_that_hangs_does_not_hold_up_the_close():
    calls = Calls()
    runner = ThreadRunner(calls.make, 2, 2, calls.take_back)
    runner.run(work())
    await until(lambda: len(calls.threads) == 1)
    await runner.close()
    assert calls.closed == 1
    assert calls.threads[0].daemon
    calls.go.set()
    calls.threads[0].join(DEADLINE_S)


async def test_what_has_not_begun_can_be_taken_back():
    calls = Calls()
    runner = ThreadRunner(calls.make, 0, 2, calls.take_back)
    works = [work() for _ in range(5)]
    for each in works:
        runner.run(each)
    await until(lambda: len(calls.threads) == 2)
    assert runner.take_back() == works[2:]
    assert runner.take_back() == []
    calls.go.set()
    await until(lambda: len(calls.finished) == 2)
    await runner.close()
    assert calls.made == calls.closed == 2
