"""Each violation, made by hand, is reported; and what may happen is not."""

from copy import deepcopy

import pytest

from .cluster_check import check_history
from .cluster_history import ClusterHistory, Commit, Owned, Poll, Replica, Send

A, B, C = b"a", b"b", b"c"


def good() -> ClusterHistory:
    """Three records of two producers in partition 0, read by a reader and by a member."""
    records = [(0, A), (1, B), (2, C)]
    return ClusterHistory(
        sends=[
            Send("p1", 0, A, True, 1.0, 2.0, "ok", 0),
            Send("p1", 0, B, True, 1.5, 4.0, "ok", 1),
            Send("p2", 0, C, True, 5.0, 6.0, "ok", 2),
        ],
        polls=[
            Poll("r", False, 3.0, {0: records[:1]}),
            Poll("r", False, 7.0, {0: records[1:]}),
            Poll("m", True, 7.0, {0: records}),
        ],
        commits=[Commit("m", {0: 3}, 8.0, 9.0, "ok")],
        final={0: records},
        replicas=[Replica(1, 0, 3, records), Replica(2, 0, 2, records)],
        committed={0: 3},
    )


def complaints(history: ClusterHistory) -> set[str]:
    """The kinds of what is found."""
    return {sentence.partition(":")[0] for sentence in check_history(history)}


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert complaints(good()) == set()
    assert complaints(ClusterHistory()) == set()


def test_a_lost_record() -> None:
    history = good()
    history.final[0] = history.final[0][:2]
    assert complaints(history) == {"lost"}


def test_a_record_at_another_place_than_was_told() -> None:
    history = good()
    history.sends[0].offset = 1
    assert {"lost", "moved"} <= complaints(history)


@pytest.mark.parametrize("outcome", ["info", "fail"])
def test_what_was_not_acknowledged_need_not_be_there(outcome: str) -> None:
    history = good()
    history.sends.append(Send("p2", 0, b"d", True, 7.0, 8.0, outcome))  # type: ignore[arg-type]
    assert complaints(history) == set()


def test_what_an_unsafe_producer_was_told_may_go() -> None:
    history = good()
    history.sends.append(Send("p3", 0, b"d", False, 7.0, 8.0, "ok", 1))
    assert complaints(history) == set()


def test_two_readers_see_two_values_at_one_place() -> None:
    history = good()
    history.sends.append(Send("p3", 0, b"d", False, 7.0))
    history.polls.append(Poll("r2", False, 8.0, {0: [(2, b"d")]}))
    assert complaints(history) == {"moved"}


def test_a_record_twice() -> None:
    history = good()
    history.final[0] = [*history.final[0], (3, C)]
    assert complaints(history) == {"twice"}


def test_a_record_twice_whose_producer_did_not_ask_for_once() -> None:
    history = good()
    history.sends[2].is_safe = False
    history.final[0] = [*history.final[0], (3, C)]
    assert complaints(history) == set()


def test_a_record_that_nobody_sent() -> None:
    history = good()
    history.final[0] = [*history.final[0], (3, b"d")]
    assert complaints(history) == {"phantom"}


def test_a_record_that_was_sent_elsewhere() -> None:
    history = good()
    history.sends.append(Send("p2", 1, b"d", True, 7.0))
    history.final[0] = [*history.final[0], (3, b"d")]
    assert complaints(history) == {"phantom"}


def test_a_record_that_failed() -> None:
    history = good()
    history.sends.append(Send("p2", 0, b"d", True, 7.0, 8.0, "fail"))
    history.polls.append(Poll("r", False, 8.0, {0: [(3, b"d")]}))
    assert complaints(history) == {"phantom"}


def test_records_of_one_producer_in_another_order() -> None:
    history = good()
    first, second, _ = history.sends
    first.outcome = second.outcome = "info"
    history.sends[:2] = [second, first]
    assert complaints(history) == {"disordered"}


def test_records_of_two_producers_against_time() -> None:
    history = good()
    history.sends[2].began_s, history.sends[2].ended_s = 0.1, 0.2
    assert complaints(history) == {"disordered"}


def test_records_that_were_sent_at_one_time_may_be_in_any_order() -> None:
    history = good()
    history.sends[2].began_s = 0.1
    assert complaints(history) == set()


def test_a_reader_that_misses_a_record_or_goes_back() -> None:
    history = good()
    history.polls[1].records = {0: [(2, C)]}
    assert complaints(history) == {"skipped"}
    history.polls[1].records = {0: [(0, A)]}
    assert complaints(history) == {"skipped"}


def test_a_member_that_begins_elsewhere_is_as_it_should_be() -> None:
    history = good()
    history.polls.append(Poll("m", True, 9.0, {0: [(1, B), (2, C)]}))
    assert complaints(history) == set()
    history.polls[-1].records = {0: [(0, A), (2, C)]}
    assert complaints(history) == {"skipped"}


def test_a_gap_in_the_end() -> None:
    history = good()
    history.sends[1].outcome = "info"
    history.final[0] = [(0, A), (2, C)]
    assert complaints(history) == {"skipped"}


def test_a_group_that_committed_what_nobody_saw() -> None:
    history = good()
    history.polls.pop()
    assert complaints(history) == {"unread"}


def test_a_commit_that_was_forgotten() -> None:
    history = good()
    history.committed = {0: 2}
    assert complaints(history) == {"forgotten"}
    history.committed = {}
    assert complaints(history) == {"forgotten"}


def test_a_commit_of_which_nobody_knows_may_have_come_late_or_never() -> None:
    history = good()
    history.commits.insert(0, Commit("m", {0: 1}, 2.0))
    for found in (1, 3):
        history.committed = {0: found}
        assert complaints(history) == set()
    history.commits[0].outcome = "fail"
    history.committed = {0: 1}
    assert complaints(history) == {"forgotten"}


def test_an_older_commit_that_was_acknowledged_before_is_not_enough() -> None:
    history = good()
    history.commits.insert(0, Commit("m", {0: 1}, 2.0, 3.0, "ok"))
    history.committed = {0: 1}
    assert complaints(history) == {"forgotten"}


def test_two_members_own_a_partition_in_one_generation() -> None:
    history = good()
    history.owned = [Owned("m", 1, (0, 1)), Owned("m", 2, (0,)), Owned("n", 2, (1,))]
    assert complaints(history) == set()
    history.owned.append(Owned("o", 2, (0,)))
    assert complaints(history) == {"shared"}


def test_a_member_in_an_older_generation_than_it_was() -> None:
    history = good()
    history.owned = [Owned("m", 2, (0,)), Owned("m", 1, (1,))]
    assert complaints(history) == {"shared"}


def test_a_topic_made_anew_that_holds_something_else_than_was_acknowledged() -> None:
    history = good()
    history.replaced = [(0, B, None)]
    assert complaints(history) == {"replaced"}


def test_two_replicas_that_differ() -> None:
    history = good()
    other = deepcopy(history.replicas[1])
    other.records[0] = (0, C)
    history.replicas.append(other)
    assert complaints(history) == {"unlike"}


def test_a_replica_that_lacks_what_is_below_its_high_watermark() -> None:
    history = good()
    history.replicas[0].records = history.replicas[0].records[1:]
    assert complaints(history) == {"unlike"}


def test_replicas_may_differ_above_their_high_watermarks() -> None:
    history = good()
    history.replicas[1].records = [(0, A), (1, B), (2, b"d")]
    assert complaints(history) == set()
