"""What the offset checkpoints of a data directory say of each log, read at start and kept up.

    recovery-point-offset-checkpoint    up to where the disk has confirmed every byte
    replication-offset-checkpoint       the high watermark, as far as it is confirmed
    log-start-offset-checkpoint         where the log starts, unless that is 0
    cleaner-offset-checkpoint           up to where it was compacted, unless that is 0

What is written is never above what was flushed before, so a log that ends below the first or the
second has lost something. A log that could not be opened keeps its rows: whoever mends it must know
them. A file that would not change is not written.

While the node runs, the files are replaced without holding up the event loop. A topic may be
deleted meanwhile: then `forget` has written what holds, and the replacement under way is dropped.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from . import checkpoints
from .checkpoints import CLEANER, HIGH_WATERMARK, LOG_START, RECOVERY_POINT, PartitionOffsets
from .files import File, Files
from .recovery import Confirmed

LogName: TypeAlias = tuple[str, int]
"""Topic and partition."""


def directory_name(name: LogName) -> str:
    """The name of a log's directory, as Kafka has it."""
    return f"{name[0]}-{name[1]}"


class OffsetCheckpoints:
    """The rows of all of them, by log."""

    def __init__(self, files: Files, data_dir: str) -> None:
        self._files = files
        self._data_dir = data_dir
        self._changes = 0
        loaded = [self._load(name) for name in (RECOVERY_POINT, HIGH_WATERMARK, LOG_START, CLEANER)]
        self._rows = {
            name: Confirmed(*(offsets.get(name, 0) for offsets in loaded))
            for name in dict.fromkeys(name for offsets in loaded for name in offsets)
        }
        self._written = self._contents()

    def find(self, name: LogName) -> Confirmed:
        """What is known of a log; all 0 of one that is not there."""
        return self._rows.get(name, Confirmed())

    async def save(self, rows: Mapping[LogName, Confirmed], unopened: Iterable[LogName]) -> None:
        """Replace all rows but those of the `unopened` logs, off the event loop."""
        self._replace(rows, unopened)
        change, changed = self._changes, self._changed()
        if not changed:
            return
        temporary = [self._write_temporary(name, offsets) for name, offsets in changed.items()]
        await self._files.flush(temporary)
        if change == self._changes:
            for name in changed:
                self._files.rename(f"{self._data_dir}/{name}.tmp", f"{self._data_dir}/{name}")
            self._written |= changed
            await self._files.flush([self._data_dir])

    def save_now(self, rows: Mapping[LogName, Confirmed], unopened: Iterable[LogName]) -> None:
        """The same at once, for a stop."""
        self._replace(rows, unopened)
        self._write()

    def save_log_starts(self, starts: Mapping[LogName, int]) -> None:
        """Replace where these logs start, at once; what else is known of them is not written."""
        self._changes += 1
        for name, offset in starts.items():
            self._rows[name] = self.find(name)._replace(log_start_offset=offset)
        self._write(LOG_START)

    def set(self, name: LogName, row: Confirmed) -> None:
        """Replace the row of one log, at once."""
        self._changes += 1
        self._rows[name] = row
        self._write()

    def forget(self, names: Iterable[LogName]) -> None:
        """Drop rows, at once: a topic of the same name may come, and these are none of its own."""
        known = [name for name in names if self._rows.pop(name, None) is not None]
        if known:
            self._changes += 1
            self._write()

    def _replace(self, rows: Mapping[LogName, Confirmed], unopened: Iterable[LogName]) -> None:
        kept = {name: self._rows[name] for name in unopened if name in self._rows}
        self._rows = {**kept, **rows}
        self._changes += 1

    def _load(self, name: str) -> PartitionOffsets:
        path = f"{self._data_dir}/{name}"
        return checkpoints.load(self._files, path, checkpoints.decode_offsets) or {}

    def _contents(self) -> dict[str, PartitionOffsets]:
        """What each file is to say."""
        rows = self._rows.items()
        return {
            RECOVERY_POINT: {name: row.recovery_point for name, row in rows},
            HIGH_WATERMARK: {name: row.high_watermark for name, row in rows},
            LOG_START: {name: row.log_start_offset for name, row in rows if row.log_start_offset},
            CLEANER: {name: row.cleaned_offset for name, row in rows if row.cleaned_offset},
        }

    def _changed(self) -> dict[str, PartitionOffsets]:
        """The files that say something else by now."""
        contents = self._contents().items()
        return {name: offsets for name, offsets in contents if offsets != self._written[name]}

    def _write(self, *names: str) -> None:
        """Replace the files that have changed, or of those only the named ones."""
        for name, offsets in self._changed().items():
            if not names or name in names:
                path = f"{self._data_dir}/{name}"
                self._files.write_atomically(path, checkpoints.encode_offsets(offsets))
                self._written[name] = offsets

    def _write_temporary(self, name: str, offsets: PartitionOffsets) -> File:
        file = self._files.open(f"{self._data_dir}/{name}.tmp", create=True)
        file.truncate(0)
        file.append([checkpoints.encode_offsets(offsets)])
        return file
