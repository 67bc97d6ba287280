"""Claims about committed offsets."""

from minikafka.broker.group.offsets import CommittedOffset, Offsets


def offsets(*rows):
    made = Offsets()
    for topic, partition, timestamp_ms in rows:
        made.commit(topic, partition, CommittedOffset(7, -1, "", timestamp_ms))
    return made


def test_the_last_commit_of_a_partition_counts():
    made = offsets(("a", 0, 1), ("a", 0, 2))
    assert made.find("a", 0).timestamp_ms == 2
    assert len(made) == 1


def test_what_is_forgotten_is_not_there_and_forgetting_twice_is_nothing():
    made = offsets(("a", 0, 1), ("b", 1, 1))
    made.forget("a", 0)
    made.forget("a", 0)
    assert made.find("a", 0) is None
    assert made.topics() == ["b"]
    assert made.partitions("a") == []


def test_offsets_come_sorted():
    made = offsets(("b", 1, 1), ("b", 0, 1), ("a", 5, 1))
    assert [(topic, partition) for topic, partition, _ in made] == [("a", 5), ("b", 0), ("b", 1)]


def test_an_offset_expires_when_it_and_the_empty_group_are_too_old():
    made = offsets(("a", 0, 10), ("a", 1, 200))
    assert made.expired(100, 50, set()) == [("a", 0)]
    assert made.expired(100, 100, set()) == []


def test_in_a_group_with_members_only_offsets_of_unsubscribed_topics_expire():
    made = offsets(("a", 0, 10), ("b", 0, 10))
    assert made.expired(100, None, {"b"}) == [("a", 0)]
