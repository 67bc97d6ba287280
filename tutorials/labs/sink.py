"""Where finished work is written down: an SQLite file with a row for each id.

    id          text, unique      the request, whoever finished it
    at          seconds           when it was finished first, on the machine's monotonic clock
    deliveries  how often         1, or more where a record was handled again after a crash

A queue delivers *at least* once; that each id counts once is the sink's doing. Who awaits `add`
knows that the row is there: rows are committed together, COMMIT_S after the first, for speed.
Several processes may write to one file.

Left out: surviving a power cut. A killed process loses nothing that `add` has confirmed.
"""

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Final

COMMIT_S: Final = 0.01
BUSY_TIMEOUT_S: Final = 30.0

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS finished (
    id TEXT NOT NULL UNIQUE, at REAL NOT NULL, deliveries INTEGER NOT NULL DEFAULT 1
)"""
_ADD: Final = """
INSERT INTO finished (id, at) VALUES (?, ?)
ON CONFLICT (id) DO UPDATE SET deliveries = deliveries + 1"""


class Sink:
    """One process's connection to the file."""

    def __init__(self, path: Path) -> None:
        """Open the file, and make it if it is not there."""
        self._database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(_TABLE)
        self._rows: list[tuple[str, float]] = []
        self._committed: asyncio.Future[None] | None = None

    async def add(self, id: str) -> None:
        """Write down that `id` is finished now, and return when that is committed."""
        loop = asyncio.get_running_loop()
        if self._committed is None:
            self._committed = loop.create_future()
            loop.call_later(COMMIT_S, self._commit)
        self._rows.append((id, time.monotonic()))
        # Shielded: many wait for the same commit, and one of them may be cancelled.
        await asyncio.shield(self._committed)

    def close(self) -> None:
        """Commit what is left, and close the file."""
        self._commit()
        self._database.close()

    def count(self) -> int:
        """How many ids are finished."""
        # Rows are never deleted, so the last row's number is their count, without a scan.
        row = self._database.execute("SELECT max(rowid) FROM finished").fetchone()
        return row[0] or 0

    def finished(self) -> dict[str, tuple[float, int]]:
        """For each id when it was finished, and how often it was delivered."""
        rows = self._database.execute("SELECT id, at, deliveries FROM finished")
        return {id: (at, deliveries) for id, at, deliveries in rows}

    def _commit(self) -> None:
        committed, self._committed = self._committed, None
        if committed is None:
            return
        rows, self._rows = self._rows, []
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(_ADD, rows)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            committed.set_exception(error)
        else:
            committed.set_result(None)
