"""Range and roundrobin are those of other clients; sticky is as good as theirs."""

import warnings
from collections import Counter
from dataclasses import dataclass
from importlib import import_module

import pytest
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import (
    StickyAssignorUserDataV1,
    StickyPartitionAssignor,
)
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from hypothesis import given
from hypothesis import strategies as st

from minikafka.client.assignors import ASSIGNORS, MemberSubscription
from minikafka.client.metadata import TopicPartition

from .assignments import TOPICS, counts, owners_in, owning

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # It reads its schemas by a deprecated function.
    kafka = import_module("kafka.coordinator.consumer")
    kafka_metadata = import_module("kafka.protocol.consumer.metadata")

STICKY = ASSIGNORS["sticky"]
KAFKA_PYTHONS = {
    "range": kafka.RangePartitionAssignor,
    "roundrobin": kafka.RoundRobinPartitionAssignor,
}

member_ids = st.sampled_from([f"m{number}" for number in range(6)])
topics = st.lists(st.sampled_from((*TOPICS, "unknown")), unique=True).map(tuple)
groups = st.dictionaries(member_ids, st.builds(MemberSubscription, topics), min_size=1)
partitions = st.builds(TopicPartition, st.sampled_from(TOPICS), st.integers(0, 9))


@given(st.lists(partitions), st.integers(0, 9))
def test_aiokafka_reads_what_a_sticky_member_owned(owned, generation):
    read = StickyAssignorUserDataV1.decode(STICKY.user_data(owned, generation))
    assert read.generation == generation
    assert Counter(owned) == Counter(
        TopicPartition(topic, index)
        for topic, indexes in read.previous_assignment
        for index in indexes
    )


@dataclass(frozen=True)
class Topics:
    """All that other clients' assignors ask their metadata for."""

    counts: dict[str, int]

    def topics(self):
        return set(self.counts)

    def partitions_for_topic(self, topic):
        return set(range(self.counts[topic])) if topic in self.counts else None


def as_aiokafka(members):
    return {
        name: ConsumerProtocolMemberMetadata(0, list(member.topics), member.user_data or b"")
        for name, member in members.items()
    }


def from_other(assignment):
    return {
        member: sorted(
            TopicPartition(t, index) for t, indexes in each.assignment for index in indexes
        )
        for member, each in assignment.items()
    }


@pytest.mark.parametrize(
    ("strategy", "oracle"),
    [("range", RangePartitionAssignor), ("roundrobin", RoundRobinPartitionAssignor)],
)
@given(partition_counts=counts, members=groups)
def test_aiokafka_assigns_the_same(strategy, oracle, partition_counts, members):
    theirs = from_other(oracle.assign(Topics(partition_counts), as_aiokafka(members)))
    assert ASSIGNORS[strategy].assign(partition_counts, members) == theirs


@dataclass(frozen=True)
class Member:
    """A member as kafka-python's assignors are told of it."""

    member_id: str
    group_instance_id: str | None
    metadata: object


@pytest.mark.parametrize("strategy", ["range", "roundrobin"])
@given(
    counts,
    st.dictionaries(member_ids, st.none() | st.sampled_from(["i1", "i2", "i3"]), min_size=1),
)
def test_kafka_python_assigns_the_same_to_static_members(strategy, partition_counts, instance_ids):
    # Dynamic members after static ones, since it brings together only what stands together; and
    # all with the same topics, since otherwise its roundrobin fails.
    instance_ids = dict(sorted(instance_ids.items(), key=lambda item: item[1] is None))
    subscription = kafka_metadata.ConsumerProtocolSubscription(0, list(TOPICS), b"")
    told = [Member(name, instance_id, subscription) for name, instance_id in instance_ids.items()]
    theirs = from_other(KAFKA_PYTHONS[strategy].assign(Topics(partition_counts), told))
    members = {
        name: MemberSubscription(TOPICS, instance_id=instance_id)
        for name, instance_id in instance_ids.items()
    }
    assert ASSIGNORS[strategy].assign(partition_counts, members) == theirs


@given(counts, st.sets(member_ids, min_size=1), st.sets(member_ids), st.sets(member_ids))
def test_sticky_is_as_fair_and_as_faithful_as_that_of_aiokafka(
    partition_counts, before, joined, left
):
    subscription = MemberSubscription(TOPICS)
    members = dict.fromkeys(sorted(before), subscription)
    owned = STICKY.assign(partition_counts, members)
    members = owning(members, owned, 1) | dict.fromkeys(joined - before, subscription)
    members = {name: each for name, each in members.items() if name not in left} or members
    ours = STICKY.assign(partition_counts, members)
    theirs = from_other(
        StickyPartitionAssignor.assign(Topics(partition_counts), as_aiokafka(members))
    )
    assert sorted(map(len, ours.values())) == sorted(map(len, theirs.values()))
    stayed = [owners_in(owned).items() & owners_in(each).items() for each in (ours, theirs)]
    assert len(stayed[0]) >= len(stayed[1])
