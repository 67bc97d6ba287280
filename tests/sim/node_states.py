"""Crash states of a node run, as `log_states` has them of a log run.

The images are taken while the node lives and looked at afterwards, each in a loop of its own.
"""

from dataclasses import dataclass, field
from random import Random

from .crash import Way, crash
from .disk import SimulatedDisk
from .log_states import WAYS, Failure
from .node_check import check_node
from .node_run import NodePromise, NodeRun


@dataclass
class NodeSample:
    """The states of one seed; each operation is looked at with the likelihood `share`."""

    seed: int
    flush: str = "fsync"
    share: float = 0.1
    only: tuple[int, int] | None = None
    states: int = 0
    failures: list[Failure] = field(default_factory=list)
    _taken: list[tuple[int, int, SimulatedDisk, NodePromise, Random]] = field(default_factory=list)

    def run(self) -> "NodeSample":
        """Live the life of this seed, then look at its states."""
        run = NodeRun(self.seed, self.flush)
        run.disk.on_operation = lambda: self._take(run)
        run.run()
        if run.failure is not None:
            raise run.failure
        for operation, choice, image, promise, random in self._taken:
            self.states += 1
            try:
                check_node(image, promise, self.flush, random)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                self.failures.append(Failure(self.seed, self.flush, operation, choice, error))
        return self

    def _take(self, run: NodeRun) -> None:
        operation = run.disk.operations
        dice = Random((self.seed << 32) | operation)
        choice = dice.randrange(len(WAYS))
        wanted = dice.random() < self.share if self.only is None else self.only[0] == operation
        if wanted:
            if self.only is not None:
                choice = self.only[1]
            random = Random((self.seed << 40) | (operation << 8) | choice)
            way: Way = WAYS[choice]
            image = crash(run.disk, way, random)
            self._taken.append((operation, choice, image, run.promise.copy(), random))


def replay_node(seed: int, operation: int, choice: int, flush: str = "fsync") -> None:
    """Look at one state again; its error, if there is one."""
    for failure in NodeSample(seed, flush, only=(operation, choice)).run().failures:
        raise failure.error
