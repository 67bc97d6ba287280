"""Files: the only door from the broker to the operating system's files, and its only threads.

Everything that the broker keeps goes through one `Files` object, which the node hands down:

    open(path, create)            a File at its end; FileNotFoundError unless `create`
    exists, is_directory, file_size    one stat
    modified_ms                   one stat: when the file was last written, ms since 1970
    list_directory                the names in it, sorted
    make_directory                with parents, mode 0700; durable when it returns
    remove_directory              with the files in it; nothing when there is none
    rename, unlink                durable only after fsync_directory; unlink of nothing is nothing
    read_bytes                    a whole small file
    write_atomically              tmp, fsync, rename, fsync of the directory: the old or the new
                                  content, never a mixture, whenever the power fails
    replace                       the same without the last step, which is left to a later flush
    fsync_directory               creations, renames and removals in it become durable
    lock                          an exclusive lock that ends with the process
    volume_space                  total and free bytes of the file system around a directory
    boot_id                       names this boot of the machine; empty where nobody knows
    await flush(files)            fdatasync of many files, and of files and directories given by
                                  their paths, in worker threads
    flush_now(files)              the same, blocking: for start and stop

Invariants:
- An append is all or nothing: what was written of it is truncated away before DiskFull is raised,
  so that nothing can ever follow half a batch (KAFKA-10778).
- A failed fsync is final. The kernel may have marked the lost pages clean, so that a second try
  would succeed and mean nothing: every later flush raises StorageFailed at once.
- A File stays open until nobody holds it: a fetch that is being sent, or a flush, may go on after
  its segment was deleted. Directories are 0700, files 0600, symbolic links are never followed.
- The operating system is asked through one SystemCalls object. A simulated disk is another object
  with the same methods, so that all that is written here runs on it as it does on a real one.

Left out: mapped files (a full disk then kills the process with SIGBUS instead of an error).
"""

import asyncio
import errno
import fcntl
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

from ...protocol.primitives import Buffer

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
BOOT_ID_PATH = "/proc/sys/kernel/random/boot_id"
FLUSH_THREADS = 8
"""Flushes at one time: the file system writes its journal once for all of them."""
MAX_CHUNKS = 1024
"""Buffers in one writev: IOV_MAX of Linux and macOS."""

_OPEN_FLAGS = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SHORTAGE_ERRORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class StorageError(Exception):
    """The disk did not do what it was asked; raised itself for shortages that may pass."""


class DiskFull(StorageError):
    """No space is left or the quota is used up; nothing of the append is in the file."""


class StorageFailed(StorageError):
    """The disk failed: what is in the file is not known, and the node must stop."""


def storage_error(error: OSError, what: str) -> StorageError:
    """Return the StorageError that says in `what` the operating system's `error` came."""
    message = f"{what}: {error.strerror or error}"
    if error.errno in _FULL_ERRORS:
        return DiskFull(message)
    if error.errno in _SHORTAGE_ERRORS:
        return StorageError(message)
    return StorageFailed(message)


class SystemCalls:
    """What the operating system is asked, by the names and rules of Python's `os` and `fcntl`."""

    __slots__ = ()

    open = staticmethod(os.open)
    close = staticmethod(os.close)
    fstat = staticmethod(os.fstat)
    pread = staticmethod(os.pread)
    preadv = staticmethod(os.preadv)
    writev = staticmethod(os.writev)
    ftruncate = staticmethod(os.ftruncate)
    fdatasync = staticmethod(getattr(os, "fdatasync", os.fsync))  # macOS has none
    fsync = staticmethod(os.fsync)
    flock = staticmethod(fcntl.flock)
    stat = staticmethod(os.stat)
    isdir = staticmethod(os.path.isdir)
    lexists = staticmethod(os.path.lexists)
    listdir = staticmethod(os.listdir)
    mkdir = staticmethod(os.mkdir)
    rmdir = staticmethod(os.rmdir)
    replace = staticmethod(os.replace)
    unlink = staticmethod(os.unlink)


SYSTEM_CALLS = SystemCalls()


