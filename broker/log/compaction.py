"""Compaction: which logs need it, and which records stay. PURE.

    log start        first dirty offset                first uncleanable offset            log end
    |  clean: a key  |  dirty: nobody has looked yet   |  the active segment, what is      |
    |  seldom twice  |  for keys that came again       |  above the high watermark, or     |
    |                |                                 |  younger than min.compaction.lag  |

A log is compacted when dirty / (clean + dirty) bytes exceed `min.cleanable.dirty.ratio`, or when
something dirty is older than `max.compaction.lag.ms`; of several the dirtiest goes first. The dirty
part is read for the newest offset of each key, then clean and dirty part are written anew:

    a record                                                          stays
    is not the newest of its key                                      no
    has no key (from before the topic was compacted)                  no
    is the newest, and has a value                                    yes
    is the newest, without a value: a tombstone, the key is deleted   until its delete horizon:
                                                                      delete.retention.ms after a
                                                                      compaction has first met it

    a batch whose records all go                                      stays, empty
    is the last one of its producer                                   yes: for its sequence
    is the last one of the segment that is written                    yes: for its offset
    is any other                                                      no

So a reader that comes to the end of a segment learns from a header that the next offset is further
on. Offsets never change. A batch whose records cannot be read, or whose offsets are not within it,
is a producer's nonsense and stays as it is.

Memory is bounded: when there is no room for another key, the round ends before the batch at hand,
and the next round goes on there. A batch that alone has too many keys is TooManyKeys: to step over
it would be wrong, since a tombstone in it might go before the value that it deletes.

Left out: transactions; control batches stay.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from ...protocol.batch import MAX_BATCH_OFFSETS, BatchHeader
from ...protocol.primitives import Buffer, ProtocolError
from ...protocol.records import Record, iterate
from ...protocol.rewrite import BatchRewriter, empty_batch
from .retention import RetainedSegment

Pause: TypeAlias = tuple[()]
PAUSE: Pause = ()
"""Between two steps: the event loop may do something else."""
DIGEST_BYTES = 16
KEY_ENTRY_BYTES = 150
"""What one key costs in memory: a digest, an offset, a place in a dict (measured: 137 to 150)."""
RECORDS_PER_STEP = 100


class TooManyKeys(Exception):
    """One batch has more keys than there is room for: the log cannot be compacted."""


class CompactedSegment(RetainedSegment, Protocol):
    """What compaction looks at before it opens anything."""

    @property
    def first_timestamp(self) -> int:
        """The time of its first batch, or -1."""
        ...


SomeSegment = TypeVar("SomeSegment", bound=CompactedSegment)


@dataclass(frozen=True, slots=True)
class CompactionPolicy:
    """When a topic's logs are compacted: the options named in the module."""

    min_dirty_ratio: float
    min_lag_ms: int
    max_lag_ms: int


class Offsets(NamedTuple):
    """Where a log stands."""

    log_start: int
    cleaned: int
    high_watermark: int


class DirtyPart(NamedTuple):
    """What a compaction would read, from `start_offset` up to `end_offset`, and whether it must."""

    start_offset: int
    end_offset: int
    clean_bytes: int
    dirty_bytes: int
    is_due: bool

    @property
    def ratio(self) -> float:
        """The share of dirty bytes, by which the dirtiest log is found."""
        return self.dirty_bytes / max(self.clean_bytes + self.dirty_bytes, 1)


def find_dirty_part(
    segments: Sequence[CompactedSegment], offsets: Offsets, policy: CompactionPolicy, now_ms: int
) -> DirtyPart:
    """Return the dirty part of a log whose last segment is active."""
    start_offset = offsets.cleaned
    if not offsets.log_start <= start_offset <= segments[-1].next_offset:
        start_offset = offsets.log_start
    clean_bytes = dirty_bytes = 0
    dirty: list[CompactedSegment] = []
    for segment in segments[:-1]:
        if segment.next_offset > offsets.high_watermark:
            break
        if segment.next_offset <= start_offset:
            clean_bytes += segment.size_bytes
            continue
        if policy.min_lag_ms and segment.newest_ms > now_ms - policy.min_lag_ms:
            break
        dirty.append(segment)
        dirty_bytes += segment.size_bytes
    end_offset = dirty[-1].next_offset if dirty else start_offset
    part = DirtyPart(start_offset, end_offset, clean_bytes, dirty_bytes, False)
    is_due = part.ratio > policy.min_dirty_ratio or _holds_older(dirty, now_ms - policy.max_lag_ms)
    return part._replace(is_due=is_due)


def _holds_older(segments: Sequence[CompactedSegment], oldest_ms: int) -> bool:
    """Return whether some segment begins with a record that is older."""
    return oldest_ms > 0 and any(0 < each.first_timestamp < oldest_ms for each in segments)


