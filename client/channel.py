"""The way to one address: an open connection, or one being opened, or the time of the next try.

    idle ──ready──> opening ──> open ──breaks──> idle
                       └──fails──> backing off ──time passes──> idle

The backoff doubles from `retry_backoff_ms` to `reconnect_backoff_max_ms`, and a fifth of it is at
random, so that the clients of a restarted broker do not come all at once.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from random import Random

from ..protocol.errors import KafkaError
from ..transport.connection import Connection
from .settings import NetworkSettings


class Channel:
    """At most one connection to one address at a time."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: NetworkSettings,
        random: Random,
        on_change: Callable[[bool], None],
    ) -> None:
        """Call `on_change` at each change; with True for a bad one: it failed, or broke."""
        self.error: KafkaError | None = None
        """Why the last try failed."""
        self.retry_at_ms = 0
        self._loop = loop
        self._settings = settings
        self._random = random
        self._on_change = on_change
        self._connection: Connection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._retry_timer: asyncio.TimerHandle | None = None
        self._failures = 0

    @property
    def connection(self) -> Connection | None:
        """The connection while it is open."""
        connection = self._connection
        return None if connection is None or connection.is_closed else connection

    def ready(self, host: str, port: int) -> Connection | None:
        """The open connection; if there is none, begin to open it, unless it is too early."""
        connection = self.connection
        is_early = self._loop.time() * 1000 < self.retry_at_ms
        if connection is None and self._opening is None and not is_early:
            self._opening = self._loop.create_task(self.open(host, port))
        return connection

    async def open(self, host: str, port: int) -> None:
        """Try once; the outcome is in `connection` or `error`."""
        try:
            self._connection = await Connection.open(
                self._loop,
                host,
                port,
                client_id=self._settings.client_id,
                timeout_ms=self._settings.request_timeout_ms,
            )
            self._connection.on_lost = partial(self._on_change, True)
            self._failures, self.error = 0, None
        except KafkaError as error:
            self.error = error
            self._back_off()
        finally:
            self._opening = None
        self._on_change(self.connection is None)

    async def close(self) -> None:
        """Close the connection, after what was written has been sent."""
        if self._retry_timer is not None:
            self._retry_timer.cancel()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._connection is not None:
            self._connection.on_lost = None
            self._connection.close()
            await self._connection.wait_closed()

    def _back_off(self) -> None:
        backoff_ms = self._settings.retry_backoff_ms << min(self._failures, 10)
        backoff_ms = min(backoff_ms, self._settings.reconnect_backoff_max_ms)
        backoff_ms = int(backoff_ms * self._random.uniform(0.8, 1.2))
        self._failures += 1
        self.retry_at_ms = int(self._loop.time() * 1000) + backoff_ms
        self._retry_timer = self._loop.call_at(
            (self.retry_at_ms + 1) / 1000, self._on_change, False
        )
