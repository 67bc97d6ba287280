"""Topics by name or by pattern."""

import pytest

from minikafka.client.metadata import PartitionInfo, TopicInfo
from minikafka.client.topic_selection import TopicSelection


def topic(name: str, partitions: int = 1, *, is_internal: bool = False) -> TopicInfo:
    """A topic that is known."""
    infos = [PartitionInfo(index, 1, 0, (1,), (1,)) for index in range(partitions)]
    return TopicInfo.of(name, bytes(16), is_internal, infos)


KNOWN = {
    each.name: each
    for each in (
        topic("orders"),
        topic("orders-eu", 2),
        topic("my-orders"),
        topic("__consumer_offsets", 8, is_internal=True),
    )
}


def test_names_are_selected_known_or_not_once_and_in_order():
    selection = TopicSelection(["b", "a", "b"])
    assert selection.topics == ("b", "a")
    assert selection.select({}) == ("a", "b")


def test_a_pattern_selects_what_it_matches_as_a_whole():
    assert TopicSelection(pattern="orders").select(KNOWN) == ("orders",)
    assert TopicSelection(pattern="orders.*").select(KNOWN) == ("orders", "orders-eu")
    assert TopicSelection(pattern="none").select(KNOWN) == ()


def test_a_pattern_never_selects_an_internal_topic_but_a_name_does():
    assert "__consumer_offsets" not in TopicSelection(pattern=".*").select(KNOWN)
    assert len(TopicSelection(["__consumer_offsets"]).partitions(KNOWN)) == 8


def test_partitions_are_those_of_the_topics_that_are_known():
    selection = TopicSelection(["orders-eu", "not-yet"])
    assert selection.partitions(KNOWN) == [("orders-eu", 0), ("orders-eu", 1)]


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ValueError, match="topics or to a pattern, not both"):
        TopicSelection(["a"], "b")
    with pytest.raises(ValueError, match="'orders' is one text: give a list"):
        TopicSelection("orders")
    with pytest.raises(ValueError, match=r"'\(' is no regular expression"):
        TopicSelection(pattern="(")
