"""CreatePartitions: that the new ones can be used at once, and each error."""

from pathlib import Path

import pytest

from minikafka.protocol.api.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, batch_of, serving


def topic_of(
    name: str, count: int, assignments: list[list[int]] | None = None
) -> CreatePartitionsTopic:
    """One topic of a request."""
    given = assignments and [CreatePartitionsAssignment(broker_ids=each) for each in assignments]
    return CreatePartitionsTopic(name=name, count=count, assignments=given)


async def added(
    node: ServedNode,
    *topics: CreatePartitionsTopic,
    version: int = 3,
    validate_only: bool = False,
) -> list[CreatePartitionsTopicResult]:
    """The answers, one a topic."""
    request = CreatePartitionsRequest(
        topics=list(topics), timeout_ms=1000, validate_only=validate_only
    )
    return (await node.call(request, version)).results


@pytest.mark.parametrize("version", range(4))
async def test_new_partitions_can_be_used_when_the_answer_comes(
    node: ServedNode, version: int
) -> None:
    await node.create("orders")
    await node.produce("orders", batch_of(b"old"))
    (answer,) = await added(node, topic_of("orders", 3), version=version)
    assert (answer.name, answer.error_code, answer.error_message) == ("orders", 0, None)
    assert (await node.produce("orders", batch_of(b"new"), index=2)).base_offset == 0
    assert [each.value for each in await node.records("orders")] == [b"old"]


async def test_new_partitions_have_the_options_of_their_topic(node: ServedNode) -> None:
    await node.create("orders", max_message_bytes="100")
    await added(node, topic_of("orders", 2, [[1]]))
    answer = await node.produce("orders", batch_of(b"x" * 100), index=1)
    assert answer.error_code == ErrorCode.MESSAGE_TOO_LARGE


async def test_new_partitions_outlive_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        await node.create("orders")
        await added(node, topic_of("orders", 2))
    async with serving(tmp_path) as node:
        assert (await node.produce("orders", batch_of(), index=1)).error_code == ErrorCode.NONE


@pytest.mark.parametrize("validate_only", [True, False])
async def test_each_topic_is_refused_for_its_own_reason(
    node: ServedNode, validate_only: bool
) -> None:
    await node.create("orders", partitions=2)
    await node.create("twice")
    await node.create("manual")
    topics = [
        topic_of("orders", 2),
        topic_of("twice", 2),
        topic_of("twice", 3),
        topic_of("unknown", 2),
        topic_of("manual", 2, [[7]]),
    ]
    answers = await added(node, *topics, validate_only=validate_only)
    assert {each.name: ErrorCode(each.error_code) for each in answers} == {
        "orders": ErrorCode.INVALID_PARTITIONS,
        "twice": ErrorCode.INVALID_REQUEST,
        "unknown": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        "manual": ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    }
    assert len(node.node._controller.image.topics["twice"].partitions) == 1


async def test_validate_only_changes_nothing(node: ServedNode) -> None:
    await node.create("orders")
    before = node.node._controller.end_offset
    (answer,) = await added(node, topic_of("orders", 2), validate_only=True)
    assert answer.error_code == ErrorCode.NONE
    assert node.node._controller.end_offset == before
    assert len(node.node._controller.image.topics["orders"].partitions) == 1
