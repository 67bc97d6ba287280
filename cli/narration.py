"""How long work tells what it does: a moving bar on a terminal, plain lines everywhere else.

    with narration() as narrator:
        narrator.say("writing")                  a line, in both
        narrator.progress("records written", 500, 1000)   the bar; in a pipe a line at each tenth

Lines go to stdout, as they are what the command is run for. The bar comes from rich, which is
loaded for a terminal only.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

TENTHS: Final = 10


class Narrator(Protocol):
    """Who tells."""

    def say(self, text: str) -> None:
        """Print a line."""
        ...

    def progress(self, what: str, done: int, total: int) -> None:
        """So much of `what` is done; may be called often."""
        ...


class LineNarrator:
    """Plain lines: a line for each tenth of the way."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)

    def progress(self, what: str, done: int, total: int) -> None:
        """Print a line when another tenth is done."""
        tenth = done * TENTHS // total
        if tenth > self._told.get(what, 0):
            self._told[what] = tenth
            self.say(f"  {tenth * 100 // TENTHS:3d} %  {done:,} {what}")


class BarNarrator:
    """A bar for each kind of progress, below the lines."""

    def __init__(self, bars: "Progress") -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._bars.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def progress(self, what: str, done: int, total: int) -> None:
        """Move the bar of `what`."""
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done)


@contextmanager
def narration() -> Generator[Narrator]:
    """A narrator that suits stdout."""
    if not sys.stdout.isatty():
        yield LineNarrator()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("  {task.description:>16}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, transient=True) as bars:
        yield BarNarrator(bars)
