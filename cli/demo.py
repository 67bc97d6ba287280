"""`minikafka demo`: a million records, a node killed in the middle, nothing lost.

    start a node
    write   id + line of a real text, acks=all, idempotent      ──┐
    kill -9 the node when 40 % are acknowledged                   │ the producer goes on by itself
    start it again on the same data and port                    ──┘
    read    everything back
    prove   each acknowledged id is there once, in order, unchanged (ledger.py)

The text is the reference that every Python carries for its own help(), some 8,700 lines, again and
again. Memory is bounded: MAX_IN_FLIGHT futures and two bytes a record.

Left out: the same story with three nodes and a leader killed, which needs replication.
"""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from ..client.consumer import Consumer
from ..client.metadata import TopicPartition
from ..client.producer import Producer
from . import session
from .child_node import ChildNode
from .failure import DONE, FAILED, Failure
from .in_flight import InFlight
from .ledger import Ledger, Verdict
from .narration import Narrator, narration

TOPIC: Final = "demo"
PARTITIONS: Final = 3
MIN_RECORDS: Final = 1000
KILL_AT_PERCENT: Final = 40
MAX_IN_FLIGHT: Final = 50_000
IN_FLIGHT_SHARE: Final = 10
"""At most a tenth of the records is in flight, so that a small run is also killed in its middle."""
SETTLE_RECORDS: Final = 500
READ_RECORDS: Final = 5000
SILENCE_MS: Final = 10_000
"""Records that do not come within this time are lost."""


@click.command()
@click.option(
    "--records",
    type=click.IntRange(min=MIN_RECORDS),
    default=1_000_000,
    show_default=True,
    help="How many records to write.",
)
@click.option("--keep", is_flag=True, help="Keep the data directory, and say where it is.")
def demo(records: int, keep: bool) -> int:
    """Write a million records, kill the node in the middle, and prove that nothing was lost.

    Ends by itself; exit status 1 if a single acknowledged record is missing or there twice.

    \b
    Examples:
      minikafka demo
      minikafka demo --records 20000 --keep
    """
    directory = Path(tempfile.mkdtemp(prefix="minikafka-demo-"))
    try:
        with narration() as narrator:
            verdict = session.run(Story(directory, records, narrator).tell())
    finally:
        if keep:
            click.echo(f"The data is in {directory / 'node-1'}.")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return DONE if verdict.is_good else FAILED


