"""The accumulator: golden rules, and a model of the broker under every kind of accident."""

import tracemalloc
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minikafka.client.accumulator import (
    ADDED,
    BATCH_FULL,
    BATCH_OPENED,
    MAX_IN_FLIGHT,
    NO_ROOM,
    TOO_LARGE,
    Accumulator,
    AccumulatorSettings,
)
from minikafka.client.metadata import TopicPartition
from minikafka.client.producer_batch import ProducerBatch
from minikafka.protocol.records import iterate, read_header

T0 = TopicPartition("t", 0)


def make(**options: Any) -> Accumulator:
    """An accumulator with a producer id, batches of 200 bytes and no linger."""
    defaults: dict[str, Any] = {
        "batch_size_bytes": 200,
        "max_record_bytes": 1000,
        "buffer_memory_bytes": 10_000,
        "linger_ms": 0,
        "delivery_timeout_ms": 1000,
        "compression": 0,
        "is_idempotent": True,
    }
    accumulator = Accumulator(AccumulatorSettings(**defaults | options))
    accumulator.set_producer(7, 0)
    return accumulator


def make_known(**options: Any) -> Accumulator:
    """The same, after partition 0 has acknowledged a record: five batches may leave at once."""
    accumulator = make(**options)
    add(accumulator, b"0")
    accumulator.close_open()
    accumulator.acknowledge(accumulator.take(T0))
    return accumulator


def add(accumulator: Accumulator, value: bytes, now_ms: int = 0, partition: int = 0) -> int:
    """Append a record."""
    result, _ = accumulator.append("t", partition, 1000, None, value, (), lambda: now_ms)
    return result


def values_of(batch: ProducerBatch) -> list[bytes | None]:
    """The values of its records, which make them known."""
    return [record.value for record in iterate(batch.builder.build())]


def fill(accumulator: Accumulator, *values: bytes) -> None:
    """Each value in a batch of its own."""
    for value in values:
        assert add(accumulator, value) in (BATCH_OPENED, BATCH_FULL)
        accumulator.close_open()


def test_records_gather_in_one_batch_until_it_is_full():
    accumulator = make()
    results = [add(accumulator, b"x" * 30) for _ in range(5)]
    assert results == [BATCH_OPENED, ADDED, ADDED, BATCH_FULL, ADDED]
    assert [batch.record_count for batch in accumulator.batches()] == [3, 2]


def test_a_batch_is_ready_after_its_linger_time():
    accumulator = make(linger_ms=5)
    add(accumulator, b"x", now_ms=100)
    assert accumulator.ready(104) == []
    assert accumulator.next_ms(104) == 105
    assert accumulator.ready(105) == [T0]


def test_a_full_or_flushed_batch_does_not_linger():
    accumulator = make(linger_ms=5000, delivery_timeout_ms=9000)
    add(accumulator, b"x")
    assert accumulator.ready(0) == []
    accumulator.close_open()
    assert accumulator.ready(0) == [T0]
    accumulator = make(linger_ms=5000, delivery_timeout_ms=9000)
    add(accumulator, b"x" * 190)
    assert accumulator.ready(0) == [T0]


def test_a_full_buffer_has_no_room_until_a_batch_leaves():
    accumulator = make(buffer_memory_bytes=250)
    assert add(accumulator, b"x" * 100) == BATCH_OPENED
    assert add(accumulator, b"x" * 100) == NO_ROOM
    batch = accumulator.take(T0)  # it is closed: whoever waits for room shall not linger
    accumulator.acknowledge(batch)
    assert accumulator.buffered_bytes == 0
    assert add(accumulator, b"x" * 100) == BATCH_OPENED


def test_a_record_above_the_limit_is_refused_and_one_above_the_batch_size_travels_alone():
    accumulator = make()
    assert add(accumulator, b"x" * 1000) == TOO_LARGE
    assert add(accumulator, b"a") == BATCH_OPENED
    assert add(accumulator, b"x" * 500) == BATCH_FULL
    assert add(accumulator, b"b") == BATCH_OPENED
    assert [batch.record_count for batch in accumulator.batches()] == [1, 1, 1]


def test_a_record_of_the_wrong_type_leaves_nothing_behind():
    accumulator = make()
    with pytest.raises(TypeError):
        accumulator.append("t", 0, 1000, None, "text", (), lambda: 0)
    assert list(accumulator.batches()) == []
    assert accumulator.ready(0) == []
    add(accumulator, b"good")
    assert [r.value for r in iterate(accumulator.take(T0).encoded)] == [b"good"]


