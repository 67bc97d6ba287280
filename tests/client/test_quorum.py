"""The quorum described, by an old cluster and a new one, and brokers forgotten."""

import pytest

from minikafka import AdminClient, KafkaError
from minikafka.client.admin import QuorumReplica
from minikafka.protocol.api.api_versions import ApiVersion
from minikafka.protocol.api.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    Listener,
    Node,
    PartitionData,
    ReplicaState,
    TopicData,
)
from minikafka.protocol.api.unregister_broker import (
    UnregisterBrokerRequest,
    UnregisterBrokerResponse,
)
from minikafka.protocol.errors import ErrorCode

from ..transport.scripted_broker import ScriptedBroker
from .cluster import Cluster

DESCRIBE_QUORUM, UNREGISTER_BROKER = 55, 64


def quorum(leader_id: int, error_code: int = 0) -> DescribeQuorumResponse:
    """Voters 1 and 2, and the observer 4, of whose log nobody knows."""
    states = [
        ReplicaState(replica_id=1, log_end_offset=100, last_caught_up_timestamp=7),
        ReplicaState(replica_id=2, log_end_offset=90, last_fetch_timestamp=5),
    ]
    partition = PartitionData(
        partition_index=0,
        error_code=error_code,
        leader_id=leader_id,
        leader_epoch=3,
        high_watermark=90,
        current_voters=states,
        observers=[ReplicaState(replica_id=4, log_end_offset=-1)],
    )
    listeners = [Listener(name="CONTROLLER", host="a", port=19092)]
    return DescribeQuorumResponse(
        error_code=0,
        topics=[TopicData(topic_name="__cluster_metadata", partitions=[partition])],
        nodes=[Node(node_id=1, listeners=listeners)],
    )


async def test_the_quorum_has_a_leader_and_everybody_a_lag():
    async with ScriptedBroker({DESCRIBE_QUORUM: lambda _: quorum(1)}) as broker:
        Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
            found = await admin.describe_quorum()
        assert (found.leader_id, found.leader_epoch, found.high_watermark) == (1, 3, 90)
        assert found.voters == (
            QuorumReplica(1, 100, 0, None, 7, (("a", 19092),)),
            QuorumReplica(2, 90, 10, 5, None),
        )
        assert found.observers == (QuorumReplica(4, None, None, None, None),)


async def test_an_older_cluster_tells_less():
    async with ScriptedBroker({DESCRIBE_QUORUM: lambda _: quorum(-1)}) as broker:
        broker.versions = [
            ApiVersion(api_key=DESCRIBE_QUORUM, min_version=0, max_version=0)
            if each.api_key == DESCRIBE_QUORUM
            else each
            for each in broker.versions
        ]
        Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
            found = await admin.describe_quorum()
        assert found.leader_id is None
        assert found.voters[0] == QuorumReplica(1, 100, None, None, None)


async def test_it_is_asked_again_while_the_leader_changes():
    answers = [quorum(1), quorum(-1, ErrorCode.NOT_LEADER_OR_FOLLOWER)]

    def handle(_: DescribeQuorumRequest) -> DescribeQuorumResponse:
        return answers.pop()

    async with ScriptedBroker({DESCRIBE_QUORUM: handle}) as broker:
        Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap, retry_backoff_ms=1) as admin:
            assert (await admin.describe_quorum()).leader_id == 1


async def test_a_broker_that_is_not_there_cannot_be_forgotten():
    def handle(request: UnregisterBrokerRequest) -> UnregisterBrokerResponse:
        known = request.broker_id == 1
        code = ErrorCode.NONE if known else ErrorCode.BROKER_ID_NOT_REGISTERED
        return UnregisterBrokerResponse(error_code=code)

    async with ScriptedBroker({UNREGISTER_BROKER: handle}) as broker:
        Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
            await admin.unregister_broker(1)
            with pytest.raises(KafkaError, match="broker 9: ") as caught:
                await admin.unregister_broker(9)
            assert caught.value.code is ErrorCode.BROKER_ID_NOT_REGISTERED
