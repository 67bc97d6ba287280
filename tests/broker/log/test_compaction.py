"""Which logs are compacted, and which records stay: the newest of each key, and nothing else."""

from collections.abc import Generator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minikafka.broker.log.compaction import (
    CompactionPolicy,
    DirtyPart,
    NewestOffsets,
    Offsets,
    Survival,
    TooManyKeys,
    _digest,
    find_dirty_part,
    group_segments,
    read_records,
)
from minikafka.protocol.batch import CONTROL_BIT, BatchHeader
from minikafka.protocol.primitives import ProtocolError
from minikafka.protocol.records import BatchBuilder, Record, iterate, read_header
from minikafka.protocol.rewrite import rewrite

NOW_MS = 1_000_000
DAY_MS = 86_400_000
MANY = 1000
POLICY = CompactionPolicy(0.5, 0, 2**63 - 1)

Pair = tuple[bytes | None, bytes | None]


@dataclass
class Piece:
    """A segment as compaction sees it before it opens anything."""

    base_offset: int
    next_offset: int
    size_bytes: int
    newest_ms: int = 0
    first_timestamp: int = 1


def pieces(*sizes: int, newest_ms: int = 0, first_timestamp: int = 1) -> list[Piece]:
    """Segments of ten offsets each."""
    return [
        Piece(index * 10, index * 10 + 10, size, newest_ms, first_timestamp)
        for index, size in enumerate(sizes)
    ]


def batch_of(*pairs: Pair, offset: int = 0, codec: int = 0, producer: int = -1) -> bytes:
    builder = BatchBuilder(codec)
    for number, (key, value) in enumerate(pairs):
        builder.append(100 + offset + number, key, value, (("h", b"%d" % number),))
    return bytes(builder.build(offset, producer, 0 if producer >= 0 else -1, 0))


