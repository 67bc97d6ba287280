"""CreateTopics: each topic succeeds or fails alone, and is usable when the answer arrives."""

import logging
from collections import Counter

from ...protocol.api.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestTopic,
    CreateTopicsResponse,
    CreateTopicsResponseConfig,
    CreateTopicsResponseTopic,
)
from ...protocol.errors import ErrorCode
from ...protocol.primitives import ZERO_UUID
from ..config import STORED_ONLY, TopicConfig
from ..controller.decide import Decision, NewTopic, create_topic
from ..controller.image import Image, Record
from ..options import option_texts, shown
from .context import Context, Exchange

log = logging.getLogger("minikafka.create_topics")

_TOPIC_CONFIG = 1
_DEFAULT_CONFIG = 5


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
        committed = [] if validate_only else decision.records
        return Decision(committed, decision.error_code, decision.message, value=decision.records)

    decision = await context.controller.submit(decide)
    if decision.error_code:
        return _refused(topic.name, decision.error_code, decision.message)
    for name in sorted(STORED_ONLY & set(new.configs or ())):
        log.warning("topic %s: option %s is kept, but nothing acts on it yet", topic.name, name)
    answer = _created(decision.value, new, context)
    if validate_only:
        answer.topic_id = ZERO_UUID
    return answer


def _new_topic(topic: CreateTopicsRequestTopic) -> NewTopic:
    assignments = {each.partition_index: tuple(each.broker_ids) for each in topic.assignments}
    configs = {each.name: each.value for each in topic.configs}
    return NewTopic(
        topic.name, topic.num_partitions, topic.replication_factor, assignments, configs
    )


def _created(records: list[Record], new: NewTopic, context: Context) -> CreateTopicsResponseTopic:
    created, *partitions = records
    return CreateTopicsResponseTopic(
        name=new.name,
        topic_id=created["topic_id"],
        error_code=ErrorCode.NONE,
        num_partitions=len(partitions),
        replication_factor=len(partitions[0]["replicas"]),
        configs=_describe_configs(new, context),
    )


def _describe_configs(new: NewTopic, context: Context) -> list[CreateTopicsResponseConfig]:
    overrides = new.configs or {}
    return [
        CreateTopicsResponseConfig(
            name=name,
            value=text,
            read_only=False,
            config_source=_TOPIC_CONFIG if name in overrides else _DEFAULT_CONFIG,
            is_sensitive=False,
        )
        for name, text in option_texts(TopicConfig.of(context.config, overrides)).items()
    ]


def _refused(name: str, error_code: ErrorCode, message: str | None) -> CreateTopicsResponseTopic:
    return CreateTopicsResponseTopic(
        name=name, error_code=error_code, error_message=message, configs=None
    )
