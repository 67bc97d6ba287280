"""Loading the segments of a log at start, and what to do about bytes that are not right.

After a clean stop the names in the directory are enough: only the last segment is opened. After any
other end, everything at or above the *recovery point* (the offset up to which the disk has
confirmed every byte) is scanned, and its indexes are made anew.

    bad bytes at position p of segment s                                     what happens
    all behind s is empty, the offset at p is not below the recovery point   cut at p
        and a valid batch follows behind p                                   first [p, end) is
                                                                             kept in <s>.cut
    anything else                                                            CorruptLog, nothing
                                                                             is changed

The first row is a torn write: it was never confirmed, so power loss may have taken it. Bytes behind
damage may be an unconfirmed write that was kept while an earlier one was lost, which is legal too,
or the trace of a bit that flipped; nobody can tell, so they are kept and not served.
CorruptLog means that something confirmed is gone: whoever opened the log must not serve it.

A log that ends below the recovery point is corrupt as well. Callers who know of more that must be
there (a high watermark) hand in the larger offset as the recovery point.

Left out: Kafka truncates at the first bad byte wherever it is, and fetches the rest from the
leader; that loses records when there is no other replica.
"""

import logging
import os
import re
from bisect import bisect_right
from typing import NamedTuple

from .files import Files
from .scan import SCAN_WINDOW_BYTES, CorruptLog, holds_batch
from .segment import Segment
from .swap import CLEANED_ENDING, SWAP_ENDING, complete_swaps

log = logging.getLogger(__name__)

_SEGMENT_NAME = re.compile(r"(\d{20})\.(log|index|timeindex)", re.ASCII)
_LEFTOVER_SUFFIXES = (".tmp", ".deleted", CLEANED_ENDING, SWAP_ENDING)


class LoadedLog(NamedTuple):
    """The segments, the last of them active, and whether a torn end was cut."""

    segments: list[Segment]
    was_cut: bool


def load_segments(
    files: Files,
    directory: str,
    index_interval_bytes: int,
    *,
    recovery_point: int,
    log_start_offset: int,
    clean: bool,
) -> LoadedLog:
    """Return the segments in `directory`; makes the first one in an empty log.

    CorruptLog when something is missing or damaged that cannot be a torn write.
    """
    bases = _list_bases(files, directory)
    if not bases:
        if recovery_point > log_start_offset:
            raise CorruptLog(directory, 0, f"no segment, but recovery point {recovery_point}")
        first = Segment.create(files, directory, log_start_offset, index_interval_bytes)
        return LoadedLog([first], False)
    segments = [
        Segment(files, directory, base, next_base, index_interval_bytes)
        for base, next_base in zip(bases, [*bases[1:], bases[-1]], strict=True)
    ]
    was_cut = False
    if clean:
        segments[-1].activate()
    else:
        was_cut = _recover(files, segments, recovery_point)
    last = segments[-1]
    if last.next_offset < recovery_point:
        reason = f"the log ends at offset {last.next_offset}, below {recovery_point}"
        raise CorruptLog(last.path("log"), last.size_bytes, reason)
    return LoadedLog(segments, was_cut)


def _list_bases(files: Files, directory: str) -> list[int]:
    """Return the base offsets of the segments, rising; ends or removes what a crash interrupted."""
    names = files.list_directory(directory)
    if complete_swaps(files, directory, names):
        names = files.list_directory(directory)
    found = [match for name in names if (match := _SEGMENT_NAME.fullmatch(name))]
    bases = {match[1] for match in found if match[2] == "log"}
    leftovers = [name for name in names if name.endswith(_LEFTOVER_SUFFIXES)]
    orphans = [match[0] for match in found if match[1] not in bases]
    for name in leftovers + orphans:
        files.unlink(f"{directory}/{name}")
    return sorted(map(int, bases))


def _recover(files: Files, segments: list[Segment], recovery_point: int) -> bool:
    """Scan the segments from the recovery point on; cut a torn end and return whether one was.

    Nothing is changed on disk before all segments are known to be sound, or to be cuttable.
    """
    first = max(0, bisect_right(segments, recovery_point, key=lambda one: one.base_offset) - 1)
    leader_epoch = -1
    torn: CorruptLog | None = None
    for index, segment in enumerate(segments[first:], first):
        leader_epoch, torn = segment.recover(leader_epoch)
        behind = segments[index + 1 :]
        if torn is not None:
            if segment.next_offset < recovery_point or any(one.size_bytes for one in behind):
                raise torn
            _cut(files, segment, torn)
            for one in behind:
                one.delete()
            del segments[index + 1 :]
            break
        if behind and segment.next_offset > behind[0].base_offset:
            reason = f"it reaches offset {segment.next_offset}, into the next segment"
            raise CorruptLog(segment.path("log"), segment.size_bytes, reason)
    for segment in segments[first:-1]:
        files.flush_now(segment.close())
    return torn is not None


def _cut(files: Files, segment: Segment, torn: CorruptLog) -> None:
    """Cut a segment at its torn end; what may be more than a torn write is kept beside it."""
    position, file = torn.position, segment.file
    lost_bytes = file.size_bytes - position
    if holds_batch(file, position, segment.next_offset):
        kept_path = _keep(files, segment, position)
        message = "%s; %d bytes are cut from the log and kept as %s, for valid batches follow"
        log.error(message, torn, lost_bytes, kept_path)
    else:
        log.warning("%s; %d bytes of a torn write are cut", torn, lost_bytes)
    segment.cut(position)


def _keep(files: Files, segment: Segment, position: int) -> str:
    """Copy the segment from `position` to its end, durably; return the path of the copy."""
    path = segment.path("cut")
    while files.exists(path):  # What an earlier start kept stays.
        path += ".cut"
    copy = files.open(path, create=True)
    for piece_position in range(position, segment.size_bytes, SCAN_WINDOW_BYTES):
        copy.append([segment.file.pread(SCAN_WINDOW_BYTES, piece_position)])
    files.flush_now([copy])
    files.fsync_directory(os.path.dirname(path))
    return path
