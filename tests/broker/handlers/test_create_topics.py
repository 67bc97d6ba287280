"""CreateTopics: each error, the defaults, and that a topic can be used when the answer comes."""

from pathlib import Path
from typing import Any

import pytest

from minikafka.protocol.api.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestAssignment,
    CreateTopicsRequestConfig,
    CreateTopicsRequestTopic,
    CreateTopicsResponseTopic,
)
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, batch_of, serving


def topic_of(
    name: str = "orders",
    partitions: int = 1,
    factor: int = 1,
    *,
    assignments: dict[int, list[int]] | None = None,
    configs: list[tuple[str, str | None]] | None = None,
) -> CreateTopicsRequestTopic:
    """One topic of a request."""
    return CreateTopicsRequestTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=factor,
        assignments=[
            CreateTopicsRequestAssignment(partition_index=index, broker_ids=brokers)
            for index, brokers in (assignments or {}).items()
        ],
        configs=[CreateTopicsRequestConfig(name=k, value=v) for k, v in configs or []],
    )


async def created(
    node: ServedNode, *topics: CreateTopicsRequestTopic, version: int = 7, **options: Any
) -> list[CreateTopicsResponseTopic]:
    """The answers, one a topic."""
    return (await node.call(CreateTopicsRequest(topics=list(topics), **options), version)).topics


@pytest.mark.parametrize("version", range(2, 8))
async def test_a_topic_can_be_used_when_the_answer_comes(node: ServedNode, version: int) -> None:
    (answer,) = await created(node, topic_of(partitions=2), version=version)
    assert (answer.name, answer.error_code) == ("orders", ErrorCode.NONE)
    assert (await node.produce("orders", batch_of(), index=1)).error_code == ErrorCode.NONE


async def test_the_answer_has_counts_and_options_from_v5_and_the_id_from_v7(
    node: ServedNode,
) -> None:
    topic = topic_of(partitions=3, configs=[("retention.ms", "1000")])
    (answer,) = await created(node, topic)
    assert (answer.num_partitions, answer.replication_factor) == (3, 1)
    options = {each.name: (each.value, each.config_source) for each in answer.configs}
    assert options["retention.ms"] == ("1000", 1)
    assert options["segment.bytes"] == (str(1 << 30), 5)
    assert answer.topic_id == node.node._controller.image.topics["orders"].topic_id
    topic_id = answer.topic_id
    assert (topic_id[6] >> 4, topic_id[8] >> 6) == (4, 2)  # a random UUID


async def test_minus_1_takes_the_brokers_defaults(tmp_path: Path) -> None:
    async with serving(tmp_path, num_partitions=5) as node:
        (answer,) = await created(node, topic_of(partitions=-1, factor=-1))
        assert (answer.num_partitions, answer.replication_factor) == (5, 1)


