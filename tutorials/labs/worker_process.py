"""A worker of the second lab, a process of its own: one way to work, on one topic."""

from dataclasses import dataclass

from ...client.consumer import Consumer
from ...client.worker import Worker
from . import child
from .work import Handler, Kind, Way, concurrency_of, parts_of


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What the worker is told when it starts."""

    bootstrap: str
    topic: str
    way: Way
    kind: Kind
    size: int
    journal: str


async def run(settings: WorkerSettings) -> None:
    """Work until told to stop."""
    consumer = Consumer(
        settings.topic,
        bootstrap_servers=settings.bootstrap,
        group_id=settings.topic,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    handler = Handler(settings.kind, parts_of(settings.way), settings.journal)
    concurrency = concurrency_of(settings.way, settings.size)
    async with Worker(consumer, handler, concurrency=concurrency) as worker:
        child.on_stop(worker.stop)
        child.say_ready()
        await worker.run()
    handler.close()


if __name__ == "__main__":
    child.run(run, WorkerSettings)
