"""Making a damaged log servable again, at somebody's word: `minikafka log repair`.

A start changes nothing in a log of which something confirmed is damaged or gone, since nobody can
undo that. Here somebody has decided to go on without it:

    what is found                                      what is done
    damage (see `recovery`), at whatever offset        all bytes from there on are kept as
                                                       <base>.cut, and the log ends there
    the log ends below what the checkpoints say        the checkpoints are lowered to its end
    leader-epoch-checkpoint, partition.metadata        kept as <name>.cut; the next start makes
    that cannot be read                                them anew, from the log and the topic

Nothing is deleted. Before the first change, what would make the next start a lossless one is
removed (the marker of a clean stop, and `last-run`): so it begins new leader epochs, by which
whoever has read what is gone can tell. The checkpoints come last: a repair that was interrupted
leaves the log as refused as it was.

Left out: the metadata log, whose records belong together; a copy of it must be restored.
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from . import checkpoints, last_run
from .checkpoints import CorruptCheckpoint
from .files import Files
from .offset_checkpoints import LogName, OffsetCheckpoints, directory_name
from .recovery import (
    Confirmed,
    Damage,
    bytes_behind,
    cut_at,
    find_damage,
    free_path,
    list_segments,
)

_SMALL_FILES: tuple[tuple[str, Callable[[bytes], Any]], ...] = (
    (checkpoints.LEADER_EPOCHS, checkpoints.decode_leader_epochs),
    (checkpoints.PARTITION_METADATA, checkpoints.decode_partition_metadata),
)
_INDEX_INTERVAL_BYTES = 4096


class Finding(NamedTuple):
    """One thing that is wrong: in which file, what, and what a repair does about it."""

    path: str
    problem: str
    remedy: str


class LogRepair:
    """One log of a node that is not running: looked at when it is made, mended by `mend`."""

    def __init__(self, files: Files, data_dir: str, name: LogName) -> None:
        """CorruptCheckpoint when the node's own offset checkpoints cannot be read."""
        self._files = files
        self._data_dir = data_dir
        self._directory = f"{data_dir}/{directory_name(name)}"
        self._name = name
        self._checkpoints = OffsetCheckpoints(files, data_dir)
        self._segments = list_segments(files, self._directory, _INDEX_INTERVAL_BYTES)
        self._damage = find_damage(self._segments, 0)
        self._unreadable = dict(self._find_unreadable())

    @property
    def end_offset(self) -> int:
        """Where the sound part of the log ends."""
        if self._damage is not None:
            return self._damage.offset
        return self._segments[-1].next_offset if self._segments else 0

    def findings(self) -> list[Finding]:
        """Everything that is wrong; nothing when the log is sound."""
        found = [
            Finding(path, problem, f"it is kept as {path}.cut, and made anew at the next start")
            for path, problem in self._unreadable.items()
        ]
        if self._damage is not None:
            found.append(self._describe(self._damage))
        confirmed = self._checkpoints.find(self._name).end_offset
        if self.end_offset < confirmed:
            problem = f"offsets {self.end_offset} to {confirmed - 1} were confirmed and are gone"
            remedy = f"the checkpoints are lowered to {self.end_offset}"
            found.append(Finding(self._directory, problem, remedy))
        return found

    def mend(self) -> list[str]:
        """Do what the findings say; returns the paths of what was kept."""
        self._files.unlink(f"{self._data_dir}/{checkpoints.CLEAN_SHUTDOWN}")
        last_run.forget(self._files, self._data_dir)
        kept = [self._set_aside(path) for path in self._unreadable]
        if self._damage is not None:
            kept += cut_at(self._files, self._segments, self._damage, keep=True)
        row = self._checkpoints.find(self._name)
        if row.end_offset > self.end_offset:
            lowered = Confirmed(*(min(offset, self.end_offset) for offset in row))
            self._checkpoints.set(self._name, lowered)
        return kept

    def _find_unreadable(self) -> list[tuple[str, str]]:
        """(path, problem) of the small files that cannot be read."""
        found: list[tuple[str, str]] = []
        for name, decode in _SMALL_FILES:
            path = f"{self._directory}/{name}"
            try:
                checkpoints.load(self._files, path, decode)
            except CorruptCheckpoint as error:
                found.append((path, str(error)))
        return found

    def _describe(self, damage: Damage) -> Finding:
        """The damage, and what lies behind it."""
        size_bytes = bytes_behind(self._segments, damage)
        remedy = f"{size_bytes} bytes are kept as .cut files, and the log ends at {damage.offset}"
        return Finding(damage.error.path, str(damage.error), remedy)

    def _set_aside(self, path: str) -> str:
        kept = free_path(self._files, f"{path}.cut")
        self._files.rename(path, kept)
        self._files.fsync_directory(os.path.dirname(path))
        return kept