@pytest.mark.parametrize(
    ("topic", "error_code"),
    [
        (topic_of(""), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (topic_of("a b"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (topic_of("."), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (topic_of("x" * 250), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (topic_of("__cluster_metadata"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (topic_of(partitions=0), ErrorCode.INVALID_PARTITIONS),
        (topic_of(partitions=-2), ErrorCode.INVALID_PARTITIONS),
        (topic_of(partitions=2**31 - 1), ErrorCode.INVALID_PARTITIONS),
        (topic_of(factor=0), ErrorCode.INVALID_REPLICATION_FACTOR),
        (topic_of(factor=2), ErrorCode.INVALID_REPLICATION_FACTOR),
        (topic_of(factor=-2), ErrorCode.INVALID_REPLICATION_FACTOR),
        (topic_of(configs=[("retention.ms", "soon")]), ErrorCode.INVALID_CONFIG),
        (topic_of(configs=[("retention.ms", "-2")]), ErrorCode.INVALID_CONFIG),
        (topic_of(configs=[("cleanup.policy", "keep")]), ErrorCode.INVALID_CONFIG),
        (topic_of(configs=[("retention.md", "1")]), ErrorCode.INVALID_CONFIG),
        (topic_of(configs=[("retention.ms", None)]), ErrorCode.INVALID_CONFIG),
        (topic_of(configs=[("retention.ms", "1")] * 2), ErrorCode.INVALID_REQUEST),
        (topic_of(partitions=1, factor=-1, assignments={0: [1]}), ErrorCode.INVALID_REQUEST),
        (
            topic_of(partitions=-1, factor=-1, assignments={1: [1]}),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        ),
        (
            topic_of(partitions=-1, factor=-1, assignments={0: [2]}),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        ),
        (
            topic_of(partitions=-1, factor=-1, assignments={0: [1, 1]}),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        ),
        (
            topic_of(partitions=-1, factor=-1, assignments={0: []}),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        ),
    ],
)
async def test_what_cannot_be_created_is_refused_with_its_own_error(
    node: ServedNode, topic: CreateTopicsRequestTopic, error_code: ErrorCode
) -> None:
    for validate_only in (True, False):
        (answer,) = await created(node, topic, validate_only=validate_only)
        assert ErrorCode(answer.error_code) is error_code
        assert answer.error_message
    assert node.node._controller.image.topics == {}


async def test_assigned_partitions_are_created_as_assigned(node: ServedNode) -> None:
    topic = topic_of(partitions=-1, factor=-1, assignments={1: [1], 0: [1]})
    (answer,) = await created(node, topic)
    assert (answer.error_code, answer.num_partitions) == (ErrorCode.NONE, 2)


async def test_an_existing_topic_is_not_created_again(node: ServedNode) -> None:
    topic_id = await node.create("orders")
    (answer,) = await created(node, topic_of())
    assert answer.error_code == ErrorCode.TOPIC_ALREADY_EXISTS
    assert node.node._controller.image.topics["orders"].topic_id == topic_id


async def test_dots_and_underscores_count_as_the_same(node: ServedNode) -> None:
    await node.create("a.b")
    (answer,) = await created(node, topic_of("a_b"))
    assert answer.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION
    assert "a.b" in (answer.error_message or "")


async def test_a_topic_named_twice_is_an_invalid_request_and_the_others_are_created(
    node: ServedNode,
) -> None:
    answers = await created(node, topic_of("a"), topic_of("b"), topic_of("a"))
    assert {each.name: each.error_code for each in answers} == {
        "a": ErrorCode.INVALID_REQUEST,
        "b": ErrorCode.NONE,
    }
    assert set(node.node._controller.image.topics) == {"b"}


async def test_validate_only_tells_what_would_be_and_changes_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, num_partitions=3) as node:
        before = node.node._controller.end_offset
        (answer,) = await created(node, topic_of(partitions=-1, factor=-1), validate_only=True)
        assert (answer.error_code, answer.num_partitions, answer.replication_factor) == (0, 3, 1)
        assert answer.configs
        assert node.node._controller.end_offset == before
        assert node.node._controller.image.topics == {}


@pytest.mark.parametrize("version", [2, 4, 7])
async def test_a_refusal_fits_its_answer_however_long_the_name(
    node: ServedNode, version: int
) -> None:
    long = "\0" * 32_000
    topics = [
        topic_of(long),
        topic_of("two"),
        topic_of("two"),
        topic_of("a", configs=[(long, "1")]),
        topic_of("b", configs=[("retention.ms", long)]),
        topic_of("c", configs=[("cleanup.policy", long)]),
        topic_of("d", configs=[("preallocate", long)]),
    ]
    answers = await created(node, *topics, version=version)
    codes = {each.name[:3]: ErrorCode(each.error_code) for each in answers}
    assert codes == {
        "\0\0\0": ErrorCode.INVALID_TOPIC_EXCEPTION,
        "two": ErrorCode.INVALID_REQUEST,
    } | dict.fromkeys("abcd", ErrorCode.INVALID_CONFIG)
    twice = await created(node, topic_of(long), topic_of(long), version=version)
    assert [each.error_code for each in twice] == [ErrorCode.INVALID_REQUEST]


async def test_options_outlive_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        await node.create("orders", max_message_bytes="100")
    async with serving(tmp_path) as node:
        answer = await node.produce("orders", batch_of(b"x" * 100))
        assert answer.error_code == ErrorCode.MESSAGE_TOO_LARGE


async def test_many_partitions_are_created_in_one_command(node: ServedNode) -> None:
    (answer,) = await created(node, topic_of(partitions=100))
    assert answer.num_partitions == 100
    assert (await node.produce("orders", batch_of(), index=99)).base_offset == 0
