"""Which brokers hold the replicas of a new partition. PURE.

    four brokers, six partitions of three replicas; the first of a row leads

    0   2 3 4        The leaders go round, from a broker on that differs from topic to topic; so
    1   3 4 1        each leads as many as any other. The followers are those behind the leader, and
    2   4 1 2        shift by one with each round: when a broker dies, its partitions find new
    3   1 2 3        leaders on all others.
    4   2 4 1
    5   3 1 2

Brokers that are fenced hold replicas only if the others are too few, and then as the last of them:
they lead nothing, and are not in sync until they live. So does Kafka; it deals the first rounds of
followers in another order.
"""

from collections.abc import Iterable, Mapping, Sequence

from .image import Image, PartitionImage, Record, Standing


def deal(image: Image, indexes: range, factor: int, start: int) -> Mapping[int, tuple[int, ...]]:
    """Replicas for partitions; `start` says which of the brokers leads partition 0."""
    able = [each for each in sorted(image.brokers) if _is_able(image, each)]
    others = [each for each in sorted(image.brokers) if each not in able]
    factor_of_able = min(factor, len(able))
    return {
        index: _row(able, start + index, factor_of_able)
        + _row(others, start + index, factor - factor_of_able)
        for index in indexes
    }


def able_brokers(image: Image) -> int:
    """How many brokers there are that may lead."""
    return sum(_is_able(image, each) for each in image.brokers)


def start_after(image: Image, partition: PartitionImage) -> int:
    """The start by which the leaders go on going round behind this partition."""
    able = [each for each in sorted(image.brokers) if _is_able(image, each)]
    leader = partition.replicas[0]
    return able.index(leader) - partition.index if leader in able else 0


def refuse_replicas(image: Image, assignments: Iterable[tuple[int, ...]]) -> str | None:
    """Why these replicas that somebody chose are impossible, or None."""
    for replicas in assignments:
        if not replicas or len(set(replicas)) != len(replicas):
            return "a partition is assigned to no broker, or to one broker twice"
        if unknown := set(replicas) - set(image.brokers):
            return f"broker {min(unknown)} is not registered"
    return None


def new_partition(
    image: Image, topic_id: bytes, index: int, replicas: tuple[int, ...]
) -> Record | None:
    """The record of a new partition, or None if none of its replicas can lead it."""
    isr = [each for each in replicas if _is_able(image, each)]
    if not isr:
        return None
    return {
        "type": "PartitionCreated",
        "topic_id": topic_id,
        "index": index,
        "replicas": list(replicas),
        "isr": isr,
        "leader": isr[0],
        "leader_epoch": 0,
        "partition_epoch": 0,
    }


def _row(brokers: Sequence[int], turn: int, count: int) -> tuple[int, ...]:
    """`count` of the brokers: the one whose turn it is, and others behind it."""
    if not count:
        return ()
    rounds, place = divmod(turn, len(brokers))
    others = len(brokers) - 1
    behind = (1 + (rounds + each) % others for each in range(count - 1))
    return (brokers[place], *(brokers[(place + step) % len(brokers)] for step in behind))


def _is_able(image: Image, broker_id: int) -> bool:
    return image.brokers[broker_id].standing is Standing.UNFENCED
