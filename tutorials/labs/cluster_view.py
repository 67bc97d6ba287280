"""Lab 3, what a living cluster looks like at one moment: brokers, replicas, segments.

    step                 what was done just before
    broker               alive or not, the controller or not
    replica              of a partition, on a broker: leader, in sync, behind, or on its way
    end, segments        how far the replica's log goes, and into how many files it is cut

All of it is asked of the cluster: who is there and who leads by Kafka's protocol, logs of each
replica by its broker's control plane. A broker that is dead says nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ...client.cluster import Cluster, Partition
from ...client.errors import KafkaError

Role = Literal["leader", "in sync", "behind"]


@dataclass(frozen=True, slots=True)
class ReplicaView:
    """One copy of a partition; `end` is None where its broker does not say."""

    partition: str
    broker_id: int
    role: Role
    end: int | None
    segment_count: int


@dataclass(frozen=True, slots=True)
class BrokerView:
    """One broker that was started at some time."""

    id: int
    is_alive: bool
    is_controller: bool


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The cluster after one step."""

    step: str
    brokers: tuple[BrokerView, ...]
    replicas: tuple[ReplicaView, ...]

    @property
    def partitions(self) -> list[str]:
        """The names of all partitions, in order."""
        return sorted({each.partition for each in self.replicas})

    def replica(self, partition: str, broker_id: int) -> ReplicaView | None:
        """The replica of this partition on this broker."""
        pair = (partition, broker_id)
        return next((r for r in self.replicas if (r.partition, r.broker_id) == pair), None)


async def look(cluster: Cluster, step: str, broker_ids: Iterable[int]) -> ClusterView:
    """The cluster as it is now; `broker_ids` are all that were ever started."""
    await cluster.refresh()
    alive = {broker.id: broker.is_controller for broker in cluster.brokers}
    brokers = [BrokerView(each, each in alive, alive.get(each, False)) for each in broker_ids]
    replicas: list[ReplicaView] = []
    for topic in cluster.topics.values():
        for partition in topic.partitions:
            replicas += [await _replica(partition, each, alive) for each in partition.replicas]
    return ClusterView(step, tuple(brokers), tuple(replicas))


async def _replica(partition: Partition, broker_id: int, alive: Iterable[int]) -> ReplicaView:
    role: Role = "leader" if partition.leader == broker_id else "behind"
    if role == "behind" and broker_id in partition.in_sync_replicas:
        role = "in sync"
    end, count = None, 0
    if broker_id in alive:
        try:
            end = (await partition.offsets(broker_id)).end
            count = len(await partition.segments(broker_id))
        except KafkaError:  # it has just died, or has only just heard of the partition
            pass
    return ReplicaView(f"{partition.topic}-{partition.index}", broker_id, role, end, count)


def lines_of(view: ClusterView) -> list[str]:
    """The picture in plain text, a line a partition; * leads, o is in sync, . is behind."""
    marks = {"leader": "*", "in sync": "o", "behind": "."}
    heads = [
        f"{each.id}{' controller' if each.is_controller else '' if each.is_alive else ' dead'}"
        for each in view.brokers
    ]
    lines = [" " * 12 + "".join(f"{head:>15}" for head in heads)]
    for name in view.partitions:
        cells: list[str] = []
        for broker in view.brokers:
            replica = view.replica(name, broker.id)
            end = "" if replica is None or replica.end is None else f" {replica.end:,}"
            cells.append("" if replica is None else f"{marks[replica.role]}{end}")
        lines.append(f"  {name:10}" + "".join(f"{cell:>15}" for cell in cells))
    return lines
