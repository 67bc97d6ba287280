"""The log of one partition: segments in order of offset, one writer, the last segment active.

    00000000000000000000.log   00000000000000004711.log   00000000000000009000.log
    [0, 4711) closed           [4711, 9000) closed        [9000, log end) active

    log start <= flushed <= written <= log end
      |            |          |          +-- staged: batches held in memory until write()
      |            |          +-- in the files, may still be lost with the power
      |            +-- confirmed by fdatasync (in flush mode "os": the same as written)
      +-- what is below was deleted; may lie within the first segment

An append has three steps, so that many cost one system call and one flush:

    stage(batch)            takes the batch, whose base offset is the log end
    write()                 writes all that is staged; all of it or, on StorageError, nothing
    begin_flush()           says what to flush; the caller awaits that for many logs at once,
    flushed(point)          and tells the log

Invariants: everything runs on the event loop's thread and nothing here awaits. A failed write
leaves the log as it was before its batches were staged; where not even that can be had, it was the
last one (KAFKA-10778). A flush that a truncation has overtaken counts for nothing, since other
batches may have taken the place of what it covered.

Left out: preallocated files; rolling by the age of an empty log (segment.ms counts in record time,
as in Kafka, but a log without timestamps rolls by size alone, for it has no clock). Producer
snapshots and leader epochs belong to the partition, which on_roll tells when to save the first.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from ...protocol.batch import MAX_BATCH_OFFSETS, BatchHeader
from . import time_lookup
from .files import File, Files, StorageError, StorageFailed
from .recovery import BeforeKeeping, Confirmed, load_segments
from .scan import CorruptLog
from .segment import Batch, FileSlice, Segment
from .time_lookup import FoundOffset

MAX_WARM_SEGMENTS = 4
"""Closed segments of one log that keep a file open and their indexes in memory."""


FlushMode: TypeAlias = Literal["fsync", "os"]


@dataclass(frozen=True, slots=True)
class LogOptions:
    """How a log rolls, indexes and flushes; the defaults are Kafka's, but for the flush."""

    segment_bytes: int = 1024 * 1024 * 1024
    segment_ms: int = 7 * 24 * 60 * 60 * 1000
    index_interval_bytes: int = 4096
    flush_on_write: FlushMode = "fsync"


class OffsetOutOfRange(Exception):
    """The offset is below the start or above the end of the log."""

    def __init__(self, offset: int, log_start_offset: int, log_end_offset: int) -> None:
        super().__init__(f"offset {offset} is not in [{log_start_offset}, {log_end_offset}]")
        self.offset = offset


class FlushPoint(NamedTuple):
    """What to flush, and what that will have confirmed; strings are directories."""

    files: list[File | str]
    offset: int
    appended_bytes: int
    listed: int
    truncations: int


def _no_callback(base_offset: int) -> None:
    """Take no notice of a roll."""


def _no_notice(damage: CorruptLog) -> None:
    """Take no notice of records that are set aside."""


