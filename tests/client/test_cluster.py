"""The views of a cluster: on a real node, and on brokers that have no control plane."""

import asyncio
import socket
from pathlib import Path

import pytest

from minikafka import AdminClient, Cluster, KafkaError, NewTopic, Producer
from minikafka.client.errors import CannotConnect, ClientNotRunning, UnsupportedByCluster
from minikafka.client.views import PartitionOffsets
from minikafka.protocol.api.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
)
from minikafka.protocol.api.list_offsets import (
    LATEST_TIMESTAMP,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsResponsePartition,
    ListOffsetsResponseTopic,
)
from minikafka.protocol.api.metadata import MetadataRequest, MetadataRequestTopic
from minikafka.protocol.control_frame import CONTROL_LISTENER
from minikafka.protocol.errors import ErrorCode

from ..nodes import NodeProcess
from ..transport.scripted_broker import LIST_OFFSETS, METADATA, ScriptedBroker
from .cluster import Cluster as ScriptedCluster

DESCRIBE_CONFIGS = 32


async def create(node: NodeProcess, *topics: NewTopic) -> None:
    async with AdminClient(bootstrap_servers=node.bootstrap) as admin:
        await admin.create_topics(list(topics))


async def produce(node: NodeProcess, topic: str, count: int, size_bytes: int = 100) -> None:
    async with Producer(bootstrap_servers=node.bootstrap) as producer:
        for _ in range(count):
            await producer.send_and_wait(topic, bytes(size_bytes))


async def test_brokers_topics_and_partitions_are_seen(shared_broker: NodeProcess):
    await create(shared_broker, NewTopic("view-b", 3, 1), NewTopic("view-a", 1, 1))
    async with Cluster(bootstrap_servers=shared_broker.bootstrap) as cluster:
        (broker,) = cluster.brokers
        assert (broker.id, broker.host, broker.port) == (1, "127.0.0.1", shared_broker.port)
        assert (broker.rack, broker.is_controller) == (None, True)
        assert cluster.id
        names = list(cluster.topics)
        assert names == sorted(names)
        assert {"view-a", "view-b"} <= set(names)
        topic = cluster.topics["view-b"]
        assert (topic.name, topic.is_internal, len(topic.id)) == ("view-b", False, 16)
        assert [each.index for each in topic.partitions] == [0, 1, 2]
        partition = topic.partitions[2]
        assert (partition.leader, partition.leader_epoch) == (1, 0)
        assert partition.replicas == partition.in_sync_replicas == (1,)
        assert partition == cluster.topics["view-b"].partitions[2]
        assert repr(partition) == "Partition(topic='view-b', index=2)"


async def test_a_topic_that_is_not_there_is_named(shared_broker: NodeProcess):
    async with Cluster(bootstrap_servers=shared_broker.bootstrap) as cluster:
        assert "nobody" not in cluster.topics
        assert cluster.topics.get("nobody") is None
        with pytest.raises(KafkaError, match="no topic 'nobody'") as caught:
            _ = cluster.topics["nobody"]
        assert caught.value.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_views_stay_current(shared_broker: NodeProcess):
    bootstrap = shared_broker.bootstrap
    await create(shared_broker, NewTopic("lively", 1, 1))
    async with (
        Cluster(bootstrap_servers=bootstrap) as cluster,
        AdminClient(bootstrap_servers=bootstrap) as admin,
    ):
        topic = cluster.topics["lively"]
        await admin.create_partitions({"lively": 3})
        await admin.create_topics([NewTopic("newcomer", 1, 1)])
        assert len(topic.partitions) == 1
        await cluster.refresh()
        assert len(topic.partitions) == 3
        assert "newcomer" in cluster.topics
        last = topic.partitions[2]
        await admin.delete_topics(["lively"])
        await cluster.refresh()
        for look in (lambda: topic.partitions, lambda: last.leader):
            with pytest.raises(KafkaError, match="no topic 'lively'") as caught:
                look()
            assert caught.value.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        await admin.create_topics([NewTopic("lively", 1, 1)])
        await cluster.refresh()
        with pytest.raises(KafkaError, match="topic 'lively' has no partition 2"):
            await last.offsets()


