"""Compaction of a node's topics, while it serves."""

import asyncio
from pathlib import Path

import pytest

from minikafka.broker.config import TopicConfig
from minikafka.broker.log.compaction import KEY_ENTRY_BYTES
from minikafka.broker.log.files import DiskFull, File, Files
from minikafka.protocol.api.delete_topics import DeleteTopicsRequest
from minikafka.protocol.api.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
)
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import BatchBuilder, Record, iterate_batches, read_header

from ..in_process import (
    ServedNode,
    SetClock,
    SteppedLoop,
    as_after_kill,
    batch_of,
    records_of,
    run_stepped,
    serving,
    until,
)

DAY_MS = 86_400_000
OPTIONS = {"segment_bytes": "300", "cleanup_policy": "compact", "min_cleanable_dirty_ratio": "0"}


async def fill(node: ServedNode, records: int = 30, keys: int = 4, **configs: str) -> None:
    """A compacted topic, some records with few keys."""
    if "orders" not in node.node._controller.image.topics:
        await node.create("orders", **OPTIONS | configs)
    for number in range(records):
        batch = batch_of(b"%d" % number, key=b"key %d" % (number % keys))
        assert (await node.produce("orders", batch)).error_code == ErrorCode.NONE


async def read_all(node: ServedNode) -> list[Record]:
    """As a consumer does, whose next offset may come from an empty batch."""
    offset, found = 0, []
    while True:
        answer = await node.fetch("orders", offset, max_wait_ms=0)
        assert answer.error_code == ErrorCode.NONE
        if not answer.records:
            return found
        found += records_of(answer)
        offset = [read_header(each).next_offset for each in iterate_batches(answer.records)][-1]


def newest(records: list[Record]) -> dict[bytes | None, bytes | None]:
    return {each.key: each.value for each in records}


async def test_a_topic_is_compacted_and_reads_the_same(node: ServedNode) -> None:
    await fill(node)
    before = await read_all(node)
    await node.node._housekeeping.compact_dirty_logs()
    after = await read_all(node)
    assert len(before) == 30
    assert len(after) < 10
    assert newest(after) == newest(before)
    partition = node.partition("orders")
    assert partition.cleaned_offset == partition.log.segments[-1].base_offset
    assert partition.high_watermark == partition.log.log_end_offset == 30


async def test_a_topic_that_is_not_compacted_is_left_alone(node: ServedNode) -> None:
    await fill(node, cleanup_policy="delete")
    await node.node._housekeeping.compact_dirty_logs()
    assert len(await read_all(node)) == 30


async def test_a_topic_is_compacted_when_enough_of_it_is_dirty(node: ServedNode) -> None:
    await fill(node, min_cleanable_dirty_ratio="0.5", keys=30)
    housekeeping, partition = node.node._housekeeping, node.partition("orders")
    await housekeeping.compact_dirty_logs()
    first = partition.cleaned_offset
    assert first > 0
    await fill(node, 10)
    await housekeeping.compact_dirty_logs()
    assert partition.cleaned_offset == first
    await fill(node, 40)
    await housekeeping.compact_dirty_logs()
    assert partition.cleaned_offset > first


@pytest.mark.parametrize("end", ["clean stop", "kill"])
async def test_a_compacted_topic_outlives_a_restart(tmp_path: Path, end: str) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        await fill(node)
        await node.node._housekeeping.compact_dirty_logs()
        before = await read_all(node)
        cleaned_offset = node.partition("orders").cleaned_offset
        await node.node._checkpoint()
        if end == "kill":
            data_dir = as_after_kill(data_dir)
    async with serving(data_dir) as node:
        assert await read_all(node) == before
        assert node.partition("orders").cleaned_offset == cleaned_offset
        await fill(node)
        await node.node._housekeeping.compact_dirty_logs()
        assert newest(await read_all(node)) == newest(before) | {
            b"key %d" % (number % 4): b"%d" % number for number in range(30)
        }


