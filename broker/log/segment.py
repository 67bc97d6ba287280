"""A segment: one .log file with its two indexes, the piece that a log is rolled and deleted by.

    <base offset, 20 digits>.log        record batches, one after another, as they came
                           .index       see `index`
                           .timeindex   see `index`

The last segment of a log is *active*: it is appended to, and its indexes live in memory. The others
are *closed*: they keep nothing open and nothing in memory until somebody reads them, and `rest()`
makes them let go again.

Reading gives a FileSlice, a place in the file and no bytes: whole batches, from the one that
contains the offset on. Where a slice ends is found by the index and a short walk over headers. For
a consumer near the end of the log not even that is needed: where one read ended the next one
begins, so the last such ends are remembered as *cursors*, and a fetch there costs no system call.

Invariant: a look-up by offset, a cursor's as well, gives the position of the first batch whose last
offset is at or after it. Only what is in the file can be read.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TypeAlias

from ...protocol.batch import BatchHeader
from .files import DiskFull, File, Files
from .index import NO_TIMESTAMP, Indexes, TimestampOffset
from .scan import REPLAY_WINDOW_BYTES, CorruptLog, scan, walk

MAX_CURSORS = 32

Batch: TypeAlias = tuple[memoryview, BatchHeader]


class FileSlice:
    """Whole batches where they lie on disk: what a fetch answer carries instead of bytes."""

    __slots__ = ("file", "length", "position")

    def __init__(self, file: File, position: int, length: int) -> None:
        self.file = file
        self.position = position
        self.length = length

    def __len__(self) -> int:
        return self.length

    def read(self) -> bytes:
        """Return the bytes."""
        return self.file.pread(self.length, self.position)


class Segment:
    """The batches from `base_offset` up to `next_offset`, which is not in it."""

    __slots__ = (
        "_cursors",
        "_directory",
        "_file",
        "_files",
        "_first_timestamp",
        "_indexes",
        "_interval_bytes",
        "_largest",
        "_size_bytes",
        "base_offset",
        "next_offset",
    )

    def __init__(
        self,
        files: Files,
        directory: str,
        base_offset: int,
        next_offset: int,
        index_interval_bytes: int,
    ) -> None:
        self._files = files
        self._directory = directory
        self._interval_bytes = index_interval_bytes
        self._file: File | None = None
        self._indexes: Indexes | None = None
        self._size_bytes: int | None = None
        self._largest: TimestampOffset | None = None
        self._first_timestamp: int | None = None
        self._cursors: dict[int, int] = {}
        self.base_offset = base_offset
        self.next_offset = next_offset

    @classmethod
    def create(
        cls, files: Files, directory: str, base_offset: int, index_interval_bytes: int
    ) -> "Segment":
        """Return a new, empty, active segment; its name is durable after the next flush."""
        segment = cls(files, directory, base_offset, base_offset, index_interval_bytes)
        segment._file = files.open(segment.path("log"), create=True)
        segment._indexes = Indexes(base_offset, index_interval_bytes)
        if segment._file.size_bytes:
            raise CorruptLog(segment.path("log"), 0, "there should be no file of this name yet")
        return segment

    def path(self, suffix: str) -> str:
        """Return the path of the segment's file with the suffix log, index, timeindex or cut."""
        return f"{self._directory}/{self.base_offset:020d}.{suffix}"

    @property
    def file(self) -> File:
        """The .log file, opened when it is not."""
        if self._file is None:
            self._file = self._files.open(self.path("log"))
        return self._file

    @property
    def indexes(self) -> Indexes:
        """Both indexes, read when they are not in memory, and made anew when they are no good."""
        if self._indexes is None:
            self._indexes = self._read_indexes() or self._rebuild_indexes()
        return self._indexes

    @property
    def size_bytes(self) -> int:
        """The size of the .log file."""
        if self._file is not None:
            return self._file.size_bytes
        if self._size_bytes is None:
            self._size_bytes = self._files.file_size(self.path("log"))
        return self._size_bytes

    @property
    def largest(self) -> TimestampOffset:
        """The largest timestamp, with the last offset of the first batch that has it."""
        if self._indexes is not None:
            return self._indexes.largest
        if self._largest is None:
            self._largest = self.indexes.largest
            self.rest()
        return self._largest

    @property
    def first_timestamp(self) -> int:
        """The max timestamp of the first batch, from which segment.ms counts; -1: none."""
        if self._first_timestamp is None:
            _, header = next(walk(self.file, 0, self.size_bytes), (0, None))
            if header is None:
                return NO_TIMESTAMP
            self._first_timestamp = header.max_timestamp
        return self._first_timestamp

    @property
    def is_open(self) -> bool:
        """Whether the segment holds a file or indexes."""
        return self._file is not None or self._indexes is not None

    def append(self, batches: Sequence[Batch]) -> int:
        """Write batches, one or more, with one system call; return how many bytes that were.

        On StorageError none of them is there.
        """
        file, indexes = self.file, self.indexes
        start = position = file.size_bytes
        file.append([view for view, _ in batches])
        if start == 0:
            self._first_timestamp = batches[0][1].max_timestamp
        for view, header in batches:
            size_bytes = len(view)
            indexes.note(position, size_bytes, header)
            position += size_bytes
        self.next_offset = batches[-1][1].next_offset
        return position - start

    def read(
        self, offset: int, max_bytes: int, end_offset: int, at_least_one: bool = True
    ) -> FileSlice | None:
        """Return the batches from that of `offset` on, in at most `max_bytes`, below `end_offset`.

        With `at_least_one` the first batch comes whole even if it is larger. None when no batch is
        there, or none fits.
        """
        if offset >= end_offset or offset >= self.next_offset:
            if offset == self.next_offset:
                self.remember_end()
            return None
        start = self._find(offset)
        if end_offset >= self.next_offset:
            end_offset, end = self.next_offset, self.size_bytes
        else:
            end = self._find(end_offset)
        if end - start > max_bytes:
            end_offset, end = self._shorten(start, end, max_bytes, at_least_one)
        if end <= start:
            return None
        self._remember(end_offset, end)
        return FileSlice(self.file, start, end - start)

    def reaches(self, offset: int) -> bool:
        """Return whether there is a batch that ends at or after `offset`."""
        return self._find(offset) < self.size_bytes

    def remember_end(self) -> None:
        """Remember where the segment ends now: who waits there will ask for that offset next."""
        self._remember(self.next_offset, self.size_bytes)

    def _remember(self, offset: int, position: int) -> None:
        """Keep a cursor; the oldest gives way."""
        cursors = self._cursors
        cursors[offset] = position
        if len(cursors) > MAX_CURSORS:
            del cursors[next(iter(cursors))]

    def _find(self, offset: int) -> int:
        """Return the position of the first batch that ends at or after `offset`, or the end."""
        position = self._cursors.get(offset)
        if position is not None:
            return position
        end = self.size_bytes
        if offset >= self.next_offset:
            return end
        for position, header in walk(self.file, self.indexes.offsets.floor(offset), end):
            if header.last_offset >= offset:
                return position
        return end

    def _shorten(self, start: int, end: int, max_bytes: int, at_least_one: bool) -> tuple[int, int]:
        """Return (offset, position) of the last batch boundary within `max_bytes` of `start`."""
        limit = start + max_bytes
        walk_start = max(start, self.indexes.offsets.floor_position(limit))
        for position, header in walk(self.file, walk_start, end):
            batch_end = position + header.size_bytes
            if position == start and at_least_one:
                limit = max(limit, batch_end)
            if batch_end > limit:
                return header.base_offset, position
        return self.next_offset, end

    def headers(self, from_offset: int) -> Iterator[tuple[int, BatchHeader]]:
        """Yield (position, header) of the batches from that of `from_offset` on."""
        return walk(self.file, self._find(from_offset), self.size_bytes, REPLAY_WINDOW_BYTES)

    def activate(self) -> None:
        """Make the last segment of a log ready for appending: find its end from its last entry."""
        self._walk_tail(self.indexes, self.file)

    def truncate_to(self, offset: int) -> None:
        """Cut the first batch that ends at or after `offset` and all behind it; be active.

        Index files that are there now say too much, but nobody believes them: those of an active
        segment are written anew when it is closed, and made anew by recovery when it is not.
        """
        position, indexes, file = self._find(offset), self.indexes, self.file
        self._cursors.clear()
        file.truncate(position)
        indexes.truncate(offset)
        self._walk_tail(indexes, file)

    def _walk_tail(self, indexes: Indexes, file: File) -> None:
        """Learn next offset and largest timestamp from the batches behind the last entry."""
        indexes.resume(file.size_bytes)
        self.next_offset = self.base_offset
        for _, header in walk(file, indexes.offsets.last_position, file.size_bytes):
            indexes.note_tail(header)
            self.next_offset = header.next_offset

    def recover(self, leader_epoch: int) -> tuple[int, CorruptLog | None]:
        """Check every byte and make the indexes anew, in memory; return the damage, if any.

        `leader_epoch` is that of the batch before the segment, -1 for unknown; returned with the
        damage is that of the last sound batch. Indexes and `next_offset` end with it as well.
        """
        self._indexes = indexes = Indexes(self.base_offset, self._interval_bytes)
        self.next_offset = self.base_offset
        try:
            for position, header in scan(self.file, self.base_offset, leader_epoch):
                indexes.note(position, header.size_bytes, header)
                self.next_offset = header.next_offset
                leader_epoch = header.partition_leader_epoch
        except CorruptLog as damage:
            return leader_epoch, damage
        return leader_epoch, None

    def let_go_of_file(self) -> None:
        """Hold the file no longer, but keep the indexes: for one that recover() found sound."""
        self._size_bytes = self.size_bytes
        self._file = None

    def cut(self, position: int) -> None:
        """Cut what recover() found damaged, from `position` on."""
        self.file.truncate(position)

    def save_indexes(self) -> list[str]:
        """Write both index files whole; return their paths, to be flushed."""
        indexes = self.indexes
        indexes.finish()
        paths = [self.path("index"), self.path("timeindex")]
        for path, content in zip(paths, (indexes.offsets, indexes.times), strict=True):
            file = self._files.open(path, create=True)
            file.truncate(0)
            file.append([bytes(content)])
        return paths

    def _read_indexes(self) -> Indexes | None:
        """Return the indexes that the files hold; None when they are missing or no good.

        CorruptLog when the log file ends within a batch: somebody has cut it.
        """
        try:
            offsets = self._files.read_bytes(self.path("index"))
            times = self._files.read_bytes(self.path("timeindex"))
        except FileNotFoundError:
            return None
        indexes = Indexes(self.base_offset, self._interval_bytes, offsets, times)
        if not indexes.are_sound(self.size_bytes):
            return None
        end_position = 0
        for position, header in walk(self.file, indexes.offsets.last_position, self.size_bytes):
            end_position = position + header.size_bytes
        if end_position != self.size_bytes:
            reason = f"its last batch should end at position {end_position}"
            raise CorruptLog(self.path("log"), self.size_bytes, reason)
        return indexes

    def _rebuild_indexes(self) -> Indexes:
        """Return indexes made by a scan of the segment; CorruptLog when that finds damage."""
        next_offset = self.next_offset
        _, damage = self.recover(-1)
        self.next_offset = next_offset
        if damage is not None:
            self._indexes = None
            raise damage
        with suppress(DiskFull):  # Then they are made again the next time.
            self.save_indexes()
        return self.indexes

    def _unlink_indexes(self) -> None:
        """Remove the index files."""
        self._files.unlink(self.path("index"))
        self._files.unlink(self.path("timeindex"))

    def rest(self) -> None:
        """Let go of the file and of what is in memory; slices that were read stay good."""
        if self._file is not None:
            self._size_bytes = self._file.size_bytes
        self._file = self._indexes = None
        self._cursors.clear()

    def close(self) -> list[File | str]:
        """Write the indexes of the active segment and let go; return the files to be flushed."""
        file = self.file
        try:
            return [file, *self.save_indexes()]
        except DiskFull:
            self._unlink_indexes()  # Half an index would be believed; none is made anew.
            return [file]
        finally:
            self.rest()

    def delete(self) -> None:
        """Remove the segment's files; slices that were read stay good."""
        self.rest()
        self._files.unlink(self.path("log"))
        self._unlink_indexes()
