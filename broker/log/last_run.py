"""How the last run of this node wrote, and on which boot of the machine: `last-run` (JSON).

A stop that was not clean has lost nothing that anybody saw, if every acknowledged or readable
record had to be on disk first (`--flush fsync`), or if the machine has been up ever since: a
process that is killed leaves what it wrote in the page cache. Otherwise, records that were read
may be gone, and whoever has read them must be able to tell (a new leader epoch, KIP-320).

Two things make the file untrue, and remove it: records that a start sets aside, before they are,
and a disk that has failed. A failed disk may not take another write, but a removal needs none; it
holds at least until the machine boots again, and then nothing is left of what the disk had refused.
Until then a start finds it in the page cache, and writes it anew (`renewal`).
"""

import json
from typing import Any, NamedTuple

from .files import Files

LAST_RUN = "last-run"


class LastRun(NamedTuple):
    """The flush mode, and the machine's boot id, empty where there is none."""

    flush: str
    boot_id: str

    def is_lossless(self, boot_id: str) -> bool:
        """Whether a crash of that run, seen on the boot `boot_id`, took nothing that was seen."""
        return self.flush == "fsync" or (self.boot_id == boot_id != "")


_SAID_NOTHING = LastRun("os", "")


def load(files: Files, data_dir: str) -> LastRun:
    """What the last run said; one that said nothing promised nothing."""
    try:
        said: Any = json.loads(files.read_bytes(f"{data_dir}/{LAST_RUN}"))
    except (FileNotFoundError, ValueError, RecursionError):
        return _SAID_NOTHING
    match said:
        case {"flush": str(flush), "boot_id": str(boot_id)}:
            return LastRun(flush, boot_id)
        case _:
            return _SAID_NOTHING


def save(files: Files, data_dir: str, run: LastRun) -> None:
    """Say it before anything is written."""
    files.write_atomically(f"{data_dir}/{LAST_RUN}", json.dumps(run._asdict()).encode())


def has_said(files: Files, data_dir: str) -> bool:
    """Whether the last run, if there was one, had no reason to take back what it said."""
    return files.exists(f"{data_dir}/{LAST_RUN}")


def forget(files: Files, data_dir: str) -> None:
    """Promise nothing any more."""
    files.unlink(f"{data_dir}/{LAST_RUN}")
    files.fsync_directory(data_dir)
