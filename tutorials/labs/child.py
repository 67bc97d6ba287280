"""A lab's processes, seen from both sides. Each is a module of this package:

    parent   Child("service", settings, log) ── python -m minikafka.tutorials.labs.service '{...}'
             ready = await child.start()     <── "ready 40123" on stdout
             await child.stop()              ──> SIGTERM, and SIGKILL if that is not heard
    child    run(main, Settings)                 settings from argv[1], which is JSON

A child has a process group of its own: Ctrl-C reaches the lab, and the lab ends its children, each
by its id, in the order that loses nothing. What a child writes to stderr goes to its log file.
"""

import asyncio
import contextlib
import json
import resource
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeVar

START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 30.0
LOG_TAIL_BYTES: Final = 1000
READY: Final = "ready"

Settings = TypeVar("Settings")


class ChildFailed(Exception):
    """A process of the lab did not do what it is for; the message has the end of its log."""


class Child:
    """One process of a lab."""

    def __init__(self, module: str, settings: Any, log: Path) -> None:
        """`settings` is a dataclass that JSON can carry; `log` gets what the process complains."""
        self._module = module
        self._settings = settings
        self._log = log
        self._process: Process | None = None

    async def start(self) -> str:
        """Start the process, and return what it says when it is ready. Raises ChildFailed."""
        name = f"{__package__}.{self._module}"
        text = json.dumps(asdict(self._settings))
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", name, text, stdout=PIPE, stderr=log, start_new_session=True
            )
        line = ""
        if self._process.stdout is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(START_TIMEOUT_S):
                    line = (await self._process.stdout.readline()).decode()
        word, _, rest = line.strip().partition(" ")
        if word != READY:
            await self.stop()
            raise ChildFailed(f"a process of the lab did not start: {self}")
        return rest

    @property
    def pid(self) -> int | None:
        """Its id, if it was started."""
        return self._process.pid if self._process is not None else None

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def wait(self) -> None:
        """Wait for its end; raises ChildFailed if that is not a good one."""
        if self._process is not None and await self._process.wait() != 0:
            raise ChildFailed(f"a process of the lab failed: {self}")

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL if it has not ended in time; nothing if it has ended."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def __str__(self) -> str:
        """Which process, and the end of what it wrote to stderr."""
        return f"{self._module}: {self._log_tail()}"

    def _log_tail(self) -> str:
        lines = self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
        return lines or "it said nothing"


def run(main: Callable[[Settings], Coroutine[Any, Any, None]], kind: type[Settings]) -> None:
    """In the child: run `main` on uvloop, or on asyncio's own loop where there is none."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        new_event_loop = None
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main(settings(kind)))


def settings(kind: type[Settings]) -> Settings:
    """In the child: what the parent told."""
    return kind(**json.loads(sys.argv[1]))


def say_ready(text: str = "") -> None:
    """In the child: tell the parent."""
    print(f"{READY} {text}", flush=True)


def on_stop(stop: Callable[[], None]) -> None:
    """In the child: call `stop` when the parent calls for it."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)


def allow_many_files() -> int:
    """Raise the limit of open files as far as it goes, and return it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS calls its limit infinite and refuses it.
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
