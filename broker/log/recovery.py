"""Loading the segments of a log at start, and what to do about bytes that are not right.

After a clean stop the names in the directory are enough: only the last segment is opened. After any
other end, everything at or above the *recovery point* (the offset up to which the disk has
confirmed every byte) is scanned, and its indexes are made anew. The scan ends at the first damage:

    in a segment        a batch that is not sound (see `scan`), or half a batch at the end
    between segments    offsets that are missing, or that the segment before has as well

*Confirmed* is what either checkpoint says: the recovery point, or the high watermark.

    the offset at the damage                                 what happens
    at or above what is confirmed, no valid batch behind     a torn write: cut there, and the
                                                             segments behind are removed
    at or above what is confirmed, valid batches behind      the same, but first all bytes from
                                                             there on are kept as <base>.cut
    below what is confirmed                                  CorruptLog, nothing is changed
    none, but the log ends below what is confirmed           CorruptLog, nothing is changed

What is not confirmed may be lost with the power, in any order: a segment may be torn while the next
one, begun before the first was flushed, has its bytes. Bytes behind damage may be such a write that
was kept while an earlier one was lost, or the trace of a bit that flipped; nobody can tell, so they
are kept and not served. CorruptLog means that something confirmed is gone: whoever opened the log
must not serve it, and `repair` can cut it at somebody's word.

Left out: Kafka truncates at the first bad byte wherever it is, and fetches the rest from the
leader; that loses records when there is no other replica.
"""

import logging
import os
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from ...protocol.batch import MAX_BATCH_OFFSETS
from .files import Files
from .scan import SCAN_WINDOW_BYTES, CorruptLog, holds_batch
from .segment import Segment
from .swap import complete_swaps

log = logging.getLogger(__name__)

_LOG_NAME = re.compile(r"(\d{20})\.log", re.ASCII)
_INDEX_NAME = re.compile(r"(\d{20})\.(?:index|timeindex)", re.ASCII)
_HALF_MADE = re.compile(
    r"(\d{20}\.\w+|leader-epoch-checkpoint|partition\.metadata)\.(tmp|deleted|cleaned|swap)",
    re.ASCII,
)
_KNOWN_NAME = re.compile(
    r"\d{20}\.(log|index|timeindex|snapshot)|leader-epoch-checkpoint|partition\.metadata|.*\.cut",
    re.ASCII,
)

BeforeKeeping: TypeAlias = Callable[[CorruptLog], None]


class LoadedLog(NamedTuple):
    """The segments, the last of them active, and whether a torn end was cut."""

    segments: list[Segment]
    was_cut: bool


class Confirmed(NamedTuple):
    """What the checkpoints say of a log; all 0 for one that they do not know."""

    recovery_point: int = 0
    high_watermark: int = 0
    log_start_offset: int = 0
    cleaned_offset: int = 0
    """Up to where it was compacted."""

    @property
    def end_offset(self) -> int:
        """No record below may be missing."""
        return max(self.recovery_point, self.high_watermark)


class Damage(NamedTuple):
    """The first bad byte of a log: in which segment, and up to which offset all is sound."""

    segment_index: int
    offset: int
    error: CorruptLog


def load_segments(
    files: Files,
    directory: str,
    index_interval_bytes: int,
    confirmed: Confirmed,
    *,
    clean: bool,
    before_keeping: BeforeKeeping,
) -> LoadedLog:
    """Return the segments in `directory`; makes it and the first segment when there are none.

    `before_keeping` is told of the damage before anything is set aside as `.cut`, and may raise.
    CorruptLog when something is missing or damaged that cannot be a torn write.
    """
    names = _names_after_swaps(files, directory)
    segments = _segments_named(files, directory, names, index_interval_bytes)
    if not segments:
        if confirmed.end_offset > confirmed.log_start_offset:
            reason = f"there is no segment, and all below offset {confirmed.end_offset} was there"
            raise CorruptLog(directory, 0, reason)
        files.make_directory(directory)
        _remove_leftovers(files, directory, names)
        start_offset = confirmed.log_start_offset
        first = Segment.create(files, directory, start_offset, index_interval_bytes)
        return LoadedLog([first], False)
    was_cut = False
    if clean:
        segments[-1].activate()
        _check_end(segments, confirmed)
    else:
        was_cut = _recover(files, segments, confirmed, before_keeping)
    _remove_leftovers(files, directory, names)
    return LoadedLog(segments, was_cut)


