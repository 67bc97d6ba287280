"""Reassignments begun and given up, and those that go on listed."""

import pytest

from minikafka import AdminClient, KafkaError, TopicPartition
from minikafka.client.admin import PartitionReassignment
from minikafka.protocol.api.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)
from minikafka.protocol.api.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
    OngoingPartitionReassignment,
    OngoingTopicReassignment,
)
from minikafka.protocol.errors import ErrorCode

from ..transport.scripted_broker import ScriptedBroker
from .cluster import Cluster

ALTER, LIST = 45, 46
FIRST, SECOND = TopicPartition("t", 0), TopicPartition("t", 1)


def altered(
    request: AlterPartitionReassignmentsRequest, codes: dict[int, ErrorCode]
) -> AlterPartitionReassignmentsResponse:
    """An answer for each partition; NONE for one that is not in the table."""
    return AlterPartitionReassignmentsResponse(
        responses=[
            ReassignableTopicResponse(
                name=topic.name,
                partitions=[
                    ReassignablePartitionResponse(
                        partition_index=each.partition_index,
                        error_code=codes.get(each.partition_index, ErrorCode.NONE),
                    )
                    for each in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


async def test_targets_are_sent_and_none_gives_a_reassignment_up():
    async with ScriptedBroker({ALTER: lambda request: altered(request, {})}) as broker:
        Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
            await admin.alter_partition_reassignments(
                {SECOND: None, FIRST: (2, 3)}, allow_replication_factor_change=False
            )
        (request,) = broker.requests_of(ALTER)
        assert not request.allow_replication_factor_change
        (topic,) = request.topics
        assert [(each.partition_index, each.replicas) for each in topic.partitions] == [
            (0, [2, 3]),
            (1, None),
        ]


async def test_a_partition_that_cannot_be_moved_is_an_error_that_names_it():
    codes = {1: ErrorCode.NO_REASSIGNMENT_IN_PROGRESS}
    async with ScriptedBroker({ALTER: lambda request: altered(request, codes)}) as broker:
        Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
            with pytest.raises(KafkaError, match="partition t-1: ") as caught:
                await admin.alter_partition_reassignments({FIRST: [2], SECOND: None})
            assert caught.value.code is ErrorCode.NO_REASSIGNMENT_IN_PROGRESS


async def test_what_goes_on_is_listed_by_the_controller_whoever_that_is_by_then():
    answers = [ListPartitionReassignmentsResponse(error_code=ErrorCode.NOT_CONTROLLER)]

    def handle(request: ListPartitionReassignmentsRequest) -> ListPartitionReassignmentsResponse:
        if answers:
            return answers.pop()
        moving = OngoingPartitionReassignment(
            partition_index=0, replicas=[1, 2, 4], adding_replicas=[4], removing_replicas=[1]
        )
        topics = [OngoingTopicReassignment(name="t", partitions=[moving])]
        return ListPartitionReassignmentsResponse(error_code=0, topics=topics)

    async with ScriptedBroker({LIST: handle}) as broker:
        Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap, retry_backoff_ms=1) as admin:
            found = await admin.list_partition_reassignments([SECOND, FIRST])
            assert found == {FIRST: PartitionReassignment((1, 2, 4), (4,), (1,))}
            await admin.list_partition_reassignments()
        _, named, every = broker.requests_of(LIST)
        assert named.topics[0].partition_indexes == [0, 1]
        assert every.topics is None
