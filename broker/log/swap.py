"""One compacted segment takes the place of several, whenever the power fails.

    step                                           a crash after it leaves   and the next start
    1  write B.*.cleaned, flush                    rubbish                   removes it
    2  rename to B.*.swap, flush the directory     both, old and new         ends the swap: 3 and 4
    3  remove the old segments, flush the          the new one               ends the swap: 4
       directory
    4  rename B.*.swap to B.*, flush the           the log
       directory

B is the base offset of the first old segment and of the new one; `*` is log, index and timeindex.
From step 3 on readers use the new segment, under whichever name it has. What they were given of the
old ones they have open.

The new .log file says itself what it replaces: every segment that begins before its last offset.
For this reason it is never empty. Each step needs the one before it on disk, since a file system
may forget a rename and remember a later one. Of the index files only the content matters: a .swap
that has lost its .log file is removed, and a missing index is made anew.
"""

import re
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from .files import File, Files
from .scan import REPLAY_WINDOW_BYTES, CorruptLog, walk
from .segment import Segment

if TYPE_CHECKING:
    from .log import Log

CLEANED_ENDING = ".cleaned"
SWAP_ENDING = ".swap"

_SEGMENT_FILE = re.compile(r"(\d{20})\.(log|index|timeindex)(\.swap)?", re.ASCII)


def swap(
    log: "Log", old: Sequence[Segment], new: Segment
) -> Generator[Sequence[File | str], None, bool]:
    """Put `new`, written and named .cleaned, in the place of `old`; yields what to flush.

    False if the old segments are no longer in the log, and `new` is not in it either.
    """
    file = new.file
    yield [file, *new.save_indexes()]
    if not log.holds(old):
        return False
    new.rename(SWAP_ENDING)
    yield [log.directory]
    if not log.holds(old):
        return False
    log.replace(old, new)
    yield [log.directory]
    if log.holds([new]):
        new.rename("")
        yield [log.directory]
    return True


def complete_swaps(files: Files, directory: str, names: Sequence[str]) -> bool:
    """End the swaps that a crash has interrupted after step 2; return whether there was one."""
    found = [match for name in names if (match := _SEGMENT_FILE.fullmatch(name))]
    swapped = [match for match in found if match[2] == "log" and match[3]]
    for match in swapped:
        _complete(files, directory, int(match[1]), found)
    return bool(swapped)


def _complete(files: Files, directory: str, base_offset: int, found: list[re.Match[str]]) -> None:
    """Steps 3 and 4 of the swap at `base_offset`."""
    end_offset = _end_offset(files, f"{directory}/{base_offset:020d}.log{SWAP_ENDING}")
    for match in found:
        if not match[3] and base_offset <= int(match[1]) < end_offset:
            files.unlink(f"{directory}/{match[0]}")
    files.fsync_directory(directory)
    for match in found:
        if match[3] and int(match[1]) == base_offset:
            files.rename(f"{directory}/{match[0]}", f"{directory}/{match[1]}.{match[2]}")
    files.fsync_directory(directory)


def _end_offset(files: Files, path: str) -> int:
    """Return the offset after the last batch of a .log file; CorruptLog when there is none."""
    file = files.open(path)
    end_offset = -1
    for _, header in walk(file, 0, file.size_bytes, REPLAY_WINDOW_BYTES):
        end_offset = header.next_offset
    if end_offset < 0:
        raise CorruptLog(path, 0, "a compacted segment is never empty")
    return end_offset
