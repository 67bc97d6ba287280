"""Followers that fetch over real connections from a real node, and what they then have."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from minikafka.broker.config import TopicConfig
from minikafka.broker.controller.image import BrokerImage, PartitionImage
from minikafka.broker.log.files import Files
from minikafka.broker.log.offset_checkpoints import OffsetCheckpoints
from minikafka.broker.replica.fetcher import FetchOptions, ReplicaFetcher
from minikafka.broker.replica.manager import ReplicaManager, Unserved
from minikafka.broker.replica.partition import Partition
from minikafka.broker.replica.store import PartitionIdentity, PartitionStore
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import iterate, iterate_batches

from ..in_process import ServedNode, SetClock, batch_of, serving, until

FOLLOWER = 2
WALL_MS = 1_700_000_000_000
EPOCH = 1000
"""Of the registration of broker 2."""


class FollowerNode:
    """Broker 2: a store, a manager and a fetcher, and no server."""

    def __init__(self, data_dir: Path, leader: ServedNode, routes: dict[int, tuple[str, int]]):
        data_dir.mkdir(exist_ok=True)
        files = Files()
        self.leader = leader
        self.throttled_rate = 0
        self.loop = asyncio.get_running_loop()
        self.replicas = ReplicaManager(files, self.loop)
        checkpoints = OffsetCheckpoints(files, str(data_dir))
        self.store = PartitionStore(
            files, str(data_dir), SetClock(), checkpoints, flush="fsync", is_clean=False
        )
        self.fetcher = ReplicaFetcher(
            FetchOptions(FOLLOWER, wait_max_ms=5000, backoff_ms=5),
            leader.node._controller.image.brokers,
            routes,
            lambda: EPOCH,
            lambda: self.throttled_rate,
            self.replicas,
            SetClock(),
            self.loop,
        )

    def follow(self, index: int, image: PartitionImage) -> Partition:
        """Open a partition of `orders`, and follow."""
        topic = self.leader.node._controller.image.topics["orders"]
        partition = self.replicas.find("orders", index)
        if partition is None:
            identity = PartitionIdentity("orders", topic.topic_id, index)
            partition = self.store.open(identity, TopicConfig())
            self.replicas.add(partition)
        partition.follow(image)
        self.fetcher.assign(partition)
        return partition


def lead_with_follower(node: ServedNode, index: int = 0, leader_epoch: int = 1) -> PartitionImage:
    """The node leads a partition that broker 2 follows, out of sync; as the image says it."""
    controller_image = node.node._controller.image
    controller_image.brokers[FOLLOWER] = BrokerImage(FOLLOWER, EPOCH)
    image = PartitionImage(index, (1, FOLLOWER), (1,), 1, leader_epoch, leader_epoch)
    partition = node.partition("orders", index)
    partition.lead(image, controller_image.brokers, 0)
    node.node._replicas.changed_role(partition)
    return image


@asynccontextmanager
async def following(tmp_path: Path, partitions: int = 1) -> AsyncIterator[FollowerNode]:
    """A node that leads `orders`, and a follower that follows nothing yet."""
    async with serving(tmp_path / "leader") as node:
        await node.create("orders", partitions=partitions)
        follower = FollowerNode(tmp_path / "follower", node, {1: node.node.client_address})
        try:
            yield follower
        finally:
            await follower.fetcher.stop()


def values(partition: Partition) -> list[bytes | None]:
    """What a log has."""
    found: list[bytes | None] = []
    while (offset := partition.log.log_start_offset + len(found)) < partition.log.written_offset:
        part = partition.read(offset, 1 << 20, True, partition.log.written_offset)
        assert part is not None
        found += [each.value for batch in iterate_batches(part.read()) for each in iterate(batch)]
    return found


async def test_a_follower_has_what_its_leader_has_and_its_fetches_say_so(tmp_path: Path) -> None:
    async with following(tmp_path) as follower:
        leader = follower.leader
        await leader.produce("orders", batch_of(b"a", b"b"))
        image = lead_with_follower(leader)
        proposed: list[Partition] = []
        leader.node._replicas.on_isr_proposal = proposed.append
        partition = follower.follow(0, image)
        await until(lambda: partition.high_watermark == 2)
        await until(lambda: bool(proposed))
        led = proposed[0]
        assert led.isr_proposal is not None
        assert led.isr_proposal.members == ((1, led.isr_proposal.members[0][1]), (2, EPOCH))
        produced = await leader.produce("orders", batch_of(b"c"))
        assert produced.error_code == ErrorCode.NONE
        await until(lambda: partition.log.flushed_offset == 3)
        assert values(partition) == [b"a", b"b", b"c"]
        assert (led.high_watermark, partition.epochs.entries) == (3, led.epochs.entries)


async def test_acks_all_waits_for_the_follower_whom_a_write_wakes(tmp_path: Path) -> None:
    async with following(tmp_path) as follower:
        leader = follower.leader
        lead_with_follower(leader)
        image = PartitionImage(0, (1, FOLLOWER), (1, FOLLOWER), 1, 1, 2)
        led = leader.partition("orders", 0)
        led.lead(image, leader.node._controller.image.brokers, leader.node._replicas.now_ms())
        producing = asyncio.create_task(leader.produce("orders", batch_of(b"a")))
        await until(lambda: led.log.flushed_offset == 1)
        assert led.high_watermark == 0
        partition = follower.follow(0, image)
        assert (await producing).error_code == ErrorCode.NONE
        assert values(partition) == [b"a"]
        before_s = follower.loop.time()
        assert (await leader.produce("orders", batch_of(b"b"))).error_code == ErrorCode.NONE
        assert follower.loop.time() - before_s < follower.fetcher.options.wait_max_ms / 1000


async def test_who_begins_to_follow_waits_for_no_answer_that_is_awaited(tmp_path: Path) -> None:
    async with following(tmp_path, partitions=2) as follower:
        leader = follower.leader
        await leader.produce("orders", batch_of(b"a"), index=1)
        first = follower.follow(0, lead_with_follower(leader, 0))
        in_sync = leader.partition("orders", 0).in_sync
        assert in_sync is not None
        await until(lambda: in_sync.followers[FOLLOWER].log_end_offset == 0)
        before_s = follower.loop.time()
        second = follower.follow(1, lead_with_follower(leader, 1))
        await until(lambda: second.log.log_end_offset == 1)
        assert follower.loop.time() - before_s < follower.fetcher.options.wait_max_ms / 1000
        assert first.log.log_end_offset == 0


async def test_others_have_their_turn_while_epochs_begin(tmp_path: Path) -> None:
    async with following(tmp_path, partitions=3) as follower:
        turn, turns_of_saves = 0, list[int]()
        save_epochs = follower.store.save_epochs

        def next_turn() -> None:
            nonlocal turn
            turn += 1
            follower.loop.call_soon(next_turn)

        def noted(partition: Partition) -> None:
            turns_of_saves.append(turn)
            save_epochs(partition)

        for index in range(3):
            await follower.leader.produce("orders", batch_of(b"a"), index=index)
        images = [lead_with_follower(follower.leader, index) for index in range(3)]
        follower.store.save_epochs = noted
        next_turn()
        partitions = [follower.follow(index, image) for index, image in enumerate(images)]
        await until(lambda: all(each.log.flushed_offset == 1 for each in partitions))
        assert len(turns_of_saves) == len(set(turns_of_saves)) == 3


async def test_a_follower_that_knows_of_an_election_first_asks_until_the_leader_does(
    tmp_path: Path,
) -> None:
    async with following(tmp_path) as follower:
        leader = follower.leader
        await leader.produce("orders", batch_of(b"a"))
        image = PartitionImage(0, (1, FOLLOWER), (1,), 1, 7, 7)
        partition = follower.follow(0, image)
        await asyncio.wait_for(follower.fetcher._leaders[1]._connect(), 5)
        assert partition.log.log_end_offset == 0
        lead_with_follower(leader, leader_epoch=7)
        await until(lambda: partition.log.log_end_offset == 1)


async def part(follower: FollowerNode) -> Partition:
    """Let both have one record, and the follower another batch, of an epoch that it has led."""
    await follower.leader.produce("orders", batch_of(b"a"))
    topic = follower.leader.node._controller.image.topics["orders"]
    identity = PartitionIdentity("orders", topic.topic_id, 0)
    partition = follower.store.open(identity, TopicConfig(min_insync_replicas=2))
    follower.replicas.add(partition)
    for epoch, batch in enumerate((batch_of(b"a"), batch_of(b"x", b"y"))):
        partition.lead(PartitionImage(0, (1, FOLLOWER), (FOLLOWER,), FOLLOWER, epoch, epoch), {}, 0)
        assert not partition.append(memoryview(batch), WALL_MS, 1).error_code
        partition.write()
    await follower.replicas.flush(partition)
    return partition


async def test_a_log_that_parted_is_cut_and_follows(tmp_path: Path) -> None:
    async with following(tmp_path) as follower:
        partition = await part(follower)
        followed = follower.follow(0, lead_with_follower(follower.leader, leader_epoch=2))
        assert followed is partition
        await until(lambda: values(partition) == [b"a"])
        assert partition.epochs.entries == [(0, 0)]


async def test_a_log_found_damaged_is_left_as_it_is_and_the_others_follow(tmp_path: Path) -> None:
    async with following(tmp_path, partitions=2) as follower:
        leader = follower.leader
        partition = await part(follower)
        path = tmp_path / "follower" / "orders-0" / "00000000000000000000.log"
        with path.open("r+b") as file:
            file.write(b"damage" * 10)
        before = path.read_bytes()
        follower.follow(0, lead_with_follower(leader, leader_epoch=2))
        await until(lambda: partition.is_removed)
        assert path.read_bytes() == before
        unserved = follower.replicas.look_up("orders", 0)
        assert isinstance(unserved, Unserved)
        assert unserved.error_code is ErrorCode.CORRUPT_MESSAGE
        other = follower.follow(1, lead_with_follower(leader, 1))
        await leader.produce("orders", batch_of(b"a"), index=1, acks=1)
        await until(lambda: values(other) == [b"a"])


async def test_a_leader_that_comes_back_is_followed_again(tmp_path: Path) -> None:
    async with following(tmp_path) as follower:
        leader = follower.leader
        partition = follower.follow(0, lead_with_follower(leader))
        in_sync = leader.partition("orders", 0).in_sync
        assert in_sync is not None
        await until(lambda: in_sync.followers[FOLLOWER].log_end_offset == 0)
        connection = follower.fetcher._leaders[1]._connection
        assert connection is not None
        connection.abort("the cable was cut")
        await leader.produce("orders", batch_of(b"a"), acks=1)
        await until(lambda: partition.log.log_end_offset == 1)


async def test_an_error_that_nobody_thought_of_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class BrokenClock(SetClock):
        def now_ms(self) -> int:
            raise RuntimeError("stopped")

    async with following(tmp_path) as follower:
        await follower.leader.produce("orders", batch_of(b"a"))
        follower.fetcher.clock = BrokenClock()
        follower.follow(0, lead_with_follower(follower.leader))
        await until(lambda: "nothing is fetched from broker 1" in caplog.text)
        assert "RuntimeError: stopped" in caplog.text


async def test_who_follows_nobody_any_more_fetches_nothing(tmp_path: Path) -> None:
    async with following(tmp_path) as follower:
        leader = follower.leader
        partition = follower.follow(0, lead_with_follower(leader))
        follower.fetcher.forget(partition)
        assert follower.fetcher._leaders == {}
        await leader.produce("orders", batch_of(b"a"), acks=1)
        assert partition.log.log_end_offset == 0


ADDED = PartitionImage(0, (1, FOLLOWER), (1,), 1, 1, 1, adding=(FOLLOWER,))


async def test_a_replica_that_is_being_added_is_fetched_no_faster_than_the_throttle_lets_it(
    tmp_path: Path,
) -> None:
    async with following(tmp_path) as follower:
        for _ in range(8):
            await follower.leader.produce("orders", batch_of(b"x" * 1000), acks=1)
        lead_with_follower(follower.leader)
        follower.throttled_rate = 4000
        began_s = follower.loop.time()
        partition = follower.follow(0, ADDED)
        await until(lambda: partition.log.log_end_offset == 8)
        # A burst of one second, an answer on credit, and the rest at the rate.
        assert follower.loop.time() - began_s > (8000 - 4000 - 2 * 1000) / 4000


async def test_the_throttle_lets_go_of_who_is_in_sync_and_of_who_was_there_before(
    tmp_path: Path,
) -> None:
    async with following(tmp_path, partitions=2) as follower:
        follower.throttled_rate = 1
        image = lead_with_follower(follower.leader)
        partition = follower.follow(0, image)
        assert not follower.fetcher.is_throttled(partition)
        partition.follow(ADDED)
        assert follower.fetcher.is_throttled(partition)
        partition.follow(replace(ADDED, isr=(1, FOLLOWER)))
        assert not follower.fetcher.is_throttled(partition)
        partition.follow(ADDED)
        follower.throttled_rate = 0
        assert not follower.fetcher.is_throttled(partition)


async def test_what_the_throttle_holds_back_holds_up_nobody_else(tmp_path: Path) -> None:
    async with following(tmp_path, partitions=2) as follower:
        leader = follower.leader
        await leader.produce("orders", batch_of(b"x" * 1000), acks=1)
        lead_with_follower(leader)
        follower.throttled_rate = 1
        added = follower.follow(0, ADDED)
        await until(lambda: added.log.log_end_offset == 1)
        await leader.produce("orders", batch_of(b"y"), acks=1)
        other = follower.follow(1, lead_with_follower(leader, 1))
        await leader.produce("orders", batch_of(b"a"), index=1, acks=1)
        await until(lambda: other.log.log_end_offset == 1)
        assert added.log.log_end_offset == 1
