"""DescribeProducers: the idempotent producers that a partition remembers."""

from minikafka.protocol.api.describe_producers import (
    DescribeProducersRequest,
    PartitionResponse,
    ProducerState,
    TopicRequest,
)
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, SetClock, batch_of


async def described(node: ServedNode, topic: str, *indexes: int) -> list[PartitionResponse]:
    """The answers for partitions of one topic."""
    wanted = TopicRequest(name=topic, partition_indexes=list(indexes))
    (answer,) = (await node.call(DescribeProducersRequest(topics=[wanted]))).topics
    assert answer.name == topic
    assert [each.partition_index for each in answer.partitions] == list(indexes)
    return answer.partitions


async def test_each_producer_has_its_epoch_and_its_last_sequence(node: ServedNode) -> None:
    await node.create("orders", partitions=2)
    await node.produce("orders", batch_of(b"no producer id"))
    await node.produce("orders", batch_of(b"a", b"b", producer=(7, 3, 0)))
    await node.produce("orders", batch_of(b"c", producer=(7, 3, 2)))
    await node.produce("orders", batch_of(b"d", producer=(9, 0, 0)))
    used, unused = await described(node, "orders", 0, 1)
    now_ms = SetClock().now_ms()
    assert used.active_producers == [
        ProducerState(
            producer_id=producer_id,
            producer_epoch=epoch,
            last_sequence=sequence,
            last_timestamp=now_ms,
            coordinator_epoch=-1,
            current_txn_start_offset=-1,
        )
        for producer_id, epoch, sequence in [(7, 3, 2), (9, 0, 0)]
    ]
    assert unused.active_producers == []


async def test_a_partition_that_is_named_again_is_told_once(node: ServedNode) -> None:
    await node.create("orders")
    twice = [TopicRequest(name="orders", partition_indexes=[0, 0])] * 2
    (answer,) = (await node.call(DescribeProducersRequest(topics=twice))).topics
    assert [each.partition_index for each in answer.partitions] == [0]


async def test_what_is_not_here_has_its_error(node: ServedNode) -> None:
    await node.create("orders")
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert [each.error_code for each in await described(node, "orders", 0, 1)] == [0, unknown]
    assert [each.error_code for each in await described(node, "missing", 0)] == [unknown]
    (invalid,) = await described(node, "a/b", 0)
    assert invalid.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION
    assert invalid.error_message
