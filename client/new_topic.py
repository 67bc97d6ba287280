"""Topics to create and topics to enlarge, as the protocol says it. PURE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..protocol.api.create_partitions import CreatePartitionsAssignment, CreatePartitionsTopic
from ..protocol.api.create_topics import (
    BROKER_DEFAULT,
    CreateTopicsRequestAssignment,
    CreateTopicsRequestConfig,
    CreateTopicsRequestTopic,
)


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic to create: -1 leaves a count to the broker.

    `replica_assignments` names the brokers of each partition, the preferred leader first, in place
    of the two counts.
    """

    name: str
    num_partitions: int = BROKER_DEFAULT
    replication_factor: int = BROKER_DEFAULT
    configs: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    replica_assignments: Mapping[int, Sequence[int]] = field(
        default_factory=dict[int, Sequence[int]]
    )


@dataclass(frozen=True, slots=True)
class NewPartitions:
    """How many partitions a topic is to have in the end.

    `new_assignments` names the brokers of each new partition, the preferred leader first; without
    them the cluster chooses.
    """

    total_count: int
    new_assignments: Sequence[Sequence[int]] | None = None


def topic_to_create(topic: NewTopic) -> CreateTopicsRequestTopic:
    """The topic in a CreateTopics request."""
    if not isinstance(topic, NewTopic):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"a topic to create is a NewTopic; this is {topic!r}")
    by_hand = bool(topic.replica_assignments)
    return CreateTopicsRequestTopic(
        name=topic.name,
        num_partitions=BROKER_DEFAULT if by_hand else topic.num_partitions,
        replication_factor=BROKER_DEFAULT if by_hand else topic.replication_factor,
        assignments=[
            CreateTopicsRequestAssignment(partition_index=index, broker_ids=list(brokers))
            for index, brokers in sorted(topic.replica_assignments.items())
        ],
        configs=[
            CreateTopicsRequestConfig(name=name, value=value)
            for name, value in sorted(topic.configs.items())
        ],
    )


def topic_to_enlarge(name: str, wanted: NewPartitions | int) -> CreatePartitionsTopic:
    """The topic in a CreatePartitions request."""
    new = NewPartitions(wanted) if isinstance(wanted, int) else wanted
    if not isinstance(new, NewPartitions):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"topic {name!r} takes NewPartitions or an int, not {wanted!r}")
    assignments = None
    if new.new_assignments is not None:
        assignments = [
            CreatePartitionsAssignment(broker_ids=list(brokers)) for brokers in new.new_assignments
        ]
    return CreatePartitionsTopic(name=name, count=new.total_count, assignments=assignments)