@pytest.mark.parametrize(("timestamp", "error"), [(2**63, OverflowError), ("now", TypeError)])
def test_a_timestamp_that_is_none_leaves_nothing_behind(timestamp: Any, error: type[Exception]):
    accumulator = make()
    for _ in range(2):  # first in a new batch, then in one that is there
        with pytest.raises(error):
            accumulator.append("t", 0, timestamp, None, b"x", (), lambda: 0)
        add(accumulator, b"good")
    (batch,) = accumulator.batches()
    assert (batch.record_count, list(batch.delivery.timestamps)) == (2, [1000, 1000])


@pytest.mark.parametrize("value_bytes", [10, 100, 1000])
def test_what_is_held_beside_the_records_is_an_eighth_and_eight_bytes_a_record(value_bytes: int):
    limit_bytes = 4 << 20
    accumulator = make(
        buffer_memory_bytes=limit_bytes, batch_size_bytes=64 << 10, max_record_bytes=2000
    )
    value, count = b"x" * value_bytes, 0
    add(accumulator, value)
    tracemalloc.start()
    try:
        while add(accumulator, value) != NO_ROOM:
            count += 1
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert limit_bytes - 2000 < accumulator.buffered_bytes <= limit_bytes
    assert held_bytes < (limit_bytes + 8 * count) * 9 / 8 + (100 << 10)


def test_a_partition_gets_one_batch_until_it_has_acknowledged_one():
    accumulator = make()
    fill(accumulator, b"1", b"2", b"3")
    first = accumulator.take(T0)
    assert accumulator.ready(0) == []
    accumulator.acknowledge(first)
    accumulator.take(T0)
    assert accumulator.ready(0) == [T0]


def test_no_batch_leaves_whose_number_would_push_one_in_doubt_out_of_the_brokers_memory():
    accumulator = make_known()
    fill(accumulator, *[b"%d" % number for number in range(1, 9)])
    first = accumulator.take(T0)
    for _ in range(MAX_IN_FLIGHT - 1):
        accumulator.acknowledge(accumulator.take(T0))
    accumulator.retry(first, 0, in_doubt=True)
    assert accumulator.take(T0) is first
    assert accumulator.ready(0) == []


def test_at_most_five_batches_of_a_partition_are_in_flight():
    accumulator = make_known()
    fill(accumulator, *[b"%d" % number for number in range(7)])
    taken = [accumulator.take(T0) for _ in range(MAX_IN_FLIGHT)]
    assert accumulator.ready(0) == []
    assert accumulator.next_ms(0) == 1000
    accumulator.acknowledge(taken[0])
    assert accumulator.ready(0) == [T0]


def test_without_idempotence_one_batch_at_a_time_keeps_the_order():
    accumulator = make(is_idempotent=False)
    fill(accumulator, b"1", b"2")
    batch = accumulator.take(T0)
    assert read_header(batch.encoded).producer_id == -1
    assert accumulator.ready(0) == []
    accumulator.retry(batch, 0, in_doubt=True)
    assert accumulator.take(T0) is batch


def test_a_retry_sends_the_same_bytes_before_anything_younger():
    accumulator = make_known()
    fill(accumulator, b"1", b"2", b"3")
    first, second = accumulator.take(T0), accumulator.take(T0)
    before = bytes(first.encoded)
    accumulator.retry(second, 50, in_doubt=True)
    accumulator.retry(first, 50, in_doubt=True)
    assert accumulator.ready(49) == []
    assert accumulator.next_ms(0) == 50
    assert accumulator.take(T0) is first
    assert bytes(first.encoded) == before
    assert accumulator.take(T0) is second


def test_sequence_numbers_count_records_and_each_partition_for_itself():
    accumulator = make()
    for partition in (0, 1):
        for _ in range(3):
            add(accumulator, b"x", partition=partition)
        accumulator.close_open()
        add(accumulator, b"y", partition=partition)
    accumulator.close_open()
    numbers: list[int] = []
    for index in (0, 0, 1, 1):
        batch = accumulator.take(TopicPartition("t", index))
        numbers.append(read_header(batch.encoded).base_sequence)
        accumulator.acknowledge(batch)
    assert numbers == [0, 3, 0, 3]


def test_out_of_order_behind_a_batch_that_is_still_with_us_keeps_its_number():
    accumulator = make_known()
    fill(accumulator, b"1", b"2")
    first, second = accumulator.take(T0), accumulator.take(T0)
    accumulator.retry(first, 0, in_doubt=False)
    accumulator.out_of_order(second, 0)
    assert second.base_sequence == 2
    assert not accumulator.needs_producer_id


