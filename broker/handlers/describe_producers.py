"""DescribeProducers: the idempotent producers that a partition remembers.

Without transactions no producer has a coordinator or an open transaction. `last_timestamp` is the
broker's time of the last batch, since that decides when a producer is forgotten; in Kafka it is the
timestamp of the last record.
"""

from ...protocol.api.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicRequest,
    TopicResponse,
)
from ...protocol.errors import ErrorCode
from ..controller.decide import refuse_topic_name
from ..replica.partition import Partition
from .context import Context, Exchange


def handle(
    exchange: Exchange, request: DescribeProducersRequest, context: Context
) -> DescribeProducersResponse:
    """One answer per partition, in the order asked."""
    del exchange
    return DescribeProducersResponse(topics=[_describe(topic, context) for topic in request.topics])


def _describe(topic: TopicRequest, context: Context) -> TopicResponse:
    reason = refuse_topic_name(topic.name)
    return TopicResponse(
        name=topic.name,
        partitions=[
            _describe_partition(index, context.replicas.find(topic.name, index), reason)
            for index in topic.partition_indexes
        ],
    )


def _describe_partition(
    index: int, partition: Partition | None, reason: str | None
) -> PartitionResponse:
    answer = PartitionResponse(
        partition_index=index, error_code=ErrorCode.NONE, active_producers=[]
    )
    if reason is not None:
        answer.error_code, answer.error_message = ErrorCode.INVALID_TOPIC_EXCEPTION, reason
    elif partition is None:
        answer.error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    else:
        answer.active_producers = _producers(partition)
    return answer


def _producers(partition: Partition) -> list[ProducerState]:
    return [
        ProducerState(
            producer_id=producer_id,
            producer_epoch=producer.epoch,
            last_sequence=producer.batches[-1].last_sequence,
            last_timestamp=producer.batches[-1].seen_ms,
            coordinator_epoch=-1,
        )
        for producer_id, producer in partition.producers.items()
    ]
