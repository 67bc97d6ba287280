"""Idempotent producers: the table of the last five, against a dict that forgets nothing."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from minikafka.broker.replica.producers import (
    MAX_PRODUCERS,
    WINDOW,
    Producers,
    SentBatch,
)
from minikafka.protocol.batch import MAX_SEQUENCE, BatchHeader, read_header
from minikafka.protocol.errors import ErrorCode

from ..in_process import batch_of

TEMPLATE = read_header(batch_of())


NOW_MS = 1_000


def header_of(
    producer_id: int, epoch: int, sequence: int, count: int = 1, *, offset: int = 0
) -> BatchHeader:
    """The header of a batch of `count` records."""
    return TEMPLATE._replace(
        base_offset=offset,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        last_offset_delta=count - 1,
        record_count=count,
    )


def filled(*sequences: int, epoch: int = 0) -> Producers:
    """The table after one-record batches of producer 1."""
    producers = Producers()
    for offset, sequence in enumerate(sequences):
        producers.append(header_of(1, epoch, sequence), offset, NOW_MS)
    producers.commit()
    return producers


def test_who_is_unknown_may_begin_anywhere() -> None:
    assert Producers().check(header_of(1, 5, 99)) is ErrorCode.NONE


def test_the_last_five_are_duplicates_and_the_sixth_is_out_of_order() -> None:
    producers = filled(*range(8))
    for sequence in range(3, 8):
        found = producers.check(header_of(1, 0, sequence))
        assert isinstance(found, SentBatch)
        assert found.base_offset == sequence
    too_old = producers.check(header_of(1, 0, 2))
    assert too_old is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


@pytest.mark.parametrize(("first", "count"), [(MAX_SEQUENCE, 1), (MAX_SEQUENCE, 4), (5, 3)])
def test_what_follows_is_the_last_sequence_plus_one_with_a_wrap(first: int, count: int) -> None:
    producers = Producers()
    producers.append(header_of(1, 0, first, count), 0, NOW_MS)
    following = (first + count) % (MAX_SEQUENCE + 1)
    assert producers.check(header_of(1, 0, following)) is ErrorCode.NONE
    for wrong in (following + 1, following - 1 if following else MAX_SEQUENCE):
        verdict = producers.check(header_of(1, 0, wrong))
        assert isinstance(verdict, SentBatch) or verdict == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_newer_epoch_starts_at_0_with_an_empty_window() -> None:
    producers = filled(0, 1, 2)
    out_of_order = ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert producers.check(header_of(1, 1, 3)) is out_of_order
    assert producers.check(header_of(1, 1, 0)) is ErrorCode.NONE
    producers.append(header_of(1, 1, 0), 3, NOW_MS)
    assert producers.check(header_of(1, 1, 2)) is out_of_order
    assert producers.check(header_of(1, 0, 2)) is ErrorCode.INVALID_PRODUCER_EPOCH


def test_rollback_forgets_what_was_not_written() -> None:
    producers = filled(0, 1)
    producers.append(header_of(1, 0, 2), 2, NOW_MS)
    producers.append(header_of(1, 3, 0), 3, NOW_MS)
    producers.append(header_of(2, 0, 0), 4, NOW_MS)
    producers.rollback()
    assert producers.check(header_of(1, 0, 2)) is ErrorCode.NONE
    assert isinstance(producers.check(header_of(1, 0, 1)), SentBatch)
    assert len(producers) == 1


def test_a_commit_stands_whatever_is_rolled_back_later() -> None:
    producers = filled(0)
    producers.append(header_of(1, 0, 1), 1, NOW_MS)
    producers.commit()
    producers.rollback()
    assert isinstance(producers.check(header_of(1, 0, 1)), SentBatch)


def test_a_producer_that_was_silent_is_forgotten() -> None:
    producers = Producers()
    producers.append(header_of(1, 0, 0), 0, 100)
    producers.append(header_of(2, 0, 0), 1, 200)
    producers.expire(101)
    assert len(producers) == 1
    assert producers.check(header_of(1, 0, 77)) is ErrorCode.NONE
    assert isinstance(producers.check(header_of(2, 0, 0)), SentBatch)


def test_a_snapshot_is_not_short_of_what_the_batches_above_it_push_out() -> None:
    """A roll between staged batches: if those above it are lost, the five below count again."""
    producers = filled(*range(WINDOW))
    for sequence in range(WINDOW, WINDOW + 3):
        producers.append(header_of(1, 0, sequence), sequence, NOW_MS)
    entries = producers.snapshot(WINDOW + 1)
    assert [batch.first_sequence for _, _, batch in entries] == [1, 2, 3, 4, 5]
    producers.commit()
    assert len(producers.snapshot(WINDOW + 3)) == WINDOW


def test_a_snapshot_below_a_new_epoch_keeps_the_old_one() -> None:
    producers = filled(0, 1)
    producers.append(header_of(1, 1, 0), 2, NOW_MS)
    assert [(epoch, batch.base_offset) for _, epoch, batch in producers.snapshot(2)] == [
        (0, 0),
        (0, 1),
    ]
    assert [epoch for _, epoch, _ in producers.snapshot(3)] == [1]


def test_a_snapshot_below_an_offset_leaves_out_what_lies_above() -> None:
    entries = filled(0, 1, 2).snapshot(2)
    assert [batch.last_offset for _, _, batch in entries] == [0, 1]


class ProducersMachine(RuleBasedStateMachine):
    """Two producers over a log; the model remembers every batch of every epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.producers = Producers()
        self.written: list[BatchHeader] = []
        self.staged: list[BatchHeader] = []

    @initialize(first=st.sampled_from([0, MAX_SEQUENCE - 4]))
    def begin(self, first: int) -> None:
        self.first = first

    @property
    def log(self) -> list[BatchHeader]:
        """All batches, staged ones included."""
        return self.written + self.staged

    def of(self, producer_id: int) -> list[BatchHeader]:
        """The batches of one producer in its newest epoch."""
        mine = [each for each in self.log if each.producer_id == producer_id]
        return [each for each in mine if each.producer_epoch == mine[-1].producer_epoch]

    def expected(self, header: BatchHeader) -> Any:
        """What a broker that forgets nothing but all beyond five would say."""
        mine = self.of(header.producer_id)
        if not mine:
            return ErrorCode.NONE
        epoch = mine[-1].producer_epoch
        if header.producer_epoch < epoch:
            return ErrorCode.INVALID_PRODUCER_EPOCH
        if header.producer_epoch > epoch:
            is_first = header.base_sequence == 0
            return ErrorCode.NONE if is_first else ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        for each in mine[-WINDOW:]:
            same_first = each.base_sequence == header.base_sequence
            if same_first and each.last_sequence == header.last_sequence:
                return each.base_offset
        follows = (mine[-1].last_sequence + 1) % (MAX_SEQUENCE + 1) == header.base_sequence
        return ErrorCode.NONE if follows else ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER

    @rule(data=st.data(), producer_id=st.integers(1, 2), count=st.integers(1, 3))
    def send(self, data: st.DataObject, producer_id: int, count: int) -> None:
        mine = self.of(producer_id)
        following = (mine[-1].last_sequence + 1) & MAX_SEQUENCE if mine else self.first
        earlier = [(each.base_sequence, each.record_count) for each in mine[-7:]]
        options = [(following, count), ((following + 1) & MAX_SEQUENCE, count), (0, count)]
        sequence, count = data.draw(st.sampled_from(options + earlier + [(following, count)] * 3))
        epoch = mine[-1].producer_epoch if mine else 1
        epoch = data.draw(st.sampled_from([epoch] * 8 + [epoch - 1, epoch + 1]))
        end_offset = self.log[-1].next_offset if self.log else 0
        header = header_of(producer_id, epoch, sequence, count, offset=end_offset)
        verdict = self.producers.check(header)
        answer = verdict.base_offset if isinstance(verdict, SentBatch) else verdict
        assert answer == self.expected(header)
        if verdict is ErrorCode.NONE:
            self.producers.append(header, end_offset, NOW_MS)
            self.staged.append(header)

    @rule()
    def write(self) -> None:
        self.producers.commit()
        self.written += self.staged
        self.staged = []

    @rule()
    def fail_to_write(self) -> None:
        self.producers.rollback()
        self.staged = []

    @precondition(lambda self: not self.staged)
    @rule(data=st.data())
    def restart_from_snapshot_and_log(self, data: st.DataObject) -> None:
        end_offset = self.written[-1].next_offset if self.written else 0
        entries = self.producers.snapshot(end_offset)
        self.producers = Producers()
        self.producers.load(entries)

    @precondition(lambda self: not self.staged)
    @rule()
    def restart_from_the_log_alone(self) -> None:
        self.producers = Producers()
        for header in self.written:
            self.producers.replay(header, NOW_MS)

    @invariant()
    def both_know_the_same_producers(self) -> None:
        assert len(self.producers) == len({each.producer_id for each in self.log})


ProducersMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestProducers = ProducersMachine.TestCase


def test_the_producers_that_were_silent_for_longest_make_room_for_new_ones() -> None:
    producers = filled(0)
    for producer_id in range(2, MAX_PRODUCERS + 1):
        producers.append(header_of(producer_id, 0, 0), producer_id, NOW_MS)
    producers.append(header_of(1, 0, 1), MAX_PRODUCERS + 1, NOW_MS)  # heard of again
    for producer_id in (MAX_PRODUCERS + 1, MAX_PRODUCERS + 2):
        producers.append(header_of(producer_id, 0, 0), producer_id, NOW_MS)
    assert len(producers) == MAX_PRODUCERS + 2  # nobody goes before the new ones are written
    producers.commit()
    assert len(producers) == MAX_PRODUCERS
    assert isinstance(producers.check(header_of(1, 0, 1)), SentBatch)
    assert producers.check(header_of(2, 0, 5)) is ErrorCode.NONE
    assert isinstance(producers.check(header_of(4, 0, 0)), SentBatch)


def test_a_replay_remembers_no_more_producers_than_there_may_be() -> None:
    producers = Producers()
    for producer_id in range(MAX_PRODUCERS + 10):
        producers.replay(header_of(producer_id, 0, 0, offset=producer_id), NOW_MS)
    assert len(producers) == MAX_PRODUCERS
