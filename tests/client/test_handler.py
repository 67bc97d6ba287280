"""What a handler is: plain or async, function or object, called with or without a loop."""

import asyncio
import functools
from typing import Any

import pytest

from minikafka import ConsumerRecord
from minikafka.client.handler import HandlerCall, HandlerFailed, describe, is_async

RECORD = ConsumerRecord("t", 0, 1, -1, 0, None, b"v", (), 0)
LOOPS: list[asyncio.AbstractEventLoop] = []


def plain(record: ConsumerRecord) -> None:
    assert record is RECORD


async def waits(record: ConsumerRecord) -> None:
    assert record is RECORD
    await asyncio.sleep(0)
    LOOPS.append(asyncio.get_running_loop())


async def with_more(_: str, record: ConsumerRecord) -> None:
    await waits(record)


class Plain:
    def __call__(self, record: ConsumerRecord) -> None:
        plain(record)


class Waits:
    async def __call__(self, record: ConsumerRecord) -> None:
        await waits(record)


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (plain, False),
        (waits, True),
        (functools.partial(with_more, "more"), True),
        (Plain(), False),
        (Waits(), True),
    ],
)
def test_a_handler_is_async_if_it_was_written_so(handler: Any, expected: bool):
    assert is_async(handler) == expected
    call = HandlerCall(handler)
    LOOPS.clear()
    call(RECORD)
    call(RECORD)
    call.close()
    assert len(LOOPS) == 2 * expected
    assert len(set(LOOPS)) == expected
    assert all(loop.is_closed() for loop in LOOPS)


def test_an_error_is_described_by_type_and_message():
    assert describe(ValueError("no")) == "ValueError: no"
    assert describe(HandlerFailed("ValueError: no")) == "ValueError: no"
