"""DescribeLogDirs: which partitions, how large, and how full the disk."""

import os
from pathlib import Path

import pytest

from minikafka.broker.log.files import Files, StorageFailed
from minikafka.protocol.api.describe_log_dirs import (
    DescribableLogDirTopic,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
)
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, batch_of, serving


async def described(
    node: ServedNode, *topics: tuple[str, list[int]], version: int = 5
) -> DescribeLogDirsResult:
    """The one data directory; without topics everything in it."""
    wanted = [DescribableLogDirTopic(topic=name, partitions=each) for name, each in topics]
    request = DescribeLogDirsRequest(topics=wanted or None)
    answer: DescribeLogDirsResponse = await node.call(request, version)
    assert answer.error_code == ErrorCode.NONE
    (directory,) = answer.results
    return directory


def sizes_of(directory: DescribeLogDirsResult) -> dict[tuple[str, int], int]:
    """The size of each partition."""
    return {
        (topic.name, each.partition_index): each.partition_size
        for topic in directory.topics
        for each in topic.partitions
    }


@pytest.mark.parametrize("version", range(1, 6))
async def test_each_partition_has_the_size_of_its_log(
    node: ServedNode, tmp_path: Path, version: int
) -> None:
    await node.create("orders", partitions=2, segment_bytes="200")
    await node.create("empty")
    for _ in range(5):
        await node.produce("orders", batch_of(b"x" * 100), index=1)
    logs = (tmp_path / "node" / "orders-1").glob("*.log")
    size_bytes = sum(path.stat().st_size for path in logs)
    directory = await described(node, version=version)
    assert directory.log_dir == str(tmp_path / "node")
    assert sizes_of(directory) == {("empty", 0): 0, ("orders", 0): 0, ("orders", 1): size_bytes}
    assert {each.offset_lag for topic in directory.topics for each in topic.partitions} == {0}


async def test_only_what_is_asked_for_and_here_is_told(node: ServedNode) -> None:
    await node.create("orders", partitions=3)
    await node.create("other")
    directory = await described(node, ("orders", [2, 0, 9]), ("unknown", [0]))
    assert list(sizes_of(directory)) == [("orders", 0), ("orders", 2)]


async def test_the_directory_is_told_by_its_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with serving(Path("relative")) as node:
        assert (await described(node)).log_dir == str(tmp_path / "relative")


async def test_the_space_of_the_volume_is_told_from_v4_on(node: ServedNode, tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    directory = await described(node, version=4)
    assert directory.total_bytes == disk.f_blocks * disk.f_frsize
    assert 0 <= directory.usable_bytes <= directory.total_bytes
    assert (await described(node, version=3)).total_bytes == -1


async def test_a_disk_that_does_not_answer_is_a_storage_error(tmp_path: Path) -> None:
    class Unmeasurable(Files):
        def volume_space(self, path: str) -> tuple[int, int]:
            raise StorageFailed(f"cannot measure the disk of {path}")

    async with serving(tmp_path, files=Unmeasurable()) as node:
        assert (await described(node)).error_code == ErrorCode.KAFKA_STORAGE_ERROR