async def test_offsets_and_segments_are_those_of_the_leaders_log(broker: NodeProcess):
    await create(broker, NewTopic("orders", 1, 1, {"segment.bytes": "1000"}))
    await produce(broker, "orders", 30)
    async with Cluster(bootstrap_servers=broker.bootstrap) as cluster:
        partition = cluster.topics["orders"].partitions[0]
        assert await partition.offsets() == PartitionOffsets(0, 30, 30)
        assert await partition.offsets(replica=1) == PartitionOffsets(0, 30, 30)
        segments = await partition.segments()
        files = sorted((broker.data_dir / "orders-0").glob("*.log"))
        assert [each.name for each in segments] == [file.name for file in files]
        assert [each.size_bytes for each in segments] == [file.stat().st_size for file in files]
        assert len(segments) > 3
        assert sum(each.record_count for each in segments) == 30
        await produce(broker, "orders", 1)
        assert (await partition.segments())[-1].next_offset == 31


async def test_many_segments_come_in_several_answers(
    broker: NodeProcess, monkeypatch: pytest.MonkeyPatch
):
    await create(broker, NewTopic("orders", 1, 1, {"segment.bytes": "300"}))
    await produce(broker, "orders", 20)
    async with Cluster(bootstrap_servers=broker.bootstrap) as cluster:
        partition = cluster.topics["orders"].partitions[0]
        whole = await partition.segments()
        monkeypatch.setattr("minikafka.client.views.MAX_ELEMENTS", 3)
        assert await partition.segments() == whole
        assert len(whole) > 6


async def test_questions_that_are_asked_at_once_each_get_their_answer(broker: NodeProcess):
    await create(broker, NewTopic("orders", 8, 1))
    async with Cluster(bootstrap_servers=broker.bootstrap) as cluster:
        partitions = cluster.topics["orders"].partitions
        answers = await asyncio.gather(*(each.segments() for each in partitions))
        assert [len(each) for each in answers] == [1] * 8


async def test_the_clusters_life_is_read(broker: NodeProcess):
    await create(broker, NewTopic("orders", 2, 1))
    async with Cluster(bootstrap_servers=broker.bootstrap) as cluster:
        events = [event async for event in cluster.events()]
        assert [event.offset for event in events] == list(range(len(events)))
        kinds = [event.record["type"] for event in events]
        assert kinds[:3] == ["ControllerElected", "ClusterCreated", "BrokerRegistered"]
        assert kinds[-3:] == ["TopicCreated", "PartitionCreated", "PartitionCreated"]
        assert [event async for event in cluster.events(len(events))] == []
        assert [event async for event in cluster.events(2)] == events[2:]
        with pytest.raises(KafkaError, match="no offset 1000") as caught:
            await anext(cluster.events(1000))
        assert caught.value.code is ErrorCode.OFFSET_OUT_OF_RANGE


async def test_a_node_that_is_restarted_is_found_again(tmp_path: Path):
    node = NodeProcess(tmp_path / "node").start()
    try:
        await create(node, NewTopic("orders", 1, 1))
        async with Cluster(bootstrap_servers=node.bootstrap) as cluster:
            partition = cluster.topics["orders"].partitions[0]
            assert len(await partition.segments()) == 1
            node.stop()
            node.start()  # and its control plane has another port
            assert len(await partition.segments()) == 1
    finally:
        node.kill()


async def test_use_outside_start_and_close_is_refused(shared_broker: NodeProcess):
    with pytest.raises(ClientNotRunning, match="not been started"):
        _ = Cluster().topics
    with pytest.raises(TypeError, match="did you mean bootstrap_servers"):
        Cluster(bootstrap_server="x")  # pyright: ignore[reportCallIssue]
    await create(shared_broker, NewTopic("closed-view", 1, 1))
    async with Cluster(bootstrap_servers=shared_broker.bootstrap) as cluster:
        partition = cluster.topics["closed-view"].partitions[0]
    for look in (lambda: cluster.brokers, lambda: partition.leader):
        with pytest.raises(ClientNotRunning, match="is closed"):
            look()
    with pytest.raises(ClientNotRunning):
        await partition.segments()


