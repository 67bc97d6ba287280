"""CreateTopics: each topic succeeds or fails alone, and is usable when the answer arrives."""

import logging
from collections import Counter
from dataclasses import replace

from ...protocol.api.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestTopic,
    CreateTopicsResponse,
    CreateTopicsResponseConfig,
    CreateTopicsResponseTopic,
)
from ...protocol.errors import ErrorCode
from ...protocol.primitives import ZERO_UUID
from ..config import STORED_ONLY
from ..controller.decide import Decision, NewTopic, create_topic
from ..controller.image import Image, Record, TopicImage
from ..options import shown
from .config_entries import ConfigEntry, topic_entries
from .context import Context, Exchange

log = logging.getLogger("minikafka.create_topics")


async def handle(
    exchange: Exchange, request: CreateTopicsRequest, context: Context
) -> CreateTopicsResponse:
    """Create, or with `validate_only` say what would become of it."""
    count = Counter(topic.name for topic in request.topics)
    answers: list[CreateTopicsResponseTopic] = []
    for name, topic in {topic.name: topic for topic in request.topics}.items():
        if exchange.is_lost:
            break
        if count[name] > 1:
            message = f"topic {shown(name)} is named {count[name]} times in one request"
            answers.append(_refused(name, ErrorCode.INVALID_REQUEST, message))
        else:
            answers.append(await _create(topic, request.validate_only, context))
    return CreateTopicsResponse(topics=answers)


async def _create(
    topic: CreateTopicsRequestTopic, validate_only: bool, context: Context
) -> CreateTopicsResponseTopic:
    if len({config.name for config in topic.configs}) != len(topic.configs):
        message = f"topic {shown(topic.name)} has one option twice"
        return _refused(topic.name, ErrorCode.INVALID_REQUEST, message)
    new = _new_topic(topic)

    def decide(image: Image) -> Decision:
        decision = create_topic(image, context.config, new, context.controller.random)
        # What the records say is the answer, whether they are committed or not.
        answer = replace(decision, value=decision.records)
        return answer.without_records() if validate_only else answer

    decision = await context.controller.submit(decide)
    if decision.error_code:
        return _refused(topic.name, decision.error_code, decision.message)
    for name in sorted(STORED_ONLY & set(new.configs or ())):
        log.warning("topic %s: option %s is kept, but nothing acts on it yet", topic.name, name)
    answer = _created(decision.value, context)
    if validate_only:
        answer.topic_id = ZERO_UUID
    return answer


def _new_topic(topic: CreateTopicsRequestTopic) -> NewTopic:
    assignments = {each.partition_index: tuple(each.broker_ids) for each in topic.assignments}
    configs = {each.name: each.value for each in topic.configs}
    return NewTopic(
        topic.name, topic.num_partitions, topic.replication_factor, assignments, configs
    )


def _created(records: list[Record], context: Context) -> CreateTopicsResponseTopic:
    created, *partitions = records
    topic = TopicImage(created["name"], created["topic_id"], created["configs"])
    return CreateTopicsResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        error_code=ErrorCode.NONE,
        num_partitions=len(partitions),
        replication_factor=len(partitions[0]["replicas"]),
        configs=[_answer(entry) for entry in topic_entries(context.live, topic)],
    )


def _answer(entry: ConfigEntry) -> CreateTopicsResponseConfig:
    return CreateTopicsResponseConfig(
        name=entry.name,
        value=entry.value,
        read_only=entry.is_read_only,
        config_source=entry.source,
        is_sensitive=False,
    )


def _refused(name: str, error_code: ErrorCode, message: str | None) -> CreateTopicsResponseTopic:
    return CreateTopicsResponseTopic(
        name=name, error_code=error_code, error_message=message, configs=None
    )
