"""Elections put to the controller, and what an answer means."""

import pytest

from minikafka import AdminClient, ElectionType, KafkaError, TopicPartition
from minikafka.protocol.api.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)
from minikafka.protocol.errors import ErrorCode

from ..transport.scripted_broker import ScriptedBroker
from .cluster import Cluster

ELECT_LEADERS = 43
CODES = {0: ErrorCode.NONE, 1: ErrorCode.ELECTION_NOT_NEEDED, 2: ErrorCode.NONE}


def elected(request: ElectLeadersRequest, codes: dict[int, ErrorCode]) -> ElectLeadersResponse:
    """A result for each partition asked for, or for those in the table."""
    asked = request.topic_partitions
    indexes = codes if asked is None else [index for each in asked for index in each.partitions]
    results = [PartitionResult(partition_id=index, error_code=codes[index]) for index in indexes]
    return ElectLeadersResponse(
        replica_election_results=[ReplicaElectionResult(topic="t", partition_result=results)]
    )


async def test_partitions_with_another_leader_are_told_and_those_as_they_were_are_no_error():
    async with ScriptedBroker({ELECT_LEADERS: lambda asked: elected(asked, CODES)}) as broker:
        Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
            named = [TopicPartition("t", 2), TopicPartition("t", 1), TopicPartition("t", 0)]
            changed = await admin.elect_leaders(ElectionType.UNCLEAN, named)
            assert changed == [TopicPartition("t", 0), TopicPartition("t", 2)]
            assert await admin.elect_leaders(ElectionType.PREFERRED) == changed
        first, second = broker.requests_of(ELECT_LEADERS)
        assert (first.election_type, second.election_type) == (1, 0)
        assert first.topic_partitions[0].partitions == [0, 1, 2]
        assert second.topic_partitions is None


async def test_a_partition_that_nobody_can_lead_is_an_error_that_names_it():
    codes = CODES | {1: ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE}
    async with ScriptedBroker({ELECT_LEADERS: lambda asked: elected(asked, codes)}) as broker:
        Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
            with pytest.raises(KafkaError, match="partition t-1: ") as caught:
                await admin.elect_leaders(ElectionType.PREFERRED)
            assert caught.value.code is ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE


async def test_an_election_goes_on_to_the_next_controller():
    answers = [ElectLeadersResponse(error_code=ErrorCode.NOT_CONTROLLER)]

    def handle(request: ElectLeadersRequest) -> ElectLeadersResponse:
        return answers.pop() if answers else elected(request, CODES)

    async with ScriptedBroker({ELECT_LEADERS: handle}) as broker:
        Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap, retry_backoff_ms=1) as admin:
            assert len(await admin.elect_leaders(ElectionType.PREFERRED)) == 2
