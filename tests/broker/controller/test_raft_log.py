"""The view of a log that Raft decides on: places, ends of epochs, where logs part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikafka.broker.controller.raft_log import RaftError, RaftLog
from minikafka.broker.controller.raft_messages import Batch, Commit, EpochAndOffset


def log_of(*epochs, start=EpochAndOffset(0, 0)):  # noqa: B008
    """A log with a record of each of these epochs."""
    log = RaftLog(start)
    log.append(batches_of(epochs, start.offset))
    return log


def batches_of(epochs, offset=0):
    return [Batch(epoch, at, at + 1, ("x",)) for at, epoch in enumerate(epochs, offset)]


def test_an_empty_log_ends_where_it_starts():
    assert log_of().end == EpochAndOffset(0, 0)
    snapshot = EpochAndOffset(3, 40)
    assert log_of(start=snapshot).end == snapshot
    assert log_of(start=snapshot).contains(snapshot)


def test_the_end_of_an_epoch_is_where_the_next_begins():
    log = log_of(1, 1, 3, 3, 3, 7)
    assert [log.end_of(epoch) for epoch in (0, 1, 2, 3, 6, 7, 9)] == [
        EpochAndOffset(0, 0),
        EpochAndOffset(1, 2),
        EpochAndOffset(1, 2),
        EpochAndOffset(3, 5),
        EpochAndOffset(3, 5),
        EpochAndOffset(7, 6),
        EpochAndOffset(7, 6),
    ]


def test_below_a_snapshot_nothing_is_known():
    log = log_of(5, 7, start=EpochAndOffset(4, 10))
    assert log.end_of(3) == EpochAndOffset(3, 0)
    assert log.end_of(4) == EpochAndOffset(4, 10)
    assert not log.contains(EpochAndOffset(4, 9))


def test_logs_part_at_the_nearer_end_of_the_last_epoch_that_both_know():
    leader, follower = log_of(1, 2, 2, 2, 5), log_of(1, 2, 3, 3, 3, 3)
    theirs = leader.end_of(follower.end.epoch)
    assert theirs == EpochAndOffset(2, 4)
    assert follower.where_to_cut(theirs) == 2


def test_nothing_committed_is_cut():
    log = log_of(1, 2, 2)
    assert log.commit(2) == [Commit(2)]
    assert log.where_to_cut(EpochAndOffset(2, 2)) == 2
    with pytest.raises(RaftError, match="cut at 1"):
        log.where_to_cut(EpochAndOffset(1, 1))


def test_no_more_is_committed_than_there_is_and_nothing_twice():
    log = log_of(1, 1)
    assert log.commit(9) == [Commit(2)]
    assert log.commit(1) == log.commit(2) == []


def test_a_snapshot_that_ends_in_the_middle_of_an_epoch_keeps_its_epoch():
    log = log_of(1, 2, 2, 3)
    log.commit(4)
    log.cut(2)
    assert log.start == EpochAndOffset(2, 2)
    assert [log.at(offset).epoch for offset in (2, 3, 4)] == [2, 2, 3]
    assert log.end_of(2) == EpochAndOffset(2, 3)
    log.append(batches_of([3], 4))
    assert log.end == EpochAndOffset(3, 5)


def test_what_is_not_committed_is_in_no_snapshot():
    log = log_of(1, 1)
    with pytest.raises(RaftError, match="only 0"):
        log.cut(1)


def test_a_log_that_is_cut_to_its_start_goes_on_from_there():
    log = log_of(2, 2, start=EpochAndOffset(2, 5))
    log.truncate(5)
    assert log.end == EpochAndOffset(2, 5)
    log.append(batches_of([2, 4], 5))
    assert log.end_of(2) == EpochAndOffset(2, 6)
    assert log.end == EpochAndOffset(4, 7)


def test_a_snapshot_takes_the_place_of_a_log():
    log = log_of(1, 2)
    log.reset(EpochAndOffset(4, 9))
    assert (log.start, log.end, log.high_watermark) == (*[EpochAndOffset(4, 9)] * 2, 9)


epochs = st.lists(st.integers(1, 5), max_size=8).map(sorted)
odd, even = (st.lists(st.sampled_from(each), max_size=6).map(sorted) for each in ((7, 9), (6, 8)))


@given(epochs, odd, even, st.integers(0, 2))
def test_a_follower_cuts_what_its_leader_does_not_have_and_nothing_else(common, ours, theirs, more):
    """The leader's last common epoch may go on for longer."""
    leader = log_of(*common, *common[-1:] * more, *theirs)
    follower = log_of(*common, *ours)
    rounds = 0
    while not leader.contains(follower.end):
        end = follower.end
        follower.truncate(follower.where_to_cut(leader.end_of(end.epoch)))
        assert follower.end < end
        rounds += 1
    assert follower.end.offset == len(common)
    assert rounds <= len(set(ours))


@given(epochs, st.data())
def test_a_log_that_was_cut_knows_what_a_whole_one_knows(ours, data):
    whole, short = log_of(*ours), log_of(*ours)
    offset = data.draw(st.integers(0, len(ours)))
    short.commit(offset)
    short.cut(offset)
    assert short.end == whole.end
    for at in range(offset, len(ours) + 1):
        assert short.at(at) == whole.at(at)
    for epoch in range(short.start.epoch, 7):
        assert short.end_of(epoch) == whole.end_of(epoch)


@given(epochs, st.integers(0, 8), epochs)
def test_a_log_that_was_truncated_knows_nothing_of_what_it_had(ours, offset, more):
    offset = min(offset, len(ours))
    more = [each for each in more if each >= max(ours[:offset], default=0)]
    cut, fresh = log_of(*ours), log_of(*ours[:offset], *more)
    cut.truncate(offset)
    cut.append(batches_of(more, offset))
    assert cut.end == fresh.end
    assert [cut.end_of(epoch) for epoch in range(7)] == [fresh.end_of(each) for each in range(7)]
    assert all(cut.at(each) == fresh.at(each) for each in range(fresh.end.offset + 1))
