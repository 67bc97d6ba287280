"""Sleeping until somebody calls, or until a time."""

import asyncio

from minikafka.client.wakeup import Signal, Wakeup


async def test_a_call_before_sleep_is_not_lost():
    wakeup = Wakeup(asyncio.get_running_loop())
    wakeup.set()
    await asyncio.wait_for(wakeup.wait(None), 10)


async def test_a_sleeper_is_woken_by_a_call_and_calls_do_not_add_up():
    wakeup = Wakeup(asyncio.get_running_loop())
    sleeper = asyncio.create_task(wakeup.wait(None))
    await asyncio.sleep(0)
    wakeup.set()
    wakeup.set()
    await asyncio.wait_for(sleeper, 10)
    sleeper = asyncio.create_task(wakeup.wait(None))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not sleeper.done()
    sleeper.cancel()


async def test_a_sleeper_wakes_when_its_time_has_come_and_not_before():
    wakeup = Wakeup(asyncio.get_running_loop())
    until_ms = wakeup.now_ms() + 20
    await asyncio.wait_for(wakeup.wait(until_ms), 10)
    assert wakeup.now_ms() >= until_ms
    await asyncio.wait_for(wakeup.wait(0), 10)


async def test_a_signal_wakes_all_who_wait():
    loop = asyncio.get_running_loop()
    signal = Signal(loop)
    far_ms = int(loop.time() * 1000) + 10_000
    waiting = [asyncio.create_task(signal.wait(far_ms)) for _ in range(3)]
    await asyncio.sleep(0)
    signal.fire()
    assert await asyncio.gather(*waiting) == [True] * 3


async def test_a_signal_that_does_not_come_is_false_at_the_deadline():
    loop = asyncio.get_running_loop()
    signal = Signal(loop)
    assert not await signal.wait(int(loop.time() * 1000) + 10)
    assert not await signal.wait(0)


async def test_who_gives_up_waiting_is_forgotten():
    loop = asyncio.get_running_loop()
    signal = Signal(loop)
    task = asyncio.create_task(signal.wait(int(loop.time() * 1000) + 10_000))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    signal.fire()
    assert task.cancelled()


async def test_who_asks_without_waiting_lets_others_work():
    loop = asyncio.get_running_loop()
    signal, worked = Signal(loop), asyncio.Event()
    task = loop.create_task(_work(worked))
    for _ in range(3):
        await signal.wait(0)
    assert worked.is_set()
    await task


async def _work(worked: asyncio.Event) -> None:
    worked.set()
