"""Reading a .log file from batch to batch: trusting it (walk) or checking everything (scan).

    position 0                                                      end of the file
    | header | records | header | records | ... | header | records |
      61 bytes  ^ stepped over by walk, checksummed by scan

A walk reads headers only, to find a position or to replay what they say. A scan is for recovery
and believes nothing. The CRC does not cover the first 17 bytes of a batch, so beside the CRC it
checks what a sound log has: offsets that rise (with gaps, after compaction), leader epochs that
never fall, counts that fit, a length that ends within the file.

Both read through a Window, so that small batches cost one read for many and memory is bounded.

Left out: looking into the records; a broker never does.
"""

from collections.abc import Iterator

from ...protocol.batch import (
    CRC_END,
    HEADER_BYTES,
    MAGIC,
    MAX_BATCH_OFFSETS,
    BatchHeader,
    read_header,
)
from ...protocol.crc32c import crc32c
from .files import File

WALK_WINDOW_BYTES = 8 * 1024
REPLAY_WINDOW_BYTES = 64 * 1024
SCAN_WINDOW_BYTES = 1024 * 1024
MAX_SEARCH_BYTES = 1024 * 1024 * 1024
"""What the search for a batch behind damage may cost, in bytes checksummed ..."""
CANDIDATE_COST_BYTES = 1024
"""... of which looking at one possible header counts for so many, as it takes as long."""

_MAGIC_POSITION = 16
_MAGIC_BYTE = bytes((MAGIC,))


class CorruptLog(Exception):
    """A log file holds bytes that were never written so; nothing was cut."""

    def __init__(self, path: str, position: int, reason: str) -> None:
        super().__init__(f"{path} is corrupt at position {position}: {reason}")
        self.path = path
        self.position = position
        self.reason = reason


class Window:
    """The part of a file that was read last; asked for bytes outside, it reads on from there."""

    __slots__ = ("_buffer", "_end", "_file", "_start")

    def __init__(self, file: File, window_bytes: int) -> None:
        self._file = file
        self._buffer = memoryview(bytearray(window_bytes))
        self._start = self._end = 0

    def view(self, position: int, count: int) -> memoryview:
        """Return what is known from `position` on, `count` bytes or more: fewer only at the end.

        `count` is at most the window.
        """
        if position < self._start or position + count > self._end:
            self._start = position
            self._end = position + self._file.pread_into(self._buffer, position)
        return self._buffer[position - self._start : self._end - self._start]

    def crc32c(self, position: int, count: int) -> int:
        """Return the checksum of `count` bytes at `position`, however many."""
        checksum = 0
        while count > 0 and (piece := self.view(position, 1)):
            piece = piece[:count]
            checksum = crc32c(piece, checksum)
            position += len(piece)
            count -= len(piece)
        return checksum


def walk(
    file: File, position: int, end_position: int, window_bytes: int = WALK_WINDOW_BYTES
) -> Iterator[tuple[int, BatchHeader]]:
    """Yield (position, header) of the batches from the one at `position` to `end_position`.

    CorruptLog where no batch begins, which is also where a damaged index leads.
    """
    if position < 0:
        raise CorruptLog(file.path, position, "an index has an entry for a place before the file")
    window = Window(file, min(window_bytes, max(end_position - position, HEADER_BYTES)))
    while position < end_position:
        view = window.view(position, HEADER_BYTES)
        if len(view) < HEADER_BYTES:
            raise CorruptLog(file.path, position, "the file ends within a header")
        header = read_header(view)
        if header.magic != MAGIC or header.size_bytes < HEADER_BYTES:
            raise CorruptLog(file.path, position, "no batch begins here")
        yield position, header
        position += header.size_bytes


