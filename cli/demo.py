"""`minikafka demo`: a million records, nodes killed in the middle, nothing lost.

    start three nodes, and a topic with three replicas
    write   id + line of a real text, acks=all, idempotent      ──┐
    kill -9 the leader of a partition, then the controller        │ the producer goes on by itself
    start each again on the same data and port                  ──┘
    read    everything back
    prove   each acknowledged id is there once, in order, unchanged (ledger.py),
            and all replicas are the same, byte for byte (replica_files.py)

With --nodes 1 it is one node that is killed and started again. What happens when is in
demo_scenes.py. The text is the reference that every Python carries for its own help(), some 8,700
lines, again and again. Memory is bounded: two bytes a record, and what demo_writing.py says.
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
from . import session
from .child_cluster import ChildCluster, free_ports
from .child_node import ChildNode
from .demo_scenes import PARTITIONS, LoneNode, ThreeNodes
from .demo_writing import TOPIC, Writing
from .failure import DONE, FAILED
from .ledger import Ledger, Verdict
from .narration import Narrator, narration
from .replica_files import differing_partitions

MIN_RECORDS: Final = 1000
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
@click.option(
    "--nodes",
    type=click.Choice(["1", "3"]),
    default="3",
    show_default=True,
    help="A lone node, or a cluster.",
)
@click.option("--keep", is_flag=True, help="Keep the data directories, and say where they are.")
def demo(records: int, nodes: str, keep: bool) -> int:
    """Write a million records, kill nodes in the middle, and prove that nothing was lost.

    Three nodes have three copies of each record. The leader of a partition is killed, then the
    controller; both come back, while the producer goes on. Ends by itself; exit status 1 if a
    single acknowledged record is missing or there twice, or if two copies differ.

    \b
    Examples:
      minikafka demo
      minikafka demo --nodes 1 --records 20000 --keep
    """
    directory = Path(tempfile.mkdtemp(prefix="minikafka-demo-"))
    try:
        with narration() as narrator:
            is_good = session.run(Story(directory, int(nodes), records, narrator).tell())
    finally:
        if keep:
            click.echo(f"The data is in {directory}.")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return DONE if is_good else FAILED


class Story:
    """One run: the nodes, the ledger, and what was seen on the way."""

    def __init__(
        self, directory: Path, node_count: int, record_count: int, narrator: Narrator
    ) -> None:
        self._narrator = narrator
        options = ("--flush", "fsync", "-c", f"num.partitions={PARTITIONS}")
        ports = free_ports(node_count) if node_count > 1 else [(0, 0)]
        self._nodes = ChildCluster(directory, ports, *options, child=ChildNode)
        self._ledger = Ledger(record_count, read_text())
        self._writing = Writing(self._ledger, narrator)
        scenes = LoneNode if node_count == 1 else ThreeNodes
        self._scenes = scenes(self._nodes, self._writing, narrator)

    async def tell(self) -> bool:
        """Live through it, say what is seen, and clean up also when told to stop."""
        task = asyncio.current_task()
        if task is not None:
            # SIGTERM alone would end this process and leave the nodes behind.
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            await self._start()
            await self._write()
            await self._read()
            await self._scenes.finish()
        finally:
            await self._scenes.close()
            await self._nodes.kill()
        return self._judge()

    async def _start(self) -> None:
        took_s = await self._nodes.start()
        for node in self._nodes.nodes:
            self._narrator.say(
                f"Node {node.node_id} is ready at {node.bootstrap} after {took_s * 1000:.0f} ms."
            )
        await self._scenes.prepare()

    async def _write(self) -> None:
        """Write everything, while the scenes are played beside it."""
        loop, count = asyncio.get_running_loop(), self._ledger.record_count
        promise = "it is on disk"
        if len(self._nodes.nodes) > 1:
            promise = "all replicas in sync have it on disk, two at least"
        self._narrator.say(
            f"Writing {count:,} records, each a numbered line of Python's reference; "
            f"a record is acknowledged when {promise}."
        )
        began = loop.time()
        tasks = [
            asyncio.create_task(self._scenes.play()),
            asyncio.create_task(self._writing.run(self._nodes.bootstrap)),
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._say_rate("Wrote", self._ledger.acknowledged_count, loop.time() - began)

    async def _read(self) -> None:
        """Read all that the topic holds."""
        loop, ledger = asyncio.get_running_loop(), self._ledger
        self._narrator.say("Reading everything back.")
        began = loop.time()
        names = [TopicPartition(TOPIC, index) for index in range(PARTITIONS)]
        async with Consumer(
            TOPIC, bootstrap_servers=self._nodes.bootstrap, auto_offset_reset="earliest"
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

    def _judge(self) -> bool:
        """Say what the ledger found, and whether the copies on disk are the same."""
        verdict = self._ledger.verdict()
        self._say_verdict(verdict)
        is_good = verdict.is_good and self._are_copies_equal()
        good = "Every acknowledged record is there exactly once, in the order of its partition."
        self._narrator.say(good if is_good else "The promise is broken.")
        return is_good

    def _say_verdict(self, verdict: Verdict) -> None:
        self._narrator.say(
            f"Of {self._ledger.acknowledged_count:,} acknowledged records: {verdict.lost:,} lost, "
            f"{verdict.doubled:,} doubled, {verdict.out_of_order:,} out of order, "
            f"{verdict.changed:,} changed."
        )

    def _are_copies_equal(self) -> bool:
        nodes = self._nodes.nodes
        if len(nodes) == 1:
            return True
        different = differing_partitions((node.data_dir for node in nodes), TOPIC)
        if different:
            self._narrator.say(f"The copies differ: {', '.join(different)}.")
        else:
            self._narrator.say("The three copies of each partition are the same, byte for byte.")
        return not different


def read_text() -> Sequence[bytes]:
    """The lines of Python's language reference, as help() shows it (PSF licence)."""
    from pydoc_data.topics import topics  # 700 KB of source, which only a demo needs.

    lines = (line.strip() for text in topics.values() for line in text.splitlines())
    return [line.encode() for line in lines if line]
