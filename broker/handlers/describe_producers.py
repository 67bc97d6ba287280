"""DescribeProducers: the idempotent producers that a replica remembers, leader or follower.

Without transactions no producer has a coordinator or an open transaction. `last_timestamp` is the
broker's time of the last batch, since that decides when a producer is forgotten; in Kafka it is the
timestamp of the last record.
"""

from collections.abc import Iterable

from ...protocol.api.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)
from ...protocol.errors import ErrorCode
from ..controller.decide import refuse_topic_name
from ..replica.manager import Unserved
from ..replica.partition import Partition
from .context import Context, Exchange
from .topics import look_up


def handle(
    exchange: Exchange, request: DescribeProducersRequest, context: Context
) -> DescribeProducersResponse:
    """One answer per partition, in the order asked; one that is named again is told once."""
    del exchange
    wanted: dict[str, dict[int, None]] = {}
    for topic in request.topics:
        wanted.setdefault(topic.name, {}).update(dict.fromkeys(topic.partition_indexes))
    topics = [_describe(name, indexes, context) for name, indexes in wanted.items()]
    return DescribeProducersResponse(topics=topics)


def _describe(name: str, indexes: Iterable[int], context: Context) -> TopicResponse:
    reason = refuse_topic_name(name)
    return TopicResponse(
        name=name,
        partitions=[
            _describe_partition(index, look_up(name, index, context), reason) for index in indexes
        ],
    )


def _describe_partition(
    index: int, partition: Partition | Unserved, reason: str | None
) -> PartitionResponse:
    answer = PartitionResponse(
        partition_index=index, error_code=ErrorCode.NONE, active_producers=[]
    )
    if reason is not None:
        answer.error_code, answer.error_message = ErrorCode.INVALID_TOPIC_EXCEPTION, reason
    elif isinstance(partition, Unserved):
        answer.error_code, answer.error_message = partition
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
