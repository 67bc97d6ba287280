"""Who leads, who is in sync, and how far each replica is: the demo's view of its cluster.

             leader  in sync      node 1      node 2      node 3   node 1 is the controller
    demo-0        1  1,2,3       104,233     104,200     104,233
    demo-1        3  1,3          98,002           -      98,002

A node that is not there has no offset. What is awaited is looked at every LOOK_EVERY_S, and has to
come within DEADLINE_S.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from ..client.admin import AdminClient
from ..client.cluster import Cluster, Partition
from ..client.errors import KafkaError
from .failure import Failure

LOOK_EVERY_S: Final = 0.1
DEADLINE_S: Final = 60.0
LEFT_MARGIN: Final = "         "


class ClusterWatch:
    """Looks at one topic of a cluster, through clients that are open."""

    def __init__(self, cluster: Cluster, admin: AdminClient, topic: str, node_count: int) -> None:
        self.controller: int | None = None
        """Who led the quorum when it was last looked at: brokers name any of them, which hands on
        what is for the controller."""
        self._cluster = cluster
        self._admin = admin
        self._topic = topic
        self._node_ids = range(1, node_count + 1)

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """The topic's partitions."""
        return self._cluster.topics[self._topic].partitions

    async def look(self) -> None:
        """See how it is now; raises KafkaError."""
        await self._cluster.refresh()
        self.controller = (await self._admin.describe_quorum()).leader_id

    async def until(self, what: str, is_so: Callable[[], bool]) -> float:
        """Look until it is so, and return the seconds that took; Failure after DEADLINE_S."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            try:
                await self.look()
                if is_so():
                    return loop.time() - began
            except KafkaError:
                pass  # Whom it asked may just have been killed.
            if loop.time() - began > DEADLINE_S:
                raise Failure(f"not within {DEADLINE_S:.0f} s: {what}")
            await asyncio.sleep(LOOK_EVERY_S)

    async def until_in_sync(self) -> float:
        """Look until every replica of every partition is in sync; the seconds that took."""

        def all_are() -> bool:
            partitions = self.partitions
            return all(set(each.in_sync_replicas) == set(each.replicas) for each in partitions)

        return await self.until("every replica in sync", all_are)

    async def ends(self, partition: Partition) -> dict[int, int]:
        """The end of each replica's log, as far as its node is there and says."""
        alive = {broker.id for broker in self._cluster.brokers}
        found: dict[int, int] = {}
        for node_id in alive.intersection(partition.replicas):
            try:
                offsets = await partition.offsets(node_id)
            except KafkaError:
                continue
            if offsets.end is not None:
                found[node_id] = offsets.end
        return found

    async def picture(self) -> list[str]:
        """The lines of the picture above."""
        columns = "".join(f"{f'node {each}':>12}" for each in self._node_ids)
        controller = self.controller
        who = "nobody is" if controller is None else f"node {controller} is"
        found = [f"{LEFT_MARGIN}leader  in sync {columns}   {who} the controller"]
        for each in self.partitions:
            ends = await self.ends(each)
            cells = (f"{ends[node]:,}" if node in ends else "-" for node in self._node_ids)
            leader = "-" if each.leader is None else each.leader
            in_sync = ",".join(map(str, sorted(each.in_sync_replicas)))
            name = f"{each.topic}-{each.index}"
            row = "".join(f"{cell:>12}" for cell in cells)
            found.append(f"  {name:<{len(LEFT_MARGIN) - 2}}{leader:>6}  {in_sync:<8}{row}")
        return found
