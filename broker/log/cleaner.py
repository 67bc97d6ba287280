"""The cleaner: carries out one round of compaction on one log. What stays, `compaction` decides.

    read the dirty part        the newest offset of each key
    for each group of small    write what stays to one new segment, B.*.cleaned
    segments                   let it take their place, see `swap`

The round is a generator, in steps of a fraction of a millisecond: between two of them requests are
served. A step yields what must be flushed before the next one, mostly nothing. So there is no
thread and no lock, a test can stop at each step, and who drives it decides how much of the event
loop's time it gets. Only the unpacking of one batch and one write to the page cache are not
divided.

Between steps anything may happen to the log but two things: what is below the high watermark does
not change, and only one cleaner works on it. If the segments at hand are deleted meanwhile, the
round ends.

Invariants: the active segment is not touched. Every batch is checked as recovery does it before it
is opened, since a bit that flips must not decide which records go: CorruptLog ends the round, and
the log stays as it is.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from typing import TypeAlias

from ...protocol.batch import BatchHeader, read_header
from .compaction import PAUSE, DirtyPart, Survival, group_segments
from .files import File, Files
from .log import Log
from .scan import CorruptLog, scan
from .segment import Batch, Segment
from .swap import CLEANED_ENDING, swap

NO_EPOCH = -1
WRITE_BYTES = 256 * 1024
"""Batches that stay are written when they are so many bytes."""

Steps: TypeAlias = Generator[Sequence[File | str], None, None]
"""What to flush before the next step: mostly nothing, that is PAUSE."""


class _SegmentGone(Exception):
    """Somebody has deleted a segment that the round was about to read."""


class Round:
    """One round on one log; `steps` does it, `cleaned_offset` says how far it has come."""

    def __init__(self, files: Files, log: Log, part: DirtyPart, survival: Survival) -> None:
        """`survival.newest` is new, and begins at the start of the dirty part."""
        self._files = files
        self._log = log
        self._part = part
        self._survival = survival
        self.cleaned_offset = part.start_offset
        self.removed_bytes = 0

    def steps(self) -> Steps:
        """Do it; close the generator to give up."""
        with suppress(_SegmentGone):
            yield from self._read_keys()
            yield from self._clean_groups()

    def _clean_groups(self) -> Steps:
        """Write what was read anew, group by group."""
        end_offset = self._survival.newest.end_offset
        part = [each for each in self._log.segments[:-1] if each.base_offset < end_offset]
        for group in group_segments(part, self._log.options.segment_bytes):
            is_done = yield from self._clean(group)
            if not is_done:
                return
        self.cleaned_offset = end_offset

    def _read_keys(self) -> Steps:
        """Learn the newest offset of each key in the dirty part."""
        part, newest = self._part, self._survival.newest
        for segment in self._log.segments[:-1]:
            if segment.base_offset >= part.end_offset:
                return
            if segment.next_offset <= part.start_offset:
                continue
            for batch, header, _ in self._batches(segment):
                if header.next_offset > part.start_offset:
                    yield from newest.add_batch(batch, header)
                if newest.is_full:
                    return
                yield PAUSE
            newest.end_offset = segment.next_offset

    def _clean(self, group: Sequence[Segment]) -> Generator[Sequence[File | str], None, bool]:
        """Put one new segment in the place of `group`; False when that is no longer there."""
        log, interval_bytes = self._log, self._log.options.index_interval_bytes
        size_bytes = sum(segment.size_bytes for segment in group)
        cleaned = Segment.create(
            self._files, log.directory, group[0].base_offset, interval_bytes, CLEANED_ENDING
        )
        try:
            yield from self._write(cleaned, group)
            cleaned.next_offset = group[-1].next_offset
            self.removed_bytes += size_bytes - cleaned.size_bytes
            return (yield from swap(log, group, cleaned))
        finally:
            if not log.holds([cleaned]):
                cleaned.delete()

    def _write(self, cleaned: Segment, group: Sequence[Segment]) -> Steps:
        """Write what stays of the batches of `group`."""
        staying: list[Batch] = []
        staying_bytes = 0
        for segment in group:
            for batch, header, ends_segment in self._batches(segment):
                is_last = ends_segment and segment is group[-1]
                left = yield from self._survival.compact(batch, header, is_last)
                if left is not None:
                    staying.append((memoryview(left), read_header(left)))
                    staying_bytes += len(left)
                if staying_bytes >= WRITE_BYTES:
                    cleaned.append(staying)
                    staying, staying_bytes = [], 0
                yield PAUSE
        if staying:
            cleaned.append(staying)

    def _batches(self, segment: Segment) -> Iterator[tuple[bytes, BatchHeader, bool]]:
        """Yield each batch with its header, and whether it is the last one of the segment."""
        if not self._log.holds([segment]):
            raise _SegmentGone
        # A file of its own, since the segment may rest, or go, between two steps.
        file = self._files.open(segment.path("log"))
        for position, header in scan(file, segment.base_offset, NO_EPOCH):
            if header.next_offset > segment.next_offset:
                reason = f"it reaches offset {header.next_offset}, into the next segment"
                raise CorruptLog(file.path, position, reason)
            ends_segment = position + header.size_bytes == file.size_bytes
            yield file.pread(header.size_bytes, position), header, ends_segment
