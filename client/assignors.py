"""How the members of a group share partitions. PURE.

One member, the leader, deals for all; which of the strategies it uses, the group has voted on.

    name                 with t0 and t1 of three partitions each, and members A and B
    range                each topic is cut into ranges    A t0p0 t0p1 t1p0 t1p1   B t0p2 t1p2
    roundrobin           partitions in turn               A t0p0 t0p2 t1p1   B t0p1 t1p0 t1p2
    sticky               as even, and as few of them      begins like roundrobin
                         move as can be (KIP-54)
    cooperative-sticky   the same, without a pause        begins like roundrobin
                         for all (KIP-429)

Members come in the order of their ids; static members first, in the order of their instance ids,
so that one that starts again under another member id finds what it had (KIP-345).

Of the first three, members give up everything before they join again. With cooperative-sticky they
keep it. Hence a partition that is to move is withheld: for one generation nobody gets it, its owner
sees that it is to let go of it, joins again without it, and then it is dealt.

Ownership is what members say. The claim of the highest generation counts; if two members make it in
one generation, nobody owns the partition. Bytes that cannot be read claim nothing.

The leader may be a client of another make and another age, so names, order and bytes are those of
Kafka's Java client. Left out: racks (KIP-881), which change only who is nearest to its partitions.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from struct import Struct
from typing import Final, NamedTuple, Protocol

from ..protocol.codec import decode, encode
from ..protocol.consumer_protocol import OwnedTopicPartitions, StickyAssignorUserData
from ..protocol.primitives import ProtocolError
from .metadata import TopicPartition
from .sticky_assignment import assign_sticky

NO_GENERATION: Final = -1
_GENERATION: Final = Struct(">i")  # all that a cooperative-sticky member adds to its subscription

Assignment = dict[str, list[TopicPartition]]
"""What each member is to own, in order."""


@dataclass(frozen=True, slots=True)
class MemberSubscription:
    """What a member wants, and what it says that it owns."""

    topics: tuple[str, ...]
    owned: tuple[TopicPartition, ...] = ()
    generation: int = NO_GENERATION
    """The generation in which it owned that, -1 if it does not say."""
    user_data: bytes | None = None
    instance_id: str | None = None
    """The `group.instance.id` of a static member."""


class Assignor(Protocol):
    """A strategy; it remembers nothing."""

    name: str
    """What the group calls it when it votes."""
    is_cooperative: bool
    """Whether members keep what they own while they join again."""

    def user_data(self, owned: Sequence[TopicPartition], generation: int) -> bytes | None:
        """What a member that owns this since `generation` (-1: never did) tells the leader."""
        ...

    def assign(
        self, partition_counts: Mapping[str, int], members: Mapping[str, MemberSubscription]
    ) -> Assignment:
        """Share the partitions of known topics; every member has an entry, if an empty one."""
        ...


class RangeAssignor:
    """Each topic is cut into ranges: partition 3 of two equal topics goes to the same member."""

    name = "range"
    is_cooperative = False

    def user_data(self, owned: Sequence[TopicPartition], generation: int) -> None:
        """Nothing."""

    def assign(
        self, partition_counts: Mapping[str, int], members: Mapping[str, MemberSubscription]
    ) -> Assignment:
        """Ranges of equal length; where that does not work out, the first members get one more."""
        wants = _wants(members)
        assignment: Assignment = {member: [] for member in wants}
        for topic, count in sorted(partition_counts.items()):
            takers = [member for member, topics in wants.items() if topic in topics]
            end = 0
            for number, member in enumerate(takers):
                length, longer = divmod(count, len(takers))
                first, end = end, end + length + (number < longer)
                assignment[member] += (TopicPartition(topic, each) for each in range(first, end))
        return assignment


class RoundRobinAssignor:
    """Partitions are dealt in turn, past those who do not want them."""

    name = "roundrobin"
    is_cooperative = False

    def user_data(self, owned: Sequence[TopicPartition], generation: int) -> None:
        """Nothing."""

    def assign(
        self, partition_counts: Mapping[str, int], members: Mapping[str, MemberSubscription]
    ) -> Assignment:
        """Topics by name, partitions by number; the turn goes on from topic to topic."""
        wants = _wants(members)
        assignment: Assignment = {member: [] for member in wants}
        wanted = set[str]().union(*wants.values())
        turns = cycle(wants)
        for topic in sorted(wanted & partition_counts.keys()):
            for index in range(partition_counts[topic]):
                member = next(member for member in turns if topic in wants[member])
                assignment[member].append(TopicPartition(topic, index))
        return assignment


class StickyAssignor:
    """Even, and everybody keeps what it had as far as that is even."""

    name = "sticky"
    is_cooperative = False

    def user_data(self, owned: Sequence[TopicPartition], generation: int) -> bytes | None:
        """What it owned before it gave that up to join again; nothing when it joins at first."""
        if not owned and generation == NO_GENERATION:
            return None
        by_topic: defaultdict[str, list[int]] = defaultdict(list)
        for topic, partition in owned:
            by_topic[topic].append(partition)
        data = StickyAssignorUserData(
            previous_assignment=[
                OwnedTopicPartitions(topic=topic, partitions=partitions)
                for topic, partitions in by_topic.items()
            ],
            generation=generation,
        )
        return b"".join(encode(data, 1))

    def assign(
        self, partition_counts: Mapping[str, int], members: Mapping[str, MemberSubscription]
    ) -> Assignment:
        """See `sticky_assignment`."""
        claims = {name: _claim_of_sticky(member) for name, member in members.items()}
        return assign_sticky(partition_counts, _wants(members), _owners(claims))


class CooperativeStickyAssignor:
    """Sticky, and only what moves comes to a stop."""

    name = "cooperative-sticky"
    is_cooperative = True

    def user_data(self, owned: Sequence[TopicPartition], generation: int) -> bytes:
        """The generation, for leaders that do not look for it in the subscription."""
        return _GENERATION.pack(generation)

    def assign(
        self, partition_counts: Mapping[str, int], members: Mapping[str, MemberSubscription]
    ) -> Assignment:
        """As sticky, without the partitions that somebody else has still to let go of."""
        claims = {name: _claim_of_cooperative(member) for name, member in members.items()}
        owners = _owners(claims)
        claimed = frozenset[TopicPartition]().union(
            *(claim.partitions for claim in claims.values())
        )
        assignment = assign_sticky(partition_counts, _wants(members), owners)
        return {
            member: [
                partition
                for partition in partitions
                if owners.get(partition) == member or partition not in claimed
            ]
            for member, partitions in assignment.items()
        }


class _Claim(NamedTuple):
    """What a member says that it owns, and since which generation."""

    partitions: frozenset[TopicPartition]
    generation: int


def _claim_of_sticky(member: MemberSubscription) -> _Claim:
    """What it owned is in its user data: by the time it subscribes, it owns nothing."""
    said = _read_sticky(member.user_data)
    if said is None:
        return _Claim(frozenset(member.owned), member.generation)
    partitions = frozenset(
        TopicPartition(topic.topic, index)
        for topic in said.previous_assignment
        for index in topic.partitions
    )
    return _Claim(partitions, said.generation)


def _claim_of_cooperative(member: MemberSubscription) -> _Claim:
    """What it owns is in its subscription; of old clients, the generation is in the user data."""
    generation = member.generation
    if generation == NO_GENERATION:
        generation = _read_generation(member.user_data)
    return _Claim(frozenset(member.owned), generation)


def _read_sticky(user_data: bytes | None) -> StickyAssignorUserData | None:
    """What a sticky member told the leader, or None if it told nothing that can be read."""
    if user_data is None:
        return None
    for version in (1, 0):
        try:
            return decode(StickyAssignorUserData, memoryview(user_data), version)[0]
        except ProtocolError:
            continue
    return None


def _read_generation(user_data: bytes | None) -> int:
    """The generation that a cooperative-sticky member told the leader; librdkafka's say more."""
    if user_data is not None and len(user_data) == _GENERATION.size:
        return _GENERATION.unpack(user_data)[0]
    said = _read_sticky(user_data)
    return NO_GENERATION if said is None else said.generation


def _owners(claims: Mapping[str, _Claim]) -> dict[TopicPartition, str]:
    """Whose claim to a partition counts: that of the highest generation, unless there are two."""
    highest: dict[TopicPartition, tuple[int, str | None]] = {}
    for member, claim in claims.items():
        for partition in claim.partitions:
            rival, _ = highest.get(partition, (None, None))
            if rival is None or claim.generation > rival:
                highest[partition] = claim.generation, member
            elif claim.generation == rival:
                highest[partition] = rival, None
    return {partition: owner for partition, (_, owner) in highest.items() if owner is not None}


def _wants(members: Mapping[str, MemberSubscription]) -> dict[str, frozenset[str]]:
    """The topics of each member, in the order in which members are served."""

    def static_first(member: str) -> tuple[bool, str, str]:
        instance_id = members[member].instance_id
        return instance_id is None, instance_id or "", member

    return {
        member: frozenset(members[member].topics) for member in sorted(members, key=static_first)
    }


ASSIGNORS: Final[Mapping[str, Assignor]] = {
    assignor.name: assignor
    for assignor in (
        RangeAssignor(),
        RoundRobinAssignor(),
        StickyAssignor(),
        CooperativeStickyAssignor(),
    )
}
"""The strategies by name."""
