"""The door to the disk: appends are all or nothing, failures are what they are called."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from minikafka.broker.log.files import (
    MAX_CHUNKS,
    DiskFull,
    File,
    Files,
    StorageError,
    StorageFailed,
)


@pytest.fixture
def files() -> Iterator[Files]:
    files = Files()
    yield files
    files.close()


def test_appends_go_to_the_end_and_are_read_anywhere(files: Files, tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    file = files.open(path, create=True)
    file.append([b"one", bytearray(b"two"), memoryview(b"three")])
    file.append([])
    assert (file.size_bytes, file.pread(5, 3), file.pread(99, 9)) == (11, b"twoth", b"ee")
    buffer = bytearray(20)
    assert (file.pread_into(buffer, 6), bytes(buffer[:5])) == (5, b"three")
    file.truncate(3)
    files.open(path).append([b"!"])
    assert files.read_bytes(path) == b"one!"
    assert files.file_size(path) == 4


def test_more_chunks_than_one_system_call_takes(files: Files, tmp_path: Path) -> None:
    chunks = [index.to_bytes(2, "big") for index in range(2 * MAX_CHUNKS + 1)]
    file = files.open(str(tmp_path / "log"), create=True)
    file.append(chunks)
    assert file.pread(file.size_bytes, 0) == b"".join(chunks)


def test_a_full_disk_leaves_the_file_as_it_was_and_takes_what_fits_later(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: a short write, then an error."""
    code = f"""if True:
        import resource
        from minikafka.broker.log.files import DiskFull, Files
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        file = Files().open({str(tmp_path / "log")!r}, create=True)
        file.append([b"x" * 600])
        for step in range(2):
            try:
                file.append([b"y" * 300, b"z" * 300])
            except DiskFull as error:
                print(file.size_bytes, error)
        file.append([b"y" * 400])
        try:
            file.append([b"z"])
        except DiskFull as error:
            print(file.size_bytes, error)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["600", "600", "1000"]
    assert "only 400 of 600 bytes" in lines[0]
    assert "File too large" in lines[2]
    assert (tmp_path / "log").read_bytes() == b"x" * 600 + b"y" * 400


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a device that is full")
def test_an_append_that_cannot_be_undone_is_a_failed_disk(files: Files) -> None:
    with pytest.raises(StorageFailed):
        files.open("/dev/full").append([b"x"])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a device that is full")
def test_a_failed_flush_is_never_tried_again(files: Files, tmp_path: Path) -> None:
    good = files.open(str(tmp_path / "log"), create=True)
    files.flush_now([good])
    for unlucky in ([files.open("/dev/full")], [good], []):
        with pytest.raises(StorageFailed, match="/dev/full"):
            files.flush_now(unlucky)


async def test_flush_runs_in_threads_beside_the_event_loop(tmp_path: Path) -> None:
    class Watched(Files):
        threads: list[str] = []

        def flush_now(self, files: Sequence[File | str]) -> None:
            self.threads.append(threading.current_thread().name)
            super().flush_now(files)

    files = Watched()
    file = files.open(str(tmp_path / "log"), create=True)
    await files.flush([file, str(tmp_path), str(tmp_path / "gone")])
    await files.flush([])
    assert len(files.threads) == 4
    assert threading.current_thread().name not in files.threads
    files.close()


def test_a_file_stays_open_while_somebody_holds_it(files: Files, tmp_path: Path) -> None:
    file = files.open(str(tmp_path / "log"), create=True)
    file.append([b"still here"])
    files.unlink(file.path)
    assert file.pread(10, 0) == b"still here"
    descriptor = file.fileno()
    del file
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_write_atomically_replaces_the_whole_file(files: Files, tmp_path: Path) -> None:
    path = str(tmp_path / "checkpoint")
    (tmp_path / "checkpoint.tmp").write_bytes(b"left by a crash, and longer than the next")
    for content in (b"first", b"", b"second"):
        files.write_atomically(path, content)
        assert files.read_bytes(path) == content
    assert files.list_directory(str(tmp_path)) == ["checkpoint"]


def test_only_the_owner_may_look(files: Files, tmp_path: Path) -> None:
    directory = tmp_path / "data" / "orders-0"
    files.make_directory(str(directory))
    files.make_directory(str(directory))
    files.open(str(directory / "log"), create=True)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "log").stat().st_mode) == 0o600


def test_symbolic_links_are_not_followed(files: Files, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"")
    (tmp_path / "log").symlink_to(tmp_path / "secret")
    with pytest.raises(StorageError):
        files.open(str(tmp_path / "log"))


def test_missing_files_are_told_from_failures(files: Files, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    for call in (files.open, files.read_bytes, files.file_size, files.list_directory):
        with pytest.raises(FileNotFoundError):
            call(missing)
    assert not files.exists(missing)
    files.unlink(missing)
    files.remove_directory(missing)


def test_what_cannot_be_listed_or_looked_at_is_a_storage_error(
    files: Files, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot list"):
        files.list_directory(str(tmp_path / "file"))
    with pytest.raises(StorageError, match="cannot look at"):
        files.file_size(str(tmp_path / "file" / "log"))


def test_a_directory_is_removed_with_its_files_and_renamed(files: Files, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "log").write_bytes(b"")
    files.rename(str(tmp_path / "one"), str(tmp_path / "two"))
    assert files.list_directory(str(tmp_path)) == ["two"]
    files.remove_directory(str(tmp_path / "two"))
    assert files.list_directory(str(tmp_path)) == []


def test_a_directory_has_one_owner(files: Files, tmp_path: Path) -> None:
    path = str(tmp_path / ".lock")
    lock = files.lock(path)
    with pytest.raises(StorageError, match="another process"):
        files.lock(path)
    lock.close()
    files.lock(path).close()


def test_disk_full_and_failed_are_storage_errors() -> None:
    assert issubclass(DiskFull, StorageError)
    assert issubclass(StorageFailed, StorageError)
    assert not issubclass(StorageFailed, DiskFull)