def test_a_dropped_batch_makes_the_producer_start_anew():
    accumulator = make_known()
    fill(accumulator, b"1", b"2", b"3")
    first, second = accumulator.take(T0), accumulator.take(T0)
    accumulator.fail(first)
    assert not accumulator.needs_producer_id, "the second batch's fate is not known yet"
    accumulator.out_of_order(second, 0)
    assert accumulator.needs_producer_id
    assert accumulator.ready(0) == []
    accumulator.set_producer(8, 0)
    again = accumulator.take(T0)
    header = read_header(again.encoded)
    assert (again, header.producer_id, header.base_sequence) == (second, 8, 0)
    assert [record.value for record in iterate(again.encoded)] == [b"2"]


def test_old_batches_expire_but_not_in_flight():
    accumulator = make(delivery_timeout_ms=100)
    fill(accumulator, b"1", b"2")
    first = accumulator.take(T0)
    assert [values_of(batch) for batch in accumulator.expire(100)] == [[b"2"]]
    accumulator.retry(first, 100, in_doubt=True)
    assert accumulator.expire(100) == [first]
    assert accumulator.needs_producer_id
    assert list(accumulator.batches()) == []


class Fate(Enum):
    """What can become of a request."""

    WRITTEN = auto()
    WRITTEN_BUT_UNHEARD = auto()
    LOST = auto()
    REFUSED_FOR_NOW = auto()
    REFUSED_FOR_GOOD = auto()


@dataclass
class ModelBroker:
    """One partition with Kafka's rule for sequence numbers: a window of five batches."""

    log: list[bytes] = field(default_factory=list[bytes])
    windows: dict[int, list[tuple[int, int]]] = field(
        default_factory=dict[int, list[tuple[int, int]]]
    )

    def append(self, encoded: bytearray) -> bool:
        """True for written or known already, False for out of order."""
        header = read_header(encoded)
        window = self.windows.setdefault(header.producer_id, [])
        span = (header.base_sequence, header.last_sequence)
        if span in window:
            return True
        expected = window[-1][1] + 1 if window else header.base_sequence
        if header.base_sequence != expected:
            return False
        self.windows[header.producer_id] = [*window, span][-5:]
        self.log += [record.value or b"" for record in iterate(encoded)]
        return True


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 6), st.lists(st.sampled_from(Fate)))))
def test_nothing_is_lost_doubled_or_out_of_order(
    rounds: list[tuple[int, int, list[Fate]]],
):
    accumulator = make(delivery_timeout_ms=10**9, buffer_memory_bytes=10**9)
    broker = ModelBroker()
    sent: list[bytes] = []
    acknowledged: list[bytes] = []
    failed: list[bytes] = []
    producer_ids = iter(range(8, 10**6))

    def exchange(fates: list[Fate]) -> None:
        """Send all that may be sent; the n-th request has the n-th fate, later ones arrive."""
        if accumulator.needs_producer_id:
            accumulator.set_producer(next(producer_ids), 0)
        flight: list[ProducerBatch] = []
        while accumulator.ready(0):
            flight.append(accumulator.take(T0))
        is_broken = False
        for index, batch in enumerate(flight):
            fate = fates[index] if index < len(fates) else Fate.WRITTEN
            if fate is Fate.LOST or is_broken:
                # A connection that breaks loses everything behind the break as well.
                is_broken = True
                accumulator.retry(batch, 0, in_doubt=True)
            elif fate is Fate.REFUSED_FOR_NOW:
                accumulator.retry(batch, 0, in_doubt=False)
            elif fate is Fate.REFUSED_FOR_GOOD:
                accumulator.fail(batch)
                failed.extend(values_of(batch))
            elif not broker.append(batch.encoded):
                accumulator.out_of_order(batch, 0)
            elif fate is Fate.WRITTEN_BUT_UNHEARD:
                accumulator.retry(batch, 0, in_doubt=True)
            else:
                accumulator.acknowledge(batch)
                acknowledged.extend(values_of(batch))

    for batches, records, fates in rounds:
        for _ in range(batches):
            for _ in range(records):
                value = b"%d" % len(sent)
                assert add(accumulator, value) != NO_ROOM
                sent.append(value)
            accumulator.close_open()
        exchange(fates)
    for _ in range(10 * len(sent) + 10):
        exchange([])
    assert list(accumulator.batches()) == []
    assert accumulator.buffered_bytes == 0
    assert len(set(broker.log)) == len(broker.log), "doubled"
    assert set(acknowledged) <= set(broker.log), "lost"
    assert sorted(acknowledged + failed) == sorted(sent), "neither acknowledged nor failed"
    order = [int(value) for value in broker.log]
    assert order == sorted(order), "out of order"
