"""`minikafka lab cluster`: three nodes live, lose one, get a fourth; a picture after each step.

    start ── topics and records ── kill one ── a fourth joins ── reassign ── read all back

A producer pushes records with acks=all between the steps, and at the end a consumer pulls all of
them: what was acknowledged and cannot be read is lost, and the exit status says so.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import click

from ..client.admin import AdminClient, NewTopic
from ..client.cluster import Cluster, Partition
from ..client.consumer import Consumer
from ..client.errors import KafkaError
from ..client.metadata import TopicPartition
from ..client.producer import Producer
from ..tutorials.labs.cluster_picture import draw_cluster
from ..tutorials.labs.cluster_view import ClusterView, lines_of, look
from .child_cluster import ChildCluster, free_ports
from .failure import DONE, FAILED, Failure
from .lab_results import (
    look_at_machine,
    pictures_option,
    require_matplotlib,
    results_option,
    run_lab,
    say_written,
    scratch_directory,
    write_json,
)
from .narration import Narrator, narration
from .reassignment_plan import plan_reassignment

TOPICS: Final = {"orders": 4, "payments": 2}
TOPIC_CONFIGS: Final = {"min.insync.replicas": "2", "segment.bytes": "60000"}
NODE_OPTIONS: Final = ("-c", "broker.session.timeout.ms=2000")
VOTERS: Final = 3
VALUE_BYTES: Final = 100
LOOK_EVERY_S: Final = 0.1
DEADLINE_S: Final = 60.0


@click.command()
@click.option(
    "--records",
    type=click.IntRange(1, 1_000_000),
    default=2000,
    show_default=True,
    help="How many are written after each step.",
)
@results_option
@pictures_option
def cluster(records: int, results: Path, draws: bool) -> int:
    """Look at a cluster while it starts, loses a node, and gets another one.

    Exit status 1 if an acknowledged record could not be read at the end.

    \b
    Examples:
      minikafka lab cluster
      minikafka lab cluster --records 20000
    """
    require_matplotlib(draws)
    machine = look_at_machine()
    with narration() as narrator, scratch_directory() as directory:
        story = run_lab(_tell(directory, records, narrator))
    click.echo(f"\n{story.lesson}")
    steps = [asdict(view) for view in story.views]
    account = {"acknowledged": story.acknowledged, "read": story.read, "lost": story.lost}
    write_json(
        results / "cluster",
        {"machine": machine, "lesson": story.lesson, "account": account, "steps": steps},
    )
    if draws:
        say_written(draw_cluster(story.views, story.lesson, results / "cluster"))
    return FAILED if story.lost else DONE


@dataclass(slots=True)
class Story:
    """What was seen, and what became of the records."""

    views: list[ClusterView] = field(default_factory=list[ClusterView])
    acknowledged: int = 0
    read: int = 0
    lost: int = 0

    @property
    def lesson(self) -> str:
        """In a sentence."""
        return (
            f"A broker died and another came; {self.acknowledged:,} records were acknowledged on "
            f"the way, {self.read:,} read at the end, {self.lost:,} lost."
        )


async def _tell(directory: Path, records: int, narrator: Narrator) -> Story:
    nodes = ChildCluster(directory, free_ports(VOTERS + 1), *NODE_OPTIONS)
    try:
        await asyncio.gather(*(node.start() for node in nodes.nodes[:VOTERS]))
        voters = ",".join(node.bootstrap for node in nodes.nodes[:VOTERS])
        async with (
            AdminClient(bootstrap_servers=voters) as admin,
            Producer(bootstrap_servers=voters) as producer,
            Cluster(bootstrap_servers=voters) as view,
        ):
            teller = _Teller(nodes, admin, producer, view, narrator, records)
            return await teller.tell()
    finally:
        await nodes.kill()


class _Teller:
    """Goes through the steps."""

    def __init__(
        self,
        nodes: ChildCluster,
        admin: AdminClient,
        producer: Producer,
        cluster: Cluster,
        narrator: Narrator,
        records: int,
    ) -> None:
        self._nodes = nodes.nodes
        self._admin = admin
        self._producer = producer
        self._cluster = cluster
        self._narrator = narrator
        self._records = records
        self._started = list(range(1, VOTERS + 1))
        self._sent: Counter[bytes] = Counter()
        self._story = Story()

    async def tell(self) -> Story:
        """All steps, and the account at the end."""
        await self._until(lambda: len(self._cluster.brokers) == VOTERS)
        await self._show("1. Three brokers; one of them is the controller")
        await self._admin.create_topics(
            [NewTopic(name, count, 3, TOPIC_CONFIGS) for name, count in TOPICS.items()]
        )
        await self._write()
        await self._until(self._all_in_sync)
        await self._show("2. Two topics, each partition three times, cut into segments")
        victim = await self._kill_a_leader()
        await self._show(f"3. Broker {victim} was killed; others lead what it led")
        await self._nodes[VOTERS].start()
        self._started.append(VOTERS + 1)
        await self._until(lambda: len(self._cluster.brokers) == VOTERS)
        await self._show("4. A fourth broker has joined, and has nothing yet")
        await self._reassign()
        await self._show("5. Reassigned: the fourth has what the dead one had")
        await self._account()
        return self._story

    async def _show(self, step: str) -> None:
        view = await look(self._cluster, step, self._started)
        self._story.views.append(view)
        self._narrator.say("\n".join(["", step, *lines_of(view)]))

    async def _write(self) -> None:
        """Push records, and wait until all are acknowledged."""
        first = self._sent.total()
        values = [b"%0*d" % (VALUE_BYTES, first + n) for n in range(self._records)]
        topics = list(TOPICS)
        futures = [
            await self._producer.send(topics[n % 2], value, key=value[-6:])
            for n, value in enumerate(values)
        ]
        for future in futures:
            await future
        self._sent.update(values)

    async def _kill_a_leader(self) -> int:
        """Kill a broker that leads something and is not the controller; write meanwhile."""
        await self._cluster.refresh()
        controller = next((each.id for each in self._cluster.brokers if each.is_controller), None)
        leaders = {each.leader for each in self._partitions()} - {controller, None}
        victim = min(each for each in leaders if each is not None)
        await self._nodes[victim - 1].kill()
        await self._write()
        nobody = (victim, None)
        await self._until(lambda: all(each.leader not in nobody for each in self._partitions()))
        return victim

    async def _reassign(self) -> None:
        """Spread all partitions over those that live, and wait until they are there."""
        alive = [broker.id for broker in self._cluster.brokers]
        current = {
            TopicPartition(each.topic, each.index): each.replicas for each in self._partitions()
        }
        plan = plan_reassignment(current, alive)
        await self._admin.alter_partition_reassignments(plan)
        await self._write()
        while await self._admin.list_partition_reassignments():
            await asyncio.sleep(LOOK_EVERY_S)
        await self._until(self._all_in_sync)

    async def _account(self) -> None:
        """Pull everything, and compare."""
        found: Counter[bytes] = Counter()
        bootstrap = ",".join(node.bootstrap for node in self._nodes if node.is_running)
        async with Consumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
            places = [TopicPartition(each.topic, each.index) for each in self._partitions()]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            while found.total() < sum(ends.values()):
                batches = await consumer.getmany(timeout_ms=int(DEADLINE_S * 1000))
                if not batches:
                    break
                found.update(r.value or b"" for records in batches.values() for r in records)
        self._story.acknowledged = self._sent.total()
        self._story.read = found.total()
        self._story.lost = (self._sent - found).total()

    def _partitions(self) -> list[Partition]:
        return [each for name in TOPICS for each in self._cluster.topics[name].partitions]

    def _all_in_sync(self) -> bool:
        return all(set(each.in_sync_replicas) == set(each.replicas) for each in self._partitions())

    async def _until(self, is_so: Callable[[], bool]) -> None:
        """Look until it is so; Failure after DEADLINE_S."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DEADLINE_S
        while True:
            try:
                await self._cluster.refresh()
                if is_so():
                    return
            except KafkaError:
                pass  # Whom it asked may just have been killed.
            if loop.time() > deadline:
                raise Failure(f"the cluster did not come to rest within {DEADLINE_S:.0f} s")
            await asyncio.sleep(LOOK_EVERY_S)
