"""Crash states of a log run: at each operation of the disk, some of the ways it can be found.

A state is named by its seed, its operation and its choice, and can be had again by these three:
`replay(seed, operation, choice)`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from .crash import Way, crash
from .log_check import check
from .log_run import Features, LogRun

WAYS = (Way.NOTHING, Way.EVERYTHING, Way.SUBSET, Way.PREFIX, Way.SUBSET, Way.KILLED)
"""The way of each choice at one operation; what comes out the same is looked at once."""


@dataclass
class Failure:
    """A state that a start does not get right."""

    seed: int
    flush: str
    operation: int
    choice: int
    error: Exception

    def __str__(self) -> str:
        return (
            f"seed {self.seed} flush {self.flush} operation {self.operation} choice {self.choice}"
            f" ({WAYS[self.choice % len(WAYS)].value}): {type(self.error).__name__}: {self.error}"
        )


@dataclass
class Sample:
    """The states of one seed."""

    seed: int
    flush: str = "fsync"
    choices: int = len(WAYS)
    only: tuple[int, int] | None = None
    """One operation and choice, to see nothing else."""
    is_strict: bool = False
    """Hold a log that is never flushed to what only a flushed one promises."""
    states: int = 0
    operations: int = 0
    failures: list[Failure] = field(default_factory=list)
    on_state: Callable[[int, int, object], None] | None = None
    """Told of each state: operation, choice, and what the disk holds."""
    _seen: set[object] = field(default_factory=set)

    def run(self) -> "Sample":
        """Live the life of this seed and look at its states."""
        features = Features.drawn(Random(self.seed), self.flush)
        run = LogRun(self.seed, features)

        def look() -> None:
            operation = run.disk.operations
            for choice in range(self.choices):
                if self.only in (None, (operation, choice)):
                    self._look(run, operation, choice)

        run.disk.on_operation = look
        run.run()
        if run.failure is not None:
            raise run.failure
        self.operations = run.disk.operations
        self._seen.clear()
        return self

    def _look(self, run: LogRun, operation: int, choice: int) -> None:
        random = Random((self.seed << 40) | (operation << 8) | choice)
        way = WAYS[choice % len(WAYS)]
        image = crash(run.disk, way, random)
        promise = run.history.promise()
        if self.is_strict:
            promise = promise._replace(flushed_offset=promise.written_offset)
        tree = tuple(image.tree().items())
        key = (tree, promise.end_offset(way), way is Way.KILLED and operation)
        if key in self._seen:
            return
        self._seen.add(key)
        self.states += 1
        if self.on_state is not None:
            self.on_state(operation, choice, tree)
        try:
            check(image, promise, way, run.features, random)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            self.failures.append(Failure(self.seed, self.flush, operation, choice, error))


def replay(seed: int, operation: int, choice: int, flush: str = "fsync") -> None:
    """Look at one state again; its error, if there is one."""
    for failure in Sample(seed, flush, only=(operation, choice), choices=choice + 1).run().failures:
        raise failure.error
