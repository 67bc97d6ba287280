"""Elections of many partitions, and the balance of leaders."""

from random import Random

import pytest

from minikafka.broker.controller import decide_elections
from minikafka.broker.controller.decide import NewTopic, create_topic
from minikafka.broker.controller.decide_elections import balance, elect_leaders
from minikafka.broker.controller.image import NOBODY
from minikafka.broker.controller.leadership import Election
from minikafka.protocol.errors import ErrorCode

from .story import Story


def two_topics() -> Story:
    """`orders`, that 2 leads in the place of 1, and `news`, that 2 leads and should."""
    story = Story()
    assignments = {0: (2, 1)}
    topic = NewTopic("news", -1, -1, assignments)
    story.commit(create_topic(story.image, story.config, topic, Random(2)))
    for line in ("fence 1", "unfence 1", "isr 1 2 3"):
        story.play(line)
    assert story.partition.leader == 2
    return story


def test_of_all_partitions_only_those_that_need_an_election_are_told_of() -> None:
    story = two_topics()
    decision = elect_leaders(story.image, story.config, None, Election.PREFERRED)
    assert decision.value == {("orders", 0): ErrorCode.NONE}
    story.commit(decision)
    assert story.partition.leader == 1


def test_each_partition_that_is_named_has_an_outcome() -> None:
    story = two_topics()
    named = [("news", 0), ("orders", 0), ("orders", 7), ("none", 0), ("orders", 0)]
    decision = elect_leaders(story.image, story.config, named, Election.PREFERRED)
    assert decision.value == {
        ("news", 0): ErrorCode.ELECTION_NOT_NEEDED,
        ("orders", 0): ErrorCode.NONE,
        ("orders", 7): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ("none", 0): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    }
    assert len(decision.records) == 1


def test_the_balance_gives_leaders_back_and_has_nothing_more_to_do() -> None:
    story = two_topics()
    assert len(story.commit(balance(story.image, story.config)).records) == 1
    assert story.partition.leader == 1
    assert balance(story.image, story.config).records == []


def test_the_balance_gives_nothing_to_who_is_not_in_sync() -> None:
    story = Story()
    for line in ("fence 1", "unfence 1"):
        story.play(line)
    assert balance(story.image, story.config).records == []


def test_one_balance_moves_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide_elections, "MAX_ELECTIONS", 2)
    story = Story()
    topic = NewTopic("many", -1, -1, dict.fromkeys(range(5), (1, 2)))
    story.commit(create_topic(story.image, story.config, topic, Random(2)))
    story.play("move 2 3 1")
    story.commit(elect_leaders(story.image, story.config, None, Election.PREFERRED))
    for name in ("many", "orders"):
        for index, partition in story.image.topics[name].partitions.items():
            change = {"topic_id": story.image.topics[name].topic_id, "index": index}
            record = {"type": "PartitionChanged", **change, "leader": partition.replicas[1]}
            story.image.apply(record)
    moved = [len(story.commit(balance(story.image, story.config)).records) for _ in range(4)]
    assert moved == [2, 2, 2, 0]


def test_the_balance_elects_uncleanly_where_that_was_allowed_too_late() -> None:
    story = Story()
    for line in ("isr 1", "fence 1", "fence 2", "crash 3", "unfence 3"):
        story.play(line)
    assert story.partition.leader == NOBODY
    assert balance(story.image, story.config).records == []
    story.image.topics["orders"].configs["unclean.leader.election.enable"] = "true"
    story.commit(balance(story.image, story.config))
    assert story.partition.leader == 3
