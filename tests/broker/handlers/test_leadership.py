"""What is not led here, or not any more, or by too few: the errors, and who leads instead."""

import pytest

from minikafka.protocol.api.delete_records import (
    DeleteRecordsRequest,
    DeleteRecordsRequestPartition,
    DeleteRecordsRequestTopic,
)
from minikafka.protocol.api.describe_log_dirs import DescribeLogDirsRequest
from minikafka.protocol.api.describe_producers import DescribeProducersRequest, TopicRequest
from minikafka.protocol.api.fetch import FetchRequest
from minikafka.protocol.api.list_offsets import (
    EARLIEST_TIMESTAMP,
    LATEST_TIMESTAMP,
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
)
from minikafka.protocol.api.metadata import MetadataRequest
from minikafka.protocol.api.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochRequestPartition,
    OffsetForLeaderEpochRequestTopic,
)
from minikafka.protocol.api.produce import ProduceRequest
from minikafka.protocol.errors import ErrorCode

from ..in_process import RawClient, ServedNode, batch_of, fetch_request, produce_request, until
from .other_brokers import OTHER, OTHER_ADDRESS, change, register

NOT_LED = ErrorCode.NOT_LEADER_OR_FOLLOWER
LED = (OTHER, 1)
"""Who leads, and in which epoch."""
NOBODY = (-1, -1)


async def led_elsewhere(node: ServedNode, **configs: str) -> bytes:
    """A topic whose partition this node follows; its id."""
    topic_id = await node.create("orders", **configs)
    register(node)
    change(node, "orders", leader=OTHER, replicas=[1, OTHER], isr=[1, OTHER])
    return topic_id


async def led_with_another(node: ServedNode, isr: list[int], **configs: str) -> None:
    """A topic that this node leads, with a follower that never asks for anything."""
    await node.create("orders", **configs)
    register(node)
    change(node, "orders", replicas=[1, OTHER], isr=isr)


@pytest.mark.parametrize("version", [9, 10, 12, 13])
async def test_a_producer_is_told_who_leads(node: ServedNode, version: int) -> None:
    topic_id = await led_elsewhere(node)
    for _ in range(2):  # The second time by the short way.
        request = produce_request(
            "orders", batch_of(), topic_id=topic_id if version > 12 else bytes(16)
        )
        answer = await node.call(request, version)
        (partition,) = answer.responses[0].partition_responses
        leader = partition.current_leader
        assert partition.error_code == NOT_LED
        assert (leader.leader_id, leader.leader_epoch) == (LED if version > 9 else NOBODY)
        endpoints = [(each.node_id, each.host, each.port) for each in answer.node_endpoints]
        assert endpoints == ([(OTHER, *OTHER_ADDRESS)] if version > 9 else [])


@pytest.mark.parametrize("version", [12, 15, 16, 18])
async def test_a_consumer_is_told_who_leads(node: ServedNode, version: int) -> None:
    topic_id = await led_elsewhere(node)
    answer = await node.call(
        fetch_request("orders", 0, topic_id=topic_id if version > 12 else bytes(16)), version
    )
    (partition,) = answer.responses[0].partitions
    leader = partition.current_leader
    assert partition.error_code == NOT_LED
    assert (leader.leader_id, leader.leader_epoch) == (LED if version > 15 else NOBODY)
    endpoints = [(each.node_id, each.host, each.port) for each in answer.node_endpoints]
    assert endpoints == ([(OTHER, *OTHER_ADDRESS)] if version > 15 else [])


async def test_a_leader_that_is_not_alive_has_no_address(node: ServedNode) -> None:
    topic_id = await led_elsewhere(node)
    register(node, standing="fenced")
    answer = await node.call(fetch_request("orders", 0, topic_id=topic_id), 18)
    (partition,) = answer.responses[0].partitions
    assert partition.current_leader.leader_id == OTHER
    assert answer.node_endpoints == []


