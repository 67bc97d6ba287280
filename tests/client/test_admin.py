"""The administrator against our broker, and against scripted controllers."""

import pytest

from minikafka import AdminClient, KafkaError, NewPartitions, NewTopic, TopicPartition
from minikafka.client.errors import ClientNotRunning
from minikafka.protocol.api.create_topics import (
    CreateTopicsRequest,
    CreateTopicsResponse,
    CreateTopicsResponseTopic,
)
from minikafka.protocol.errors import ErrorCode

from ..nodes import NodeProcess
from ..transport.scripted_broker import HANG_UP, METADATA, ScriptedBroker
from .cluster import Cluster

CREATE_TOPICS = 19


async def test_topics_are_created_described_listed_and_deleted(shared_broker: NodeProcess):
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        configs = {"retention.ms": "3600000"}
        await admin.create_topics([NewTopic("b-topic", 3, 1, configs), NewTopic("a-topic")])
        assert {"a-topic", "b-topic"} <= set(await admin.list_topics())
        first, second = await admin.describe_topics(["b-topic", "a-topic"])
        assert (first.name, len(first.partitions)) == ("a-topic", 1)
        assert (second.name, len(second.partitions), second.available) == ("b-topic", 3, (0, 1, 2))
        leader = second.partitions[0].leader
        assert second.partitions[0].replicas == (leader,)
        assert second.partitions[0].in_sync_replicas == (leader,)
        await admin.delete_topics(["b-topic"])
        assert "b-topic" not in await admin.list_topics()


async def test_topics_can_be_created_by_hand(shared_broker: NodeProcess):
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        await admin.create_topics([NewTopic("by-hand", replica_assignments={0: [1], 1: [1]})])
        (topic,) = await admin.describe_topics(["by-hand"])
        assert len(topic.partitions) == 2


async def test_a_topic_gets_more_partitions_and_never_fewer(shared_broker: NodeProcess):
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        await admin.create_topics([NewTopic("growing", 1, 1), NewTopic("by-hand-too", 1, 1)])
        await admin.create_partitions({"growing": 5}, validate_only=True)
        await admin.create_partitions({"growing": 3, "by-hand-too": NewPartitions(2, [[1]])})
        topics = await admin.describe_topics(["by-hand-too", "growing"])
        assert [len(topic.partitions) for topic in topics] == [2, 3]
        with pytest.raises(KafkaError, match="topic 'growing'") as caught:
            await admin.create_partitions({"growing": 2})
        assert caught.value.code is ErrorCode.INVALID_PARTITIONS


async def test_the_disks_of_the_brokers_are_described(shared_broker: NodeProcess):
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        await admin.create_topics([NewTopic("on-disk", 2, 1)])
        ((node_id, (log_dir,)),) = (await admin.describe_log_dirs()).items()
        assert (node_id, log_dir.error) == (1, None)
        assert log_dir.path.endswith(shared_broker.data_dir.name)
        assert log_dir.replicas[TopicPartition("on-disk", 1)].size_bytes == 0
        assert log_dir.total_bytes is not None
        assert log_dir.usable_bytes is not None
        assert 0 < log_dir.usable_bytes < log_dir.total_bytes


async def test_validate_only_creates_nothing(shared_broker: NodeProcess):
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        await admin.create_topics([NewTopic("only-asked", 1, 1)], validate_only=True)
        assert "only-asked" not in await admin.list_topics()


async def test_every_topic_that_failed_is_named_and_the_others_are_done(
    shared_broker: NodeProcess,
):
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        await admin.create_topics([NewTopic("there", 1, 1)])
        topics = [NewTopic(name, 1, 1) for name in ("there", "also-there", "no/good")]
        with pytest.raises(KafkaError, match=r"topic 'there'.*topic 'no/good'") as caught:
            await admin.create_topics(topics)
        assert caught.value.code is ErrorCode.TOPIC_ALREADY_EXISTS
        assert "also-there" in await admin.list_topics()


async def test_describing_and_deleting_a_topic_that_is_not_there_is_an_error(
    shared_broker: NodeProcess,
):
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        for call in (admin.describe_topics, admin.delete_topics):
            with pytest.raises(KafkaError, match="topic 'nobody-knows'") as caught:
                await call(["nobody-knows"])
            assert caught.value.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert "nobody-knows" not in await admin.list_topics()


async def test_the_cluster_is_described(shared_broker: NodeProcess):
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        cluster = await admin.describe_cluster()
        (broker,) = cluster.brokers
        assert (broker.id, broker.port) == (1, shared_broker.port)
        assert cluster.controller_id == 1
        assert cluster.cluster_id


async def test_a_change_goes_on_to_the_new_controller():
    async with ScriptedBroker() as old, ScriptedBroker() as new:
        cluster = Cluster(old, new)

        def answer(code: ErrorCode, controller_id: int) -> object:
            def handle(request: CreateTopicsRequest) -> CreateTopicsResponse:
                for broker in (old, new):
                    broker.handlers[METADATA] = lambda asked: metadata(asked, controller_id)
                topics = [
                    CreateTopicsResponseTopic(name=topic.name, error_code=int(code))
                    for topic in request.topics
                ]
                return CreateTopicsResponse(topics=topics)

            return handle

        def metadata(asked: object, controller_id: int) -> object:
            response = cluster.metadata(asked)
            response.controller_id = controller_id
            return response

        old.handlers[CREATE_TOPICS] = answer(ErrorCode.NOT_CONTROLLER, 2)
        new.handlers[CREATE_TOPICS] = answer(ErrorCode.NONE, 2)
        async with AdminClient(bootstrap_servers=old.bootstrap, retry_backoff_ms=1) as admin:
            await admin.create_topics([NewTopic("t", 1, 1)])
        assert len(new.requests_of(CREATE_TOPICS)) == 1


async def test_a_change_whose_connection_breaks_is_not_repeated():
    async with ScriptedBroker({CREATE_TOPICS: lambda _: HANG_UP}) as broker:
        Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
            with pytest.raises(KafkaError) as caught:
                await admin.create_topics([NewTopic("t", 1, 1)])
        assert caught.value.code is ErrorCode.NETWORK_EXCEPTION
        assert len(broker.requests_of(CREATE_TOPICS)) == 1


async def test_a_question_whose_connection_breaks_is_asked_again():
    async with ScriptedBroker() as broker:
        cluster = Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap, retry_backoff_ms=1) as admin:
            answers = [HANG_UP, HANG_UP]
            broker.handlers[METADATA] = lambda asked: (
                answers.pop() if answers else cluster.metadata(asked)
            )
            (topic,) = await admin.describe_topics(["t"])
            assert topic.name == "t"


async def test_use_outside_start_and_close_is_refused():
    with pytest.raises(ClientNotRunning, match="not been started"):
        await AdminClient().list_topics()
