"""A disk in memory that knows what would be left of it if the power failed now.

    process ── write, truncate ──> content      what everybody sees at once (the page cache)
                                   durable      what is certainly on the disk
                                   pending      the operations between the two, in order

A file's fsync makes its bytes durable, a directory's fsync the names in it: creations, renames and
removals are operations on the directory. Nothing else makes anything durable; a real file system
may write earlier, and that is what `crash` draws from. A failed fsync of a file drops what was
pending and leaves the content as it was, as Linux does (it marks the pages clean): a later fsync
succeeds and means nothing. Names are kept in a journal, which does not go on without them.

The methods are those of `SystemCalls`. Paths are absolute. Each operation that changes something,
or makes something durable, is counted in `operations`, and ends with `on_operation`.
"""

import errno
import os
import posixpath
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from minikafka.protocol.primitives import Buffer

from .faults import ANY, NO_FAULT, Fault


class Write(NamedTuple):
    """Bytes written at a position: where the file ended, for all files are appended to."""

    number: int
    position: int
    data: bytes


class Truncate(NamedTuple):
    """The file was cut, or lengthened with zeros."""

    number: int
    size: int


class SetName(NamedTuple):
    """A name was given to a new file or directory."""

    number: int
    name: str
    node: "Node"


class DropName(NamedTuple):
    """A name was taken away."""

    number: int
    name: str


class Rename(NamedTuple):
    """A name was changed, over what had the new one: both or neither."""

    number: int
    source: str
    target: str
    node: "Node"


class FileNode:
    """A file: `content` is `bytes` until somebody changes it."""

    __slots__ = ("content", "durable", "pending")

    def __init__(self, durable: bytes = b"") -> None:
        self.durable = durable
        self.content: bytes | bytearray = durable
        self.pending: list[Write | Truncate] = []

    def written(self) -> bytearray:
        """The content, to be changed."""
        if type(self.content) is bytes:
            self.content = bytearray(self.content)
        return self.content  # type: ignore[return-value] # it is one now

    def fsync(self) -> None:
        """What is pending is durable."""
        if self.pending:
            durable = apply_to_bytes(self.durable, self.pending)
            self.durable = durable
            if durable == self.content:
                self.content = durable
            self.pending = []


class DirectoryNode:
    """A directory: names of files and directories."""

    __slots__ = ("content", "durable", "pending")

    def __init__(self, durable: "dict[str, Node] | None" = None) -> None:
        self.durable = durable if durable is not None else {}
        self.content = dict(self.durable)
        self.pending: list[SetName | DropName | Rename] = []

    def fsync(self) -> None:
        """What is pending is durable."""
        if self.pending:
            self.durable = apply_to_names(self.durable, self.pending)
            self.pending = []


Node: TypeAlias = FileNode | DirectoryNode


def apply_to_bytes(durable: bytes, operations: Sequence[Write | Truncate]) -> bytes:
    """The bytes of a file after these operations; what is written behind its end leaves zeros."""
    content = bytearray(durable)
    for operation in operations:
        if isinstance(operation, Truncate):
            del content[operation.size :]
            content.extend(bytes(operation.size - len(content)))
        else:
            _, position, data = operation
            content.extend(bytes(max(position - len(content), 0)))
            content[position : position + len(data)] = data
    return bytes(content)


def apply_to_names(
    durable: dict[str, Node], operations: Sequence[SetName | DropName | Rename]
) -> dict[str, Node]:
    """The names in a directory after these operations."""
    names = dict(durable)
    for operation in operations:
        match operation:
            case SetName(_, name, node):
                names[name] = node
            case DropName(_, name):
                names.pop(name, None)
            case Rename(_, source, target, node):
                names.pop(source, None)
                names[target] = node
    return names


class Status(NamedTuple):
    """What `stat` says, as far as anybody asks."""

    st_size: int


class Opened:
    """An open file or directory, by its descriptor."""

    __slots__ = ("locks", "node")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.locks = False


class TooManyOperations(Exception):
    """Whoever uses the disk does not come to an end."""


def _nothing() -> None:
    """Take no notice of an operation."""


