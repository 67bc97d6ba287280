"""From batches to consumer records, one at a time."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from minikafka.client.metadata import TopicPartition
from minikafka.client.record import LOG_APPEND_TIME, ConsumerRecord
from minikafka.client.record_decoder import RecordDecoder
from minikafka.client.subscription import PartitionState
from minikafka.protocol.batch import read_header
from minikafka.protocol.errors import KafkaError
from minikafka.protocol.records import (
    RECORDS_AT_ONCE,
    Record,
    build_batch,
    stamp_log_append_time,
)


def decoder(
    batch: bytearray, position: int, value_deserializer: Callable[[bytes], Any] | None = None
) -> PartitionState:
    """A partition that is decoding this batch."""
    state = PartitionState(TopicPartition("t", 3))
    state.set_position(position)
    view = memoryview(batch)
    state.decoding = RecordDecoder(state, view, read_header(view), None, value_deserializer)
    return state


def batch_of(count: int, base_offset: int = 10) -> bytearray:
    """Numbers as records."""
    records = [Record(0, 100 + n, b"k", b"%d" % n, (("h", None),)) for n in range(count)]
    return build_batch(records, 0, base_offset, leader_epoch=4)


def test_a_record_has_all_its_fields():
    state = decoder(batch_of(1), 10)
    assert list(state.decoding or ()) == [
        ConsumerRecord("t", 3, 10, 100, 0, b"k", b"0", (("h", None),), 4)
    ]


def test_the_position_moves_with_each_record_and_the_rest_stays():
    state = decoder(batch_of(5), 10)
    decoding = state.decoding
    assert decoding is not None
    assert [record.offset for record in islice(decoding, 2)] == [10, 11]
    assert state.position == 12
    assert state.decoding is decoding
    assert [record.offset for record in decoding] == [12, 13, 14]
    assert (state.position, state.decoding) == (15, None)


@pytest.mark.parametrize("count", [1, 4, RECORDS_AT_ONCE, RECORDS_AT_ONCE + 1, 2_000])
def test_the_position_moves_past_what_is_taken(count: int):
    state = decoder(batch_of(1_000), 10)
    assert state.decoding is not None
    taken: list[ConsumerRecord] = []
    state.decoding.take(taken, count)
    assert [record.offset for record in taken] == list(range(10, 10 + min(count, 1_000)))
    assert state.position == taken[-1].offset + 1
    assert (state.decoding is None) == (count > 1_000)


def test_what_lies_before_a_damaged_record_is_taken_first():
    batch = batch_of(1_000)
    batch[-1] ^= 0x40  # the last byte is the last header's value: null
    state = decoder(batch, 10)
    assert state.decoding is not None
    taken: list[ConsumerRecord] = []
    with pytest.raises(KafkaError, match="t-3 offset 1009 cannot be decoded"):
        state.decoding.take(taken, 2_000)
    assert len(taken) == 999
    assert (state.position, state.decoding) == (1_009, None)
    state = decoder(batch, 10)
    with pytest.raises(KafkaError, match="t-3 offset 1009 cannot be decoded"):
        taken.extend(state.decoding or ())
    assert len(taken) == 2 * 999


def test_decoding_begins_in_the_middle():
    first = RECORDS_AT_ONCE + 20
    records = decoder(batch_of(300), first).decoding or ()
    assert [record.offset for record in records] == list(range(first, 310))


def test_a_compacted_tail_is_passed():
    batch = batch_of(2)
    batch[23:27] = (9).to_bytes(4, "big")  # last offset delta: eight records were removed
    state = decoder(batch, 10)
    assert len(list(state.decoding or ())) == 2
    assert state.position == 20


def test_append_time_is_told():
    batch = batch_of(1)
    stamp_log_append_time(batch, 777)
    (record,) = decoder(batch, 10).decoding or ()
    assert (record.timestamp, record.timestamp_type) == (777, LOG_APPEND_TIME)


def test_a_failing_deserializer_leaves_the_position_at_its_record():
    state = decoder(batch_of(3), 10, lambda value: 1 // int(value))
    with pytest.raises(KafkaError, match="t-3 offset 10 cannot be decoded"):
        list(state.decoding or ())
    assert (state.position, state.decoding) == (10, None)
    assert isinstance(state.error, KafkaError)


def test_an_iterator_left_behind_by_a_seek_disturbs_nothing():
    state = decoder(batch_of(3), 10)
    stale = iter(state.decoding or ())
    next(stale)
    state.set_position(50)
    fresh = state.decoding = decoder(batch_of(1), 10).decoding
    del stale
    assert (state.position, state.decoding) == (50, fresh)
