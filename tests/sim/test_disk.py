"""The simulated disk: a process sees what it would on a real one, a crash leaves what it may."""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from minikafka.broker.log.files import DiskFull, Files, StorageError, StorageFailed

from .crash import SECTOR_BYTES, Way, crash
from .disk import SimulatedDisk
from .faults import EIO, ENOSPC, KINDS, Fault
from .files import SimulatedFiles
from .loop import run_simulated


def disk_with(path: str = "/data") -> tuple[SimulatedDisk, SimulatedFiles]:
    """A disk with one directory, durable."""
    disk = SimulatedDisk()
    files = SimulatedFiles(disk)
    files.make_directory(path)
    return disk, files


def images(disk: SimulatedDisk, way: Way, count: int = 300) -> list[dict[str, bytes | None]]:
    """The trees that some crashes leave."""
    return [crash(disk, way, Random(seed)).tree() for seed in range(count)]


def listing(files: Files, root: str) -> dict[str, bytes | None]:
    """What a process sees below a directory with files in it."""
    return {name: files.read_bytes(f"{root}/{name}") for name in files.list_directory(root)}


@pytest.mark.parametrize("seed", range(30))
def test_a_process_sees_what_it_sees_on_a_real_disk(tmp_path: Path, seed: int) -> None:
    """The same calls on both: the same answers, errors and content after each."""
    _, simulated = disk_with()
    real = Files()
    pairs: list[tuple[Any, Any]] = []
    random = Random(seed)
    names = ["a", "b", "c"]

    def both(call: Callable[[Files, str], Any]) -> None:
        answers: list[Any] = []
        for files, root in ((simulated, "/data"), (real, str(tmp_path))):
            try:
                answers.append(call(files, root))
            except OSError as error:
                answers.append((type(error), error.errno))
            except StorageError as error:
                answers.append(type(error))
        if all(hasattr(each, "fileno") for each in answers):
            pairs.append((answers[0], answers[1]))
            answers = [each.size_bytes for each in answers]
        assert answers[0] == answers[1]
        assert listing(simulated, "/data") == listing(real, str(tmp_path))

    for _ in range(60):
        name, other = random.choice(names), random.choice(names)
        data = bytes(random.randrange(256) for _ in range(random.randrange(40)))
        create = random.random() < 0.7
        match random.randrange(8):
            case 0:
                both(lambda files, root, n=name, c=create: files.open(f"{root}/{n}", create=c))
            case 1 if pairs:
                pair = random.choice(pairs)
                # Two descriptors of a file: each File believes in the size that it has seen.
                both(lambda files, root, p=pair, d=data: p[files is real].append([d, d]))
            case 2 if pairs:
                pair, size = random.choice(pairs), random.randrange(60)
                both(lambda files, root, p=pair, s=size: p[files is real].truncate(s))
            case 3:
                both(lambda files, root, n=name: files.unlink(f"{root}/{n}"))
            case 4:
                both(
                    lambda files, root, n=name, o=other: files.rename(f"{root}/{n}", f"{root}/{o}")
                )
            case 5:
                both(lambda files, root, n=name, d=data: files.write_atomically(f"{root}/{n}", d))
            case 6:
                both(lambda files, root, n=name: files.file_size(f"{root}/{n}"))
            case _:
                both(lambda files, root, n=name: (files.exists(f"{root}/{n}"), files.flush_now([])))
    real.close()


def test_what_was_flushed_survives_every_crash() -> None:
    disk, files = disk_with()
    file = files.open("/data/log", create=True)
    file.append([b"x" * 1000])
    files.flush_now([file, "/data"])
    file.append([b"y" * 1000])
    for way in (Way.NOTHING, Way.PREFIX, Way.SUBSET, Way.EVERYTHING):
        for tree in images(disk, way):
            content = tree["/data/log"]
            assert content is not None
            assert content[:1000] == b"x" * 1000
            assert len(content) <= 2000
            assert set(content[1000:]) <= {0, ord("y")}


