"""What a worker's user gives it: a function of a record, plain or async; and how it goes wrong.

    def handle(record): ...              async def handle(record): ...

What it returns is ignored; that it returns says that the record is done. What it raises is the
record's failure, as is each of these:

    HandlerTimeout   it took longer than handler_timeout_s, and was ended
    HandlerDied      it took its process with it
    HandlerFailed    what it raised in another process, as text
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from .record import ConsumerRecord

Handler = Callable[[ConsumerRecord], Awaitable[object] | object]


class HandlerTimeout(Exception):
    """A handler was ended since it took too long."""


class HandlerDied(Exception):
    """A handler's process ended while it worked on a record."""


class HandlerFailed(Exception):
    """What a handler raised in another process: its type and message, its traceback as a note."""


class CannotStartHandler(Exception):
    """No process for the handler can be started: no record is to blame, and no retry helps."""


def is_async(handler: Handler) -> bool:
    """Whether the handler was written as `async def`."""
    call: Any = getattr(handler, "__call__", None)  # noqa: B004 - of an object with such a method
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)


def describe(error: BaseException) -> str:
    """Type and message of what a handler raised; that of another process has both already."""
    return str(error) if isinstance(error, HandlerFailed) else f"{type(error).__name__}: {error}"


class HandlerCall:
    """Calls a handler where there is no event loop: in a thread or process of its own."""

    def __init__(self, handler: Handler) -> None:
        """An event loop is made when the handler turns out to need one."""
        self._handler = handler
        self._runner: asyncio.Runner | None = None

    def __call__(self, record: ConsumerRecord) -> None:
        """Return when the handler is done; raises what it raises."""
        result = self._handler(record)
        if inspect.isawaitable(result):
            if self._runner is None:
                self._runner = asyncio.Runner()
            self._runner.run(_await(result))

    def close(self) -> None:
        """Close the event loop, if there is one."""
        if self._runner is not None:
            self._runner.close()


async def _await(awaitable: Awaitable[object]) -> None:
    await awaitable
