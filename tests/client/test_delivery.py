"""What send() returns does all that an asyncio.Future does, and costs nothing until it is asked."""

import asyncio
from typing import Any

import pytest

from minikafka import KafkaError, RecordMetadata
from minikafka.client.batch_delivery import BatchDelivery
from minikafka.client.delivery import Delivery


def deliveries(count: int = 3) -> tuple[BatchDelivery, list[Delivery]]:
    """A batch on its way, of records sent at 100, 101, ..."""
    batch = BatchDelivery("t", 2)
    batch.timestamps.extend(range(100, 100 + count))
    return batch, [Delivery(batch, index) for index in range(count)]


def succeed_soon(batch: BatchDelivery) -> None:
    """Have the batch written at offset 50."""
    asyncio.get_running_loop().call_soon(batch.succeed, 50, -1)


async def test_each_record_gets_its_own_place():
    batch, (first, second, third) = deliveries()
    succeed_soon(batch)
    assert not first.done()
    assert await third == RecordMetadata("t", 2, 52, 102)
    assert await third == await third
    assert (first.result().offset, second.result().offset) == (50, 51)
    assert (first.done(), first.cancelled(), first.exception()) == (True, False, None)


async def test_a_failure_is_raised_to_everybody_who_waits():
    batch, each = deliveries()
    error = KafkaError("refused")
    asyncio.get_running_loop().call_soon(batch.fail, error)
    assert await asyncio.gather(*each, return_exceptions=True) == [error] * 3
    for delivery in each:
        assert delivery.exception() is error
        with pytest.raises(KafkaError, match="refused"):
            await delivery
        with pytest.raises(KafkaError, match="refused"):
            delivery.result()


async def test_gather_and_wait_take_it_without_a_task_for_each():
    batch, each = deliveries(100)
    assert all(asyncio.isfuture(delivery) for delivery in each)
    tasks = len(asyncio.all_tasks())
    gathered = asyncio.gather(*each)
    assert len(asyncio.all_tasks()) == tasks
    unions: Any = set(each)
    assert await asyncio.wait(unions, timeout=0) == (set(), unions)
    succeed_soon(batch)
    assert await asyncio.wait(unions) == (unions, set())
    assert [place.offset for place in await gathered] == list(range(50, 150))
    assert [place.offset for place in await asyncio.gather(*each)] == list(range(50, 150))


async def test_a_wait_that_times_out_cancels_it_alone():
    batch, (first, second, _) = deliveries()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(first, 0.001)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await second
    assert (first.cancelled(), second.cancelled(), first.done()) == (True, True, True)
    batch.succeed(50, -1)
    for cancelled in (first, second):
        with pytest.raises(asyncio.CancelledError):
            await cancelled
    assert batch.waiting == {}


async def test_shield_keeps_it_from_being_cancelled():
    batch, (first, _, _) = deliveries()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(first), 0.001)
    batch.succeed(50, -1)
    assert (await first).offset == 50
    assert not first.cancel(), "it is done"


async def test_callbacks_are_called_once_with_the_delivery_and_not_when_removed():
    batch, (first, second, _) = deliveries()
    called: list[Delivery] = []
    for delivery in (first, first, second):
        delivery.add_done_callback(called.append)
    assert second.remove_done_callback(called.append) == 1
    assert second.remove_done_callback(called.append) == 0
    batch.succeed(50, -1)
    assert called == [], "callbacks are the loop's to call"
    await asyncio.sleep(0)
    assert called == [first, first]
    second.add_done_callback(called.append)
    await asyncio.sleep(0)
    assert called == [first, first, second]


async def test_what_is_on_its_way_has_no_result():
    _, (first, _, _) = deliveries()
    with pytest.raises(asyncio.InvalidStateError):
        first.result()
    with pytest.raises(asyncio.InvalidStateError):
        first.exception()
    assert repr(first) == "<Delivery to t-2, on its way>"
