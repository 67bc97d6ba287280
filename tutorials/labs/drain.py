"""A member of the group that works off the topic, a process of its own.

    topic ──> Worker ──> slot (the same waiting work as in the direct service) ──> sink ──> done

It takes as much as it can, and no more: the rest waits in the topic. A record is done when the
sink has its row, and only then may its offset be committed; so a member that is killed loses
nothing, and what is handled again the sink counts once.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...client.concurrency import Tasks
from ...client.consumer import Consumer
from ...client.record import ConsumerRecord
from ...client.worker import Worker
from . import child
from .service import TOPIC
from .sink import Sink

GROUP: Final = "drain"
TASKS_PER_SLOT: Final = 3
"""More tasks than slots: those whose work is done wait for the sink and need no slot."""


@dataclass(frozen=True, slots=True)
class DrainSettings:
    """What a member is told when it starts."""

    bootstrap: str
    slots: int
    work_s: float
    sink: str


async def run(settings: DrainSettings) -> None:
    """Work until told to stop."""
    sink = Sink(Path(settings.sink))
    slots = asyncio.Semaphore(settings.slots)

    async def handle(record: ConsumerRecord) -> None:
        async with slots:
            await asyncio.sleep(settings.work_s)
        await sink.add((record.value or b"").decode(errors="replace"))

    consumer = Consumer(
        TOPIC,
        bootstrap_servers=settings.bootstrap,
        group_id=GROUP,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    concurrency = Tasks(settings.slots * TASKS_PER_SLOT)
    async with Worker(consumer, handle, concurrency=concurrency) as worker:
        child.on_stop(worker.stop)
        child.say_ready()
        await worker.run()
    sink.close()


if __name__ == "__main__":
    child.run(run, DrainSettings)
