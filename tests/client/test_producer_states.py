"""Producers as the leader of their partition remembers them."""

import pytest

from minikafka import AdminClient, KafkaError, NewTopic, Producer, TopicPartition
from minikafka.protocol.errors import ErrorCode

from ..nodes import NodeProcess


async def test_a_leader_tells_who_has_written(shared_broker: NodeProcess):
    bootstrap = shared_broker.bootstrap
    first, second = TopicPartition("written", 0), TopicPartition("written", 1)
    async with AdminClient(bootstrap_servers=bootstrap) as admin:
        await admin.create_topics([NewTopic("written", 2, 1)])
        for _ in range(2):
            async with Producer(bootstrap_servers=bootstrap) as producer:
                for number in range(3):
                    await producer.send_and_wait("written", b"%d" % number, partition=0)
        found = await admin.describe_producers([second, first])
        assert found[second] == ()
        one, other = found[first]
        assert one.producer_id < other.producer_id
        assert (one.producer_epoch, one.last_sequence) == (0, 2)
        assert one.transaction_start_offset is None


async def test_a_partition_that_is_not_there_is_an_error(shared_broker: NodeProcess):
    async with AdminClient(
        bootstrap_servers=shared_broker.bootstrap, request_timeout_ms=500, retry_backoff_ms=1
    ) as admin:
        with pytest.raises(KafkaError) as caught:
            await admin.describe_producers([TopicPartition("nowhere", 0)])
        assert caught.value.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
