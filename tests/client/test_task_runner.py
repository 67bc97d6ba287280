"""A handler in the event loop: time-outs, what it raises, and turns for everybody else."""

import asyncio
from typing import Any

import pytest

from minikafka import ConsumerRecord, TopicPartition
from minikafka.client.handler import Handler, HandlerTimeout
from minikafka.client.task_runner import TURN_S, TaskRunner
from minikafka.client.work_ledger import PartitionWork, Work

DEADLINE_S = 30.0
PARTITION = PartitionWork(TopicPartition("t", 0), 0)


def work(offset: int) -> Work:
    return Work(ConsumerRecord("t", 0, offset, -1, 0, None, b"v", (), 0), PARTITION, None, 0.0)


async def errors_of(handler: Handler, count: int, timeout_s: float | None = None) -> list[Any]:
    """What became of so many records, in the order of their ends, with two tasks."""
    errors: list[Any] = []
    done = asyncio.Event()

    def finished(work: Work, ended_s: float, error: BaseException | None) -> None:
        assert 0 < work.began_s <= ended_s
        errors.append(error)
        if len(errors) == count:
            done.set()

    runner = TaskRunner(handler, 2, timeout_s, finished)
    for offset in range(count):
        runner.run(work(offset))
    async with asyncio.timeout(DEADLINE_S):
        await done.wait()
    await runner.close()
    return errors


async def test_a_handler_that_takes_too_long_is_ended():
    ended: list[int] = []

    async def handle(record: ConsumerRecord) -> None:
        try:
            await asyncio.sleep(0 if record.offset else 3600)
        finally:
            ended.append(record.offset)

    last, first = await errors_of(handle, 2, timeout_s=0.05)
    assert last is None
    assert isinstance(first, HandlerTimeout)
    assert ended == [1, 0]


@pytest.mark.parametrize("error", [ValueError(), TimeoutError(), asyncio.CancelledError()])
async def test_what_a_handler_raises_is_its_own(error: BaseException):
    async def handle(record: ConsumerRecord) -> None:
        raise error

    assert await errors_of(handle, 3, timeout_s=10) == [error] * 3


async def test_quick_handlers_leave_turns_to_others():
    turns = 0

    async def somebody_else() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    def handle(record: ConsumerRecord) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + TURN_S / 2
        while loop.time() < until_s:
            pass

    other = asyncio.create_task(somebody_else())
    await errors_of(handle, 40)
    other.cancel()
    assert turns >= 10
