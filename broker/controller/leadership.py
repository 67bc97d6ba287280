"""Who leads a partition, who is in sync, and who could lead: what follows from a change. PURE.

A command says what it wants of a partition (another ISR, other replicas), and `settle` finds what
the partition is then. Three sets of its replicas matter, of which no two have one in common:

    ISR    in sync: the high watermark waits for each of them, so they hold all that is acknowledged
    ELR    eligible leader replicas (KIP-966): they left an ISR that was below the effective
           min.insync.replicas. From then on the high watermark stands still, so they hold all that
           is acknowledged as well. They are forgotten once the ISR is large enough again.
    rest   they may lack records that were acknowledged

The next leader is the first, in the order of the replicas, that may lead of

    the ISR                          where the leader that is stays, unless the preferred one is
                                     asked for
    the ELR                          it is the whole ISR then
    the last known leader            only when ISR and ELR are empty: all of them have come back
                                     without what their disks had not kept, and its log is the best
    all replicas                     only where an unclean election is asked for

and else nobody. The last two may lose what was acknowledged; what remains in ISR and ELR then are
none but the leader.

A change of the leader raises the leader epoch, and so does one that takes replicas away: those
must not be answered when they fetch. Any change raises the partition epoch, by which two that
change the ISR at once are told apart.

Differences from Kafka: replicas that leave the partition leave the ELR too, and an election that
makes the ISR large enough (of one, with min.insync.replicas 1) empties the ELR at once; there the
ELR would be stale. There is no leader recovery state: nothing looks at it without transactions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from enum import Enum

from ..config import BrokerConfig, TopicConfig
from ..options import read_what_can_be
from .image import NOBODY, Image, PartitionImage, Record, Standing, TopicImage


class Election(Enum):
    """Which leader is wanted."""

    ONLINE = "online"
    """The one that is, or else one that has everything."""
    PREFERRED = "preferred"
    """The first of the replicas, if it is in sync."""
    UNCLEAN = "unclean"
    """As ONLINE, and if there is none, any that lives."""


@dataclass(frozen=True, slots=True)
class Terms:
    """By what a partition is settled."""

    min_insync_replicas: int
    may_lead: Callable[[int], bool]
    election: Election = Election.ONLINE
    lost: int = NOBODY
    """A broker that may have lost records."""


def terms_of(
    image: Image, config: BrokerConfig, topic: TopicImage, election: Election | None = None
) -> Terms:
    """What holds for a topic now; without an election, the one that its options allow."""
    options = TopicConfig.over(config, read_what_can_be(TopicConfig, topic.configs)[0])
    if election is None:
        is_unclean = options.unclean_leader_election_enable
        election = Election.UNCLEAN if is_unclean else Election.ONLINE
    return Terms(options.min_insync_replicas, may_lead(image), election)


def may_lead(image: Image) -> Callable[[int], bool]:
    """Whether a broker may become a leader: it lives, and does not want to leave."""

    def may(broker_id: int) -> bool:
        broker = image.brokers.get(broker_id)
        return broker is not None and broker.standing is Standing.UNFENCED

    return may


def effective_min_isr(min_insync_replicas: int, replicas: tuple[int, ...]) -> int:
    """How large the ISR must be for anything to be acknowledged to acks=all."""
    return min(min_insync_replicas, len(replicas))


def settle(before: PartitionImage, wanted: PartitionImage, terms: Terms) -> PartitionImage:
    """What a partition is, once it has the ISR and the replicas of `wanted`."""
    after = _complete_reassignment(wanted)
    after = replace(after, isr=_in_order(after.replicas, after.isr))
    after = replace(after, elr=_eligible(before, after, terms))
    after = _elect(before, after, terms)
    if len(after.isr) >= effective_min_isr(terms.min_insync_replicas, after.replicas):
        after = replace(after, elr=())
    return _with_epochs(before, after)


def change_of(topic: TopicImage, before: PartitionImage, after: PartitionImage) -> list[Record]:
    """The record of what is different, or none."""
    changes = {
        each.name: _as_written(getattr(after, each.name))
        for each in fields(PartitionImage)
        if getattr(after, each.name) != getattr(before, each.name)
    }
    if not changes:
        return []
    record = {"type": "PartitionChanged", "topic_id": topic.topic_id, "index": before.index}
    return [{**record, **changes}]


def all_partitions(image: Image) -> Iterator[tuple[TopicImage, PartitionImage]]:
    """Every partition of the cluster, in an order that is always the same."""
    for _, topic in sorted(image.topics.items()):
        for _, partition in sorted(topic.partitions.items()):
            yield topic, partition


def completes(partition: PartitionImage) -> bool:
    """Whether all that a reassignment wants to remain are in sync."""
    remaining = set(partition.replicas) - set(partition.removing)
    return remaining <= set(partition.isr)


def _as_written(value: int | tuple[int, ...]) -> int | list[int]:
    return list(value) if isinstance(value, tuple) else value


def _complete_reassignment(wanted: PartitionImage) -> PartitionImage:
    if not (wanted.adding or wanted.removing) or not completes(wanted):
        return wanted
    replicas = tuple(each for each in wanted.replicas if each not in wanted.removing)
    return replace(wanted, replicas=replicas, isr=replicas, adding=(), removing=())


def _eligible(before: PartitionImage, after: PartitionImage, terms: Terms) -> tuple[int, ...]:
    if len(after.isr) >= effective_min_isr(terms.min_insync_replicas, after.replicas):
        return ()
    complete = {*before.isr, *before.elr} - {*after.isr, terms.lost}
    return _in_order(after.replicas, complete)


def _elect(before: PartitionImage, after: PartitionImage, terms: Terms) -> PartitionImage:
    preferred, leader = after.replicas[0], before.leader
    able = [each for each in after.replicas if terms.may_lead(each)]
    in_sync = [each for each in able if each in after.isr]
    if terms.election is Election.PREFERRED and preferred in in_sync:
        return replace(after, leader=preferred, last_known_leader=NOBODY)
    if leader in in_sync:
        return replace(after, leader=leader, last_known_leader=NOBODY)
    if in_sync:
        return replace(after, leader=in_sync[0], last_known_leader=NOBODY)
    for each in able:
        if each in after.elr:
            others = _in_order(after.replicas, {*after.isr, *after.elr} - {each})
            return _led(after, each, others)
    if not after.isr and not after.elr and before.last_known_leader in able:
        return _led(after, before.last_known_leader, ())
    if terms.election is Election.UNCLEAN and able:
        return _led(after, able[0], ())
    last_known = before.last_known_leader if leader == NOBODY else leader
    return replace(after, leader=NOBODY, last_known_leader=last_known)


def _led(after: PartitionImage, leader: int, elr: tuple[int, ...]) -> PartitionImage:
    """Led by one who is the whole ISR."""
    return replace(after, leader=leader, isr=(leader,), elr=elr, last_known_leader=NOBODY)


def _with_epochs(before: PartitionImage, after: PartitionImage) -> PartitionImage:
    if after == before:
        return after
    is_led_anew = after.leader != before.leader or set(before.replicas) - set(after.replicas)
    return replace(
        after,
        leader_epoch=before.leader_epoch + bool(is_led_anew),
        partition_epoch=before.partition_epoch + 1,
    )


def _in_order(replicas: tuple[int, ...], members: set[int] | tuple[int, ...]) -> tuple[int, ...]:
    """Those of the members that are replicas, in the order of the replicas."""
    return tuple(each for each in replicas if each in members)
