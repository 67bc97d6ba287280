"""Metadata: brokers, topics and leaders; to ask for a topic may create it.

Both have a bound in one request. Who names too many topics is refused, since others wait while
they are answered. Of those to be created the rest are unknown, and created when asked for again.
One that cannot be created yet, for there is no controller or there are too few brokers, has no
leader: LEADER_NOT_AVAILABLE.
"""

from collections.abc import Coroutine
from itertools import islice
from typing import Any

from ...protocol.api.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from ...protocol.errors import ErrorCode
from ...protocol.primitives import ZERO_UUID
from ..controller.decide import INTERNAL_TOPICS, refuse_topic_name
from ..controller.image import Image, PartitionImage, TopicImage
from . import operations
from .context import Context, Exchange
from .endpoints import alive_endpoints, controller_of
from .topic_creation import auto_create
from .topics import find_topic, leader_of

ALL_TOPICS_BY_EMPTY_LIST = 0
FIRST_VERSION_WITH_NULL_NAME = 12
MAX_NAMED = 10_000
MAX_CREATED = 100


def handle(
    exchange: Exchange, request: MetadataRequest, context: Context
) -> MetadataResponse | Coroutine[Any, Any, MetadataResponse] | None:
    """The answer, at once unless a topic is to be created first."""
    count = len(request.topics or ())
    if count > MAX_NAMED:
        exchange.close(f"Metadata names {count} topics, {MAX_NAMED} at most")
        return None
    missing = _topics_to_create(exchange, request, context)
    if missing:
        return _create_and_describe(exchange, request, context, missing)
    return _describe(exchange, request, context)


def _topics_to_create(exchange: Exchange, request: MetadataRequest, context: Context) -> list[str]:
    if not context.config.auto_create_topics_enable or not request.allow_auto_topic_creation:
        return []
    topics = context.controller.image.topics
    names = [topic.name or "" for topic in request.topics or [] if topic.topic_id == ZERO_UUID]
    missing = (
        name
        for name in dict.fromkeys(names)
        if name not in topics and name not in INTERNAL_TOPICS and not refuse_topic_name(name)
    )
    return list(islice(missing, MAX_CREATED))


async def _create_and_describe(
    exchange: Exchange, request: MetadataRequest, context: Context, names: list[str]
) -> MetadataResponse:
    await auto_create(names, exchange, context)
    answer = _describe(exchange, request, context)
    for topic in answer.topics:
        if topic.name in names and topic.name not in context.controller.image.topics:
            topic.error_code = ErrorCode.LEADER_NOT_AVAILABLE  # Once enough brokers are there.
    return answer


def _describe(exchange: Exchange, request: MetadataRequest, context: Context) -> MetadataResponse:
    image = context.controller.image
    return MetadataResponse(
        brokers=[
            MetadataResponseBroker(node_id=each.node_id, host=each.host, port=each.port)
            for each in alive_endpoints(exchange, context)
        ],
        cluster_id=image.cluster_id,
        controller_id=controller_of(context),
        topics=[
            _describe_topic(topic, request, context) if isinstance(topic, TopicImage) else topic
            for topic in _wanted_topics(exchange, request, image)
        ],
        cluster_authorized_operations=(
            operations.ON_CLUSTER
            if request.include_cluster_authorized_operations
            else operations.NOT_REQUESTED
        ),
    )


def _wanted_topics(
    exchange: Exchange, request: MetadataRequest, image: Image
) -> "list[TopicImage | MetadataResponseTopic]":
    by_empty_list = exchange.version == ALL_TOPICS_BY_EMPTY_LIST and not request.topics
    if request.topics is None or by_empty_list:
        return [image.topics[name] for name in sorted(image.topics)]
    # Named often, a topic is described once: it may have thousands of partitions.
    named = {(wanted.name, wanted.topic_id): wanted for wanted in request.topics}
    return [_find(exchange, wanted, image) for wanted in named.values()]


def _find(
    exchange: Exchange, wanted: MetadataRequestTopic, image: Image
) -> TopicImage | MetadataResponseTopic:
    found = find_topic(image, wanted.name or "", wanted.topic_id)
    if isinstance(found, TopicImage):
        return found
    if wanted.topic_id == ZERO_UUID and refuse_topic_name(wanted.name or "") is not None:
        found = ErrorCode.INVALID_TOPIC_EXCEPTION
    by_id = wanted.topic_id != ZERO_UUID and exchange.version >= FIRST_VERSION_WITH_NULL_NAME
    return MetadataResponseTopic(
        error_code=found,
        name=None if by_id else wanted.name or "",
        topic_id=wanted.topic_id,
        partitions=[],
    )


def _describe_topic(
    topic: TopicImage, request: MetadataRequest, context: Context
) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        error_code=ErrorCode.NONE,
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.name in INTERNAL_TOPICS,
        partitions=[
            _describe_partition(topic.name, partition, context)
            for _, partition in sorted(topic.partitions.items())
        ],
        topic_authorized_operations=(
            operations.ON_TOPIC
            if request.include_topic_authorized_operations
            else operations.NOT_REQUESTED
        ),
    )


def _describe_partition(
    topic: str, partition: PartitionImage, context: Context
) -> MetadataResponsePartition:
    error_code, leader, offline = leader_of(topic, partition, context)
    return MetadataResponsePartition(
        error_code=error_code,
        partition_index=partition.index,
        leader_id=leader,
        leader_epoch=partition.leader_epoch,
        replica_nodes=list(partition.replicas),
        isr_nodes=list(partition.isr),
        offline_replicas=offline,
    )