def _names_after_swaps(files: Files, directory: str) -> list[str]:
    """Return the names in the directory, once what a crash interrupted in the cleaner is ended."""
    names = files.list_directory(directory) if files.exists(directory) else []
    return files.list_directory(directory) if complete_swaps(files, directory, names) else names


def list_segments(files: Files, directory: str, index_interval_bytes: int) -> list[Segment]:
    """Return the segments by the names in `directory`, none when there is no such directory."""
    names = files.list_directory(directory) if files.exists(directory) else []
    return _segments_named(files, directory, names, index_interval_bytes)


def _segments_named(
    files: Files, directory: str, names: list[str], index_interval_bytes: int
) -> list[Segment]:
    """Return the segments of which there is a .log file; there may be ten thousands."""
    bases = [int(match[1]) for match in map(_LOG_NAME.fullmatch, names) if match]
    return [
        Segment(files, directory, base, next_base, index_interval_bytes)
        for base, next_base in zip(bases, [*bases[1:], *bases[-1:]], strict=True)
    ]


def first_unsure(segments: list[Segment], confirmed: Confirmed) -> int:
    """Return the index of the first segment that may not be on disk, all of it.

    It is the last that begins below the recovery point: even if it ends there, so that its batches
    are confirmed, its indexes may have been written behind that, when it was closed. But nobody
    asks for what is below the log start, where some segments are gone and others are not yet.
    """
    unsure = bisect_left(segments, confirmed.recovery_point, key=_base_offset) - 1
    first_to_read = bisect_right(segments, confirmed.log_start_offset, key=_base_offset) - 1
    return max(0, unsure, first_to_read)


def _base_offset(segment: Segment) -> int:
    return segment.base_offset


def find_damage(segments: list[Segment], first: int) -> Damage | None:
    """Scan the segments from index `first` on, up to the first damage; changes nothing on disk.

    Sound ones have their indexes made anew, in memory, and know their next offset.
    """
    leader_epoch = -1
    for index, segment in enumerate(segments[first:], first):
        leader_epoch, torn = segment.recover(leader_epoch)
        if index > first and (damage := _damage_between(segments, index)) is not None:
            return damage
        if torn is not None:
            return Damage(index, segment.next_offset, torn)
        if segment is not segments[-1]:
            segment.let_go_of_file()  # There may be more than the process can hold open.
    return None


def _damage_between(segments: list[Segment], index: int) -> Damage | None:
    """Return what is wrong where the segment at `index` follows the one before, if anything."""
    before, segment = segments[index - 1 : index + 1]
    end_offset, offset = before.next_offset, segment.base_offset
    if end_offset == offset or (end_offset < offset and _was_far_off(segment)):
        return None
    reason = f"it ends at offset {end_offset}, and the next segment begins at {offset}"
    error = CorruptLog(before.path("log"), before.size_bytes, reason)
    return Damage(index - 1, min(end_offset, offset), error)


def _was_far_off(segment: Segment) -> bool:
    """Return whether the first batch was so far from the one before that the segment was rolled.

    Then the segment begins where that batch is just near enough, and offsets before it are missing
    for good: a follower takes such batches from a leader which has compacted its log.
    """
    for _, header in segment.headers(segment.base_offset):
        return header.last_offset - segment.base_offset == MAX_BATCH_OFFSETS - 1
    return False


def cut_at(files: Files, segments: list[Segment], damage: Damage, *, keep: bool) -> list[str]:
    """Make the log end at the damage; with `keep` all from there on is first kept beside it.

    Returns the paths of what was kept. The log is cut last: a crash before that leads here again.
    """
    segment, behind = segments[damage.segment_index], segments[damage.segment_index + 1 :]
    position = damage.error.position
    kept = _keep(files, segment, position, behind) if keep else []
    for one in behind:
        one.delete()
    segment.cut(position)
    files.flush_now([segment.file, os.path.dirname(segment.path("log"))])
    del segments[damage.segment_index + 1 :]
    return kept


