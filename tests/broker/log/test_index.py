"""The indexes: Kafka's bytes, and look-ups that agree with a walk over everything."""

import struct
from bisect import bisect_right

from hypothesis import given
from hypothesis import strategies as st

from minikafka.broker.log.index import NO_TIMESTAMP, OffsetIndex, TimeIndex, TimestampOffset

RISING = st.lists(st.integers(1, 1000), max_size=20).map(
    lambda steps: [sum(steps[: index + 1]) for index in range(len(steps))]
)


def test_golden_bytes_of_the_offset_index() -> None:
    index = OffsetIndex(2**40)
    index.append(2**40 + 9, 4200)
    index.append(2**40 + 2**31 - 1, 2**31 - 1)
    assert bytes(index).hex(" ", 4) == "00000009 00001068 7fffffff 7fffffff"
    assert list(index) == [(2**40 + 9, 4200), (2**40 + 2**31 - 1, 2**31 - 1)]


def test_golden_bytes_of_the_time_index() -> None:
    index = TimeIndex(100)
    index.append(TimestampOffset(1_700_000_000_000, 109))
    index.append(TimestampOffset(1_700_000_000_000, 120))  # no later: not entered
    index.append(TimestampOffset(1_700_000_000_001, 130))
    assert [offset for _, offset in index] == [109, 130]
    assert bytes(index).hex(" ", 4) == ("0000018b cfe56800 00000009 0000018b cfe56801 0000001e")


@given(RISING, st.integers(0, 25_000))
def test_floor_is_the_last_entry_at_or_below(steps: list[int], wanted: int) -> None:
    index = OffsetIndex(50)
    entries = [(50 + step, 3 * step) for step in steps]
    for entry in entries:
        index.append(*entry)
    below = [position for offset, position in entries if offset <= wanted]
    assert index.floor(wanted) == (below[-1] if below else 0)
    below = [position for _, position in entries if position <= wanted]
    assert index.floor_position(wanted) == (below[-1] if below else 0)
    assert len(index) == len(entries)
    assert index.last_position == (entries[-1][1] if entries else 0)


@given(RISING, st.integers(0, 25_000))
def test_time_floor_is_the_last_entry_at_or_before(steps: list[int], wanted: int) -> None:
    index = TimeIndex(50)
    for step in steps:
        index.append(TimestampOffset(step, 50 + step))
    count = bisect_right(steps, wanted)
    found = index.floor(wanted)
    expected = (steps[count - 1], 50 + steps[count - 1]) if count else (NO_TIMESTAMP, 50)
    assert found == expected
    assert index.last == ((steps[-1], 50 + steps[-1]) if steps else (NO_TIMESTAMP, 50))


@given(RISING, st.integers(0, 25_000))
def test_truncation_forgets_what_ends_at_or_after(steps: list[int], offset: int) -> None:
    offsets, times = OffsetIndex(50), TimeIndex(50)
    for step in steps:
        offsets.append(50 + step, 3 * step)
        times.append(TimestampOffset(step, 50 + step))
    offsets.truncate(offset)
    times.truncate(offset)
    kept = [step for step in steps if 50 + step < offset]
    assert bytes(offsets) == b"".join(struct.pack(">ii", step, 3 * step) for step in kept)
    assert bytes(times) == b"".join(struct.pack(">qi", step, step) for step in kept)


def test_what_cannot_be_an_index_is_not_sound() -> None:
    good = struct.pack(">iiii", 9, 100, 19, 200)
    assert OffsetIndex(0, good).is_sound(201)
    assert OffsetIndex(0).is_sound(0)
    assert not OffsetIndex(0, good).is_sound(200)
    assert not OffsetIndex(0, good[:-1]).is_sound(201)
    assert not OffsetIndex(0, good + bytes(8)).is_sound(201)
    times = struct.pack(">qiqi", 1000, 9, 1001, 19)
    assert TimeIndex(0, times).is_sound()
    assert not TimeIndex(0, times[:-1]).is_sound()
    assert not TimeIndex(0, times + bytes(12)).is_sound()
