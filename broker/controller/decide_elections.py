"""Elections that somebody asks for, and the ones by which leaders go back to where they were. PURE.

A partition whose leader was lost is led by another replica, and stays there when the first one is
back. A preferred election gives the lead back to the first of the replicas, so that the brokers
lead about as many partitions each as they were dealt. The active controller holds them by itself
now and then (`balance`); clients ask for them with ElectLeaders (KIP-183), as they do for unclean
ones (KIP-460).
"""

from collections.abc import Iterable, Mapping
from itertools import islice

from ...protocol.errors import ErrorCode
from ..config import BrokerConfig
from .decide import Decision
from .image import NOBODY, Image, PartitionImage, Record, TopicImage
from .leadership import Election, all_partitions, change_of, settle, terms_of

MAX_ELECTIONS = 1000
"""Of one balance: more wait for the next one."""

Partition = tuple[str, int]
"""A topic's name, and a partition's index."""


def elect_leaders(
    image: Image, config: BrokerConfig, partitions: Iterable[Partition] | None, election: Election
) -> Decision:
    """Hold these elections, PREFERRED or UNCLEAN; `value` has an ErrorCode for each partition.

    None stands for all partitions, of which those that need none are left out of `value`.
    """
    records: list[Record] = []
    outcomes: dict[Partition, ErrorCode] = {}
    for name, index in _all_names(image) if partitions is None else dict.fromkeys(partitions):
        topic = image.topics.get(name)
        before = topic.partitions.get(index) if topic else None
        if topic is None or before is None:
            outcomes[name, index] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        elif not _is_needed(before, election):
            if partitions is not None:
                outcomes[name, index] = ErrorCode.ELECTION_NOT_NEEDED
        else:
            change = _elect(image, config, topic, before, election)
            records += change
            outcomes[name, index] = ErrorCode.NONE if change else _UNAVAILABLE[election]
    return Decision(records, value=outcomes)


def balance(image: Image, config: BrokerConfig) -> Decision:
    """Give the lead back to preferred leaders that can take it, and to any where nobody leads.

    The latter is for topics whose option for unclean elections was set when it was too late.
    """
    changes = (
        record
        for topic, before in all_partitions(image)
        if before.leader != before.replicas[0]
        for record in _elect(image, config, topic, before, _wanted(before))
    )
    return Decision(list(islice(changes, MAX_ELECTIONS)))


_UNAVAILABLE: Mapping[Election, ErrorCode] = {
    Election.PREFERRED: ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
    Election.UNCLEAN: ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE,
}


def _all_names(image: Image) -> Iterable[Partition]:
    return ((topic.name, partition.index) for topic, partition in all_partitions(image))


def _is_needed(partition: PartitionImage, election: Election) -> bool:
    if election is Election.PREFERRED:
        return partition.leader != partition.replicas[0]
    return partition.leader == NOBODY


def _wanted(partition: PartitionImage) -> Election | None:
    """None: what the topic's options allow."""
    return None if partition.leader == NOBODY else Election.PREFERRED


def _elect(
    image: Image,
    config: BrokerConfig,
    topic: TopicImage,
    before: PartitionImage,
    election: Election | None,
) -> list[Record]:
    after = settle(before, before, terms_of(image, config, topic, election))
    return change_of(topic, before, after) if after.leader != before.leader else []
