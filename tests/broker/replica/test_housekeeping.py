"""Old segments go, one after the other, and nobody who reads is disturbed."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from minikafka.broker.log.files import File, Files, StorageFailed
from minikafka.protocol.errors import ErrorCode

from ..in_process import (
    ServedNode,
    SetClock,
    SteppedLoop,
    as_after_kill,
    batch_of,
    run_stepped,
    serving,
    until,
)

SMALL = {"segment_bytes": "150"}  # two batches of one record
NOW_MS = SetClock().now


async def fill(node: ServedNode, timestamps: list[int], **configs: str) -> None:
    """A topic with one record per timestamp, mostly two in a segment."""
    await node.create("orders", **SMALL, **configs)
    for number, timestamp in enumerate(timestamps):
        batch = batch_of(b"%d" % number, timestamps=(timestamp,))
        assert (await node.produce("orders", batch)).error_code == ErrorCode.NONE


def bases(node: ServedNode) -> list[int]:
    return [segment.base_offset for segment in node.partition("orders").log.segments]


async def test_records_go_by_age_with_their_segment(tmp_path: Path) -> None:
    clock = SetClock()
    async with serving(tmp_path, clock=clock) as node:
        await fill(node, [NOW_MS - 10, NOW_MS, NOW_MS, NOW_MS + 50, NOW_MS], retention_ms="1000")
        clock.now = NOW_MS + 1000
        await node.node._housekeeping.delete_old_segments()
        assert bases(node) == [0, 2, 4]
        clock.now = NOW_MS + 1001
        await node.node._housekeeping.delete_old_segments()
        assert bases(node) == [2, 4]
        assert [each.value for each in await node.records("orders", 2)] == [b"2", b"3", b"4"]
        below = await node.fetch("orders", 1)
        assert (below.error_code, below.log_start_offset) == (ErrorCode.OFFSET_OUT_OF_RANGE, 2)


@pytest.mark.parametrize("flush", ["fsync", "os"])
async def test_a_log_that_is_too_old_as_a_whole_is_emptied(tmp_path: Path, flush: str) -> None:
    clock = SetClock()
    async with serving(tmp_path / "node", clock=clock, flush=flush) as node:
        await fill(node, [NOW_MS] * 3, retention_ms="1000")
        clock.now += 5000
        await node.node._housekeeping.delete_old_segments()
        assert bases(node) == [3]
        assert list((tmp_path / "node" / "orders-0").glob("*.log")) == [
            tmp_path / "node" / "orders-0" / f"{3:020d}.log"
        ]
        killed = as_after_kill(tmp_path / "node")
        await node.node._housekeeping.delete_old_segments()
        assert bases(node) == [3]
    for data_dir in (tmp_path / "node", killed):
        async with serving(data_dir) as node:
            assert node.partition("orders").log.log_start_offset == 3
            assert (await node.produce("orders", batch_of())).base_offset == 3


async def test_a_new_segment_has_its_name_on_disk_before_the_old_ones_go(tmp_path: Path) -> None:
    events: list[str] = []

    class Recording(Files):
        """Says what happens to the directory."""

        def open(self, path: str, *, create: bool = False) -> File:
            if create and path.endswith(f"{3:020d}.log"):
                events.append("created")
            return super().open(path, create=create)

        async def flush(self, files: Sequence[File | str]) -> None:
            await super().flush(files)
            if any(isinstance(each, str) and each.endswith("orders-0") for each in files):
                events.append("flushed")

        def unlink(self, path: str) -> None:
            if path.endswith(".log"):
                events.append("deleted")
            super().unlink(path)

    clock = SetClock()
    async with serving(tmp_path, clock=clock, files=Recording()) as node:
        await fill(node, [NOW_MS] * 3, retention_ms="1000")
        await until(lambda: not node.partition("orders").log.needs_flush)
        events.clear()
        clock.now += 5000
        await node.node._housekeeping.delete_old_segments()
    assert events == ["deleted", "created", "flushed", "deleted"]


async def test_records_without_a_time_go_by_the_time_of_the_file(tmp_path: Path) -> None:
    clock = SetClock()
    async with serving(tmp_path, clock=clock) as node:
        await fill(node, [-1] * 3, retention_ms="1000")
        for path in (tmp_path / "orders-0").glob("*.log"):
            os.utime(path, (NOW_MS / 1000, NOW_MS / 1000))
        await node.node._housekeeping.delete_old_segments()
        assert bases(node) == [0, 2]
        clock.now += 1001
        await node.node._housekeeping.delete_old_segments()
        assert bases(node) == [3]


async def test_a_log_shrinks_to_its_size(node: ServedNode) -> None:
    await fill(node, [NOW_MS] * 9, retention_bytes="300", retention_ms="-1")
    before = node.partition("orders").log.size_bytes
    await node.node._housekeeping.delete_old_segments()
    assert bases(node) == [4, 6, 8]
    assert before > node.partition("orders").log.size_bytes >= 300


async def test_what_delete_records_left_below_the_start_goes(node: ServedNode) -> None:
    await fill(node, [NOW_MS] * 6)
    partition = node.partition("orders")
    node.node._housekeeping.delete_records([(partition, 5)])
    assert bases(node) == [0, 2, 4]
    await node.node._housekeeping.delete_old_segments()
    assert (bases(node), partition.log.log_start_offset) == ([4], 5)


async def test_a_topic_that_is_only_compacted_keeps_old_records(tmp_path: Path) -> None:
    clock = SetClock()
    async with serving(tmp_path, clock=clock) as node:
        await fill(node, [NOW_MS] * 3, cleanup_policy="compact", retention_ms="1000")
        clock.now += 5000
        await node.node._housekeeping.delete_old_segments()
        assert bases(node) == [0, 2]


async def test_one_partition_in_trouble_does_not_keep_the_others_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SetClock()
    async with serving(tmp_path, clock=clock) as node:
        await fill(node, [NOW_MS] * 3, retention_ms="1000")
        await node.create("zebras", retention_ms="1000")
        await node.produce("zebras", batch_of(timestamps=(NOW_MS,)))
        damaged = node.partition("orders").log.segments[0]
        damaged.rest()
        damaged._largest = None
        Path(damaged.path("index")).unlink()
        Path(damaged.path("log")).write_bytes(b"x" * 140)
        clock.now += 5000
        await node.node._housekeeping.delete_old_segments()
        assert node.partition("zebras").log.log_start_offset == 1
        assert bases(node) == [0, 2]
        assert "orders-0: old segments stay for now" in caplog.text


async def test_a_deleted_topic_is_left_alone(tmp_path: Path) -> None:
    clock = SetClock()
    async with serving(tmp_path, clock=clock) as node:
        await fill(node, [NOW_MS] * 3, retention_ms="1000")
        partition = node.partition("orders")
        clock.now += 5000
        partition.is_removed = True
        await node.node._housekeeping.delete_old_segments()
        assert bases(node) == [0, 2]


def test_old_records_go_by_themselves(tmp_path: Path) -> None:
    async def test(loop: SteppedLoop) -> None:
        clock = SetClock()
        async with serving(tmp_path, clock=clock, log_retention_check_interval_ms=60_000) as node:
            await fill(node, [NOW_MS] * 3, retention_ms="1000")
            clock.now += 5000
            loop.advance(31)
            await until(lambda: bases(node) == [3])
            await node.produce("orders", batch_of(timestamps=(NOW_MS,)))
            loop.advance(61)
            await until(lambda: bases(node) == [4])

    run_stepped(test)


async def test_a_broken_disk_stops_the_node(tmp_path: Path) -> None:
    class Broken(Files):
        """Nothing can be removed."""

        def unlink(self, path: str) -> None:
            if path.endswith(".log"):
                raise StorageFailed(path)
            super().unlink(path)

    clock = SetClock()
    async with serving(tmp_path, clock=clock, files=Broken()) as node:
        await fill(node, [NOW_MS] * 3, retention_ms="1000")
        failures: list[StorageFailed] = []
        node.node._replicas.on_failure = failures.append
        clock.now += 5000
        await node.node._housekeeping.delete_old_segments()
        assert len(failures) == 1


def test_an_error_in_the_housekeeping_itself_is_not_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(loop: SteppedLoop) -> None:
        async with serving(tmp_path) as node:
            await fill(node, [NOW_MS] * 3)
            node.partition("orders").count_deletable_segments = None  # type: ignore[assignment]
            loop.advance(31)
            await until(lambda: "there is an error in here" in caplog.text)

    run_stepped(test)
