"""A cluster of three for measurements: started, killed in part, mended, and removed.

Nodes are real processes on 127.0.0.1 with defaults but for `--flush`. What is asked of them goes
through our own admin client.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from minikafka import AdminClient, ElectionType, KafkaError, NewTopic
from minikafka.cli.child_cluster import ChildCluster, free_ports
from minikafka.client.admin import TopicInfo

NODES = 3
DEADLINE_S = 120.0
LOOK_EVERY_S = 0.02


class ThreeNodes:
    """The nodes 1, 2 and 3, and an admin client that knows them all."""

    def __init__(self, children: ChildCluster, admin: AdminClient, ready_s: float) -> None:
        self.nodes = {node.node_id: node for node in children.nodes}
        self.admin = admin
        self.bootstrap = children.bootstrap
        self.ready_s = ready_s
        """From the start of the processes until all were ready."""

    async def create(self, topic: str, partitions: int, replicas: int = NODES) -> None:
        """Create a topic, and return when every replica of it is in sync."""
        await self.admin.create_topics([NewTopic(topic, partitions, replicas)])
        await self.wait_until_in_sync(topic)

    async def describe(self, topic: str) -> TopicInfo:
        """What a topic is like now."""
        (found,) = await self.admin.describe_topics([topic])
        return found

    async def led_by(self, topic: str, node_id: int) -> list[int]:
        """The partitions of a topic that a node leads."""
        partitions = (await self.describe(topic)).partitions
        return [each.index for each in partitions if each.leader == node_id]

    async def controller(self) -> int:
        """The active controller."""
        found: list[int] = []

        async def is_known() -> bool:
            leader_id = (await self.admin.describe_quorum()).leader_id
            found.append(-1 if leader_id is None else leader_id)
            return found[-1] > 0

        await until(is_known)
        return found[-1]

    async def mend(self, node_id: int) -> None:
        """Start a node again; return when all is as it was before it was killed."""
        await self.nodes[node_id].start()
        await self.wait_until_in_sync()
        await self.admin.elect_leaders(ElectionType.PREFERRED)

    async def wait_until_in_sync(self, topic: str | None = None) -> None:
        """Return when every replica, of one topic or of all, is in sync."""

        async def is_in_sync() -> bool:
            topics = await self.admin.describe_topics([topic] if topic else None)
            return all(
                set(each.in_sync_replicas) == set(each.replicas) and each.leader >= 0
                for found in topics
                for each in found.partitions
            )

        await until(is_in_sync)


@asynccontextmanager
async def three_nodes(*options: str, count: int = NODES) -> AsyncGenerator[ThreeNodes]:
    """Start the nodes in a fresh directory, and end them."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as directory:
        children = ChildCluster(Path(directory), free_ports(count), *options)
        try:
            ready_s = await children.start()
            timeout_ms = int(DEADLINE_S * 1000)
            async with AdminClient(
                bootstrap_servers=children.bootstrap, request_timeout_ms=timeout_ms
            ) as admin:
                yield ThreeNodes(children, admin, ready_s)
        finally:
            await children.kill()


async def until(is_so: Callable[[], object]) -> None:
    """Return when an asynchronous condition holds; an error of Kafka's is a no."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                if await is_so():  # pyright: ignore[reportGeneralTypeIssues]
                    return
            except KafkaError:
                pass
            await asyncio.sleep(LOOK_EVERY_S)
