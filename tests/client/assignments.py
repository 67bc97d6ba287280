"""Groups and their assignments, as the tests of the assignors write them."""

from dataclasses import replace

from hypothesis import strategies as st

from minikafka.client.assignors import ASSIGNORS
from minikafka.client.metadata import TopicPartition

TOPICS = ("t0", "t1", "t2", "t3")

counts = st.dictionaries(st.sampled_from(TOPICS), st.integers(0, 5), min_size=1)
"""How many partitions the topics have that are known."""


def parse(text):
    """`t0p0 t1p2` as partitions."""
    pairs = (each.split("p") for each in text.split())
    return [TopicPartition(topic, int(index)) for topic, index in pairs]


def owners_in(assignment):
    """An assignment the other way round."""
    return {each: member for member, dealt in assignment.items() for each in dealt}


def wanted(partition_counts, wants):
    """Every partition that somebody wants, with those who do."""
    return {
        TopicPartition(topic, index): takers
        for topic, count in partition_counts.items()
        if (takers := [member for member, topics in wants.items() if topic in topics])
        for index in range(count)
    }


def owning(members, assignment, generation):
    """The members as they join again after this assignment, whichever sticky strategy is theirs."""
    return {
        name: replace(
            member,
            owned=tuple(assignment[name]),
            generation=generation,
            user_data=ASSIGNORS["sticky"].user_data(assignment[name], generation),
        )
        for name, member in members.items()
    }
