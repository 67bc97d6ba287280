"""The sticky deal: fair, faithful to owners, and the same again if nothing has changed."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from minikafka.client.metadata import TopicPartition
from minikafka.client.sticky_assignment import assign_sticky

from .assignments import TOPICS, counts, owners_in, wanted

MEMBERS = ("A", "B", "C", "D", "E")

topics = st.sets(st.sampled_from(TOPICS)).map(frozenset)
unequal_wants = st.dictionaries(st.sampled_from(MEMBERS), topics, min_size=1)
equal_wants = st.builds(
    dict.fromkeys, st.lists(st.sampled_from(MEMBERS), min_size=1, unique=True), topics
)
partitions = st.builds(TopicPartition, st.sampled_from(TOPICS), st.integers(0, 5))
owners = st.dictionaries(partitions, st.sampled_from((*MEMBERS, "gone")), max_size=20)


def least_sum_of_squares(partition_counts, wants):
    """That of the fairest assignment there is, found by trying all."""
    loads = {(0,) * len(wants)}
    place = {member: index for index, member in enumerate(wants)}
    for takers in wanted(partition_counts, wants).values():
        loads = {
            (*load[: place[taker]], load[place[taker]] + 1, *load[place[taker] + 1 :])
            for load in loads
            for taker in takers
        }
    return min(sum(each * each for each in load) for load in loads)


@given(counts, unequal_wants, owners)
def test_every_wanted_partition_goes_to_one_member_that_wants_it(partition_counts, wants, owners):
    assignment = assign_sticky(partition_counts, wants, owners)
    takers = wanted(partition_counts, wants)
    assert list(assignment) == list(wants)
    assert Counter(each for dealt in assignment.values() for each in dealt) == Counter(
        takers.keys()
    )
    assert all(member in takers[each] for each, member in owners_in(assignment).items())


@given(counts, equal_wants, owners)
def test_shares_differ_by_one_where_all_want_the_same(partition_counts, wants, owners):
    shares = [len(dealt) for dealt in assign_sticky(partition_counts, wants, owners).values()]
    assert max(shares) - min(shares) <= 1


@given(counts, equal_wants, owners)
def test_no_more_moves_than_equal_shares_take(partition_counts, wants, owners):
    assignment = assign_sticky(partition_counts, wants, owners)
    takers = wanted(partition_counts, wants)
    owned = Counter(owners[each] for each in takers if owners.get(each) in wants)
    share, one_more = divmod(len(takers), len(wants))
    could_stay = sum(
        min(count, share + (rank < one_more))
        for rank, count in enumerate(sorted(owned.values(), reverse=True))
    )
    stayed = sum(owners.get(each) == member for each, member in owners_in(assignment).items())
    assert stayed == could_stay


@given(
    st.dictionaries(st.sampled_from(TOPICS), st.integers(0, 3), min_size=1), unequal_wants, owners
)
def test_no_assignment_is_fairer(partition_counts, wants, owners):
    assignment = assign_sticky(partition_counts, wants, owners)
    squares = sum(len(dealt) ** 2 for dealt in assignment.values())
    assert squares == least_sum_of_squares(partition_counts, wants)


@given(counts, unequal_wants, owners)
def test_what_is_fair_stays_as_it_is(partition_counts, wants, owners):
    assignment = assign_sticky(partition_counts, wants, owners)
    assert assign_sticky(partition_counts, wants, owners_in(assignment)) == assignment


@given(counts, unequal_wants, owners, st.sets(partitions))
def test_dealing_again_what_was_withheld_takes_nothing_from_anybody(
    partition_counts, wants, owners, withheld
):
    assignment = assign_sticky(partition_counts, wants, owners)
    still_owned = {
        each: owner for each, owner in owners_in(assignment).items() if each not in withheld
    }
    again = owners_in(assign_sticky(partition_counts, wants, still_owned))
    assert still_owned.items() <= again.items()


@given(counts, unequal_wants, owners, st.randoms(use_true_random=False))
def test_the_order_of_topics_and_owners_does_not_matter(partition_counts, wants, owners, random):
    def shuffled(mapping):
        return dict(random.sample(list(mapping.items()), len(mapping)))

    assert assign_sticky(partition_counts, wants, owners) == assign_sticky(
        shuffled(partition_counts), wants, shuffled(owners)
    )


def test_a_third_member_passes_on_what_two_cannot_give_each_other():
    wants = {"A": {"x"}, "B": {"x", "y"}, "C": {"y"}}
    owners = {TopicPartition("x", index): "A" for index in range(3)}
    owners |= {TopicPartition("y", 0): "B", TopicPartition("y", 1): "B"}
    owners[TopicPartition("y", 2)] = "C"
    assert assign_sticky({"x": 3, "y": 3}, wants, owners) == {
        "A": [TopicPartition("x", 0), TopicPartition("x", 1)],
        "B": [TopicPartition("x", 2), TopicPartition("y", 0)],
        "C": [TopicPartition("y", 1), TopicPartition("y", 2)],
    }


def test_what_was_dealt_makes_room_before_what_was_owned():
    # Dealt in turn, A has o, x and y where B has w alone: o would do for B, and so would x.
    wants = {"A": "oxy", "B": "owx", "D": "vy", "E": "ou"}
    partition_counts = {"o": 1, "u": 2, "v": 1, "w": 1, "x": 1, "y": 2}
    owned = {"A": "o", "B": "w", "D": "v"}
    owners = {TopicPartition(topic, 0): member for member, topic in owned.items()}
    owners |= {TopicPartition("u", index): "E" for index in range(2)}
    assignment = owners_in(assign_sticky(partition_counts, wants, owners))
    assert owners.items() <= assignment.items()
    assert assignment[TopicPartition("x", 0)] == "B"


def test_a_member_that_joins_is_given_partitions_of_many_topics():
    partition_counts = dict.fromkeys(TOPICS, 4)
    before = assign_sticky(partition_counts, {"A": TOPICS}, {})
    after = assign_sticky(partition_counts, {"A": TOPICS, "B": TOPICS}, owners_in(before))
    assert Counter(each.topic for each in after["B"]) == dict.fromkeys(TOPICS, 2)


def test_a_hundred_members_share_ten_thousand_partitions():
    partition_counts = {f"t{number}": 100 for number in range(100)}
    wants = {f"m{number:03}": tuple(partition_counts) for number in range(100)}
    before = assign_sticky(partition_counts, wants, {})
    after = assign_sticky(
        partition_counts, wants | {"new": tuple(partition_counts)}, owners_in(before)
    )
    moved = owners_in(before).items() - owners_in(after).items()
    assert len(moved) == len(after["new"]) == 99
