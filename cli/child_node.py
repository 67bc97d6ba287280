"""A node as a child process: started, told to stop, or killed, by the commands that need one.

    start -> the child prints its ready line on stdout -> its address is known
    kill  -> SIGKILL: nothing is flushed, no marker is written
    stop  -> SIGTERM: the node shuts down cleanly

After its first start a node keeps its port, so that clients find it again. Its log lines go to a
file, since a pipe that nobody reads would fill and stop it, or to `on_line`, which has them read.
The child has its own process group: Ctrl-C reaches the command, and the command ends the child.
"""

import asyncio
import contextlib
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .failure import Failure

START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 20.0
LOG_TAIL_BYTES: Final = 2000
MAX_LINE_BYTES: Final = 1 << 20
READY_LINE: Final = re.compile(rb"minikafka node \d+ ready: clients (\S+):(\d+)")


class ChildNode:
    """One node on 127.0.0.1, with its data in `data_dir` and its log lines beside it."""

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        node_id: int = 1,
        port: int = 0,
        control_port: int = 0,
        on_line: Callable[[int, str], None] | None = None,
    ) -> None:
        """Port 0 takes a free one; `on_line` gets each log line with the node's id."""
        self.data_dir = data_dir
        self.log_file = data_dir.with_suffix(".log")
        self.options = options
        self.node_id = node_id
        self.port = port
        self.control_port = control_port
        self._on_line = on_line
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def bootstrap(self) -> str:
        """HOST:PORT for clients, known after the first start."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process; 0 when there is none."""
        return 0 if self._process is None else self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started, and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> float:
        """Start, and return the seconds until the node was ready; Failure if it does not get so."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        command = [sys.executable, "-m", "minikafka.cli.main", "serve"]
        command += ["--node-id", str(self.node_id), "--listen", self.bootstrap]
        # Unless told otherwise a free port: the one that belongs to ours by number may be taken.
        command += ["--controller-listen", f"127.0.0.1:{self.control_port}"]
        command += ["--data-dir", str(self.data_dir), *self.options]
        self._process = await self._spawn(command)
        self.port = await self._read_port(self._process)
        return loop.time() - began

    async def wait(self) -> int:
        """The exit status, once the node has ended; minus the signal's number if one ended it."""
        return 0 if self._process is None else await self._process.wait()

    async def kill(self) -> None:
        """`kill -9`, and wait until the process is gone."""
        if self._process is not None:
            process, self._process = self._process, None
            if process.returncode is None:
                process.kill()
            await process.wait()
            if self._reading is not None:
                await self._reading

    async def stop(self) -> int:
        """SIGTERM, and the exit status; `kill -9` and -9 where that takes too long."""
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                status = await process.wait()
        except TimeoutError:
            await self.kill()
            return -9
        self._process = None
        if self._reading is not None:
            await self._reading
        return status

    async def _spawn(self, command: list[str]) -> Process:
        if self._on_line is None:
            with self.log_file.open("ab") as log:
                return await asyncio.create_subprocess_exec(
                    *command, stdout=PIPE, stderr=log, start_new_session=True
                )
        process = await asyncio.create_subprocess_exec(
            *command, stdout=PIPE, stderr=PIPE, start_new_session=True, limit=MAX_LINE_BYTES
        )
        self._reading = asyncio.create_task(self._read_lines(process, self._on_line))
        return process

    async def _read_lines(self, process: Process, on_line: Callable[[int, str], None]) -> None:
        if process.stderr is not None:
            async for line in process.stderr:
                on_line(self.node_id, line.decode(errors="replace").rstrip("\n"))

    async def _read_port(self, process: Process) -> int:
        """The port in the ready line, which is the first line on stdout."""
        ready = None
        if process.stdout is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(START_TIMEOUT_S):
                    ready = READY_LINE.match(await process.stdout.readline())
        if ready is None:
            await self.kill()
            raise Failure(f"node {self.node_id} did not start: {self._log_tail()}")
        return int(ready[2])

    def _log_tail(self) -> str:
        """The end of the node's log lines, unless somebody has them; or that there are none."""
        if self._on_line is not None:
            return "see its lines above"
        lines = self.log_file.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
        return lines or f"it said nothing within {START_TIMEOUT_S:.0f} s"