class File:
    """One open file: appended at its end, read anywhere."""

    __slots__ = ("_calls", "_descriptor", "path", "size_bytes")

    def __init__(self, path: str, descriptor: int, calls: SystemCalls = SYSTEM_CALLS) -> None:
        self.path = path
        self._descriptor = descriptor
        self._calls = calls
        self.size_bytes = calls.fstat(descriptor).st_size

    def append(self, chunks: Sequence[Buffer]) -> None:
        """Write `chunks` after each other at the end: all of them, or none and a StorageError."""
        size_bytes, writev = sum(map(len, chunks)), self._calls.writev
        try:
            written_bytes = writev(self._descriptor, chunks[:MAX_CHUNKS])
            for index in range(MAX_CHUNKS, len(chunks), MAX_CHUNKS):
                written_bytes += writev(self._descriptor, chunks[index : index + MAX_CHUNKS])
        except OSError as error:
            self._undo_append(storage_error(error, f"cannot append to {self.path}"))
        if written_bytes != size_bytes:
            message = f"only {written_bytes} of {size_bytes} bytes fit into {self.path}"
            self._undo_append(DiskFull(message))
        self.size_bytes += size_bytes

    def _undo_append(self, error: StorageError) -> NoReturn:
        """Cut what a failed append left behind, and raise its `error`, or a worse one."""
        self.truncate(self.size_bytes)
        raise error

    def pread(self, count: int, position: int) -> bytes:
        """Return at most `count` bytes from `position`: fewer only at the end of the file."""
        try:
            return self._calls.pread(self._descriptor, count, position)
        except OSError as error:
            raise storage_error(error, f"cannot read {self.path}") from error

    def pread_into(self, buffer: bytearray | memoryview, position: int) -> int:
        """Fill `buffer` from `position`; return the bytes read: fewer only at the end."""
        try:
            return self._calls.preadv(self._descriptor, [buffer], position)
        except OSError as error:
            raise storage_error(error, f"cannot read {self.path}") from error

    def truncate(self, size_bytes: int) -> None:
        """Cut the file; StorageFailed when that is not possible."""
        try:
            self._calls.ftruncate(self._descriptor, size_bytes)
        except OSError as error:
            raise StorageFailed(f"cannot truncate {self.path}: {error.strerror}") from error
        self.size_bytes = size_bytes

    def fileno(self) -> int:
        """Return the descriptor, for sendfile; it is open as long as this object is held."""
        return self._descriptor

    def close(self) -> None:
        """Close now, for a file that nobody else holds. Others are closed by being let go."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._calls.close(descriptor)

    def __del__(self) -> None:
        """Close when nobody holds the file any more."""
        self.close()


class Files:
    """The operating system's files; see the module for the contract."""

    def __init__(self, calls: SystemCalls = SYSTEM_CALLS) -> None:
        self._calls = calls
        self._executor = ThreadPoolExecutor(FLUSH_THREADS, thread_name_prefix="flush")
        self._failure: str | None = None

    def open(self, path: str, *, create: bool = False) -> File:
        """Open the file at `path` for reading and appending."""
        flags = _OPEN_FLAGS | os.O_CREAT if create else _OPEN_FLAGS
        try:
            return File(path, self._calls.open(path, flags, FILE_MODE), self._calls)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise storage_error(error, f"cannot open {path}") from error

    def exists(self, path: str) -> bool:
        """Return whether there is a file or directory at `path`."""
        return self._calls.lexists(path)

    def is_directory(self, path: str) -> bool:
        """Return whether there is a directory at `path`."""
        return self._calls.isdir(path)

    def file_size(self, path: str) -> int:
        """Return the size in bytes of the file at `path`; FileNotFoundError when there is none."""
        try:
            return self._calls.stat(path, follow_symlinks=False).st_size
        except FileNotFoundError:
            raise
        except OSError as error:
            raise storage_error(error, f"cannot look at {path}") from error

    def modified_ms(self, path: str) -> int:
        """Return when the file was last written; FileNotFoundError when there is none."""
        return os.stat(path, follow_symlinks=False).st_mtime_ns // 1_000_000

    def list_directory(self, path: str) -> list[str]:
        """Return the names in the directory, sorted; FileNotFoundError when there is none."""
        try:
            return sorted(self._calls.listdir(path))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise storage_error(error, f"cannot list {path}") from error

    def make_directory(self, path: str) -> None:
        """Make the directory and those above it, unless it is there."""
        if self._calls.isdir(path):
            return
        parent = os.path.dirname(os.path.abspath(path))
        self.make_directory(parent)
        try:
            self._calls.mkdir(path, DIRECTORY_MODE)
        except OSError as error:
            raise storage_error(error, f"cannot make the directory {path}") from error
        self.fsync_directory(parent)

    def remove_directory(self, path: str) -> None:
        """Remove the directory and the files in it (it has no directories)."""
        calls = self._calls
        if not calls.isdir(path):
            return
        try:
            for name in calls.listdir(path):
                calls.unlink(os.path.join(path, name))
            calls.rmdir(path)
        except OSError as error:
            raise storage_error(error, f"cannot remove the directory {path}") from error

    def rename(self, source: str, target: str) -> None:
        """Give a file or directory another name, over a file that has it."""
        try:
            self._calls.replace(source, target)
        except OSError as error:
            raise storage_error(error, f"cannot rename {source}") from error

    def unlink(self, path: str) -> None:
        """Remove the file's name; its bytes stay while somebody holds the File."""
        try:
            self._calls.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error(error, f"cannot remove {path}") from error

    def read_bytes(self, path: str) -> bytes:
        """Return the content of a small file; FileNotFoundError when there is none."""
        file = self.open(path)
        try:
            return file.pread(file.size_bytes, 0)
        finally:
            file.close()

    def write_atomically(self, path: str, data: Buffer) -> None:
        """Replace the content of the file at `path` by `data`, durably and at one stroke."""
        self.replace(path, data)
        self.fsync_directory(os.path.dirname(path))

    def replace(self, path: str, data: Buffer) -> None:
        """The same, but until the directory is flushed a power cut may bring the old content back.

        The new one is on disk by then, so there is always one of the two.
        """
        temporary = self.open(path + ".tmp", create=True)
        try:
            temporary.truncate(0)
            temporary.append([data])
            self.flush_now([temporary])
        finally:
            temporary.close()
        self.rename(path + ".tmp", path)

    def fsync_directory(self, path: str) -> None:
        """Make durable what was created, renamed and removed in the directory."""
        self.flush_now([path])

    def lock(self, path: str) -> File:
        """Return the file at `path`, locked until closed; StorageError when another has it."""
        file = self.open(path, create=True)
        try:
            self._calls.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise StorageError(f"{path} is locked: another process uses this directory") from None
        return file

    async def flush(self, files: Sequence[File | str]) -> None:
        """Make the content of `files` durable, off the event loop; a string is a path."""
        loop = asyncio.get_running_loop()
        threads = max(1, min(len(files), FLUSH_THREADS))
        shares = [files[first::threads] for first in range(threads)]
        await asyncio.gather(
            *(loop.run_in_executor(self._executor, self.flush_now, share) for share in shares)
        )

    def volume_space(self, path: str) -> tuple[int, int]:
        """Return the bytes of the file system at `path`: in all, and free for us to write."""
        try:
            found = os.statvfs(path)
        except OSError as error:
            raise storage_error(error, f"cannot measure the disk of {path}") from error
        return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize

    def boot_id(self) -> str:
        """Return an id that changes when the machine boots (Linux), or nothing."""
        try:
            descriptor = self._calls.open(BOOT_ID_PATH, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return ""
        try:
            return self._calls.pread(descriptor, 64, 0).decode("ascii", "replace").strip()
        finally:
            self._calls.close(descriptor)

    def flush_now(self, files: Sequence[File | str]) -> None:
        """Make the content of `files` durable, blocking; StorageFailed, then and ever after."""
        if self._failure is not None:
            raise StorageFailed(self._failure)
        for file in files:
            try:
                self._flush(file)
            except OSError as error:
                path = file if isinstance(file, str) else file.path
                self._failure = f"cannot flush {path}: {error.strerror}"
                raise StorageFailed(self._failure) from error

    def _flush(self, file: File | str) -> None:
        """Make one file or directory durable; a path that is gone meanwhile needs nothing."""
        calls = self._calls
        if isinstance(file, File):
            calls.fdatasync(file.fileno())
            return
        try:
            descriptor = calls.open(file or ".", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            calls.fsync(descriptor)
        finally:
            calls.close(descriptor)

    def close(self) -> None:
        """End the worker threads, after the flushes that it was given."""
        self._executor.shutdown()
