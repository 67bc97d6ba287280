"""Runs a handler in a process of its own: one that can be ended, and may die, without harm.

    thread of the worker                    child
      start ────────────────────────────▶     unpickles the handler
                ◀──────────── ready ──────
      record ───────────────────────────▶     handler(record)
                ◀──── None, or what failed

A child that ends before its answer takes the record's attempt with it, not the record: a new child
is started. One that takes longer than the timeout is killed. When the parent ends, in whatever way,
the pipe does, and the child with it.

Children are spawned, not forked: a forked one would have copies of the parent's connections, and of
locks held by threads that it does not have. So the handler must be something that another Python
can import, and the main script must be importable without beginning to work (`if __name__ == ...`).
"""

import contextlib
import multiprocessing
import pickle
import signal
import threading
import traceback
from multiprocessing.connection import Connection, Pipe
from multiprocessing.context import SpawnProcess
from typing import Final, cast

from .handler import (
    CannotStartHandler,
    Handler,
    HandlerCall,
    HandlerDied,
    HandlerFailed,
    HandlerTimeout,
)
from .record import ConsumerRecord

START_TIMEOUT_S: Final = 60.0
START_ATTEMPTS: Final = 3
END_TIMEOUT_S: Final = 5.0

PROCESS_NAME: Final = "minikafka-handler"

_CONTEXT: Final = multiprocessing.get_context("spawn")
_TURN: Final = threading.Lock()
"""Starting and reaping children is for one thread at a time."""

Failure = tuple[str, str]
"""What a handler raised, and its traceback."""


def require_picklable(handler: Handler) -> None:
    """Raise TypeError for a handler that no other process could import.

    Raises RuntimeError in a child whose main script begins to work when it is imported: it would
    become one more member of the group, and its parent would wait for it.
    """
    if multiprocessing.current_process().name == PROCESS_NAME:
        raise RuntimeError(
            "this process is for a handler, and the script began to work when it was imported: "
            "put `if __name__ == '__main__':` before what it does"
        )
    try:
        pickle.dumps(handler)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(
            f"Processes needs a handler that another process can import, a function of a module "
            f"for instance, no lambda and none defined in a function: {error}"
        ) from error


class HandlerProcess:
    """One child after the other, for the calls of one thread."""

    def __init__(self, handler: Handler, timeout_s: float | None) -> None:
        """Start the first child: a record waits for it, instead of taking long."""
        self._handler = handler
        self._timeout_s = timeout_s
        self._child: tuple[SpawnProcess, Connection] | None = None
        self._is_ready = False
        with contextlib.suppress(EOFError, OSError):  # the first record will find out
            _, connection = self._start()
            self._wait_until_ready(connection)

    def __call__(self, record: ConsumerRecord) -> None:
        """Work on a record in the child; raises what is listed in `handler`."""
        connection = self._send(pickle.dumps(record))
        try:
            if not connection.poll(self._timeout_s):
                self._end(is_hanging=True)
                raise HandlerTimeout(f"ended after {self._timeout_s} s")
            failure: Failure | None = connection.recv()
        except (EOFError, OSError):
            raise HandlerDied(f"its process ended with {self._end()}") from None
        if failure is not None:
            error = HandlerFailed(failure[0])
            error.add_note(failure[1])
            raise error

    def close(self) -> None:
        """End the child: it is idle, and the end of its pipe tells it."""
        self._end()

    def _send(self, data: bytes) -> Connection:
        """Give it to a child that is ready: one that died while it was idle did no harm."""
        status = ""
        for _ in range(START_ATTEMPTS):
            try:
                _, connection = self._child or self._start()
                if not self._is_ready:
                    self._wait_until_ready(connection)
                connection.send_bytes(data)
                return connection
            except (EOFError, OSError) as error:
                status = self._end() or str(error)
        raise CannotStartHandler(
            f"a process for the handler ended {START_ATTEMPTS} times before it had a record, at "
            f"last with {status}; its own words are on stderr. A script that is run needs "
            f"`if __name__ == '__main__':` before what it does"
        )

    def _wait_until_ready(self, connection: Connection) -> None:
        if not connection.poll(START_TIMEOUT_S):
            raise EOFError
        connection.recv()
        self._is_ready = True

    def _start(self) -> tuple[SpawnProcess, Connection]:
        self._is_ready = False
        ours, theirs = Pipe()
        process = _CONTEXT.Process(
            target=_serve, args=(theirs, self._handler), name=PROCESS_NAME, daemon=True
        )
        try:
            with _TURN:
                process.start()
        finally:
            theirs.close()
        child = process, cast("Connection", ours)
        self._child = child
        return child

    def _end(self, *, is_hanging: bool = False) -> str:
        """Let the child end, with a kill if it does not; says how it ended."""
        if self._child is None:
            return ""
        (process, connection), self._child = self._child, None
        connection.close()
        with _TURN:
            if not is_hanging:
                process.join(END_TIMEOUT_S)
            process.kill()
            process.join(END_TIMEOUT_S)
            code = process.exitcode
            process.close()
        return f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"


def _serve(connection: Connection, handler: Handler) -> None:
    """In the child: until the pipe ends."""
    # Ctrl-C is for the parent, which finishes what is in work.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    call = HandlerCall(handler)
    connection.send(None)
    while True:
        try:
            record = connection.recv()
        except EOFError:
            break
        failure: Failure | None = None
        try:
            call(record)
        except Exception as error:  # noqa: BLE001 - whatever it is, the record failed with it
            failure = f"{type(error).__name__}: {error}", traceback.format_exc()
        connection.send(failure)
    call.close()