class Story:
    """One run: the node, the ledger, and what was seen on the way."""

    def __init__(self, directory: Path, record_count: int, narrator: Narrator) -> None:
        self._narrator = narrator
        options = ("--flush", "fsync", "-c", f"num.partitions={PARTITIONS}")
        self._node = ChildNode(directory / "node-1", *options)
        self._ledger = Ledger(record_count, read_text())
        self._in_flight = InFlight()
        self._restart: asyncio.Task[None] | None = None

    async def tell(self) -> Verdict:
        """Live through it, say what is seen, and clean up also when told to stop."""
        task = asyncio.current_task()
        if task is not None:
            # SIGTERM alone would end this process and leave the node behind.
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            await self._start()
            await self._write()
            await self._read()
        finally:
            if self._restart is not None:
                self._restart.cancel()
            await self._node.kill()
        return self._judge()

    async def _start(self) -> None:
        took_s = await self._node.start()
        self._narrator.say(
            f"Node 1 is ready at {self._node.bootstrap} after {took_s * 1000:.0f} ms."
        )

    async def _write(self) -> None:
        """Send every record, and await every acknowledgement."""
        loop, ledger = asyncio.get_running_loop(), self._ledger
        self._narrator.say(
            f"Writing {ledger.record_count:,} records, each a numbered line of Python's reference; "
            f"a record is acknowledged when it is on disk."
        )
        began = loop.time()
        window = min(MAX_IN_FLIGHT, ledger.record_count // IN_FLIGHT_SHARE)
        async with Producer(bootstrap_servers=self._node.bootstrap) as producer:
            for id in range(ledger.record_count):
                self._in_flight.add(await producer.send(TOPIC, ledger.record(id)))
                if id % SETTLE_RECORDS == 0:
                    await self._settle(window)
            await self._settle(0)
        if self._restart is not None:
            await self._restart
        self._say_rate("Wrote", ledger.acknowledged_count, loop.time() - began)

    async def _settle(self, in_flight_limit: int) -> None:
        """Book what is acknowledged, and wait until at most so many records are in flight."""
        ledger = self._ledger
        await self._in_flight.settle(in_flight_limit)
        self._book()
        self._narrator.progress("records written", ledger.acknowledged_count, ledger.record_count)
        is_due = ledger.acknowledged_count * 100 >= ledger.record_count * KILL_AT_PERCENT
        if is_due and self._restart is None:
            # Beside the writing, which does not stop for it: so records are in flight.
            self._restart = asyncio.create_task(self._kill_and_start())

    async def _kill_and_start(self) -> None:
        """Kill the node while requests are on their way, and start it again."""
        await self._node.kill()
        self._in_flight.count_answered()
        self._book()
        acknowledged, in_flight = self._ledger.acknowledged_count, self._in_flight.unanswered_count
        self._narrator.say(
            f"kill -9: the node is dead. {acknowledged:,} records are acknowledged, "
            f"{in_flight:,} are in flight."
        )
        took_s = await self._node.start()
        self._narrator.say(
            f"The node is ready again after {took_s * 1000:.0f} ms, on the same data; "
            f"the producer goes on by itself."
        )

    def _book(self) -> None:
        """Enter what was acknowledged since the last time; ids are acknowledged in their order."""
        if self._restart is not None and self._restart.done():
            self._restart.result()  # Where it failed, that is why the producer gave up.
        if self._in_flight.first_error is not None:
            raise Failure(f"the producer gave up: {self._in_flight.first_error}")
        for id in range(self._ledger.acknowledged_count, self._in_flight.acknowledged_count):
            self._ledger.acknowledge(id)

    async def _read(self) -> None:
        """Read all that the topic holds."""
        loop, ledger = asyncio.get_running_loop(), self._ledger
        self._narrator.say("Reading everything back.")
        began = loop.time()
        names = [TopicPartition(TOPIC, index) for index in range(PARTITIONS)]
        async with Consumer(
            TOPIC, bootstrap_servers=self._node.bootstrap, auto_offset_reset="earliest"
        ) as consumer:
            total = sum((await consumer.end_offsets(names)).values())
            while ledger.read_count < total:
                batches = await consumer.getmany(SILENCE_MS, READ_RECORDS)
                if not batches:
                    break
                for name, records in batches.items():
                    ledger.read(name.partition, (record.value for record in records))
                self._narrator.progress("records read", ledger.read_count, total)
        self._say_rate("Read", ledger.read_count, loop.time() - began)

    def _say_rate(self, what: str, count: int, seconds: float) -> None:
        rate = count / seconds
        self._narrator.say(f"{what} {count:,} records in {seconds:.1f} s: {rate:,.0f} a second.")

    def _judge(self) -> Verdict:
        """Say what the ledger found."""
        verdict = self._ledger.verdict()
        self._narrator.say(
            f"Of {self._ledger.acknowledged_count:,} acknowledged records: {verdict.lost:,} lost, "
            f"{verdict.doubled:,} doubled, {verdict.out_of_order:,} out of order, "
            f"{verdict.changed:,} changed."
        )
        good = "Every acknowledged record is there exactly once, in the order of its partition."
        self._narrator.say(good if verdict.is_good else "The promise is broken.")
        return verdict


def read_text() -> Sequence[bytes]:
    """The lines of Python's language reference, as help() shows it (PSF licence)."""
    from pydoc_data.topics import topics  # 700 KB of source, which only a demo needs.

    lines = (line.strip() for text in topics.values() for line in text.splitlines())
    return [line.encode() for line in lines if line]