class Foreign(ScriptedCluster):
    """A cluster of one broker that tells what a Kafka would."""

    def __init__(self, broker: ScriptedBroker, *listener: str) -> None:
        super().__init__(broker)
        self.listener = listener
        broker.handlers[METADATA] = self.metadata
        broker.handlers[DESCRIBE_CONFIGS] = self.describe_configs
        broker.handlers[LIST_OFFSETS] = self.list_offsets

    def metadata(self, request: MetadataRequest):
        names = [MetadataRequestTopic(name="t")] if request.topics is None else request.topics
        return super().metadata(MetadataRequest(topics=names))

    def describe_configs(self, request: DescribeConfigsRequest) -> DescribeConfigsResponse:
        (resource,) = request.resources
        assert (resource.resource_name, resource.configuration_keys) == ("1", [CONTROL_LISTENER])
        configs = [
            DescribeConfigsResourceResult(
                name=CONTROL_LISTENER, value=value, read_only=True, is_sensitive=False, synonyms=[]
            )
            for value in self.listener
        ]
        result = DescribeConfigsResult(
            error_code=0, error_message=None, resource_type=4, resource_name="1", configs=configs
        )
        return DescribeConfigsResponse(results=[result])

    def list_offsets(self, request: ListOffsetsRequest) -> ListOffsetsResponse:
        offset = 70 if request.topics[0].partitions[0].timestamp == LATEST_TIMESTAMP else 30
        partition = ListOffsetsResponsePartition(
            partition_index=0, error_code=0, offset=offset, timestamp=-1
        )
        return ListOffsetsResponse(
            topics=[ListOffsetsResponseTopic(name="t", partitions=[partition])]
        )


async def test_a_cluster_without_control_plane_says_so_and_shows_the_rest():
    async with ScriptedBroker() as broker:
        Foreign(broker)
        async with Cluster(bootstrap_servers=broker.bootstrap) as cluster:
            partition = cluster.topics["t"].partitions[0]
            assert await partition.offsets() == PartitionOffsets(30, 70, None)
            for ask in (partition.segments(), anext(cluster.events())):
                with pytest.raises(UnsupportedByCluster, match="broker 1 has no control plane"):
                    await ask


async def test_a_control_port_that_nobody_can_reach_is_named_and_offsets_do_without():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    async with ScriptedBroker() as broker:
        Foreign(broker, address)
        async with Cluster(bootstrap_servers=broker.bootstrap) as cluster:
            partition = cluster.topics["t"].partitions[0]
            with pytest.raises(CannotConnect, match=f"control plane at {address}"):
                await partition.segments()
            assert await partition.offsets() == PartitionOffsets(30, 70, None)


async def test_an_address_that_is_none_is_an_error():
    async with ScriptedBroker() as broker:
        Foreign(broker, "somewhere:else")
        async with Cluster(bootstrap_servers=broker.bootstrap) as cluster:
            with pytest.raises(CannotConnect, match="'somewhere:else' is not HOST:PORT"):
                await cluster.topics["t"].partitions[0].segments()


async def test_a_partition_without_leader_is_an_error_that_may_pass():
    async with ScriptedBroker() as broker:
        foreign = Foreign(broker)
        foreign.leaders = {0: -1}
        async with Cluster(bootstrap_servers=broker.bootstrap) as cluster:
            partition = cluster.topics["t"].partitions[0]
            assert partition.leader is None
            with pytest.raises(KafkaError, match="t-0 has no leader") as caught:
                await partition.segments()
            assert caught.value.retriable


async def test_a_broker_that_has_gone_is_named():
    async with ScriptedBroker() as broker, ScriptedBroker() as second:
        foreign = Foreign(broker)
        foreign.brokers[2] = second
        async with Cluster(bootstrap_servers=broker.bootstrap) as cluster:
            _, other = cluster.brokers
            assert (other.port, other.is_controller) == (second.port, False)
            del foreign.brokers[2]
            await cluster.refresh()
            assert len(cluster.brokers) == 1
            with pytest.raises(KafkaError, match="no broker 2 any more"):
                _ = other.host
