"""Writes a history while clients work. PURE: the clock is handed in, and so is where events go.

    with each operation:   begun = recorder.invoke("send", [["send", "orders-0", "a"]])
                           begun.ok([["send", "orders-0", [17, "a"]]])

One Recorder is one process of the history: it does one thing at a time. After an `info` it is
another one, since what is in doubt may still happen at any time; the number changes by itself.
"""

from collections.abc import Callable, Iterable
from typing import Any

from .event import FAIL, INFO, INVOKE, OK, Event, Process
from .outcome import Outcome


class HistoryLog:
    """All events of all processes, in order; not for several threads at a time."""

    def __init__(self, clock: Callable[[], float], write: Callable[[Event], None]) -> None:
        """`clock` gives seconds and never goes back; `write` gets each event."""
        self._clock = clock
        self._write = write
        self._next_index = 0
        self._next_process = 0

    def recorder(self) -> "Recorder":
        """One more process."""
        return Recorder(self)

    def new_process(self) -> int:
        """A number that no process has had."""
        self._next_process += 1
        return self._next_process - 1

    def add(
        self,
        process: Process,
        kind: str,
        f: str,
        value: Any,
        rebalanced_keys: Iterable[str] = (),
        error: str | None = None,
    ) -> None:
        """Write an event that happens now."""
        index, self._next_index = self._next_index, self._next_index + 1
        time_s = self._clock()
        self._write(Event(index, process, kind, f, time_s, value, tuple(rebalanced_keys), error))


class Recorder:
    """One process: one operation at a time."""

    def __init__(self, log: HistoryLog) -> None:
        """Made by HistoryLog.recorder."""
        self._log = log
        self.process = log.new_process()

    def invoke(self, f: str, value: Any = None) -> "Begun":
        """An operation begins; call one method of what is returned when it ends."""
        self._log.add(self.process, INVOKE, f, value)
        return Begun(self, f)

    def end(
        self,
        outcome: Outcome,
        f: str,
        value: Any,
        rebalanced_keys: Iterable[str],
        error: str | None,
    ) -> None:
        """The operation has ended."""
        self._log.add(self.process, outcome, f, value, rebalanced_keys, error)
        if outcome == INFO:
            self.process = self._log.new_process()


class Begun:
    """An operation that has begun and not ended."""

    def __init__(self, recorder: Recorder, f: str) -> None:
        """Made by Recorder.invoke."""
        self._recorder = recorder
        self._f = f

    def ok(self, value: Any = None, rebalanced_keys: Iterable[str] = ()) -> None:
        """It happened."""
        self._recorder.end(OK, self._f, value, rebalanced_keys, None)

    def fail(self, error: str, value: Any = None, rebalanced_keys: Iterable[str] = ()) -> None:
        """It certainly did not happen."""
        self._recorder.end(FAIL, self._f, value, rebalanced_keys, error)

    def info(self, error: str, value: Any = None, rebalanced_keys: Iterable[str] = ()) -> None:
        """Nobody knows."""
        self._recorder.end(INFO, self._f, value, rebalanced_keys, error)