def group_segments(segments: Sequence[SomeSegment], max_bytes: int) -> list[list[SomeSegment]]:
    """Return the segments in groups, each of which is small enough to become one segment."""
    groups: list[list[SomeSegment]] = []
    group_bytes = 0
    for segment in segments:
        group_bytes += segment.size_bytes
        if (
            groups
            and group_bytes <= max_bytes
            and segment.next_offset - groups[-1][0].base_offset <= MAX_BATCH_OFFSETS
        ):
            groups[-1].append(segment)
        else:
            groups.append([segment])
            group_bytes = segment.size_bytes
    return groups


class NewestOffsets:
    """The newest offset of each key in the dirty part, as far as there is room.

    Long keys are known by a digest that nobody can forge, short ones by themselves.
    """

    def __init__(self, start_offset: int, max_keys: int) -> None:
        self._offsets: dict[bytes, int] = {}
        self._max_keys = max(max_keys, 1)
        self.end_offset = start_offset
        """What is below is compacted in this round."""
        self.is_full = False

    def __len__(self) -> int:
        return len(self._offsets)

    def add_batch(self, batch: Buffer, header: BatchHeader) -> Generator[Pause]:
        """Take the keys of the next batch, in steps; is_full when the round must end before it."""
        is_first = not self._offsets
        if not header.is_control:
            try:
                for index, record in enumerate(read_records(batch, header)):
                    if not self._add(record):
                        break
                    if index % RECORDS_PER_STEP == 0:
                        yield PAUSE
            except ProtocolError:
                pass  # It stays as it is; the keys before the nonsense are still its own.
        if not self.is_full:
            self.end_offset = header.next_offset
        elif is_first:
            message = f"the batch at offset {header.base_offset} has more than {len(self)} keys"
            raise TooManyKeys(f"{message}; log.cleaner.dedupe.buffer.size is too small")

    def is_newest(self, key: bytes, offset: int) -> bool:
        """Whether no later record of this key is known."""
        return offset >= self._offsets.get(_digest(key), -1)

    def _add(self, record: Record) -> bool:
        if record.key is None:
            return True
        digest = _digest(record.key)
        if len(self._offsets) >= self._max_keys and digest not in self._offsets:
            self.is_full = True
            return False
        self._offsets[digest] = record.offset
        return True


def _digest(key: bytes) -> bytes:
    """Return what stands for a key; a short one is no digest, for that is longer."""
    return key if len(key) < DIGEST_BYTES else blake2b(key, digest_size=DIGEST_BYTES).digest()


def read_records(batch: Buffer, header: BatchHeader) -> Iterator[Record]:
    """Yield the records of a batch; ProtocolError when they or their offsets make no sense."""
    least_offset = header.base_offset
    for record in iterate(batch, header):
        if not least_offset <= record.offset <= header.last_offset:
            raise ProtocolError(f"offset {record.offset} in a batch at {header.base_offset}")
        least_offset = record.offset + 1
        yield record


@dataclass(frozen=True, slots=True)
class Survival:
    """Who stays, in one round of compaction."""

    newest: NewestOffsets
    last_offsets: Mapping[int, int]
    """Producer id to the last offset of its last batch."""
    now_ms: int
    delete_retention_ms: int

    def compact(
        self, batch: Buffer, header: BatchHeader, is_last: bool
    ) -> Generator[Pause, None, Buffer | None]:
        """Return what is left of a batch, in steps; None for nothing, `batch` for all of it.

        `is_last` says that it is the last one of the segment that is written.
        """
        if header.base_offset >= self.newest.end_offset or header.is_control:
            return batch
        must_stay = is_last or self.last_offsets.get(header.producer_id) == header.last_offset
        try:
            return (yield from self._compact(batch, header, must_stay))
        except ProtocolError:
            return batch

    def _compact(
        self, batch: Buffer, header: BatchHeader, must_stay: bool
    ) -> Generator[Pause, None, Buffer | None]:
        """Look at the records once to count who stays, and if need be again to write them."""
        horizon_ms = header.delete_horizon_ms
        first: Record | None = None
        count, has_tombstones = 0, False
        for index, record in enumerate(read_records(batch, header)):
            if self._stays(record, horizon_ms):
                first = first or record
                count += 1
                has_tombstones |= record.value is None
            if index % RECORDS_PER_STEP == 0:
                yield PAUSE
        if first is None:
            return empty_batch(header) if must_stay else None
        is_met_first = has_tombstones and horizon_ms is None
        if count == header.record_count and not is_met_first:
            return batch
        new_horizon_ms = self.now_ms + self.delete_retention_ms if is_met_first else horizon_ms
        rewriter = BatchRewriter(header, first, new_horizon_ms)
        for index, record in enumerate(iterate(batch, header)):
            if self._stays(record, horizon_ms):
                rewriter.append(record)
            if index % RECORDS_PER_STEP == 0:
                yield PAUSE
        return rewriter.build()

    def _stays(self, record: Record, delete_horizon_ms: int | None) -> bool:
        if record.key is None or not self.newest.is_newest(record.key, record.offset):
            return False
        if record.value is not None or delete_horizon_ms is None:
            return True
        return self.now_ms < delete_horizon_ms