class SimulatedDisk:
    """See the module. `fault` is what goes wrong next; `max_operations` is when to give up."""

    def __init__(self, root: DirectoryNode | None = None) -> None:
        self.root = root if root is not None else DirectoryNode()
        self.boot = 0
        """How often the machine was started."""
        self.fault: Fault = NO_FAULT
        self.on_operation: Callable[[], None] = _nothing
        self.operations = 0
        self.max_operations = 1 << 62
        self._open: dict[int, Opened] = {}
        self._next_descriptor = 1_000_000  # none of the process's own
        self._locked: set[FileNode] = set()
        self._directories: dict[str, DirectoryNode] = {"/": self.root}
        _find_directories(self.root, "", self._directories)

    # Files

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        """A descriptor of a file, made if O_CREAT says so, or of a directory."""
        self._may_fail("open", path)
        node: Node | None = self._directories.get(path)
        if node is None:
            directory, name = self._parent(path)
            node = directory.content.get(name)
            if node is None:
                if not flags & os.O_CREAT:
                    raise _error(errno.ENOENT, path)
                node = directory.content[name] = FileNode()
                directory.pending.append(SetName(self.operations, name, node))
                self._done()
        elif flags & os.O_ACCMODE != os.O_RDONLY:
            raise _error(errno.EISDIR, path)
        self._next_descriptor += 1
        self._open[self._next_descriptor] = Opened(node)
        return self._next_descriptor

    def close(self, descriptor: int) -> None:
        """Forget a descriptor, and its lock."""
        opened = self._open.pop(descriptor, None)
        if opened is not None and opened.locks:
            self._locked.discard(opened.node)  # type: ignore[arg-type] # only files are locked

    def end_process(self) -> None:
        """Whoever used the disk is gone, with all descriptors and locks."""
        self._open.clear()
        self._locked.clear()

    def fstat(self, descriptor: int) -> Status:
        """The size of an open file."""
        return Status(len(self._file(descriptor).content))

    def pread(self, descriptor: int, count: int, position: int) -> bytes:
        """Bytes of a file."""
        self._may_fail("read")
        content = self._file(descriptor).content
        if position == 0 and count == len(content):
            return bytes(content)
        return bytes(content[position : position + count])

    def preadv(self, descriptor: int, buffers: Sequence[bytearray | memoryview], at: int) -> int:
        """Fill the one buffer."""
        self._may_fail("read")
        (buffer,) = buffers
        content = self._file(descriptor).content
        count = max(min(len(buffer), len(content) - at), 0)
        buffer[:count] = memoryview(content)[at : at + count]
        return count

    def writev(self, descriptor: int, chunks: Sequence[Buffer]) -> int:
        """Append the chunks; fewer bytes than that when the fault says so."""
        data = b"".join(chunks)
        allowed = self._may_fail("write", room=len(data))
        if allowed is not None:
            data = data[:allowed]
        node = self._file(descriptor)
        content = node.written()
        if data:
            node.pending.append(Write(self.operations, len(content), data))
            content += data
            self._done()
        return len(data)

    def ftruncate(self, descriptor: int, size: int) -> None:
        """Cut a file, or lengthen it with zeros."""
        self._may_fail("truncate")
        node = self._file(descriptor)
        if len(node.content) != size:
            content = node.written()
            del content[size:]
            content.extend(bytes(size - len(content)))
            node.pending.append(Truncate(self.operations, size))
            self._done()

    def fdatasync(self, descriptor: int) -> None:
        """As fsync."""
        self.fsync(descriptor)

    def fsync(self, descriptor: int) -> None:
        """Make a file's bytes durable, or a directory's names."""
        node = self._open[descriptor].node
        try:
            self._may_fail("fsync")
        except OSError:
            if isinstance(node, FileNode):
                node.pending = []  # They are never tried again.
            raise
        if node.pending:
            node.fsync()
            self._done()

    def flock(self, descriptor: int, operation: int) -> None:
        """Lock a file until its descriptor is closed."""
        opened, node = self._open[descriptor], self._file(descriptor)
        if node in self._locked:
            raise BlockingIOError(errno.EAGAIN, "locked")
        self._locked.add(node)
        opened.locks = True

    # Names

    def stat(self, path: str, *, follow_symlinks: bool = True) -> Status:
        """The size of a file."""
        directory, name = self._parent(path)
        node = directory.content.get(name)
        if not isinstance(node, FileNode):
            raise _error(errno.ENOENT, path)
        return Status(len(node.content))

    def isdir(self, path: str) -> bool:
        """Whether a directory is there."""
        return path in self._directories

    def lexists(self, path: str) -> bool:
        """Whether anything is there."""
        if path in self._directories:
            return True
        head, _, name = path.rpartition("/")
        directory = self._directories.get(head or "/")
        return directory is not None and name in directory.content

    def listdir(self, path: str) -> list[str]:
        """The names in a directory."""
        self._may_fail("list", path)
        return list(self._directory(path).content)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        """Make a directory."""
        self._may_fail("mkdir", path)
        directory, name = self._parent(path)
        if name in directory.content:
            raise _error(errno.EEXIST, path)
        made = self._directories[path] = directory.content[name] = DirectoryNode()
        directory.pending.append(SetName(self.operations, name, made))
        self._done()

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        self._may_fail("rmdir", path)
        if self._directory(path).content:
            raise _error(errno.ENOTEMPTY, path)
        self._drop(path)
        del self._directories[path]

    def unlink(self, path: str) -> None:
        """Remove a name."""
        self._may_fail("unlink", path)
        if path in self._directories:
            raise _error(errno.EISDIR, path)
        self._drop(path)

    def replace(self, source: str, target: str) -> None:
        """Rename within one directory."""
        self._may_fail("rename", source)
        directory, old_name = self._parent(source)
        other, new_name = self._parent(target)
        if old_name not in directory.content:
            raise _error(errno.ENOENT, source)
        if other is not directory:
            raise _error(errno.EXDEV, target)
        node = directory.content.pop(old_name)
        directory.content[new_name] = node
        directory.pending.append(Rename(self.operations, old_name, new_name, node))
        if isinstance(node, DirectoryNode):
            for path in [each for each in self._directories if f"{each}/".startswith(f"{source}/")]:
                self._directories[target + path[len(source) :]] = self._directories.pop(path)
        self._done()

    # At rest

    def flip_bit(self, path: str, bit: int) -> None:
        """Turn one bit of a durable file over, as ageing disks do."""
        directory, name = self._parent(path)
        node = directory.content[name]
        if not isinstance(node, FileNode) or node.pending:
            raise _error(errno.EBUSY, path)
        content = bytearray(node.durable)
        content[bit // 8] ^= 1 << bit % 8
        node.durable = node.content = bytes(content)

    # Within

    def _file(self, descriptor: int) -> FileNode:
        node = self._open[descriptor].node
        if not isinstance(node, FileNode):
            raise _error(errno.EISDIR, "")
        return node

    def _directory(self, path: str) -> DirectoryNode:
        directory = self._directories.get(path)
        if directory is None:
            raise _error(errno.ENOENT, path)
        return directory

    def _parent(self, path: str) -> tuple[DirectoryNode, str]:
        head, _, name = path.rpartition("/")
        return self._directory(head or "/"), name

    def _drop(self, path: str) -> None:
        directory, name = self._parent(path)
        if name not in directory.content:
            raise _error(errno.ENOENT, path)
        del directory.content[name]
        directory.pending.append(DropName(self.operations, name))
        self._done()

    def _may_fail(self, kind: str, path: str = "", room: int = 0) -> int | None:
        """Raise what the fault says; for a write, how many bytes of it are taken, None for all."""
        wanted = self.fault.kind
        return self.fault.strike(path, room) if wanted in (kind, ANY) else None

    def _done(self) -> None:
        self.operations += 1
        if self.operations > self.max_operations:
            raise TooManyOperations(f"more than {self.max_operations} operations")
        self.on_operation()

    def tree(self) -> dict[str, bytes | None]:
        """Every path with its content, None for a directory: what a process sees."""
        return {
            path: bytes(node.content) if isinstance(node, FileNode) else None
            for path, node in walk(self.root)
        }


def walk(root: DirectoryNode, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every path below a directory, in order, with what is there."""
    for name, node in sorted(root.content.items()):
        yield f"{path}/{name}", node
        if isinstance(node, DirectoryNode):
            yield from walk(node, f"{path}/{name}")


def _find_directories(root: DirectoryNode, path: str, found: dict[str, DirectoryNode]) -> None:
    for name, node in root.content.items():
        if isinstance(node, DirectoryNode):
            found[posixpath.join(path or "/", name)] = node
            _find_directories(node, f"{path}/{name}", found)


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
