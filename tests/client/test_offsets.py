"""ListOffsets, asked until each leader has answered."""

from random import Random
from typing import Any

import pytest

from minikafka.client.errors import KafkaTimeout
from minikafka.client.metadata import TopicPartition
from minikafka.client.network import Network
from minikafka.client.offsets import EARLIEST, LATEST, list_offsets
from minikafka.client.settings import NetworkSettings
from minikafka.protocol.api.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsResponsePartition,
    ListOffsetsResponseTopic,
)
from minikafka.protocol.errors import ErrorCode, KafkaError

from ..transport.scripted_broker import LIST_OFFSETS, ScriptedBroker
from .cluster import Cluster

T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)


def answer_with(offset: int, *codes: ErrorCode) -> Any:
    """A ListOffsets handler: the n-th request gets the n-th error, later ones the offset."""
    left = list(codes)

    def handle(request: ListOffsetsRequest) -> ListOffsetsResponse:
        code = left.pop(0) if left else ErrorCode.NONE
        return ListOffsetsResponse(
            topics=[
                ListOffsetsResponseTopic(
                    name=topic.name,
                    partitions=[
                        ListOffsetsResponsePartition(
                            partition_index=each.partition_index,
                            error_code=int(code),
                            offset=offset - each.timestamp,
                        )
                        for each in topic.partitions
                    ],
                )
                for topic in request.topics
            ]
        )

    return handle


async def network_of(broker: ScriptedBroker) -> Network:
    """A started network."""
    servers = (("127.0.0.1", broker.port),)
    network = Network(NetworkSettings(servers, retry_backoff_ms=1), Random(1))
    await network.start()
    return network


async def test_each_leader_is_asked_for_its_partitions():
    async with (
        ScriptedBroker({LIST_OFFSETS: answer_with(100)}) as first,
        ScriptedBroker({LIST_OFFSETS: answer_with(200)}) as second,
    ):
        Cluster(first, second).leaders = {0: 1, 1: 2}
        network = await network_of(first)
        found = await list_offsets(network, {T0: EARLIEST, T1: LATEST}, 5000)
        assert {name: each.offset for name, each in found.items()} == {T0: 102, T1: 201}
        await network.close()


async def test_an_error_that_may_pass_is_asked_again():
    moved = (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.OFFSET_NOT_AVAILABLE)
    async with ScriptedBroker({LIST_OFFSETS: answer_with(5, *moved)}) as broker:
        Cluster(broker)
        network = await network_of(broker)
        assert (await list_offsets(network, {T0: 0}, 5000))[T0].offset == 5
        await network.close()


async def test_an_error_that_cannot_pass_is_raised():
    denied = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    async with ScriptedBroker({LIST_OFFSETS: answer_with(5, denied)}) as broker:
        Cluster(broker)
        network = await network_of(broker)
        with pytest.raises(KafkaError, match="t-0: no permission"):
            await list_offsets(network, {T0: 0}, 5000)
        await network.close()


async def test_a_partition_without_a_leader_is_a_timeout_with_its_name():
    async with ScriptedBroker() as broker:
        Cluster(broker).leaders = {0: -1}
        network = await network_of(broker)
        with pytest.raises(KafkaTimeout, match="no leader of t-0 answered within 50 ms"):
            await list_offsets(network, {T0: 0}, 50)
        with pytest.raises(ValueError, match="topic t has no partition 1"):
            await list_offsets(network, {T1: 0}, 50)
        await network.close()