async def test_a_topic_created_again_was_never_compacted(tmp_path: Path) -> None:
    async with serving(tmp_path / "node") as node:
        await fill(node)
        await node.node._housekeeping.compact_dirty_logs()
        await node.node._checkpoint()
        await node.call(DeleteTopicsRequest(timeout_ms=1000, topic_names=["orders"]), 1)
        await fill(node)
        assert node.partition("orders").cleaned_offset == 0
        data_dir = as_after_kill(tmp_path / "node")
    async with serving(data_dir) as node:
        assert node.partition("orders").cleaned_offset == 0


async def test_a_producer_goes_on_after_its_records_are_gone(tmp_path: Path) -> None:
    async with serving(tmp_path / "node") as node:
        await node.create("orders", **OPTIONS)
        for sequence in range(3):
            await node.produce("orders", batch_of(b"x", producer=(7, 0, sequence)))
        await fill(node, keys=1)
        await node.produce("orders", batch_of(b"newest", key=b"key"))
        await fill(node)
        await node.node._housekeeping.compact_dirty_logs()
        assert [each.value for each in await read_all(node) if each.key == b"key"] == [b"newest"]
        data_dir = as_after_kill(tmp_path / "node")
    for snapshot in (data_dir / "orders-0").glob("*.snapshot"):
        snapshot.unlink()  # so that only the headers tell
    async with serving(data_dir) as node:
        again = await node.produce("orders", batch_of(b"x", producer=(7, 0, 2)))
        assert (again.error_code, again.base_offset) == (ErrorCode.NONE, 2)
        gap = await node.produce("orders", batch_of(b"x", producer=(7, 0, 5)))
        assert gap.error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert (await node.produce("orders", batch_of(b"x", producer=(7, 0, 3)))).error_code == 0


async def test_tombstones_go_a_day_after_they_were_met(tmp_path: Path) -> None:
    clock = SetClock()
    async with serving(tmp_path, clock=clock) as node:
        await fill(node)
        await node.produce("orders", batch_of(None, key=b"gone"))
        for expected in (True, True, False):
            await fill(node, 20, keys=1000)
            await node.node._housekeeping.compact_dirty_logs()
            tombstones = [each for each in await read_all(node) if each.value is None]
            assert bool(tombstones) is expected
            clock.now += DAY_MS // 2


async def test_a_round_with_little_memory_is_followed_by_another(tmp_path: Path) -> None:
    memory = KEY_ENTRY_BYTES * 3
    async with serving(tmp_path, log_cleaner_dedupe_buffer_size=memory) as node:
        await fill(node, 60, keys=9)
        before = await read_all(node)
        await node.node._housekeeping.compact_dirty_logs()
        after = await read_all(node)
        assert newest(after) == newest(before)
        assert len(after) < 20
        partition = node.partition("orders")
        assert partition.cleaned_offset == partition.log.segments[-1].base_offset


async def test_a_batch_with_too_many_keys_is_said_and_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    builder = BatchBuilder()
    for key in (b"a", b"b"):
        builder.append(0, key, b"value")
    async with serving(tmp_path, log_cleaner_dedupe_buffer_size=1) as node:
        await node.create("orders", **OPTIONS)
        await node.produce("orders", builder.build())
        await fill(node)
        await node.node._housekeeping.compact_dirty_logs()
        assert len(await read_all(node)) == 32
        assert node.partition("orders").cleaned_offset == 0
        assert "log.cleaner.dedupe.buffer.size is too small" in caplog.text


async def test_deleting_and_compacting_at_once_is_safe(tmp_path: Path) -> None:
    clock = SetClock()
    async with serving(tmp_path, clock=clock) as node:
        await fill(node, 60, cleanup_policy="compact,delete", retention_bytes="600")
        housekeeping = node.node._housekeeping
        await asyncio.gather(housekeeping.compact_dirty_logs(), housekeeping.delete_old_segments())
        log = node.partition("orders").log
        start = log.log_start_offset
        found = await node.fetch("orders", start, max_wait_ms=0)
        assert found.error_code == ErrorCode.NONE
        names = {path.name for path in (tmp_path / "orders-0").iterdir()}
        assert {name for name in names if ".log" in name} == {
            f"{each.base_offset:020d}.log" for each in log.segments
        }


