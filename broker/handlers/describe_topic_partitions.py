"""DescribeTopicPartitions: topics page by page, sorted by name (KIP-966).

Each page holds a bounded number of partitions; the cursor names the first one left out.
"""

from ...protocol.api.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)
from ...protocol.errors import ErrorCode
from ..controller.decide import INTERNAL_TOPICS, refuse_topic_name
from ..controller.image import NOBODY, Image, PartitionImage, TopicImage
from . import operations
from .context import Context, Exchange
from .topics import leader_of

MAX_PARTITIONS_PER_PAGE = 2000


def handle(
    exchange: Exchange, request: DescribeTopicPartitionsRequest, context: Context
) -> DescribeTopicPartitionsResponse:
    """One page, beginning at the cursor."""
    del exchange
    image = context.controller.image
    left = max(1, min(request.response_partition_limit, MAX_PARTITIONS_PER_PAGE))
    answer = DescribeTopicPartitionsResponse(topics=[])
    for name in _names(request, image):
        first = _first_index(request.cursor, name)
        if left == 0:
            answer.next_cursor = Cursor(topic_name=name, partition_index=first)
            break
        topic = image.topics.get(name)
        if topic is None:
            answer.topics.append(_missing(name))
            continue
        page = sorted(index for index in topic.partitions if index >= first)
        answer.topics.append(_describe(topic, page[:left], context))
        if len(page) > left:
            answer.next_cursor = Cursor(topic_name=name, partition_index=page[left])
            break
        left -= len(page)
    return answer


def _names(request: DescribeTopicPartitionsRequest, image: Image) -> list[str]:
    names = sorted({topic.name for topic in request.topics} or image.topics)
    start = request.cursor.topic_name if request.cursor else ""
    return [name for name in names if name >= start]


def _first_index(cursor: Cursor | None, name: str) -> int:
    return cursor.partition_index if cursor and cursor.topic_name == name else 0


def _missing(name: str) -> DescribeTopicPartitionsResponseTopic:
    is_allowed = refuse_topic_name(name) is None
    return DescribeTopicPartitionsResponseTopic(
        error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if is_allowed
        else ErrorCode.INVALID_TOPIC_EXCEPTION,
        name=name,
        partitions=[],
    )


def _describe(
    topic: TopicImage, indexes: list[int], context: Context
) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(
        error_code=ErrorCode.NONE,
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.name in INTERNAL_TOPICS,
        partitions=[
            _describe_partition(topic.name, topic.partitions[index], context) for index in indexes
        ],
        topic_authorized_operations=operations.ON_TOPIC,
    )


def _describe_partition(
    topic: str, partition: PartitionImage, context: Context
) -> DescribeTopicPartitionsResponsePartition:
    error_code, leader, offline = leader_of(topic, partition, context)
    last_known = partition.last_known_leader
    return DescribeTopicPartitionsResponsePartition(
        error_code=error_code,
        partition_index=partition.index,
        leader_id=leader,
        leader_epoch=partition.leader_epoch,
        replica_nodes=list(partition.replicas),
        isr_nodes=list(partition.isr),
        eligible_leader_replicas=list(partition.elr),
        last_known_elr=[] if last_known == NOBODY else [last_known],
        offline_replicas=offline,
    )
