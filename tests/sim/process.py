"""A process: what belongs to one life of a program, and ends with it.

    running ──pause──> paused ──resume──> running        SIGSTOP and SIGCONT
       └──────────kill──────────> dead                   SIGKILL, or the machine's power

All that a program does, it does in callbacks of the loop, and each of those carries the context in
which it was asked for. A context that names a process therefore follows everything that began in
it: tasks, timers, connections. The loop asks `admits` before it runs a callback: one of a paused
process is held and runs late, one of a dead process never runs.

A dead program has no last words. Its tasks are kept as long as the loop is, since a coroutine that
is let go runs its `finally` blocks; `bury` does that in the end, when it has no effect any more.
"""

import asyncio
import warnings
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar
from typing import Any

PROCESS: "ContextVar[Process | None]" = ContextVar("PROCESS", default=None)
"""Whose callback runs now; none for what nobody can kill: the network, and the test itself."""
NOBODY = Context()
"""For the callbacks of the network."""
MIN_TASKS_TO_SWEEP = 64


class Process:
    """One life of a program on a host."""

    def __init__(self, loop: asyncio.AbstractEventLoop, host: str, name: str) -> None:
        self.host = host
        self.name = name
        self.is_paused = False
        self.is_dead = False
        self.context = Context()
        self.context.run(PROCESS.set, self)
        self._loop = loop
        self._held: list[asyncio.Handle] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._sweep_at = MIN_TASKS_TO_SWEEP

    def __repr__(self) -> str:
        return self.name

    def create_task(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run this as a part of the program."""
        return self._loop.create_task(coroutine, context=self.context)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Call this soon as a part of the program."""
        self._loop.call_soon(function, *arguments, context=self.context)

    def admits(self, handle: asyncio.Handle) -> bool:
        """Whether a callback of this process may run now."""
        if self.is_dead:
            return False
        if self.is_paused:
            self._held.append(handle)
            return False
        return True

    def own(self, task: asyncio.Task[Any]) -> None:
        """Keep a task that began in this process."""
        self._tasks.append(task)
        if len(self._tasks) >= self._sweep_at:
            self._tasks = [task for task in self._tasks if not task.done()]
            self._sweep_at = max(2 * len(self._tasks), MIN_TASKS_TO_SWEEP)

    def pause(self) -> None:
        """Run nothing until `resume`."""
        self.is_paused = True

    def resume(self) -> None:
        """Run all that was held, in the order in which it became due."""
        self.is_paused = False
        held, self._held = self._held, []
        for handle in held:
            self._loop._ready.append(handle)  # type: ignore[attr-defined] # a BaseEventLoop's

    def end(self) -> None:
        """Run nothing any more; the network is told by who calls this."""
        self.is_dead = True
        self._held.clear()

    def bury(self) -> None:
        """Let its tasks go; the loop is closed by now, and its files belong to nobody."""
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined] # it is meant
                with warnings.catch_warnings(), suppress(Exception):
                    warnings.simplefilter("ignore")  # of coroutines that it was about to wait for
                    task.get_coro().close()  # type: ignore[union-attr] # tasks run coroutines