async def test_a_partition_on_other_brokers_alone_is_not_led_here(node: ServedNode) -> None:
    await node.create("orders")
    register(node)
    image = node.node._controller.image
    record = {
        "type": "PartitionCreated",
        "topic_id": image.topics["orders"].topic_id,
        "index": 1,
        "replicas": [OTHER],
        "isr": [OTHER],
        "leader": OTHER,
        "leader_epoch": 3,
        "partition_epoch": 0,
    }
    image.apply(record)
    assert (await node.produce("orders", batch_of(), index=1)).error_code == NOT_LED
    assert (await node.fetch("orders", 0, index=1)).error_code == NOT_LED
    assert (await node.produce("orders", batch_of())).error_code == ErrorCode.NONE


async def test_a_parked_fetch_is_answered_when_the_leadership_is_lost(node: ServedNode) -> None:
    topic_id = await node.create("orders")
    client, other = await node.connect(), await node.connect()
    client.send(fetch_request("orders", 0, topic_id=topic_id, min_bytes=1000), 18)
    assert await client.is_silent(other, MetadataRequest(topics=[]))
    register(node)
    change(node, "orders", leader=OTHER, replicas=[1, OTHER], isr=[1, OTHER])
    answer = await client.receive(FetchRequest, 18)
    assert answer.responses[0].partitions[0].error_code == NOT_LED


async def waiting_produce(node: ServedNode, *, is_short: bool) -> RawClient:
    """A produce that waits for a follower."""
    client, other = await node.connect(), await node.connect()
    if is_short:  # acks=all is remembered from a request that this node could answer alone.
        change(node, "orders", isr=[1])
        await client.call(produce_request("orders", batch_of()), 10)
        change(node, "orders", isr=[1, OTHER])
    client.send(produce_request("orders", batch_of()), 10)
    assert await client.is_silent(other, MetadataRequest(topics=[]))
    return client


@pytest.mark.parametrize("is_short", [False, True])
async def test_a_producer_that_waits_learns_that_the_leadership_is_lost(
    node: ServedNode, is_short: bool
) -> None:
    await led_with_another(node, [1, OTHER])
    client = await waiting_produce(node, is_short=is_short)
    change(node, "orders", leader=OTHER)
    answer = await client.receive(ProduceRequest, 10)
    (partition,) = answer.responses[0].partition_responses
    assert (partition.error_code, partition.base_offset) == (NOT_LED, -1)
    assert partition.current_leader.leader_id == OTHER


@pytest.mark.parametrize("is_short", [False, True])
async def test_a_producer_hears_when_the_follower_has_it(node: ServedNode, is_short: bool) -> None:
    await led_with_another(node, [1, OTHER])
    client = await waiting_produce(node, is_short=is_short)
    partition = node.partition("orders")
    epoch = node.node._controller.image.brokers[OTHER].epoch
    end = partition.log.log_end_offset
    assert not partition.follower_fetched(OTHER, epoch, end, node.node._replicas.now_ms())
    node.node._replicas._advance(partition)
    answer = await client.receive(ProduceRequest, 10)
    (told,) = answer.responses[0].partition_responses
    assert (told.error_code, told.base_offset) == (ErrorCode.NONE, end - 1)


async def test_acks_all_needs_enough_replicas_in_sync(node: ServedNode) -> None:
    await led_with_another(node, [1], min_insync_replicas="2")
    assert (await node.produce("orders", batch_of(), acks=-1)).error_code == (
        ErrorCode.NOT_ENOUGH_REPLICAS
    )
    assert (await node.produce("orders", batch_of(), acks=1)).error_code == ErrorCode.NONE
    assert (await node.produce("orders", batch_of(), acks=-1)).error_code == (
        ErrorCode.NOT_ENOUGH_REPLICAS
    )
    assert node.partition("orders").log.log_end_offset == 1


