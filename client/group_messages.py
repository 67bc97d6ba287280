"""What a member writes into JoinGroup and SyncGroup, and reads from them. PURE.

    JoinGroup   a subscription per strategy that the member can follow
    SyncGroup   from the leader an assignment per member; back to each member its own

The coordinator hands these bytes on without looking. A subscription that cannot be read is that of
another client's making: its member gets nothing, and the others are not made to suffer for it.
"""

from collections.abc import Iterable, Mapping, Sequence

from ..protocol.api.join_group import JoinGroupRequestProtocol, JoinGroupResponseMember
from ..protocol.api.sync_group import SyncGroupRequestAssignment
from ..protocol.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    OwnedTopicPartitions,
    decode_versioned,
    encode_versioned,
)
from ..protocol.primitives import ProtocolError
from .assignors import Assignor, MemberSubscription
from .metadata import TopicPartition

SUBSCRIPTION_VERSION = 2
ASSIGNMENT_VERSION = 0


def subscription_protocols(
    assignors: Iterable[Assignor],
    topics: Sequence[str],
    owned: Sequence[TopicPartition],
    claimed: Sequence[TopicPartition],
    generation: int,
) -> list[JoinGroupRequestProtocol]:
    """A subscription for each assignor, in the order of preference.

    `owned` is what the member had in `generation`; `claimed` of it is what it holds on to while the
    group rebalances (KIP-429).
    """
    return [
        JoinGroupRequestProtocol(
            name=assignor.name,
            metadata=encode_versioned(
                ConsumerProtocolSubscription(
                    topics=list(topics),
                    user_data=assignor.user_data(owned, generation),
                    owned_partitions=_by_topic(claimed),
                    generation_id=generation,
                ),
                SUBSCRIPTION_VERSION,
            ),
        )
        for assignor in assignors
    ]


def read_subscriptions(
    members: Iterable[JoinGroupResponseMember],
) -> dict[str, MemberSubscription]:
    """The subscription of each member, by member id."""
    return {member.member_id: _read_subscription(member) for member in members}


def assignments_of(
    assigned: Mapping[str, Sequence[TopicPartition]],
) -> list[SyncGroupRequestAssignment]:
    """The leader's decision, for SyncGroup."""
    return [
        SyncGroupRequestAssignment(
            member_id=member_id,
            assignment=encode_versioned(
                ConsumerProtocolAssignment(assigned_partitions=_by_topic(partitions)),
                ASSIGNMENT_VERSION,
            ),
        )
        for member_id, partitions in assigned.items()
    ]


def read_assignment(assignment: bytes) -> tuple[TopicPartition, ...]:
    """What a member is to own, in order; raises ProtocolError. No bytes are no partitions."""
    if not assignment:
        return ()
    read = decode_versioned(ConsumerProtocolAssignment, assignment)
    return tuple(sorted(_named(read.assigned_partitions)))


def _read_subscription(member: JoinGroupResponseMember) -> MemberSubscription:
    try:
        read = decode_versioned(ConsumerProtocolSubscription, member.metadata)
    except ProtocolError:
        return MemberSubscription((), instance_id=member.group_instance_id)
    return MemberSubscription(
        topics=tuple(read.topics),
        owned=tuple(_named(read.owned_partitions)),
        generation=read.generation_id,
        user_data=read.user_data,
        instance_id=member.group_instance_id,
    )


def _by_topic(partitions: Iterable[TopicPartition]) -> list[OwnedTopicPartitions]:
    topics: dict[str, OwnedTopicPartitions] = {}
    for topic, partition in partitions:
        entry = topics.setdefault(topic, OwnedTopicPartitions(topic=topic, partitions=[]))
        entry.partitions.append(partition)
    return list(topics.values())


def _named(topics: Iterable[OwnedTopicPartitions]) -> list[TopicPartition]:
    return [TopicPartition(each.topic, index) for each in topics for index in each.partitions]
