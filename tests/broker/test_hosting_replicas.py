"""Partitions that other nodes have as well: led, followed, moved away, damaged."""

import asyncio
from pathlib import Path
from typing import Any

from minikafka.broker.controller.image import BrokerImage
from minikafka.broker.log import checkpoints
from minikafka.broker.replica.fetcher import ReplicaFetcher
from minikafka.broker.replica.partition import Partition
from minikafka.protocol.errors import ErrorCode

from .in_process import ServedNode, batch_of, serving, until
from .replica.unreliable_files import FULL, UnreliableFiles

LOG = "00000000000000000000.log"


class Following(ReplicaFetcher):
    """Knows whom to fetch from, and does not."""

    def __init__(self) -> None:
        self.leaders: dict[tuple[str, int], int] = {}

    def assign(self, partition: Partition) -> None:
        self.forget(partition)
        if not partition.is_led_here:
            self.leaders[partition.log_name] = partition.leader_id

    def forget(self, partition: Partition) -> None:
        self.leaders.pop(partition.log_name, None)


def change(node: ServedNode, **changes: Any) -> None:
    """The controller has decided this of orders-0."""
    image = node.node._controller.image
    image.brokers.setdefault(2, BrokerImage(2, 1000))
    topic = image.topics["orders"]
    before = topic.partitions[0]
    record = {
        "type": "PartitionChanged",
        "topic_id": topic.topic_id,
        "index": 0,
        "partition_epoch": before.partition_epoch + 1,
        **changes,
    }
    image.apply(record)
    node.node._hosting.apply(record)


async def test_a_partition_that_is_led_elsewhere_is_followed(tmp_path: Path) -> None:
    async with serving(tmp_path / "node") as node:
        await node.create("orders")
        await node.produce("orders", batch_of(b"a"))
        fetcher = Following()
        node.node._hosting.fetch_with(fetcher)
        assert fetcher.leaders == {}
        change(node, replicas=[1, 2], isr=[1, 2], leader=2, leader_epoch=1)
        assert fetcher.leaders == {("orders", 0): 2}
        refused = await node.produce("orders", batch_of(b"b"))
        assert refused.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
        change(node, leader=1, leader_epoch=2)
        assert fetcher.leaders == {}
        assert node.partition("orders").epochs.entries == [(0, 0), (2, 1)]
        change(node, replicas=[1], isr=[1])
        produced = await node.produce("orders", batch_of(b"b"))
        assert (produced.error_code, produced.base_offset) == (ErrorCode.NONE, 1)


async def test_a_leader_without_room_for_its_epoch_leads_when_there_is_some(tmp_path: Path) -> None:
    files = UnreliableFiles()
    interval = {"log_flush_offset_checkpoint_interval_ms": 10}
    async with serving(tmp_path / "node", files=files, **interval) as node:
        await node.create("orders")
        change(node, replicas=[1, 2], isr=[1, 2], leader=2, leader_epoch=1)
        files.append_error = FULL
        change(node, replicas=[1], isr=[1], leader=1, leader_epoch=2)
        refused = await node.produce("orders", batch_of(b"a"))
        assert refused.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
        files.append_error = None
        await until(lambda: node.partition("orders").is_leader)
        assert (await node.produce("orders", batch_of(b"a"))).error_code == ErrorCode.NONE
        assert node.partition("orders").epochs.entries == [(2, 0)]


async def test_a_lease_that_comes_back_without_room_holds_up_only_what_needs_room(
    tmp_path: Path,
) -> None:
    files = UnreliableFiles()
    interval = {"log_flush_offset_checkpoint_interval_ms": 10}
    async with serving(tmp_path / "node", files=files, **interval) as node:
        await node.create("orders", partitions=2)
        replicas = node.node._replicas
        replicas.suspend(is_suspended=True)
        change(node, replicas=[1, 2], isr=[1, 2], leader=2, leader_epoch=1)
        change(node, replicas=[1], isr=[1], leader=1, leader_epoch=2)
        files.append_error = FULL
        replicas.suspend(is_suspended=False)
        assert not replicas.is_suspended
        assert node.partition("orders", 1).is_leader
        assert not node.partition("orders").is_leader
        files.append_error = None
        await until(lambda: node.partition("orders").is_leader)
        assert node.partition("orders").epochs.entries == [(2, 0)]


async def test_a_smaller_isr_acknowledges_what_waited_for_who_has_left(tmp_path: Path) -> None:
    async with serving(tmp_path / "node") as node:
        await node.create("orders")
        change(node, replicas=[1, 2], isr=[1, 2], leader=1, leader_epoch=1)
        producing = asyncio.create_task(node.produce("orders", batch_of(b"a")))
        await until(lambda: node.partition("orders").log.flushed_offset == 1)
        assert node.partition("orders").high_watermark == 0
        change(node, isr=[1])
        assert (await producing).error_code == ErrorCode.NONE


async def test_a_partition_that_has_moved_away_leaves_nothing_and_may_come_back(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path / "node") as node:
        await node.create("orders")
        await node.produce("orders", batch_of(b"a"))
        fetcher = Following()
        node.node._hosting.fetch_with(fetcher)
        change(node, replicas=[2], isr=[2], leader=2, leader_epoch=1)
        assert not (tmp_path / "node" / "orders-0").exists()
        refused = await node.produce("orders", batch_of(b"b"))
        assert refused.error_code != ErrorCode.NONE
        change(node, replicas=[2, 1], adding=[1])
        assert fetcher.leaders == {("orders", 0): 2}
        assert node.partition("orders").log.log_end_offset == 0


async def test_a_damaged_replica_is_fetched_anew_once_nobody_counts_on_it(tmp_path: Path) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        await node.create("orders")
        await node.produce("orders", batch_of(b"a"))
    damaged = data_dir / "orders-0" / LOG
    damaged.write_bytes(b"what is left")
    async with serving(data_dir) as node:
        fetcher = Following()
        hosting = node.node._hosting
        hosting.fetch_with(fetcher)
        change(node, replicas=[1, 2], isr=[1, 2], leader=2, leader_epoch=1)
        assert fetcher.leaders == {}, "it may be elected still"
        assert damaged.read_bytes() == b"what is left"
        change(node, isr=[2], elr=[1])
        assert fetcher.leaders == {}, "it may be elected still"
        change(node, elr=[])
        assert fetcher.leaders == {("orders", 0): 2}
        assert node.partition("orders").log.log_end_offset == 0
        (aside,) = data_dir.glob("orders-0.*-damaged")
        assert (aside / LOG).read_bytes() == b"what is left"
        rows = checkpoints.decode_offsets((data_dir / checkpoints.RECOVERY_POINT).read_bytes())
        assert rows.get(("orders", 0), 0) == 0


async def test_a_start_that_finds_a_replica_damaged_says_so(tmp_path: Path) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        await node.create("orders", partitions=1)
        await node.produce("orders", batch_of(b"a"))
        assert not node.node._hosting.has_damage
    (data_dir / "orders-0" / LOG).write_bytes(b"what is left")
    async with serving(data_dir) as node:
        assert not node.node._hosting.has_damage, "nobody else has it"
