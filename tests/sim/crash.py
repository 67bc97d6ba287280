"""A disk as it may be found after a crash: which pending operations are kept, dropped or torn.

Everything durable is there. Of what was pending, each operation has a fate of its own, a file's
and a directory's alike, for POSIX promises no order between them:

    kept      as if it had reached the disk in time
    dropped   as if it had never been
    torn      of a write, some of its sectors of 512 bytes; of the last one of a file perhaps a
              piece of any length. What is not there reads as zeros, or as what was there before,
              or is beyond the end of the file. Cuts, creations, renames and removals are never torn

A *way* to crash says how fates are dealt: NOTHING and EVERYTHING are the two ends, KILLED leaves
the page cache, PREFIX keeps what came before some moment, and SUBSET asks the dice each time.
"""

from enum import Enum
from random import Random

from .disk import (
    DirectoryNode,
    DropName,
    FileNode,
    Rename,
    SetName,
    SimulatedDisk,
    Truncate,
    Write,
    apply_to_bytes,
    apply_to_names,
)

SECTOR_BYTES = 512
RECENT_OPERATIONS = 24
"""How far back a PREFIX may end."""


class Way(Enum):
    """How a machine or a process ends."""

    NOTHING = "nothing pending is kept"
    EVERYTHING = "everything pending is kept"
    PREFIX = "what came before some moment is kept"
    SUBSET = "any of it may be kept"
    KILLED = "the process is killed, the page cache stays"


class Dice:
    """Deals fates."""

    def __init__(self, way: Way, random: Random, operations: int) -> None:
        self._way = way
        self._random = random
        self._moment = operations - 1
        self._kept = self._torn = 0.0
        if way is Way.PREFIX:
            self._moment = max(operations - 1 - random.randrange(RECENT_OPERATIONS), 0)
        elif way is Way.SUBSET:
            self._kept = random.choice((0.2, 0.5, 0.8))
            self._torn = random.choice((0.0, 0.2, 0.5))

    def is_kept(self, number: int) -> bool:
        """The fate of an operation that cannot be torn."""
        if self._way is Way.SUBSET:
            return self._random.random() < self._kept
        return self._way is Way.EVERYTHING or (self._way is Way.PREFIX and number <= self._moment)

    def is_torn(self, number: int) -> bool:
        """The fate of a write, asked before `is_kept`."""
        if self._way is Way.SUBSET:
            return self._random.random() < self._torn
        return self._way is Way.PREFIX and number == self._moment and self._random.random() < 0.7

    def tear(self, write: Write, is_last: bool) -> list[Write]:
        """What is left of a torn write."""
        random, number, start, end = self._random, *write[:2], write.position + len(write.data)
        if is_last and random.random() < 0.5:
            pieces = [Write(number, start, write.data[: random.randrange(len(write.data))])]
        else:
            edges = [start, *range(start - start % SECTOR_BYTES + SECTOR_BYTES, end, SECTOR_BYTES)]
            pieces = [
                Write(number, edge, write.data[edge - start : following - start])
                for edge, following in zip(edges, [*edges[1:], end], strict=True)
                if random.random() < 0.5
            ]
        if random.random() < 0.5:
            pieces.append(Write(number, end, b""))  # The size was lengthened all the same.
        return pieces


def crash(disk: SimulatedDisk, way: Way, random: Random) -> SimulatedDisk:
    """A disk as it is found after this crash; the one that crashed stays as it is."""
    if way is Way.KILLED:
        return _fork(disk)
    dice = Dice(way, random, disk.operations)
    found = SimulatedDisk(_directory_after(disk.root, dice))
    found.boot = disk.boot + 1
    return found


def _directory_after(node: DirectoryNode, dice: Dice) -> DirectoryNode:
    names = node.durable
    if node.pending:
        names = apply_to_names(names, [each for each in node.pending if dice.is_kept(each.number)])
    return DirectoryNode(
        {
            name: _file_after(child, dice)
            if isinstance(child, FileNode)
            else _directory_after(child, dice)
            for name, child in names.items()
        }
    )


def _file_after(node: FileNode, dice: Dice) -> FileNode:
    if not node.pending:
        return FileNode(node.durable)
    kept: list[Write | Truncate] = []
    for operation in node.pending:
        if isinstance(operation, Write) and dice.is_torn(operation.number):
            kept += dice.tear(operation, operation is node.pending[-1])
        elif dice.is_kept(operation.number):
            kept.append(operation)
    return FileNode(apply_to_bytes(node.durable, kept) if kept else node.durable)


def _fork(disk: SimulatedDisk) -> SimulatedDisk:
    """The same disk once more, with all that is pending still pending."""
    copies: dict[int, FileNode | DirectoryNode] = {}
    forked = SimulatedDisk(_copy(disk.root, copies))  # type: ignore[arg-type] # a directory's copy
    forked.operations, forked.boot = disk.operations, disk.boot
    return forked


def _copy(
    node: FileNode | DirectoryNode, copies: dict[int, FileNode | DirectoryNode]
) -> FileNode | DirectoryNode:
    known = copies.get(id(node))
    if known is not None:
        return known
    if isinstance(node, FileNode):
        file = copies[id(node)] = FileNode(node.durable)
        file.content = node.content if type(node.content) is bytes else bytearray(node.content)
        file.pending = list(node.pending)
        return file
    directory = copies[id(node)] = DirectoryNode()
    directory.durable = {name: _copy(child, copies) for name, child in node.durable.items()}
    directory.content = {name: _copy(child, copies) for name, child in node.content.items()}
    for each in node.pending:
        match each:
            case SetName(number, name, child):
                directory.pending.append(SetName(number, name, _copy(child, copies)))
            case Rename(number, source, target, child):
                directory.pending.append(Rename(number, source, target, _copy(child, copies)))
            case DropName():
                directory.pending.append(each)
    return directory
