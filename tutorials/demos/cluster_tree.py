"""The cluster as a tree that lives: brokers, topics, partitions, segments. Ctrl-C ends it.

minikafka serve &
python tutorials/demos/cluster_tree.py             # and `producer.py` beside it
python tutorials/demos/cluster_tree.py --once      # print it once
"""

import asyncio
import contextlib
import os
import sys

from rich.console import Console
from rich.live import Live
from rich.tree import Tree

from minikafka import Cluster
from minikafka.client.cluster import Partition

BOOTSTRAP = os.environ.get("MINIKAFKA_BOOTSTRAP", "localhost:9092")
REFRESH_S = 1.0


async def draw(cluster: Cluster) -> Tree:
    """The cluster as it is now."""
    await cluster.refresh()
    tree = Tree(f"cluster {cluster.id}")
    brokers = tree.add("brokers")
    for broker in cluster.brokers:
        role = ", the controller" if broker.is_controller else ""
        brokers.add(f"broker {broker.id} at {broker.host}:{broker.port}{role}")
    topics = tree.add("topics")
    for topic in cluster.topics.values():
        branch = topics.add(topic.name)
        for partition in topic.partitions:
            await draw_partition(branch, partition)
    return tree


async def draw_partition(branch: Tree, partition: Partition) -> None:
    """A partition: who has it, from where to where it goes, and the files it is cut into."""
    offsets = await partition.offsets()
    leaf = branch.add(
        f"partition {partition.index}: leader {partition.leader}, replicas "
        f"{list(partition.replicas)}, in sync {list(partition.in_sync_replicas)}, "
        f"offsets {offsets.start} to {offsets.end}"
    )
    for segment in await partition.segments():
        leaf.add(
            f"segment {segment.base_offset}: {segment.record_count:,} records, "
            f"{segment.size_bytes:,} bytes"
        )


async def main() -> None:
    """Draw it anew every second."""
    async with Cluster(bootstrap_servers=BOOTSTRAP) as cluster:
        if "--once" in sys.argv:
            Console().print(await draw(cluster))
            return
        with Live(await draw(cluster), auto_refresh=False) as live:
            while True:
                await asyncio.sleep(REFRESH_S)
                live.update(await draw(cluster), refresh=True)


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main())
