"""Commits that were acknowledged and are gone are found."""

from minikafka import TopicPartition

from .committers import Commits

FIRST, SECOND = TopicPartition("t", 0), TopicPartition("t", 1)


def test_a_commit_is_lost_if_nothing_so_far_is_committed():
    commits = Commits("g")
    commits.note({FIRST: 5, SECOND: 7})
    commits.note({FIRST: 9})
    assert commits.count == 2
    assert commits.lost({FIRST: 9, SECOND: 8}) == {}
    assert commits.lost({FIRST: 8, SECOND: 7}) == {FIRST: 9}
    assert commits.lost({FIRST: 9}) == {SECOND: 7}