async def test_a_topic_may_be_deleted_while_it_is_compacted(node: ServedNode) -> None:
    await fill(node, 60)
    housekeeping = node.node._housekeeping
    task = asyncio.get_running_loop().create_task(housekeeping.compact_dirty_logs())
    directory = Path(node.partition("orders").log.directory)
    await until(lambda: any(directory.glob("*.cleaned")) or task.done())
    await node.call(DeleteTopicsRequest(timeout_ms=1000, topic_names=["orders"]), 1)
    await fill(node)
    await task
    assert len(await read_all(node)) == 30


async def test_a_node_stops_in_the_middle_of_a_round(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        await fill(node, 60)
        housekeeping = node.node._housekeeping
        task = asyncio.get_running_loop().create_task(housekeeping.compact_dirty_logs())
        housekeeping._tasks.append(task)
        directory = Path(node.partition("orders").log.directory)
        await until(lambda: any(directory.glob("*.cleaned")) or task.done())
    async with serving(tmp_path) as node:
        assert newest(await read_all(node))[b"key 0"] == b"56"
        assert not list(directory.glob("*.cleaned"))


async def test_a_damaged_log_is_left_alone_and_the_others_are_compacted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as node:
        await fill(node)
        await node.create("zebras", **OPTIONS)
        for number in range(20):
            await node.produce("zebras", batch_of(b"%d" % number))
        segment = node.partition("orders").log.segments[0]
        segment.rest()
        path = Path(segment.path("log"))
        data = bytearray(path.read_bytes())
        data[100] ^= 1
        path.write_bytes(data)
        await node.node._housekeeping.compact_dirty_logs()
        assert node.partition("orders").cleaned_offset == 0
        assert node.partition("zebras").cleaned_offset > 0
        assert path.read_bytes() == data
        assert "orders-0: not compacted" in caplog.text


async def test_a_full_disk_is_tried_again_later(tmp_path: Path) -> None:
    class Full(Files):
        """No room for what the cleaner writes."""

        is_full = True

        def open(self, path: str, *, create: bool = False) -> File:
            if self.is_full and path.endswith(".cleaned"):
                raise DiskFull(path)
            return super().open(path, create=create)

    files = Full()
    async with serving(tmp_path, files=files) as node:
        await fill(node)
        await node.node._housekeeping.compact_dirty_logs()
        assert node.partition("orders").cleaned_offset == 0
        files.is_full = False
        await node.node._housekeeping.compact_dirty_logs()
        assert node.partition("orders").cleaned_offset > 0


async def test_offsets_are_found_by_time_in_a_compacted_topic(node: ServedNode) -> None:
    await node.create("orders", **OPTIONS)
    for number in range(20):
        batch = batch_of(b"%d" % number, key=b"%d" % (number % 3), timestamps=(1000 + number,))
        await node.produce("orders", batch)
    await node.node._housekeeping.compact_dirty_logs()
    left = await read_all(node)
    for timestamp in range(1000, 1021):
        partition = ListOffsetsRequestPartition(partition_index=0, timestamp=timestamp)
        wanted = ListOffsetsRequestTopic(name="orders", partitions=[partition])
        answer = await node.call(ListOffsetsRequest(replica_id=-1, topics=[wanted]), 7)
        found = answer.topics[0].partitions[0]
        expected = next((each for each in left if each.timestamp >= timestamp), None)
        assert found.offset == (expected.offset if expected else -1)


def test_topics_are_compacted_by_themselves(tmp_path: Path) -> None:
    async def test(loop: SteppedLoop) -> None:
        async with serving(tmp_path, log_cleaner_backoff_ms=60_000) as node:
            await fill(node)
            loop.advance(61)
            await until(lambda: node.partition("orders").cleaned_offset)

    run_stepped(test)


def test_the_cleaner_can_be_turned_off(tmp_path: Path) -> None:
    async def test(loop: SteppedLoop) -> None:
        async with serving(tmp_path, log_cleaner_enable=False) as node:
            assert len(node.node._housekeeping._tasks) == 1
            del loop

    run_stepped(test)


def test_a_segment_is_rolled_before_it_must_be_compacted() -> None:
    lag = {"max_compaction_lag_ms": 1000}
    assert TopicConfig(cleanup_policy="compact", **lag).longest_segment_ms == 1000
    assert TopicConfig(cleanup_policy="delete", **lag).longest_segment_ms == 7 * DAY_MS
