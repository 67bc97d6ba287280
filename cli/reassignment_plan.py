"""Which brokers each partition should be on, so that all have the same to do. PURE.

                     1      2      3      4          broker 4 is new: every broker is to have
    orders-0         *      o                        3 replicas of 12, and to lead 1 or 2
    orders-1                *      o                 partitions, so 3 replicas have to move
    ...

    keep     what is on a broker that stays is not moved without need
    place    a replica whose broker goes moves to the broker that has the fewest
    level    from the broker with the most to that with the fewest, until they differ by one
    lead     the first of the replicas leads by preference: who leads too many steps behind
             another one, over several partitions if need be; this moves no data

A partition keeps its number of replicas, and no two of them are on one broker. Left out: racks, and
how large partitions are: a replica counts as one.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

from ..client.metadata import TopicPartition

Assignment = Mapping[TopicPartition, Sequence[int]]


class NoSuchPlan(ValueError):
    """The partitions do not fit onto the brokers; the message is one sentence for the user."""


def plan_reassignment(
    current: Assignment, brokers: Iterable[int]
) -> dict[TopicPartition, list[int]]:
    """The new replicas of each partition that changes, the preferred leader first.

    Raises NoSuchPlan for a partition with more replicas than there are brokers.
    """
    plan = _Plan(current, sorted(set(brokers)))
    plan.place()
    plan.level()
    plan.lead()
    return {each: new for each, new in plan.replicas.items() if new != list(current[each])}


class _Plan:
    """The assignment on its way."""

    def __init__(self, current: Assignment, brokers: list[int]) -> None:
        for (topic, index), replicas in current.items():
            if len(replicas) > len(brokers):
                raise NoSuchPlan(
                    f"{topic}-{index} has {len(replicas)} replicas, which {len(brokers)} "
                    "brokers cannot hold: each is on another broker"
                )
        self.brokers = brokers
        self.replicas = {each: list(current[each]) for each in sorted(current)}
        self.load = Counter(dict.fromkeys(brokers, 0))
        self.topic_load: Counter[tuple[str, int]] = Counter()
        for partition, replicas in self.replicas.items():
            for broker in replicas:
                self._count(partition, broker, 1)

    def place(self) -> None:
        """Give every replica whose broker goes another one."""
        for partition, replicas in self.replicas.items():
            for broker in [each for each in replicas if each not in self.brokers]:
                free = [each for each in self.brokers if each not in replicas]
                topic = partition.topic
                to = min(free, key=lambda each: (self.load[each], self.topic_load[topic, each]))
                self._move(partition, broker, to)

    def level(self) -> None:
        """Move replicas from who has the most to who has the fewest, until there is no need."""
        while True:
            most = max(self.brokers, key=lambda each: self.load[each])
            fewest = min(self.brokers, key=lambda each: self.load[each])
            if self.load[most] - self.load[fewest] <= 1:
                return
            movable = [
                each
                for each, replicas in self.replicas.items()
                if most in replicas and fewest not in replicas
            ]
            # Of the topic of which they differ most, so that a busy topic is spread as well.
            partition = max(
                movable,
                key=lambda each: (
                    self.topic_load[each.topic, most] - self.topic_load[each.topic, fewest]
                ),
            )
            self._move(partition, most, fewest)

    def lead(self) -> None:
        """Change who is first among replicas, until brokers lead as many partitions as can be."""
        led = Counter(dict.fromkeys(self.brokers, 0))
        led.update(replicas[0] for replicas in self.replicas.values() if replicas)
        for broker in sorted(self.brokers, key=lambda each: -led[each]):
            while path := self._way_down(broker, led):
                for partition, successor in path:
                    replicas = self.replicas[partition]
                    led[replicas[0]] -= 1
                    led[successor] += 1
                    replicas.remove(successor)
                    replicas.insert(0, successor)

    def _way_down(self, start: int, led: Counter[int]) -> list[tuple[TopicPartition, int]]:
        """Partitions and their next leaders, from `start` to a broker that leads two fewer."""
        came_by: dict[int, list[tuple[TopicPartition, int]]] = {start: []}
        queue = deque([start])
        while queue:
            broker = queue.popleft()
            if led[broker] <= led[start] - 2:
                return came_by[broker]
            for partition, replicas in self.replicas.items():
                if replicas and replicas[0] == broker:
                    for successor in replicas[1:]:
                        if successor not in came_by:
                            came_by[successor] = [*came_by[broker], (partition, successor)]
                            queue.append(successor)
        return []

    def _move(self, partition: TopicPartition, source: int, target: int) -> None:
        replicas = self.replicas[partition]
        replicas[replicas.index(source)] = target
        self._count(partition, source, -1)
        self._count(partition, target, 1)

    def _count(self, partition: TopicPartition, broker: int, number: int) -> None:
        self.load[broker] += number
        self.topic_load[partition.topic, broker] += number
