"""An event loop in a thread of its own, for callers that block.

    any thread ──coroutine──> the loop's thread ──result or exception──> the thread that waits

There is one per process: started on first use, ended at exit, when clients that were left open are
closed, so that what was sent is delivered, EXIT_S at most.

Invariants:
- A caller that is interrupted (Ctrl-C) leaves nothing running: its coroutine is cancelled.
- The loop never waits for itself: a call from its own thread raises.
- A forked child has no such thread. It gets a loop of its own, and clients of its parent refuse.
"""

import asyncio
import atexit
import functools
import logging
import os
import threading
from collections.abc import Coroutine
from typing import Any, Final, Protocol, TypeVar

from .errors import ClientNotRunning, KafkaError

log = logging.getLogger(__name__)

EXIT_S: Final = 5.0

R = TypeVar("R")


class Client(Protocol):
    """An asyncio client, as far as its beginning and its end are concerned."""

    async def start(self) -> object:
        """Connect."""
        ...

    async def close(self) -> None:
        """Deliver and disconnect."""
        ...


class BackgroundLoop:
    """The loop and its thread."""

    def __init__(self) -> None:
        """Start the thread."""
        self._process_id = os.getpid()
        self._loop = _new_loop()
        self._open_clients: set[Client] = set()
        self._thread = threading.Thread(target=self._run, name="minikafka.sync", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def run(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine in the loop and wait for what it returns or raises."""
        try:
            self._check_caller()
        except BaseException:
            coroutine.close()
            raise
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()  # of no effect but where the wait was interrupted

    def opened(self, client: Client) -> None:
        """This client was started: close it at exit."""
        self._open_clients.add(client)

    def closed(self, client: Client) -> None:
        """This client needs no more closing."""
        self._open_clients.discard(client)

    def close(self) -> None:
        """Close the clients, end the thread."""
        if os.getpid() != self._process_id or self._loop.is_closed():
            return
        for client in list(self._open_clients):
            try:
                self.run(asyncio.wait_for(client.close(), EXIT_S))
            except (KafkaError, TimeoutError, RuntimeError) as error:
                # RuntimeError: a listener gets no thread any more.
                name = type(client).__name__
                log.warning("%s was left open, and closing it at exit failed: %s", name, error)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _check_caller(self) -> None:
        """Refuse who would wait for ever."""
        if os.getpid() != self._process_id:
            raise ClientNotRunning(
                "this client was made before the process forked: make a new one in the child"
            )
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                "called from a callback in the client's own thread, which would wait for itself: "
                "hand the work to another thread"
            )


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it exists: a call into it takes two thirds of the time."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@functools.cache
def background_loop() -> BackgroundLoop:
    """The loop of this process."""
    return BackgroundLoop()


def _forget() -> None:
    """In a forked child: the parent's thread is not here."""
    background_loop.cache_clear()


os.register_at_fork(after_in_child=_forget)
