"""Topics that come into being because somebody asks for them: the active controller creates them.

Where that cannot be done yet, for nobody leads or there are too few brokers, nothing happens: the
client is told that what it asks for is not available, and asks again.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ...protocol.control import AutoCreateTopics, CreateOffsetsTopic, Done
from ..controller.service import ControllerUnavailable
from .context import Context, Exchange

TIMEOUT_MS = 5_000


async def create_offsets_topic(context: Context) -> None:
    """Have `__consumer_offsets` created."""
    await _ask(CreateOffsetsTopic(), context)


async def auto_create(names: Sequence[str], exchange: Exchange, context: Context) -> None:
    """Have these topics created, one by one while the client still waits."""
    for name in names:
        if exchange.is_lost:
            break
        await _ask(AutoCreateTopics((name,)), context)


async def _ask(question: Any, context: Context) -> None:
    """Ask, and return when this broker knows of what was done."""
    controller = context.controller
    try:
        answer = await controller.ask(question, TIMEOUT_MS)
    except ControllerUnavailable:
        return
    if isinstance(answer, Done):
        with suppress(TimeoutError):
            await asyncio.wait_for(controller.wait_until_applied(answer.offset), TIMEOUT_MS / 1000)
