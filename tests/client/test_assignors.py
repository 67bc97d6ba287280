"""The four strategies: Kafka's own examples, and what members say that they own."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikafka.client.assignors import ASSIGNORS, MemberSubscription
from minikafka.client.metadata import TopicPartition

from .assignments import TOPICS, counts, owners_in, owning, parse, wanted

STICKY = ASSIGNORS["sticky"]
COOPERATIVE = ASSIGNORS["cooperative-sticky"]

member_ids = st.sampled_from([f"m{number}" for number in range(6)])
topics = st.lists(st.sampled_from((*TOPICS, "unknown"))).map(tuple)
partitions = st.builds(TopicPartition, st.sampled_from(TOPICS), st.integers(-1, 7))
user_data = st.one_of(
    st.none(),
    st.binary(max_size=20),
    st.builds(STICKY.user_data, st.lists(partitions), st.integers(-1, 3)),
)
subscriptions = st.builds(
    MemberSubscription,
    topics=topics,
    owned=st.lists(partitions).map(tuple),
    generation=st.integers(-1, 3),
    user_data=user_data,
    instance_id=st.none(),
)
groups = st.dictionaries(member_ids, subscriptions, min_size=1)
assignors = st.sampled_from(list(ASSIGNORS.values()))


def group(text, **more):
    """`A: t0 t1` a line as subscriptions."""
    lines = (line.split(":") for line in text.strip().splitlines())
    return {
        name.strip(): MemberSubscription(tuple(topics.split()), **more) for name, topics in lines
    }


def shown(assignment):
    """An assignment as the tables below have it."""
    return {
        member: " ".join(f"{topic}p{index}" for topic, index in dealt)
        for member, dealt in assignment.items()
    }


def topics_of(members):
    return {name: member.topics for name, member in members.items()}


EQUAL = "C0: t0 t1\nC1: t0 t1"
STAIRS = "C0: t0\nC1: t0 t1\nC2: t0 t1 t2"
ALL = "C0: t0 t1 t2 t3\nC1: t0 t1 t2 t3\nC2: t0 t1 t2 t3"


@pytest.mark.parametrize(
    ("strategy", "partition_counts", "members", "expected"),
    [
        (
            "range",
            {"t0": 3, "t1": 3},
            EQUAL,
            {"C0": "t0p0 t0p1 t1p0 t1p1", "C1": "t0p2 t1p2"},
        ),
        ("range", {"t0": 1}, EQUAL, {"C0": "t0p0", "C1": ""}),
        (
            "range",
            {"t0": 1, "t1": 2, "t2": 3},
            STAIRS,
            {"C0": "t0p0", "C1": "t1p0", "C2": "t1p1 t2p0 t2p1 t2p2"},
        ),
        (
            "roundrobin",
            {"t0": 3, "t1": 3},
            EQUAL,
            {"C0": "t0p0 t0p2 t1p1", "C1": "t0p1 t1p0 t1p2"},
        ),
        (
            "roundrobin",
            {"t0": 1, "t1": 2, "t2": 3},
            STAIRS,
            {"C0": "t0p0", "C1": "t1p0", "C2": "t1p1 t2p0 t2p1 t2p2"},
        ),
        (
            "sticky",
            {"t0": 2, "t1": 2, "t2": 2, "t3": 2},
            ALL,
            {"C0": "t0p0 t1p1 t3p0", "C1": "t0p1 t2p0 t3p1", "C2": "t1p0 t2p1"},
        ),
        (
            "cooperative-sticky",
            {"t0": 1, "t1": 2, "t2": 3},
            STAIRS,
            {"C0": "t0p0", "C1": "t1p0 t1p1", "C2": "t2p0 t2p1 t2p2"},
        ),
    ],
)
def test_the_examples_that_kafka_gives(strategy, partition_counts, members, expected):
    assert shown(ASSIGNORS[strategy].assign(partition_counts, group(members))) == expected


@pytest.mark.parametrize("assignor", [STICKY, COOPERATIVE])
@pytest.mark.parametrize(
    ("partition_counts", "members", "leaves", "expected"),
    [
        (
            {"t0": 2, "t1": 2, "t2": 2, "t3": 2},
            ALL,
            "C1",
            {"C0": "t0p0 t1p1 t2p0 t3p0", "C2": "t0p1 t1p0 t2p1 t3p1"},
        ),
        (
            {"t0": 1, "t1": 2, "t2": 3},
            STAIRS,
            "C0",
            {"C1": "t0p0 t1p0 t1p1", "C2": "t2p0 t2p1 t2p2"},
        ),
    ],
)
def test_what_a_member_leaves_goes_to_the_others_who_keep_theirs(
    assignor, partition_counts, members, leaves, expected
):
    before = group(members)
    after = owning(before, assignor.assign(partition_counts, before), 1)
    del after[leaves]
    assert shown(assignor.assign(partition_counts, after)) == expected


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [  # as in docs/groups.md
        ("range", {"A": "t0p0 t1p0", "B": "t0p1 t1p1", "C": "t0p2 t1p2"}),
        ("roundrobin", {"A": "t0p0 t1p0", "B": "t0p1 t1p1", "C": "t0p2 t1p2"}),
        ("sticky", {"A": "t0p0 t1p1", "B": "t0p1 t1p0", "C": "t0p2 t1p2"}),
        ("cooperative-sticky", {"A": "t0p0 t1p1", "B": "t0p1 t1p0", "C": ""}),
    ],
)
def test_a_member_joins(strategy, expected):
    assignor, partition_counts = ASSIGNORS[strategy], {"t0": 3, "t1": 3}
    two = group("A: t0 t1\nB: t0 t1")
    three = owning(two, assignor.assign(partition_counts, two), 1) | group("C: t0 t1")
    assert shown(assignor.assign(partition_counts, three)) == expected


@pytest.mark.parametrize("assignor", ASSIGNORS.values(), ids=ASSIGNORS)
def test_static_members_come_first_in_the_order_of_their_instances(assignor):
    members = group("m1: t\nm2: t\nm3: t\nm4: t")
    members["m3"] = replace(members["m3"], instance_id="i2")
    members["m4"] = replace(members["m4"], instance_id="i1")
    expected = {"m4": "tp0", "m3": "tp1", "m1": "tp2", "m2": "tp3"}
    assert shown(assignor.assign({"t": 4}, members)) == expected


@pytest.mark.parametrize("assignor", ASSIGNORS.values(), ids=ASSIGNORS)
def test_topics_that_nobody_knows_or_nobody_wants_are_left_out(assignor):
    members = group("A: unknown\nB: unknown t")
    assert shown(assignor.assign({"t": 1, "other": 1}, members)) == {"A": "", "B": "tp0"}


def test_a_partition_that_moves_is_withheld_until_its_owner_lets_go():
    members = group("A: t", owned=tuple(parse("tp0 tp1")), generation=1) | group("B: t")
    assignment = COOPERATIVE.assign({"t": 2}, members)
    assert shown(assignment) == {"A": "tp0", "B": ""}
    assignment = COOPERATIVE.assign({"t": 2}, owning(members, assignment, 2))
    assert shown(assignment) == {"A": "tp0", "B": "tp1"}


def test_a_partition_that_a_member_no_longer_wants_is_withheld_while_it_owns_it():
    members = group("A: other", owned=tuple(parse("tp0")), generation=1) | group("B: t")
    assert shown(COOPERATIVE.assign({"t": 1}, members)) == {"A": "", "B": ""}
    assert shown(STICKY.assign({"t": 1}, members)) == {"A": "", "B": "tp0"}


@pytest.mark.parametrize(
    ("generations", "sticky", "cooperative"),
    [  # A, B and C all say that they own tp0; D owns nothing
        ((1, 2, 1), "B", "B"),
        ((-1, -1, 0), "C", "C"),
        ((2, 2, 1), "A", None),
        ((2, 1, 2), "A", None),
        ((-1, -1, -1), "A", None),
    ],
)
def test_the_claim_of_the_highest_generation_counts_unless_there_are_two(
    generations, sticky, cooperative
):
    claimed = parse("tp0")
    members = {
        name: MemberSubscription(
            ("t",), tuple(claimed), generation, STICKY.user_data(claimed, generation)
        )
        for name, generation in zip("ABC", generations, strict=True)
    }
    assert owners_in(STICKY.assign({"t": 1}, members)).get(claimed[0]) == sticky
    assert owners_in(COOPERATIVE.assign({"t": 1}, members)).get(claimed[0]) == cooperative


def test_a_sticky_member_is_asked_for_its_user_data_and_else_for_what_it_owns():
    told = STICKY.user_data(parse("tp0"), 3)
    members = group("A: t\nB: t", owned=tuple(parse("tp1")), generation=9)
    members["B"] = replace(members["B"], user_data=told)
    assert shown(STICKY.assign({"t": 2}, members)) == {"A": "tp1", "B": "tp0"}


OLD_STICKY = STICKY.user_data(parse("tp0"), 3)[:-4]
"""Version 0, without the generation."""


@pytest.mark.parametrize(
    ("rival", "owner"), [(STICKY.user_data(parse("tp0"), 0), "A"), (None, "B")]
)
def test_the_user_data_of_old_sticky_members_counts_as_of_no_generation(rival, owner):
    members = group("A: t\nB: t")
    members["A"] = replace(members["A"], user_data=rival)
    members["B"] = replace(members["B"], user_data=OLD_STICKY)
    assert owners_in(STICKY.assign({"t": 2}, members))[TopicPartition("t", 0)] == owner


@pytest.mark.parametrize(
    "told",
    [
        COOPERATIVE.user_data((), 3),
        STICKY.user_data(parse("tp0"), 3),  # as librdkafka's do
    ],
)
def test_a_cooperative_member_may_tell_its_generation_in_its_user_data(told):
    members = group("A: t", owned=tuple(parse("tp0 tp1")), generation=2) | group("B: t")
    members["B"] = replace(members["B"], owned=tuple(parse("tp1")), user_data=told)
    assert shown(COOPERATIVE.assign({"t": 2}, members)) == {"A": "tp0", "B": "tp1"}
    members["B"] = replace(members["B"], generation=1)  # which goes before its user data
    assert shown(COOPERATIVE.assign({"t": 2}, members)) == {"A": "tp0", "B": ""}


def test_user_data_is_laid_out_as_kafka_does():
    assert ASSIGNORS["range"].user_data(parse("tp0"), 1) is None
    assert ASSIGNORS["roundrobin"].user_data(parse("tp0"), 1) is None
    assert COOPERATIVE.user_data(parse("tp0"), 7) == bytes.fromhex("00000007")
    assert COOPERATIVE.user_data((), -1) == bytes.fromhex("ffffffff")
    assert STICKY.user_data((), -1) is None
    assert STICKY.user_data((), 7) == bytes.fromhex("00000000 00000007")
    assert STICKY.user_data(parse("ap1 bp0 ap2"), 7) == bytes.fromhex(
        "00000002 0001 61 00000002 00000001 00000002 0001 62 00000001 00000000 00000007"
    )


@pytest.mark.parametrize("length", range(len(STICKY.user_data(parse("tp0"), 3)) - 4))
def test_user_data_that_is_cut_short_claims_nothing(length):
    cut = STICKY.user_data(parse("tp0"), 3)[:length]
    members = group("A: t") | group("B: t", user_data=cut)
    assert STICKY.assign({"t": 2}, members) == STICKY.assign({"t": 2}, group("A: t\nB: t"))


@given(assignors, counts, groups)
def test_every_wanted_partition_goes_to_one_member_that_wants_it(
    assignor, partition_counts, members
):
    assignment = assignor.assign(partition_counts, members)
    takers = wanted(partition_counts, topics_of(members))
    dealt = Counter(each for dealt in assignment.values() for each in dealt)
    assert assignment.keys() == members.keys()
    assert max(dealt.values(), default=1) == 1
    assert dealt.keys() <= takers.keys()
    assert dealt.keys() == takers.keys() or assignor.is_cooperative
    assert all(member in takers[each] for each, member in owners_in(assignment).items())


@given(assignors, counts, groups, st.randoms(use_true_random=False))
def test_the_order_of_members_and_topics_does_not_matter(
    assignor, partition_counts, members, random
):
    shuffled = {
        name: replace(member, topics=tuple(random.sample(member.topics, len(member.topics))))
        for name, member in random.sample(list(members.items()), len(members))
    }
    fewer = dict(random.sample(list(partition_counts.items()), len(partition_counts)))
    assert assignor.assign(fewer, shuffled) == assignor.assign(partition_counts, members)


@given(counts, groups)
def test_what_members_claim_goes_to_its_owner_or_to_nobody_yet(partition_counts, members):
    members = {name: replace(member, user_data=None) for name, member in members.items()}
    for each, owner in owners_in(COOPERATIVE.assign(partition_counts, members)).items():
        claims = {name: m.generation for name, m in members.items() if each in m.owned}
        latest = [name for name in claims if claims[name] == max(claims.values())]
        assert latest in ([], [owner])


@given(counts, groups)
def test_a_cooperative_group_settles_in_the_second_generation(partition_counts, members):
    first = COOPERATIVE.assign(partition_counts, members)
    second = COOPERATIVE.assign(partition_counts, owning(members, first, 4))
    assert owners_in(first).items() <= owners_in(second).items()
    assert owners_in(second).keys() == wanted(partition_counts, topics_of(members)).keys()
    assert COOPERATIVE.assign(partition_counts, owning(members, second, 5)) == second