def bytes_behind(segments: list[Segment], damage: Damage) -> int:
    """Return how many bytes lie behind the damage."""
    bytes_of = [segment.size_bytes for segment in segments[damage.segment_index :]]
    return sum(bytes_of) - damage.error.position


def _recover(
    files: Files,
    segments: list[Segment],
    confirmed: Confirmed,
    before_keeping: BeforeKeeping,
) -> bool:
    """Scan the segments from the recovery point on; cut a torn end and return whether one was.

    Nothing is changed on disk before all segments are known to be sound, or to be cuttable.
    """
    first = first_unsure(segments, confirmed)
    damage = find_damage(segments, first)
    if damage is None:
        _check_end(segments, confirmed)
    elif damage.offset < confirmed.end_offset:
        raise damage.error
    else:
        _cut_unconfirmed(files, segments, damage, before_keeping)
    for segment in segments[first:-1]:
        files.flush_now(segment.close())
    return damage is not None


def _cut_unconfirmed(
    files: Files, segments: list[Segment], damage: Damage, before_keeping: BeforeKeeping
) -> None:
    """Cut a torn end; if more than a torn write may lie behind it, that is kept."""
    lost_bytes = bytes_behind(segments, damage)
    if _holds_batches(segments, damage):
        before_keeping(damage.error)
        kept = ", ".join(cut_at(files, segments, damage, keep=True))
        message = "%s; %d bytes are cut from the log and kept as %s, for valid batches follow"
        log.error(message, damage.error, lost_bytes, kept)
    else:
        cut_at(files, segments, damage, keep=False)
        log.warning("%s; %d bytes of a torn write are cut", damage.error, lost_bytes)


def _check_end(segments: list[Segment], confirmed: Confirmed) -> None:
    """Raise CorruptLog when the log ends below what was confirmed."""
    last = segments[-1]
    if last.next_offset < confirmed.end_offset:
        reason = f"the log ends at offset {last.next_offset}, below {confirmed.end_offset}"
        raise CorruptLog(last.path("log"), last.size_bytes, reason)


def _holds_batches(segments: list[Segment], damage: Damage) -> bool:
    """Return whether a valid batch lies behind the damage, in its segment or in a later one."""
    segment, *behind = segments[damage.segment_index :]
    return holds_batch(segment.file, damage.error.position, damage.offset) or any(
        holds_batch(one.file, -1, one.base_offset) for one in behind if one.size_bytes
    )


def _keep(files: Files, segment: Segment, position: int, behind: list[Segment]) -> list[str]:
    """Set aside a segment from `position` to its end, and all behind it; return the paths."""
    kept: list[str] = []
    if position < segment.size_bytes:
        path = free_path(files, segment.path("cut"))
        copy = files.open(path, create=True)
        for piece_position in range(position, segment.size_bytes, SCAN_WINDOW_BYTES):
            copy.append([segment.file.pread(SCAN_WINDOW_BYTES, piece_position)])
        files.flush_now([copy])
        kept.append(path)
    for one in behind:
        if one.size_bytes:
            path = free_path(files, one.path("cut"))
            files.rename(one.path("log"), path)
            kept.append(path)
    files.fsync_directory(os.path.dirname(segment.path("log")))
    return kept


def free_path(files: Files, path: str) -> str:
    """Return `path`, which ends in .cut, with more of that while something has the name.

    So what was kept before stays.
    """
    while files.exists(path):
        path += ".cut"
    return path


def _remove_leftovers(files: Files, directory: str, names: list[str]) -> None:
    """Remove what an interrupted job left: half-made files, and indexes without a log.

    What is not ours is named and left alone.
    """
    logs = {name[:20] for name in names if name.endswith(".log")}
    for name in names:
        index = _INDEX_NAME.fullmatch(name)
        if _HALF_MADE.fullmatch(name) or (index and index[1] not in logs):
            files.unlink(f"{directory}/{name}")
        elif not index and not _KNOWN_NAME.fullmatch(name):
            log.warning("%s/%s is no file of a log: it is left alone", directory, name)