def test_what_was_not_flushed_may_be_lost_kept_or_torn() -> None:
    disk, files = disk_with()
    file = files.open("/data/log", create=True)
    files.fsync_directory("/data")
    file.append([b"a" * 2000])
    file.append([b"b" * 2000])
    contents = {tree["/data/log"] for tree in images(disk, Way.SUBSET, 3000)}
    assert {b"", b"a" * 2000, b"a" * 2000 + b"b" * 2000} <= contents
    assert bytes(2000) + b"b" * 2000 in contents  # the first lost, the second kept
    torn = {one for one in contents if one and len(one) == 2000 and 0 in one and ord("a") in one}
    assert torn, "some sectors only, and the size of all"
    edges = {one.index(0) % SECTOR_BYTES for one in torn if one[0]}
    assert edges == {0}, "a write is torn between sectors"
    lengths = {len(one) for one in contents if one}
    assert any(length % SECTOR_BYTES for length in lengths - {2000, 4000}), "the last, anywhere"


def test_a_file_without_its_name_is_lost_though_its_bytes_were_flushed() -> None:
    disk, files = disk_with()
    file = files.open("/data/log", create=True)
    file.append([b"x"])
    files.flush_now([file])
    assert crash(disk, Way.NOTHING, Random(0)).tree() == {"/data": None}
    files.fsync_directory("/data")
    assert crash(disk, Way.NOTHING, Random(0)).tree() == {"/data": None, "/data/log": b"x"}


def test_a_rename_is_atomic_and_names_have_fates_of_their_own() -> None:
    disk, files = disk_with()
    files.write_atomically("/data/checkpoint", b"old")
    file = files.open("/data/checkpoint.tmp", create=True)
    file.append([b"new"])
    files.flush_now([file])
    files.rename("/data/checkpoint.tmp", "/data/checkpoint")
    files.unlink("/data/gone")
    files.open("/data/made", create=True)
    trees = images(disk, Way.SUBSET)
    assert {tree["/data/checkpoint"] for tree in trees} == {b"old", b"new"}
    seen = {("/data/made" in tree, "/data/checkpoint.tmp" in tree) for tree in trees}
    assert seen == {(True, True), (True, False), (False, True), (False, False)}
    files.fsync_directory("/data")
    assert {tree["/data/checkpoint"] for tree in images(disk, Way.SUBSET)} == {b"new"}


def test_write_atomically_leaves_the_old_or_the_new_at_every_operation() -> None:
    disk, files = disk_with()
    files.write_atomically("/data/checkpoint", b"old" * 400)
    found: set[bytes | None] = set()
    disk.on_operation = lambda: found.update(
        tree.get("/data/checkpoint") for tree in images(disk, Way.SUBSET, 40)
    )
    files.write_atomically("/data/checkpoint", b"new" * 500)
    assert found == {b"old" * 400, b"new" * 500}
    assert crash(disk, Way.NOTHING, Random(0)).tree()["/data/checkpoint"] == b"new" * 500


def test_directories_are_durable_at_every_level_once_made() -> None:
    disk, _ = disk_with("/srv/minikafka/node-1")
    assert set(crash(disk, Way.NOTHING, Random(0)).tree()) == {
        "/srv",
        "/srv/minikafka",
        "/srv/minikafka/node-1",
    }


def test_a_removed_directory_may_come_back_with_some_of_its_files() -> None:
    disk, files = disk_with("/data/orders-0")
    for name in "abc":
        files.write_atomically(f"/data/orders-0/{name}", b"x")
    files.rename("/data/orders-0", "/data/orders-0-delete")
    files.fsync_directory("/data")
    files.remove_directory("/data/orders-0-delete")
    trees = [frozenset(tree) for tree in images(disk, Way.SUBSET)]
    assert frozenset({"/data"}) in trees
    assert any("/data/orders-0-delete/b" in tree and len(tree) == 3 for tree in trees)
    assert not any("/data/orders-0" in tree for tree in trees)


def test_a_killed_process_loses_nothing_and_the_power_may_still_fail_later() -> None:
    disk, files = disk_with()
    files.open("/data/log", create=True).append([b"x"])
    killed = crash(disk, Way.KILLED, Random(0))
    assert killed.tree() == disk.tree()
    assert crash(killed, Way.NOTHING, Random(0)).tree() == {"/data": None}
    SimulatedFiles(killed).open("/data/log").append([b"y"])
    assert disk.tree()["/data/log"] == b"x"


