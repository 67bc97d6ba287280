"""CreateTopics: each topic succeeds or fails alone, and is usable when the answer arrives."""

from collections import Counter

from ...protocol.api.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestTopic,
    CreateTopicsResponse,
    CreateTopicsResponseConfig,
    CreateTopicsResponseTopic,
)
from ...protocol.errors import ErrorCode
from ..config import TopicConfig
from ..controller.decide import Decision, NewTopic, create_topic
from ..controller.image import Image
from ..options import option_texts
from .context import Context, Exchange

_TOPIC_CONFIG = 1
_DEFAULT_CONFIG = 5


async def handle(
    exchange: Exchange, request: CreateTopicsRequest, context: Context
) -> CreateTopicsResponse:
    """Create, or with `validate_only` say what would become of it."""
    del exchange
    count = Counter(topic.name for topic in request.topics)
    answers: list[CreateTopicsResponseTopic] = []
    for name, topic in {topic.name: topic for topic in request.topics}.items():
        if count[name] > 1:
            message = f"topic {name!r} is named {count[name]} times in one request"
            answers.append(_refused(name, ErrorCode.INVALID_REQUEST, message))
        else:
            answers.append(await _create(topic, request.validate_only, context))
    return CreateTopicsResponse(topics=answers)


async def _create(
    topic: CreateTopicsRequestTopic, validate_only: bool, context: Context
) -> CreateTopicsResponseTopic:
    if len({config.name for config in topic.configs}) != len(topic.configs):
        message = f"topic {topic.name!r} has one option twice"
        return _refused(topic.name, ErrorCode.INVALID_REQUEST, message)
    new = _new_topic(topic)

    def decide(image: Image) -> Decision:
        decision = create_topic(image, context.config, new, context.controller.random)
        return Decision([], decision.error_code, decision.message) if validate_only else decision

    decision = await context.controller.submit(decide)
    if decision.error_code:
        return _refused(topic.name, decision.error_code, decision.message)
    return _created(topic, decision, new, context)


def _new_topic(topic: CreateTopicsRequestTopic) -> NewTopic:
    assignments = {each.partition_index: tuple(each.broker_ids) for each in topic.assignments}
    configs = {each.name: each.value for each in topic.configs}
    return NewTopic(
        topic.name, topic.num_partitions, topic.replication_factor, assignments, configs
    )


def _created(
    topic: CreateTopicsRequestTopic, decision: Decision, new: NewTopic, context: Context
) -> CreateTopicsResponseTopic:
    answer = CreateTopicsResponseTopic(
        name=topic.name,
        error_code=ErrorCode.NONE,
        num_partitions=topic.num_partitions,
        replication_factor=topic.replication_factor,
        configs=_describe_configs(new, context),
    )
    image = context.controller.image
    created = image.topic_by_id(decision.value) if decision.value else None
    if created is not None:
        answer.topic_id = created.topic_id
        answer.num_partitions = len(created.partitions)
        answer.replication_factor = len(created.partitions[0].replicas)
    return answer


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
