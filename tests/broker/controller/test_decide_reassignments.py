"""Reassignments of many partitions; how one goes is told in test_leadership."""

from minikafka.broker.controller.decide_reassignments import (
    Refusal,
    alter_reassignments,
    list_reassignments,
)
from minikafka.protocol.errors import ErrorCode

from .story import ORDERS, Story


def test_each_partition_has_an_outcome_of_its_own() -> None:
    story = Story()
    targets = {ORDERS: (4, 1), ("orders", 1): (1,), ("none", 0): None}
    decision = story.commit(alter_reassignments(story.image, story.config, targets))
    assert decision.value[ORDERS] is None
    for unknown in (("orders", 1), ("none", 0)):
        refusal = decision.value[unknown]
        assert isinstance(refusal, Refusal)
        assert refusal.error_code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert len(decision.records) == 1


def test_only_what_is_on_its_way_is_listed() -> None:
    story = Story()
    assert list_reassignments(story.image) == {}
    story.play("move 4 1")
    assert list_reassignments(story.image) == {ORDERS: story.partition}
    assert list_reassignments(story.image, [ORDERS]) == {ORDERS: story.partition}
    assert list_reassignments(story.image, [("orders", 1), ("none", 0)]) == {}
    story.play("isr 1 4")
    assert list_reassignments(story.image) == {}


def test_where_nobody_leads_a_move_is_not_given_up() -> None:
    """Those who are eligible may all be of the new replicas: nothing is left without them."""
    story = Story((1,), min_isr=2)
    for line in ("move 4 5", "isr 1 4", "isr 4 1", "fence 1", "fence 4"):
        story.play(line)
    assert story.partition.elr == (4, 1)
    assert story.play("cancel") == "INVALID_REPLICA_ASSIGNMENT"
    story.play("unfence 1")
    assert story.play("cancel") == "NONE"
    assert story.partition.leader == 1