class Log:
    """See the module. `options` may be replaced at any time; so may `on_roll`.

    `on_roll(base_offset)` is called for each new segment once the write that began it is done; a
    write that failed has begun none.
    """

    __slots__ = (
        "_appended_bytes",
        "_directory",
        "_files",
        "_flushed_bytes",
        "_is_in_doubt",
        "_segments",
        "_staged",
        "_truncations",
        "_unflushed",
        "_unflushed_start",
        "_warm",
        "log_end_offset",
        "log_start_offset",
        "on_roll",
        "options",
        "recovery_point",
        "was_cut",
        "written_offset",
    )

    def __init__(
        self, files: Files, directory: str, options: LogOptions, segments: list[Segment]
    ) -> None:
        """Use open()."""
        self._files = files
        self._directory = directory
        self._segments = segments
        self._staged: list[Batch] = []
        self._warm: list[Segment] = []
        self._unflushed: list[File | str] = []
        self._unflushed_start = 0
        self._appended_bytes = self._flushed_bytes = 0
        self._truncations = 0
        self._is_in_doubt = False
        self.options = options
        self.on_roll: Callable[[int], None] = _no_callback
        self.log_start_offset = segments[0].base_offset
        """The first offset that may be read."""
        self.written_offset = self.log_end_offset = segments[-1].next_offset
        self.recovery_point = self.written_offset
        """Everything below is confirmed by the disk, in either flush mode."""
        self.was_cut = False
        """Whether opening cut a torn end."""

    @classmethod
    def open(
        cls,
        files: Files,
        directory: str,
        options: LogOptions,
        *,
        recovery_point: int = 0,
        high_watermark: int = 0,
        clean: bool = False,
        log_start_offset: int = 0,
        before_keeping: BeforeKeeping = _no_notice,
    ) -> "Log":
        """Return the log in `directory`, which is made when it is missing.

        The offsets come from the checkpoints, `clean` from the marker of a clean stop;
        `before_keeping` is told when records will be set aside. CorruptLog when something
        confirmed is missing: see `recovery`.
        """
        segments, was_cut = load_segments(
            files,
            directory,
            options.index_interval_bytes,
            Confirmed(recovery_point, high_watermark, log_start_offset),
            clean=clean,
            before_keeping=before_keeping,
        )
        self = cls(files, directory, options, segments)
        self.was_cut = was_cut
        self.log_start_offset = max(self.log_start_offset, log_start_offset)
        self._distrust(recovery_point, clean)
        if self.log_start_offset > self.written_offset:
            self.restart_at(self.log_start_offset)
        return self

    def _distrust(self, recovery_point: int, clean: bool) -> None:
        """Flush what an earlier run wrote at or above `recovery_point`, now or with the next."""
        segments = self._segments
        unsure = [one.path("log") for one in segments if one.next_offset > recovery_point]
        if unsure or not (clean or segments[-1].size_bytes):
            unsure.append(self._directory)  # A new, empty segment has a name to lose.
        if not clean or self.options.flush_on_write == "fsync":
            self._files.flush_now(unsure)
        else:
            self._unflushed += unsure
            self.recovery_point = recovery_point

    @property
    def directory(self) -> str:
        """Where its files are."""
        return self._directory

    @property
    def segments(self) -> Sequence[Segment]:
        """The segments in order; the last is active."""
        return self._segments

    @property
    def size_bytes(self) -> int:
        """The size of all .log files."""
        return sum(segment.size_bytes for segment in self._segments)

    @property
    def flushed_offset(self) -> int:
        """What may be acknowledged as safe: confirmed by the disk, or written in mode "os"."""
        return self.written_offset if self.options.flush_on_write == "os" else self.recovery_point

    @property
    def needs_flush(self) -> bool:
        """Whether a flush round should take this log: in mode "os" only after a roll."""
        if self.options.flush_on_write == "os":
            return bool(self._unflushed)
        return self.recovery_point < self.written_offset

    @property
    def unflushed_bytes(self) -> int:
        """The bytes written since the last confirmed flush; 0 in mode "os"."""
        if self.options.flush_on_write == "os":
            return 0
        return self._appended_bytes - self._flushed_bytes

    def stage(self, batch: memoryview, header: BatchHeader) -> None:
        """Take a batch to be written by the next write(); it is kept by reference.

        Its base offset is the log end, already patched in (a follower's may be larger, after
        compaction on the leader); `header` says so as well.
        """
        if header.base_offset < self.log_end_offset:
            message = f"batch at offset {header.base_offset}, log end {self.log_end_offset}"
            raise ValueError(message)
        self._staged.append((batch, header))
        self.log_end_offset = header.next_offset

    def write(self) -> None:
        """Write what is staged; on StorageError none of it is in the log, nor staged any more.

        After StorageFailed nobody knows what is there, and nothing is ever written behind it.
        """
        staged = self._staged
        if not staged:
            return
        self._staged = []
        if self._is_in_doubt:
            raise StorageFailed(f"an earlier write to {self._directory} has failed")
        segments_before = len(self._segments)
        self._is_in_doubt = True  # And so it stays, whatever is raised on the way.
        try:
            self._write(staged)
        except StorageError as error:
            self.truncate_to(self.written_offset)
            self._is_in_doubt = isinstance(error, StorageFailed)
            raise
        self.written_offset = self._segments[-1].next_offset
        for segment in self._segments[segments_before:]:
            self.on_roll(segment.base_offset)
        self._is_in_doubt = False

    def _write(self, staged: list[Batch]) -> None:
        """Append the batches, with one system call for each segment that they go to."""
        segment = self._segments[-1]
        position, first_timestamp = segment.size_bytes, segment.first_timestamp
        group: list[Batch] = []
        for batch in staged:
            header = batch[1]
            if self._is_full(segment.base_offset, position, first_timestamp, header):
                self._append(segment, group)
                group = []
                segment = self._roll(header.last_offset)
                position = 0
            if position == 0:
                first_timestamp = header.max_timestamp
            group.append(batch)
            position += len(batch[0])
        self._append(segment, group)

    def _is_full(
        self, base_offset: int, position: int, first_timestamp: int, header: BatchHeader
    ) -> bool:
        """Return whether a batch at `position` must go to the next segment instead."""
        if header.last_offset - base_offset >= MAX_BATCH_OFFSETS:
            return True
        if position == 0:
            return False
        options = self.options
        return position + header.size_bytes > options.segment_bytes or (
            0 <= first_timestamp < header.max_timestamp - options.segment_ms
        )

    def _append(self, segment: Segment, group: list[Batch]) -> None:
        """Write one group of batches to the active segment."""
        if group:
            self._appended_bytes += segment.append(group)

    def roll(self) -> None:
        """Close the active segment and begin another at the log end, unless it is empty."""
        self.write()
        if self._segments[-1].size_bytes:
            self.on_roll(self._roll(self.log_end_offset).base_offset)

    def _roll(self, last_offset: int) -> Segment:
        """Return a new active segment, which can hold `last_offset`."""
        old = self._segments[-1]
        base_offset = max(old.next_offset, last_offset - MAX_BATCH_OFFSETS + 1)
        index_paths = old.save_indexes()
        new = Segment.create(
            self._files, self._directory, base_offset, self.options.index_interval_bytes
        )
        self._segments.append(new)
        old_file = old.path("log") if self.options.flush_on_write == "os" else old.file
        self._unflushed += (old_file, *index_paths, self._directory)
        self._warm_up(old)
        return new

    def flush_too(self, path: str) -> None:
        """Let the next flush confirm a file beside the log as well, and its name."""
        self._unflushed += (path, self._directory)

    def flush_names(self) -> None:
        """Let the next flush confirm what was renamed or removed in the directory."""
        self._unflushed.append(self._directory)

    def begin_flush(self) -> FlushPoint:
        """Return what is to be flushed to confirm all that is written; empty when nothing is."""
        files = list(self._unflushed)
        listed = self._unflushed_start + len(files)
        if self._appended_bytes != self._flushed_bytes:
            active = self._segments[-1]
            active.remember_end()
            files.append(active.file)
        return FlushPoint(
            files, self.written_offset, self._appended_bytes, listed, self._truncations
        )

    def flushed(self, point: FlushPoint) -> None:
        """Take notice that the files of `point` were flushed."""
        if point.truncations != self._truncations:
            return
        self.recovery_point = max(self.recovery_point, point.offset)
        self._flushed_bytes = max(self._flushed_bytes, point.appended_bytes)
        done = max(point.listed - self._unflushed_start, 0)
        del self._unflushed[:done]
        self._unflushed_start += done

    def read(
        self, offset: int, max_bytes: int, end_offset: int, at_least_one: bool = True
    ) -> FileSlice | None:
        """Return whole batches from the one with `offset` on, below `end_offset`, of one segment.

        At most `max_bytes`, but with `at_least_one` the first batch even if larger. None when there
        is nothing yet, or nothing that small; OffsetOutOfRange below the start or above the end.
        """
        if not self.log_start_offset <= offset <= self.log_end_offset:
            raise OffsetOutOfRange(offset, self.log_start_offset, self.log_end_offset)
        active = self._segments[-1]
        if offset >= active.base_offset:
            return active.read(offset, max_bytes, end_offset, at_least_one)
        for segment in self._segments[self._index_of(offset) :]:
            if segment.base_offset >= end_offset:
                return None
            self._warm_up(segment)
            file_slice = segment.read(offset, max_bytes, end_offset, at_least_one)
            if file_slice is not None or segment.reaches(offset):
                return file_slice
        return None

    def headers(self, from_offset: int) -> Iterator[BatchHeader]:
        """Yield the header of each written batch, from that of `from_offset` on."""
        for segment in self._segments[self._index_of(from_offset) :]:
            for _, header in segment.headers(from_offset):
                yield header
            self._rest_cold()

    def offset_for_time(self, timestamp_ms: int, end_offset: int) -> FoundOffset | None:
        """Return the first record of `timestamp_ms` or later below `end_offset`."""
        start_offset, end_offset = self.log_start_offset, min(end_offset, self.written_offset)
        found = time_lookup.first_at_or_after(
            self._segments, timestamp_ms, start_offset, end_offset
        )
        self._rest_cold()
        return found

    def max_timestamp(self, end_offset: int) -> FoundOffset | None:
        """Return the record with the largest timestamp below `end_offset`, the first of several."""
        start_offset, end_offset = self.log_start_offset, min(end_offset, self.written_offset)
        found = time_lookup.latest(self._segments, start_offset, end_offset)
        self._rest_cold()
        return found

    def _index_of(self, offset: int) -> int:
        """Return the index of the segment that `offset` falls into, or the first."""
        after = bisect_right(self._segments, offset, key=lambda segment: segment.base_offset)
        return max(after - 1, 0)

    def _warm_up(self, segment: Segment) -> None:
        """Let a closed segment stay open, or the active; the one not read for longest must rest."""
        warm = self._warm
        if segment is self._segments[-1] or (warm and warm[-1] is segment):
            return
        if segment in warm:
            warm.remove(segment)
        warm.append(segment)
        if len(warm) > MAX_WARM_SEGMENTS:
            warm.pop(0).rest()

    def _rest_cold(self) -> None:
        """Let the closed segments rest that a look-up has opened and that are not warm."""
        for segment in self._segments[:-1]:
            if segment.is_open and segment not in self._warm:
                segment.rest()

    def truncate_to(self, offset: int) -> None:
        """Drop what is staged, and every batch that ends at or after `offset`.

        The log end is then that of the last batch kept, `offset` at most. Whoever keeps a
        recovery point on disk must lower it first: a log that ends below it is called corrupt.
        """
        self._staged.clear()
        if offset < self._segments[0].base_offset:
            self.restart_at(offset)
            return
        if offset < self._segments[-1].next_offset:
            self._truncations += 1
            if self._segments[-1].base_offset > offset:
                while self._segments[-1].base_offset > offset:
                    self._drop(self._segments.pop())
                # Were one there again after a crash, two segments would have the same offsets.
                self._files.fsync_directory(self._directory)
            active = self._segments[-1]
            self._warm = [segment for segment in self._warm if segment is not active]
            active.truncate_to(offset)
        self.written_offset = self.log_end_offset = self._segments[-1].next_offset
        self.recovery_point = min(self.recovery_point, self.written_offset)
        self.log_start_offset = min(self.log_start_offset, self.written_offset)

    def restart_at(self, offset: int) -> None:
        """Drop everything and go on at `offset`: for a follower which the leader has outrun."""
        self._staged.clear()
        self._truncations += 1
        while self._segments:
            self._drop(self._segments.pop())
        interval_bytes = self.options.index_interval_bytes
        self._segments.append(Segment.create(self._files, self._directory, offset, interval_bytes))
        self._files.fsync_directory(self._directory)
        self.log_start_offset = self.recovery_point = offset
        self.written_offset = self.log_end_offset = offset

    def advance_start(self, offset: int) -> None:
        """Make `offset` the log's start; delete_oldest() removes the segments that lie below."""
        if not self.log_start_offset <= offset <= self.written_offset:
            raise OffsetOutOfRange(offset, self.log_start_offset, self.written_offset)
        self.log_start_offset = offset

    def delete_oldest(self) -> None:
        """Delete the first segment, which must be closed; the log starts behind it at least."""
        self.log_start_offset = max(self.log_start_offset, self._segments[1].base_offset)
        self._drop(self._segments.pop(0))

    def holds(self, segments: Sequence[Segment]) -> bool:
        """Return whether these segments, one or more, are all there, one behind the other."""
        first = self._index_of(segments[0].base_offset)
        return self._segments[first : first + len(segments)] == list(segments)

    def replace(self, old: Sequence[Segment], new: Segment) -> None:
        """Put `new` in the place of the closed segments `old`, which it holds, and delete those."""
        first = self._index_of(old[0].base_offset)
        self._segments[first : first + len(old)] = [new]
        for segment in old:
            self._drop(segment)

    def _drop(self, segment: Segment) -> None:
        """Delete a segment's files; their names are gone for good after the next flush."""
        if segment in self._warm:
            self._warm.remove(segment)
        segment.delete()
        self.flush_names()

    def close(self, *, sync: bool = False) -> None:
        """Write what is staged and the active indexes, and let go; with `sync` flush it all."""
        self.write()
        files = [*self._unflushed, *self._segments[-1].close(), self._directory]
        for segment in self._segments:
            segment.rest()
        if sync:
            self._files.flush_now(files)
            self.recovery_point = self.written_offset

    def let_go(self) -> None:
        """Hold no file any more: the log is being deleted."""
        for segment in self._segments:
            segment.rest()
