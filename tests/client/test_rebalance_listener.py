"""Several listeners hear the same, one after the other, whether they are async or not."""

from minikafka import RebalanceListener, TopicPartition
from minikafka.client.rebalance_listener import Listeners

HEARD: list[tuple[str, str, set[TopicPartition]]] = []
PARTITIONS = {TopicPartition("t", 0)}


class Plain(RebalanceListener):
    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        HEARD.append(("plain", "revoked", revoked))

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        HEARD.append(("plain", "assigned", assigned))


class Waits(RebalanceListener):
    async def on_partitions_lost(self, lost: set[TopicPartition]) -> None:
        HEARD.append(("async", "lost", lost))


async def test_each_hears_in_its_turn_and_by_its_own_rules():
    HEARD.clear()
    both = Listeners(Waits(), Plain())
    await both.on_partitions_assigned(PARTITIONS)
    await both.on_partitions_revoked(PARTITIONS)
    await both.on_partitions_lost(PARTITIONS)
    assert HEARD == [
        ("plain", "assigned", PARTITIONS),
        ("plain", "revoked", PARTITIONS),
        ("async", "lost", PARTITIONS),
        ("plain", "revoked", PARTITIONS),
    ]