def run(steps: Generator[Any, None, Any]) -> Any:
    """Take all steps; what the generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value


def newest_of(*batches: bytes, max_keys: int = MANY) -> NewestOffsets:
    newest = NewestOffsets(0, max_keys)
    for batch in batches:
        run(newest.add_batch(batch, read_header(batch)))
        if newest.is_full:
            break
    return newest


def compact(
    batch: bytes,
    newest: NewestOffsets,
    *,
    is_last: bool = False,
    last_offsets: dict[int, int] | None = None,
    now_ms: int = NOW_MS,
) -> bytes | None:
    survival = Survival(newest, last_offsets or {}, now_ms, DAY_MS)
    left = run(survival.compact(batch, read_header(batch), is_last))
    return None if left is None else bytes(left)


def pairs_in(batch: bytes | None) -> list[Pair]:
    return [] if batch is None else [(each.key, each.value) for each in iterate(batch)]


@pytest.mark.parametrize(
    ("sizes", "offsets", "expected"),
    [
        # the active segment, the last one, is never looked at
        ((10, 10, 99), Offsets(0, 0, 30), DirtyPart(0, 20, 0, 20, True)),
        ((10, 10, 99), Offsets(0, 10, 30), DirtyPart(10, 20, 10, 10, False)),
        ((10, 11, 99), Offsets(0, 10, 30), DirtyPart(10, 20, 10, 11, True)),
        ((10, 10, 99), Offsets(0, 20, 30), DirtyPart(20, 20, 20, 0, False)),
        ((99,), Offsets(0, 0, 10), DirtyPart(0, 0, 0, 0, False)),
        # nor is what is not wholly below the high watermark
        ((10, 10, 10, 99), Offsets(0, 0, 25), DirtyPart(0, 20, 0, 20, True)),
        ((10, 10, 99), Offsets(0, 0, 9), DirtyPart(0, 0, 0, 0, False)),
        # a round may have ended within a segment, and the log may start within one
        ((10, 10, 10, 99), Offsets(0, 15, 40), DirtyPart(15, 30, 10, 20, True)),
        ((10, 10, 10, 99), Offsets(15, 0, 40), DirtyPart(15, 30, 10, 20, True)),
        # an offset that cannot be is forgotten
        ((10, 10, 99), Offsets(0, 31, 30), DirtyPart(0, 20, 0, 20, True)),
    ],
)
def test_the_dirty_part_is_what_is_closed_committed_and_not_yet_compacted(
    sizes: tuple[int, ...], offsets: Offsets, expected: DirtyPart
) -> None:
    assert find_dirty_part(pieces(*sizes), offsets, POLICY, NOW_MS) == expected


def test_young_records_stay_uncompacted() -> None:
    policy = CompactionPolicy(0.5, 1000, 2**63 - 1)
    segments = pieces(10, 10, 10, 99)
    segments[1].newest_ms = NOW_MS - 999
    part = find_dirty_part(segments, Offsets(0, 0, 40), policy, NOW_MS)
    assert (part.end_offset, part.dirty_bytes) == (10, 10)
    segments[1].newest_ms = NOW_MS - 1000
    assert find_dirty_part(segments, Offsets(0, 0, 40), policy, NOW_MS).end_offset == 30


@pytest.mark.parametrize(
    ("first_timestamp", "is_due"),
    [(NOW_MS - 1001, True), (NOW_MS - 1000, False), (-1, False), (0, False)],
)
def test_what_waits_too_long_is_compacted_however_little_it_is(
    first_timestamp: int, is_due: bool
) -> None:
    policy = CompactionPolicy(0.9, 0, 1000)
    segments = pieces(90, 10, 99, first_timestamp=first_timestamp)
    assert find_dirty_part(segments, Offsets(0, 10, 30), policy, NOW_MS).is_due is is_due
    assert not find_dirty_part(segments, Offsets(0, 20, 30), policy, NOW_MS).is_due


@given(st.lists(st.integers(0, 60), max_size=12), st.integers(1, 120))
def test_groups_are_neighbours_and_not_too_large(sizes: list[int], max_bytes: int) -> None:
    segments = pieces(*sizes)
    groups = group_segments(segments, max_bytes)
    assert [each for group in groups for each in group] == segments
    for group in groups:
        assert len(group) == 1 or sum(each.size_bytes for each in group) <= max_bytes
    for one, other in pairwise(groups):
        assert sum(each.size_bytes for each in (*one, other[0])) > max_bytes


def test_a_group_spans_no_more_offsets_than_an_index_can_say() -> None:
    far = 2**31
    segments = [Piece(0, 10, 1), Piece(10, far, 1), Piece(far, far + 10, 1)]
    assert [len(group) for group in group_segments(segments, 100)] == [2, 1]


def test_the_newest_record_of_each_key_stays_with_its_offset() -> None:
    one = batch_of((b"a", b"1"), (b"b", b"2"), (b"a", b"3"))
    two = batch_of((b"b", b"4"), offset=3)
    newest = newest_of(one, two)
    assert (newest.end_offset, len(newest)) == (4, 2)
    left = compact(one, newest)
    assert left is not None
    assert list(iterate(left)) == [list(iterate(one))[2]]
    assert compact(two, newest) is two


def test_what_is_above_the_keys_that_were_read_stays() -> None:
    later = batch_of((None, b"x"), (b"a", None), offset=10)
    assert compact(later, newest_of(batch_of((b"a", b"1")))) is later


def test_records_without_a_key_go() -> None:
    batch = batch_of((None, b"x"), (b"a", b"1"))
    assert pairs_in(compact(batch, newest_of(batch))) == [(b"a", b"1")]


def test_a_short_key_is_not_the_digest_of_a_long_one() -> None:
    long = b"k" * 100
    batch = batch_of((long, b"1"), (_digest(long), b"2"), (long[:15], b"3"), (long[:16], b"4"))
    assert compact(batch, newest_of(batch)) is batch


def test_a_tombstone_stays_until_its_horizon_and_no_longer() -> None:
    batch = batch_of((b"a", None), (b"b", b"1"))
    newest = newest_of(batch)
    once = compact(batch, newest)
    assert once is not None
    assert read_header(once).delete_horizon_ms == NOW_MS + DAY_MS
    assert list(iterate(once)) == list(iterate(batch))
    assert compact(once, newest, now_ms=NOW_MS + DAY_MS - 1) is once
    twice = compact(once, newest, now_ms=NOW_MS + DAY_MS)
    assert pairs_in(twice) == [(b"b", b"1")]
    assert twice is not None
    assert read_header(twice).delete_horizon_ms == NOW_MS + DAY_MS


def test_a_tombstone_that_is_superseded_goes_at_once() -> None:
    batch = batch_of((b"a", None), (b"a", b"1"))
    assert pairs_in(compact(batch, newest_of(batch))) == [(b"a", b"1")]


@pytest.mark.parametrize(
    ("is_last", "last_offsets", "stays"),
    [
        (False, {}, False),
        (True, {}, True),
        (False, {7: 1}, True),
        (False, {7: 3}, False),
        (False, {8: 1}, False),
    ],
)
def test_an_emptied_batch_stays_for_its_producer_and_for_the_segment(
    is_last: bool, last_offsets: dict[int, int], stays: bool
) -> None:
    batch = batch_of((b"a", b"1"), (b"a", b"2"), producer=7)
    newest = newest_of(batch, batch_of((b"a", b"3"), offset=2))
    left = compact(batch, newest, is_last=is_last, last_offsets=last_offsets)
    if not stays:
        assert left is None
        return
    assert left is not None
    header = read_header(left)
    assert (header.record_count, header.base_offset, header.last_offset) == (0, 0, 1)
    assert (header.producer_id, header.last_sequence) == (7, 1)
    assert compact(left, newest, is_last=True) == left
    assert compact(left, newest) is None


def test_a_control_batch_stays() -> None:
    builder = BatchBuilder(control=True, transactional=True)
    builder.append(0, b"\0\0\0\1", b"\0\0\0\0\0\0")
    marker = bytes(builder.build(0, 7, 0, -1))
    assert read_header(marker).attributes & CONTROL_BIT
    newest = newest_of(marker)
    assert (len(newest), newest.end_offset) == (0, 1)
    assert compact(marker, newest) is marker


def damaged(batch: bytes) -> bytes:
    """The records are nonsense."""
    return batch[:61] + b"\xff" * (len(batch) - 61)


def displaced(batch: bytes) -> bytes:
    """The header says other offsets than the records."""
    return rewrite_offsets(batch, read_header(batch)._replace(last_offset_delta=0))


def rewrite_offsets(batch: bytes, header: BatchHeader) -> bytes:
    return bytes(rewrite(header, list(iterate(batch)), None))


@pytest.mark.parametrize("spoil", [damaged, displaced])
def test_a_batch_that_makes_no_sense_stays_as_it_is(spoil: Any) -> None:
    batch = spoil(batch_of((b"a", b"1"), (b"a", b"2")))
    newest = newest_of(batch, batch_of((b"a", b"3"), offset=2))
    assert newest.end_offset == 3
    assert compact(batch, newest) is batch
    with pytest.raises(ProtocolError):
        list(read_records(batch, read_header(batch)))


def test_a_round_ends_before_the_batch_whose_keys_find_no_room() -> None:
    one, two = batch_of((b"a", b"1"), (b"b", b"1")), batch_of((b"c", b"1"), (b"a", b"2"), offset=2)
    newest = newest_of(one, two, max_keys=2)
    assert (newest.is_full, newest.end_offset) == (True, 2)
    assert compact(two, newest) is two
    assert compact(one, newest) is one


def test_a_batch_with_too_many_keys_for_any_round_is_said_so() -> None:
    """To step over it would be wrong: a tombstone in it might go before the value it deletes."""
    batch = batch_of(*((b"%d" % number, b"1") for number in range(5)))
    with pytest.raises(TooManyKeys, match=r"offset 0 .* more than 3 keys"):
        newest_of(batch, max_keys=3)


KEYS = st.sampled_from([None, *b"a b c d e f g h".split(), b"long " * 9, b"long " * 8])
VALUES = st.none() | st.binary(max_size=3)
BATCHES = st.lists(st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=6), max_size=12)


@settings(deadline=None)
@given(BATCHES, st.integers(0, 4), st.integers(6, 9), st.data())
def test_what_stays_is_the_newest_value_of_each_key(
    contents: list[list[Pair]], codec: int, max_keys: int, data: st.DataObject
) -> None:
    """Round after round, with room for few keys, each round from where the last one ended."""
    batches: list[bytes] = []
    offset = 0
    for pairs in contents:
        batches.append(batch_of(*pairs, offset=offset, codec=codec))
        offset += len(pairs)
    written = [record for batch in batches for record in iterate(batch)]
    cleaned_offset, rounds = 0, 0
    while cleaned_offset < offset:
        newest = NewestOffsets(cleaned_offset, max_keys)
        for batch in batches:
            header = read_header(batch)
            if header.next_offset > cleaned_offset and not newest.is_full:
                run(newest.add_batch(batch, header))
        assert newest.end_offset > cleaned_offset
        cleaned_offset = newest.end_offset
        now_ms = NOW_MS + rounds * data.draw(st.sampled_from([0, DAY_MS]))
        batches = [left for batch in batches if (left := compact(batch, newest, now_ms=now_ms))]
        rounds += 1
    left = [record for batch in batches for record in iterate(batch)]
    assert [record for record in written if record in left] == left
    assert {key: value for key, value in newest_values(left).items() if value is not None} == {
        key: value for key, value in newest_values(written).items() if value is not None
    }
    assert not [record for record in left if record.key is None]
    assert len({record.key for record in left}) == len(left)


def newest_values(records: list[Record]) -> dict[bytes | None, bytes | None]:
    return {record.key: record.value for record in records if record.key is not None}
