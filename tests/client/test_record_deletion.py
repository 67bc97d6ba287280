"""Records deleted by the leaders of their partitions, wherever those are."""

import pytest

from minikafka import AdminClient, KafkaError, TopicPartition
from minikafka.client.record_deletion import HIGH_WATERMARK
from minikafka.protocol.api.delete_records import (
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsResponsePartition,
    DeleteRecordsResponseTopic,
)
from minikafka.protocol.errors import ErrorCode

from ..transport.scripted_broker import HANG_UP, ScriptedBroker
from .cluster import Cluster

DELETE_RECORDS = 21


def deleted(request: DeleteRecordsRequest, code: ErrorCode) -> DeleteRecordsResponse:
    """Every partition begins at the offset asked for, or has this error."""
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsResponseTopic(
                name=topic.name,
                partitions=[
                    DeleteRecordsResponsePartition(
                        partition_index=each.partition_index,
                        low_watermark=-1 if code else max(each.offset, 70),
                        error_code=int(code),
                    )
                    for each in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


async def test_each_leader_deletes_the_records_of_its_partitions():
    handlers = {DELETE_RECORDS: lambda request: deleted(request, ErrorCode.NONE)}
    async with ScriptedBroker(dict(handlers)) as first, ScriptedBroker(dict(handlers)) as second:
        cluster = Cluster(first, second)
        cluster.leaders = {0: 1, 1: 2}
        async with AdminClient(bootstrap_servers=first.bootstrap) as admin:
            offsets = {TopicPartition("t", 0): 100, TopicPartition("t", 1): HIGH_WATERMARK}
            assert await admin.delete_records(offsets) == {
                TopicPartition("t", 0): 100,
                TopicPartition("t", 1): 70,
            }
        assert len(first.requests_of(DELETE_RECORDS)) == 1
        assert len(second.requests_of(DELETE_RECORDS)) == 1


async def test_a_leader_that_has_moved_or_breaks_off_is_asked_again():
    answers = [HANG_UP, ErrorCode.NOT_LEADER_OR_FOLLOWER]

    def handle(request: DeleteRecordsRequest) -> object:
        answer = answers.pop(0) if answers else ErrorCode.NONE
        return deleted(request, answer) if isinstance(answer, ErrorCode) else answer

    async with ScriptedBroker({DELETE_RECORDS: handle}) as broker:
        Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap, retry_backoff_ms=1) as admin:
            partition = TopicPartition("t", 0)
            assert await admin.delete_records({partition: 80}) == {partition: 80}


async def test_an_offset_that_is_not_there_yet_is_an_error():
    async with ScriptedBroker(
        {DELETE_RECORDS: lambda request: deleted(request, ErrorCode.OFFSET_OUT_OF_RANGE)}
    ) as broker:
        Cluster(broker)
        async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
            with pytest.raises(KafkaError, match="t-0") as caught:
                await admin.delete_records({TopicPartition("t", 0): 10**9})
            assert caught.value.code is ErrorCode.OFFSET_OUT_OF_RANGE