def test_the_same_seed_leaves_the_same() -> None:
    disk, files = disk_with()
    for number in range(20):
        files.open(f"/data/{number % 7}", create=True).append([bytes([number]) * 700])
    assert images(disk, Way.SUBSET) == images(disk, Way.SUBSET)
    assert len({str(tree) for tree in images(disk, Way.SUBSET)}) > 250


@pytest.mark.parametrize("kind", KINDS)
def test_the_nth_call_of_a_kind_fails_once(kind: str) -> None:
    disk, files = disk_with()
    files.make_directory("/data/full")

    def use() -> None:
        file = files.open("/data/log", create=True)
        file.append([b"x"])
        file.pread(1, 0)
        file.truncate(0)
        files.flush_now([file])
        files.list_directory("/data")
        files.rename("/data/log", "/data/other")
        files.unlink("/data/other")
        files.make_directory("/data/made")
        files.remove_directory("/data/made")

    use()
    disk.fault = fault = Fault(kind, 1)
    with pytest.raises(StorageFailed):
        use()
    assert fault.struck == 1
    disk.fault = Fault(kind, 99)
    SimulatedFiles(disk).open("/data/log", create=True)


def test_a_disk_that_fills_up_takes_a_part_and_the_append_is_undone() -> None:
    disk, files = disk_with()
    file = files.open("/data/log", create=True)
    file.append([b"one"])
    disk.fault = Fault("write", 1, ENOSPC, room_bytes=2)
    with pytest.raises(DiskFull, match="only 2 of 4 bytes"):
        file.append([b"fo", b"ur"])
    assert disk.tree()["/data/log"] == b"one"
    file.append([b"two"])
    assert disk.tree()["/data/log"] == b"onetwo"


def test_a_failed_flush_leaves_the_content_and_never_makes_it_durable() -> None:
    disk, files = disk_with()
    file = files.open("/data/log", create=True)
    files.fsync_directory("/data")
    file.append([b"lost"])
    disk.fault = Fault("fsync", 1, EIO)
    with pytest.raises(StorageFailed):
        files.flush_now([file])
    with pytest.raises(StorageFailed):
        files.flush_now([file])
    disk.fsync(file.fileno())  # as one who does not know would do
    assert disk.tree()["/data/log"] == b"lost"
    assert crash(disk, Way.EVERYTHING, Random(0)).tree()["/data/log"] == b""


def test_a_bit_flips_at_rest() -> None:
    disk, files = disk_with()
    files.write_atomically("/data/log", b"\x00\x00")
    disk.flip_bit("/data/log", 9)
    assert files.read_bytes("/data/log") == b"\x00\x02"
    assert crash(disk, Way.NOTHING, Random(0)).tree()["/data/log"] == b"\x00\x02"


def test_flushes_end_in_the_order_of_the_test() -> None:
    _, files = disk_with()
    ended: list[str] = []

    async def flush(name: str) -> None:
        await files.flush([files.open(f"/data/{name}", create=True)])
        ended.append(name)

    async def main() -> None:
        files.hold()
        both = asyncio.gather(flush("first"), flush("second"))
        await asyncio.sleep(1)
        assert ended == []
        files.release(1)
        await asyncio.sleep(1)
        assert ended == ["second"]
        files.release(0)
        await both

    run_simulated(main())
    assert ended == ["second", "first"]


def test_a_locked_file_is_locked_until_it_is_closed_or_its_process_ends() -> None:
    disk, files = disk_with()
    lock = files.lock("/data/.lock")
    with pytest.raises(StorageError, match="another process"):
        files.lock("/data/.lock")
    lock.close()
    held = files.lock("/data/.lock")
    disk.end_process()
    files.lock("/data/.lock")
    del held


def test_renaming_between_directories_is_not_simulated() -> None:
    disk, files = disk_with("/data/orders-0")
    files.open("/data/log", create=True)
    with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
        disk.replace("/data/log", "/data/orders-0/log")