async def list_offset(node: ServedNode, timestamp: int, version: int = 7) -> tuple[int, int]:
    """(error, offset)"""
    wanted = ListOffsetsRequestPartition(partition_index=0, timestamp=timestamp)
    topic = ListOffsetsRequestTopic(name="orders", partitions=[wanted])
    answer = await node.call(ListOffsetsRequest(topics=[topic]), version)
    (partition,) = answer.topics[0].partitions
    return partition.error_code, partition.offset


async def test_a_new_leader_does_not_tell_an_end_that_it_does_not_know(node: ServedNode) -> None:
    await node.create("orders")
    await node.produce("orders", batch_of(timestamps=(1_700_000_000_000,)))
    register(node)
    change(node, "orders", replicas=[1, OTHER], isr=[1, OTHER])
    await node.produce("orders", batch_of(timestamps=(1_700_000_000_009,)), acks=1)
    change(node, "orders", leader=OTHER)
    assert await list_offset(node, LATEST_TIMESTAMP) == (NOT_LED, -1)
    change(node, "orders", leader=1)
    unknown = ErrorCode.OFFSET_NOT_AVAILABLE
    assert await list_offset(node, LATEST_TIMESTAMP) == (unknown, -1)
    assert await list_offset(node, LATEST_TIMESTAMP, 4) == (ErrorCode.LEADER_NOT_AVAILABLE, -1)
    assert await list_offset(node, 1_700_000_000_001) == (unknown, -1)
    assert await list_offset(node, EARLIEST_TIMESTAMP) == (0, 0)
    assert await list_offset(node, 1_700_000_000_000) == (0, 0)
    change(node, "orders", isr=[1])
    partition = node.partition("orders")
    node.node._replicas._advance(partition)
    await until(lambda: partition.high_watermark == 2)  # The second record may not be flushed yet.
    assert await list_offset(node, LATEST_TIMESTAMP) == (0, 2)


async def test_only_the_leader_tells_where_an_epoch_ends(node: ServedNode) -> None:
    await led_elsewhere(node)
    wanted = OffsetForLeaderEpochRequestPartition(partition=0, leader_epoch=0)
    topic = OffsetForLeaderEpochRequestTopic(topic="orders", partitions=[wanted])
    answer = await node.call(OffsetForLeaderEpochRequest(topics=[topic]))
    assert answer.topics[0].partitions[0].error_code == NOT_LED


async def test_only_the_leader_deletes_records(node: ServedNode) -> None:
    await led_elsewhere(node)
    wanted = DeleteRecordsRequestPartition(partition_index=0, offset=-1)
    request = DeleteRecordsRequest(
        topics=[DeleteRecordsRequestTopic(name="orders", partitions=[wanted])], timeout_ms=1000
    )
    (answer,) = (await node.call(request)).topics[0].partitions
    assert (answer.error_code, answer.low_watermark) == (NOT_LED, -1)


async def test_a_follower_tells_how_large_its_replicas_are(node: ServedNode) -> None:
    await node.create("orders")
    await node.produce("orders", batch_of())
    register(node)
    change(node, "orders", leader=OTHER, replicas=[1, OTHER], isr=[1, OTHER])
    (directory,) = (await node.call(DescribeLogDirsRequest(topics=None))).results
    ((partition,),) = [topic.partitions for topic in directory.topics]
    assert partition.partition_size == len(batch_of())


async def test_a_follower_tells_the_producers_that_it_knows(node: ServedNode) -> None:
    await node.create("orders")
    await node.produce("orders", batch_of(producer=(7, 0, 0)))
    register(node)
    change(node, "orders", leader=OTHER, replicas=[1, OTHER], isr=[1, OTHER])
    request = DescribeProducersRequest(topics=[TopicRequest(name="orders", partition_indexes=[0])])
    (partition,) = (await node.call(request)).topics[0].partitions
    assert [each.producer_id for each in partition.active_producers] == [7]
