"""A swap is interrupted after every single change of the directory: the log is whole each time."""

import shutil
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from minikafka.broker.log.files import File, Files
from minikafka.broker.log.log import Log, LogOptions
from minikafka.broker.log.scan import CorruptLog
from minikafka.broker.log.swap import complete_swaps

from .compacting import append_pairs, compact, newest_values, records_in, round_of

OPTIONS = LogOptions(segment_bytes=400, index_interval_bytes=100)
RECORDS = 12
SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory where there is such a place, since each state is flushed many times."""
    parent = str(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None
    with TemporaryDirectory(dir=parent) as directory:
        yield Path(directory)


class Recording(Files):
    """Copies the directory before each change of a name, and what the change was."""

    def __init__(self, directory: Path, copies: Path) -> None:
        super().__init__()
        self.directory = directory
        self.copies = copies
        self.states: list[Path] = []

    def copy(self) -> None:
        """Keep what a `kill -9` at this moment would leave."""
        state = self.copies / f"{len(self.states)}"
        shutil.copytree(self.directory, state)
        self.states.append(state)

    def rename(self, source: str, target: str) -> None:
        self.copy()
        super().rename(source, target)

    def unlink(self, path: str) -> None:
        self.copy()
        super().unlink(path)

    def flush_now(self, files: Sequence[File | str]) -> None:
        self.copy()
        super().flush_now(files)


def fill(files: Files, directory: Path) -> Log:
    """Segments of two records each, so that several become one."""
    log = Log.open(files, str(directory), OPTIONS)
    for number in range(RECORDS):
        append_pairs(log, (b"key %d" % (number % 3), b"value %d" % number))
        if number % 2:
            log.roll()
    return log


def check(directory: Path, clean: bool) -> None:
    """The log opens, says what it said, and nothing is left over."""
    log = Log.open(Files(), str(directory), OPTIONS, recovery_point=RECORDS, clean=clean)
    assert newest_values(records_in(log)) == {
        b"key 0": b"value 9",
        b"key 1": b"value 10",
        b"key 2": b"value 11",
    }
    end_offset = 0
    for header in log.headers(0):
        assert header.base_offset >= end_offset, "what was replaced is still there"
        end_offset = header.next_offset
    assert log.log_end_offset == end_offset == RECORDS
    assert not [path for path in directory.iterdir() if path.suffix in (".cleaned", ".swap")]
    for offset in range(RECORDS):
        assert log.read(offset, 100, RECORDS) is not None


def test_a_kill_at_any_moment_leaves_a_whole_log(tmp_path: Path) -> None:
    directory, copies = tmp_path / "orders-0", tmp_path / "copies"
    fill(Files(), directory).close(sync=True)
    files = Recording(directory, copies)
    log = Log.open(files, str(directory), OPTIONS, recovery_point=RECORDS, clean=True)
    for _ in range(2):
        compact(files, round_of(files, log))
    assert len(files.states) > 40
    for state in files.states:
        again = shutil.copytree(state, state.with_name(f"{state.name}-unclean"))
        check(state, clean=True)
        check(again, clean=False)
        check(again, clean=True)


def test_names_that_a_power_cut_has_forgotten_do_no_harm(tmp_path: Path) -> None:
    """Between two flushes of the directory, any of its changes may be on disk and any may not."""
    directory = tmp_path / "orders-0"
    files = Files()
    fill(files, directory).close(sync=True)
    log = Log.open(files, str(directory), OPTIONS, recovery_point=RECORDS, clean=True)
    flushed = [_listing(directory)]
    steps = round_of(files, log).steps()
    for step in steps:
        files.flush_now(step)
        if str(directory) in step:
            flushed.append(_listing(directory))
    states: set[frozenset[tuple[str, bytes]]] = set()
    for before, after in pairwise(flushed):
        changed = sorted(name for name in before | after if before.get(name) != after.get(name))
        for count in range(len(changed) + 1):
            for kept in combinations(changed, count):
                content = _content(before, after, kept)
                if (state := frozenset(content.items())) not in states:
                    states.add(state)
                    _check_state(tmp_path / f"state-{len(states)}", content)
    assert len(states) > 100


def _listing(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def _check_state(directory: Path, content: dict[str, bytes]) -> None:
    directory.mkdir()
    for name, data in content.items():
        (directory / name).write_bytes(data)
    check(directory, clean=False)
    shutil.rmtree(directory)


def _content(
    before: dict[str, bytes], after: dict[str, bytes], kept: tuple[str, ...]
) -> dict[str, bytes]:
    """The directory as it was before, with the changes of the names in `kept`.

    A rename is one change: a file that has lost its old name has the new one.
    """
    content = dict(before)
    for name in kept:
        if name in after:
            content[name] = after[name]
        elif not _was_renamed(name, before, after, kept):
            del content[name]
    return content


def _was_renamed(
    name: str, before: dict[str, bytes], after: dict[str, bytes], kept: tuple[str, ...]
) -> bool:
    """Whether the file has another name now that the disk has forgotten."""
    stem = name.removesuffix(".cleaned").removesuffix(".swap")
    targets = [stem, f"{stem}.swap"] if name != stem else []
    return any(
        target != name and target not in kept and after.get(target) == before[name]
        for target in targets
    )


def test_a_swap_file_that_is_no_log_is_corrupt(tmp_path: Path) -> None:
    directory = tmp_path / "orders-0"
    fill(Files(), directory).close(sync=True)
    for content in (b"", b"x" * 100):
        (directory / f"{0:020d}.log.swap").write_bytes(content)
        before = _listing(directory)
        with pytest.raises(CorruptLog):
            Log.open(Files(), str(directory), OPTIONS, recovery_point=RECORDS, clean=True)
        assert _listing(directory) == before


def test_without_a_swap_there_is_nothing_to_do(tmp_path: Path) -> None:
    fill(Files(), tmp_path).close(sync=True)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert not complete_swaps(Files(), str(tmp_path), names)
    assert sorted(path.name for path in tmp_path.iterdir()) == names
