"""How replicas move from brokers to others while the partition is in use (KIP-455). PURE.

            replicas       adding   removing   ISR        leader
    before  1 2 3                              1 2 3      1
    asked   4 5 1 2 3      4 5      2 3        1 2 3      1        for 4 5 1
            the new ones fetch what there is, and come into the ISR one by one
    done    4 5 1                              4 5 1      1        when 4, 5 and 1 are in the ISR

It ends in the same decision that makes the ISR complete, or at once if nothing has to be fetched.
Another target may be asked for meanwhile. To cancel goes back to the replicas before the first one,
and is refused if none of those can lead without lacking records. In Kafka what was added for an
earlier target is not taken away then; here a replica that it added, and a later one does not want,
is both in `adding` and in `removing`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ...protocol.errors import ErrorCode
from ..config import BrokerConfig
from .decide import Decision
from .decide_elections import Partition
from .image import NOBODY, Image, PartitionImage, Record, TopicImage
from .leadership import Election, Terms, all_partitions, change_of, settle, terms_of
from .placement import refuse_replicas


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why replicas of a partition are not moved."""

    error_code: ErrorCode
    message: str


def alter_reassignments(
    image: Image, config: BrokerConfig, targets: Mapping[Partition, tuple[int, ...] | None]
) -> Decision:
    """Move partitions to other replicas, or, for None, cancel that.

    `value` has for each partition a Refusal, or None where it is done.
    """
    records: list[Record] = []
    outcomes: dict[Partition, Refusal | None] = {}
    for (name, index), target in targets.items():
        topic = image.topics.get(name)
        before = topic.partitions.get(index) if topic else None
        if topic is None or before is None:
            message = f"there is no partition {name}-{index}"
            outcomes[name, index] = Refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message)
            continue
        after = _after(image, config, topic, before, target)
        outcomes[name, index] = after if isinstance(after, Refusal) else None
        if isinstance(after, PartitionImage):
            records += change_of(topic, before, after)
    return Decision(records, value=outcomes)


def list_reassignments(
    image: Image, partitions: Iterable[Partition] | None = None
) -> dict[Partition, PartitionImage]:
    """The partitions, of these or of all, whose replicas are being moved."""
    wanted = None if partitions is None else set(partitions)
    return {
        (topic.name, partition.index): partition
        for topic, partition in all_partitions(image)
        if is_moving(partition) and (wanted is None or (topic.name, partition.index) in wanted)
    }


def is_moving(partition: PartitionImage) -> bool:
    """Whether replicas of the partition are being added or removed."""
    return bool(partition.adding or partition.removing)


def _after(
    image: Image,
    config: BrokerConfig,
    topic: TopicImage,
    before: PartitionImage,
    target: tuple[int, ...] | None,
) -> PartitionImage | Refusal:
    terms = terms_of(image, config, topic)
    if target is None:
        return _cancelled(topic, before, terms)
    message = refuse_replicas(image, [target])
    if message is not None:
        return Refusal(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)
    return settle(before, _moving(before, target), replace(terms, election=Election.ONLINE))


def _moving(before: PartitionImage, target: tuple[int, ...]) -> PartitionImage:
    original = _original(before)
    replicas = target + tuple(each for each in before.replicas if each not in target)
    adding = tuple(each for each in replicas if each not in original)
    removing = tuple(each for each in replicas if each not in target)
    return replace(before, replicas=replicas, adding=adding, removing=removing)


def _cancelled(topic: TopicImage, before: PartitionImage, terms: Terms) -> PartitionImage | Refusal:
    if not is_moving(before):
        message = f"no replicas of {topic.name}-{before.index} are being moved"
        return Refusal(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, message)
    wanted = replace(before, replicas=_original(before), adding=(), removing=())
    after = settle(before, wanted, terms)
    if after.leader == NOBODY:
        message = "none of the replicas before can lead: those that live would lack records"
        return Refusal(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message)
    return after


def _original(partition: PartitionImage) -> tuple[int, ...]:
    """The replicas before any reassignment."""
    return tuple(each for each in partition.replicas if each not in partition.adding)
