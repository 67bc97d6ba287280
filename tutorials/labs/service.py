"""The service under load, a process of its own: a request's work is a wait in one of k slots.

    direct   request ──> backlog ──> slot (work) ──> sink ──> 200       503: the backlog is full
    queued   request ──> producer ──> topic, acks=all ──────> 202       503: it did not get there
                                        └──> drain.py works it off

The work waits and burns no processor, as a call to a database or another service does. So the
capacity is slots / work_s, whatever the machine, as long as that is not busy with other things.

The direct service is kind: who has hung up while he waited is not worked for. It does not help
much. The oldest request in a full backlog has waited for almost as long as its client is willing
to, and is answered too late. A backlog so short that it is worked off in time (`backlog` below
capacity * time-out) turns these time-outs into quick refusals: as many requests are lost.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...client.producer import Producer
from ...protocol.errors import KafkaError
from . import child
from .http_service import Exchange, Listener
from .report import Mode
from .sink import Sink

TOPIC: Final = "requests"


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What the service is told when it starts."""

    mode: Mode
    slots: int
    work_s: float
    backlog: int
    sink: str
    bootstrap: str = ""
    port: int = 0


class DirectService:
    """Does the work and then answers."""

    def __init__(self, settings: ServiceSettings, sink: Sink) -> None:
        self._loop = asyncio.get_running_loop()
        self._free_slots = settings.slots
        self._work_s = settings.work_s
        self._backlog = settings.backlog
        self._sink = sink
        self._waiting: deque[Exchange] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def answer(self, exchange: Exchange) -> None:
        """Work for this request now or when a slot is free."""
        if self._free_slots:
            self._begin(exchange)
        elif len(self._waiting) < self._backlog:
            self._waiting.append(exchange)
        else:
            exchange.respond(503)

    def _begin(self, exchange: Exchange) -> None:
        self._free_slots -= 1
        self._loop.call_later(self._work_s, self._end, exchange)

    def _end(self, exchange: Exchange) -> None:
        task = self._loop.create_task(self._write_down(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._free_slots += 1
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.is_closed:
                self._begin(waiting)
                return

    async def _write_down(self, exchange: Exchange) -> None:
        await self._sink.add(exchange.body.decode(errors="replace"))
        exchange.respond(200)


class QueuedService:
    """Answers when the request is in the topic, as safe as the cluster can make it."""

    def __init__(self, producer: Producer) -> None:
        self._loop = asyncio.get_running_loop()
        self._producer = producer
        self._tasks: set[asyncio.Task[None]] = set()

    def answer(self, exchange: Exchange) -> None:
        """Write the request into the topic; one request a connection bounds the tasks."""
        task = self._loop.create_task(self._produce(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _produce(self, exchange: Exchange) -> None:
        body = exchange.body
        try:
            await self._producer.send_and_wait(TOPIC, body, key=body)
        except KafkaError:
            exchange.respond(503)
        else:
            exchange.respond(202)


async def run(settings: ServiceSettings) -> None:
    """Serve until told to stop."""
    child.allow_many_files()
    stopped = asyncio.Event()
    child.on_stop(stopped.set)
    if settings.mode == "direct":
        sink = Sink(Path(settings.sink))
        service = DirectService(settings, sink)
        listener = Listener(service.answer, settings.port)
        child.say_ready(str(listener.port))
        await stopped.wait()
        sink.close()
    else:
        async with Producer(bootstrap_servers=settings.bootstrap) as producer:
            listener = Listener(QueuedService(producer).answer, settings.port)
            child.say_ready(str(listener.port))
            await stopped.wait()
    listener.close()


if __name__ == "__main__":
    child.run(run, ServiceSettings)