def scan(
    file: File, base_offset: int, leader_epoch: int, position: int = 0
) -> Iterator[tuple[int, BatchHeader]]:
    """Yield (position, header) of every batch from `position` on; CorruptLog at the first bad one.

    `base_offset` is the least that the first batch may have, `leader_epoch` that of the batch
    before, -1 for none.
    """
    window = Window(file, _scan_window_bytes(file))
    end_position, first_offset = file.size_bytes, base_offset
    while position < end_position:
        view = window.view(position, HEADER_BYTES)
        if len(view) < HEADER_BYTES:
            raise CorruptLog(file.path, position, "the file ends within a header")
        header = read_header(view)
        size_bytes, next_offset = header.size_bytes, header.next_offset
        reason = _defect(header, base_offset, leader_epoch, end_position - position)
        if reason is None and next_offset - first_offset > MAX_BATCH_OFFSETS:
            reason = f"offset {header.last_offset} is too far from the segment's {first_offset}"
        if reason is None:
            if size_bytes <= len(view):  # Small batches are the many, and a call less counts.
                is_sound = crc32c(view[CRC_END:size_bytes]) == header.crc
            else:
                is_sound = _crc_matches(window, position, header)
            if not is_sound:
                reason = "the CRC does not match"
        if reason is not None:
            raise CorruptLog(file.path, position, reason)
        yield position, header
        base_offset, leader_epoch = next_offset, header.partition_leader_epoch
        position += size_bytes


def _scan_window_bytes(file: File) -> int:
    """Return how much of a file is read at a time: a small file does not need a large buffer."""
    return min(SCAN_WINDOW_BYTES, max(file.size_bytes, HEADER_BYTES))


def _defect(header: BatchHeader, offset: int, leader_epoch: int, rest_bytes: int) -> str | None:
    """Return what is wrong with a header, or None; `rest_bytes` remain in the file from it."""
    if header.magic != MAGIC:
        return f"magic {header.magic}"
    if not HEADER_BYTES <= header.size_bytes <= rest_bytes:
        return f"a batch of {header.size_bytes} bytes in the last {rest_bytes} of the file"
    if header.base_offset < offset:
        return f"base offset {header.base_offset} after offset {offset - 1}"
    if not 0 <= header.record_count <= header.last_offset_delta + 1:
        return f"{header.record_count} records in {header.last_offset_delta + 1} offsets"
    if header.partition_leader_epoch < leader_epoch:
        return f"leader epoch {header.partition_leader_epoch} after {leader_epoch}"
    return None


def _crc_matches(window: Window, position: int, header: BatchHeader) -> bool:
    """Return whether the batch at `position` has the checksum that its header says."""
    return window.crc32c(position + CRC_END, header.size_bytes - CRC_END) == header.crc


def holds_batch(file: File, position: int, base_offset: int) -> bool:
    """Return whether a valid batch of `base_offset` or above begins behind `position`.

    If so, what lies before it is damage and no torn end. A search that gives up answers yes: the
    safe side, on which bytes are kept.
    """
    return find_batch(file, position, base_offset) is not None


def find_batch(file: File, position: int, base_offset: int) -> int | None:
    """Return where the first valid batch of `base_offset` or above begins behind `position`.

    Every byte that may be a magic byte is tried. The search is bounded, since records may be made
    to look like headers, and returns the place where it gave up.
    """
    window_bytes = _scan_window_bytes(file)
    window, tried = Window(file, window_bytes), Window(file, window_bytes)
    cost_bytes = 0
    position += 1
    while len(data := bytes(window.view(position, window_bytes))) >= HEADER_BYTES:
        for index in _candidates(data):
            header = read_header(data, index)
            cost_bytes += CANDIDATE_COST_BYTES
            rest_bytes = file.size_bytes - position - index
            if (
                _defect(header, base_offset, -1, rest_bytes) is None
                and header.base_offset - base_offset < MAX_BATCH_OFFSETS
            ):
                cost_bytes += header.size_bytes
                if _crc_matches(tried, position + index, header):
                    return position + index
            if cost_bytes > MAX_SEARCH_BYTES:
                return position + index
        position += len(data) - HEADER_BYTES + 1
    return None


def _candidates(data: bytes) -> Iterator[int]:
    """Yield each index of `data` at which a whole header with the right magic byte may begin."""
    end = len(data) - HEADER_BYTES + _MAGIC_POSITION + 1
    index = data.find(_MAGIC_BYTE, _MAGIC_POSITION, end)
    while index >= 0:
        yield index - _MAGIC_POSITION
        index = data.find(_MAGIC_BYTE, index + 1, end)
