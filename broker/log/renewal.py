"""What the disk has not confirmed, written anew once a flush has failed.

After a failed fsync the kernel may hold bytes that it takes for written and that are not on the
disk. A node that starts again on the same boot finds them in its log, and no flush that it asks for
brings them there: it would acknowledge a retry as a duplicate, and lose the record with the power.
So what it goes on with has to be other pages, which nobody believes to be clean:

    a segment that ends above the recovery point     copied to <base>.log.tmp and flushed, then
    the snapshots of producers                       renamed over the one that it is a copy of
    directories                                      flushed

Every other file is either replaced at one stroke, so that it had its content on disk before it had
its name, or made anew by recovery (indexes). A crash half-way leads here again, for the node has
not said yet how it runs (see `last_run`); what is half copied is removed by recovery.

Names are not made anew: a file system keeps a journal of them, and one that cannot write that lets
nobody write any more until it is mounted again, with another page cache.
"""

import re
from math import inf

from .files import Files
from .offset_checkpoints import OffsetCheckpoints, directory_name
from .scan import SCAN_WINDOW_BYTES

_DIRECTORY_NAME = re.compile(r"([a-zA-Z0-9._-]+)-(\d+)", re.ASCII)
_LOG_NAME = re.compile(r"(\d{20})\.log", re.ASCII)
_SNAPSHOT_NAME = re.compile(r"\d{20}\.snapshot", re.ASCII)


def renew(files: Files, data_dir: str, offset_checkpoints: OffsetCheckpoints) -> None:
    """Make durable whatever can be read in a data directory, before anybody opens it."""
    for name in files.list_directory(data_dir):
        match = _DIRECTORY_NAME.fullmatch(name)
        if match is None or not files.is_directory(f"{data_dir}/{name}"):
            continue
        log_name = match[1], int(match[2])
        if directory_name(log_name) == name:
            _renew_log(
                files, f"{data_dir}/{name}", offset_checkpoints.find(log_name).recovery_point
            )
    files.fsync_directory(data_dir)


def _renew_log(files: Files, directory: str, recovery_point: int) -> None:
    """Copy what is not confirmed of one log."""
    names = files.list_directory(directory)
    logs = [name for name in names if _LOG_NAME.fullmatch(name)]
    ends = [*(int(name[:20]) for name in logs[1:]), inf]
    unsure = [name for name, end in zip(logs, ends, strict=False) if end > recovery_point]
    for name in (*unsure, *filter(_SNAPSHOT_NAME.fullmatch, names)):
        _copy(files, f"{directory}/{name}")
    files.fsync_directory(directory)


def _copy(files: Files, path: str) -> None:
    """Put a flushed copy of the file in its place."""
    source, copy = files.open(path), files.open(f"{path}.tmp", create=True)
    copy.truncate(0)
    for position in range(0, source.size_bytes, SCAN_WINDOW_BYTES):
        copy.append([source.pread(SCAN_WINDOW_BYTES, position)])
    files.flush_now([copy])
    files.rename(f"{path}.tmp", path)
