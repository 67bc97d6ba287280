"""What happens to the nodes while the demo writes: a play for a lone node, and one for a cluster.

    lone node   kill -9 at 40 %, and started again on the same data
    cluster     kill -9 of a leader at 25 %; another replica leads; started again, back in sync
                kill -9 of the controller at 60 %; another node is it; started again, back in sync

The writer does not stop for a kill, so that records are in flight. It waits where the cluster has
not recovered from one kill before the next is due: with two of three nodes dead nobody could go on.
"""

import asyncio
from typing import Final

from ..client.admin import AdminClient, NewTopic
from ..client.cluster import Cluster
from .child_cluster import ChildCluster
from .child_node import ChildNode
from .cluster_watch import ClusterWatch
from .demo_writing import TOPIC, Writing
from .narration import Narrator

PARTITIONS: Final = 3
REPLICAS: Final = 3
KILL_AT_PERCENT: Final = 40
KILL_LEADER_AT_PERCENT: Final = 25
HOLD_AT_PERCENT: Final = 50
"""Where the writer waits for the first scene's end: before the next, so that it writes in that."""
KILL_CONTROLLER_AT_PERCENT: Final = 60
REQUEST_TIMEOUT_MS: Final = 2000


class LoneNode:
    """The scenes of a node that is alone."""

    def __init__(self, cluster: ChildCluster, writing: Writing, narrator: Narrator) -> None:
        (self._node,) = cluster.nodes
        self._writing = writing
        self._narrator = narrator

    async def prepare(self) -> None:
        """The topic is created by the first record."""

    async def play(self) -> None:
        """Kill the node while requests are on their way, and start it again."""
        await self._writing.reached(KILL_AT_PERCENT)
        await self._node.kill()
        self._writing.book()
        self._narrator.say(
            f"kill -9: the node is dead. {self._writing.acknowledged_count:,} records are "
            f"acknowledged, {self._writing.in_flight_count:,} are in flight."
        )
        took_s = await self._node.start()
        self._narrator.say(
            f"The node is ready again after {took_s * 1000:.0f} ms, on the same data; "
            f"the producer goes on by itself."
        )

    async def finish(self) -> None:
        """There is nothing more to see."""

    async def close(self) -> None:
        """Nothing is open."""


class ThreeNodes:
    """The scenes of a cluster."""

    def __init__(self, cluster: ChildCluster, writing: Writing, narrator: Narrator) -> None:
        self._nodes = {node.node_id: node for node in cluster.nodes}
        self._writing = writing
        self._narrator = narrator
        bootstrap, timeout_ms = cluster.bootstrap, REQUEST_TIMEOUT_MS
        self._cluster = Cluster(bootstrap_servers=bootstrap, request_timeout_ms=timeout_ms)
        self._admin = AdminClient(bootstrap_servers=bootstrap, request_timeout_ms=timeout_ms)
        self._watch = ClusterWatch(self._cluster, self._admin, TOPIC, len(self._nodes))

    async def prepare(self) -> None:
        """Create the topic, and look at it."""
        await self._admin.start()
        await self._admin.create_topics([NewTopic(TOPIC, PARTITIONS, REPLICAS)])
        await self._cluster.start()
        await self._watch.until("the topic", lambda: TOPIC in self._cluster.topics)
        await self._watch.until_in_sync()
        await self._show()

    async def play(self) -> None:
        """Kill a leader, and when the cluster has recovered its controller."""
        self._writing.hold_at(HOLD_AT_PERCENT)
        await self._writing.reached(KILL_LEADER_AT_PERCENT)
        await self._kill_leader()
        self._writing.hold_at(100)
        await self._writing.reached(KILL_CONTROLLER_AT_PERCENT)
        await self._kill_controller()

    async def finish(self) -> None:
        """Wait until every replica has everything, and look for the last time."""
        await self._watch.until_in_sync()
        await self._show()

    async def close(self) -> None:
        """Look no more."""
        await self._cluster.close()
        await self._admin.close()

    async def _kill_leader(self) -> None:
        """The first partition's whose leader is not the controller, which has its own scene."""
        watch = self._watch
        await watch.look()
        led = [(each, each.leader) for each in watch.partitions if each.leader is not None]
        partition, leader = next((each for each in led if each[1] != watch.controller), led[0])
        name = f"{TOPIC}-{partition.index}"
        await self._kill(self._nodes[leader], f"node {leader}, which leads {name}")
        took_s = await self._until_led_without(leader)
        self._narrator.say(f"Node {partition.leader} leads {name}, {took_s:.1f} s later.")
        await self._recover(self._nodes[leader])

    async def _kill_controller(self) -> None:
        watch = self._watch
        await watch.look()
        victim = self._nodes[watch.controller or 1]
        await self._kill(victim, f"node {victim.node_id}, the controller")
        took_s = await watch.until(
            "another controller", lambda: watch.controller not in (None, victim.node_id)
        )
        self._narrator.say(f"Node {watch.controller} is the controller, {took_s:.1f} s later.")
        led_s = await self._until_led_without(victim.node_id)
        self._narrator.say(f"Every partition has a leader, {took_s + led_s:.1f} s after the kill.")
        await self._recover(victim)

    async def _until_led_without(self, node_id: int) -> float:
        """Wait until every partition is led by another node; the seconds that took."""
        watch = self._watch
        return await watch.until(
            "every partition with another leader",
            lambda: all(each.leader not in (None, node_id) for each in watch.partitions),
        )

    async def _kill(self, node: ChildNode, who: str) -> None:
        await node.kill()
        self._writing.book()
        self._narrator.say(
            f"kill -9 of {who}. {self._writing.acknowledged_count:,} records are acknowledged, "
            f"{self._writing.in_flight_count:,} are in flight."
        )

    async def _recover(self, node: ChildNode) -> None:
        """The others go on without it for a while, then it comes back."""
        await self._show()
        loop = asyncio.get_running_loop()
        began, before = loop.time(), self._writing.acknowledged_count
        took_s = await node.start()
        self._narrator.say(
            f"Node {node.node_id} is ready again after {took_s * 1000:,.0f} ms, and fetches what "
            "it missed."
        )
        await self._watch.until_in_sync()
        count = self._writing.acknowledged_count - before
        self._narrator.say(
            f"It is in sync again after {loop.time() - began:.1f} s, in which {count:,} records "
            "were acknowledged."
        )
        await self._show()

    async def _show(self) -> None:
        for line in await self._watch.picture():
            self._narrator.say(line)
