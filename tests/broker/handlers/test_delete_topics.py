"""DeleteTopics: by name and by id; the data goes, and what waited is answered."""

from pathlib import Path

import pytest

from minikafka.protocol.api.delete_topics import (
    DeleteTopicsRequest,
    DeleteTopicsRequestTopic,
    DeleteTopicsResponseTopic,
)
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, as_after_kill, batch_of, serving


async def deleted(
    node: ServedNode, *topics: str | bytes, version: int = 6
) -> list[DeleteTopicsResponseTopic]:
    """Delete topics given by name or by id; the answers."""
    request = DeleteTopicsRequest(timeout_ms=1000)
    for each in topics:
        if version < 6:
            assert isinstance(each, str)
            request.topic_names.append(each)
        elif isinstance(each, str):
            request.topics.append(DeleteTopicsRequestTopic(name=each))
        else:
            request.topics.append(DeleteTopicsRequestTopic(topic_id=each))
    return (await node.call(request, version)).responses


@pytest.mark.parametrize("version", range(1, 7))
async def test_a_topic_goes_by_name_with_its_data(
    node: ServedNode, tmp_path: Path, version: int
) -> None:
    await node.create("orders", partitions=2)
    await node.produce("orders", batch_of(), index=1)
    (answer,) = await deleted(node, "orders", version=version)
    assert (answer.name, answer.error_code) == ("orders", ErrorCode.NONE)
    produced = await node.produce("orders", batch_of())
    assert produced.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert [each.name for each in (tmp_path / "node").glob("orders*")] == []


async def test_a_topic_goes_by_id(node: ServedNode) -> None:
    topic_id = await node.create("orders")
    (answer,) = await deleted(node, topic_id)
    assert (answer.name, answer.topic_id, answer.error_code) == ("orders", topic_id, 0)
    assert node.node._controller.image.topics == {}


async def test_what_does_not_exist_cannot_be_deleted(node: ServedNode) -> None:
    by_name, by_id = await deleted(node, "orders", b"\x01" * 16)
    assert (by_name.name, by_name.error_code) == ("orders", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    assert (by_id.name, by_id.error_code) == (None, ErrorCode.UNKNOWN_TOPIC_ID)


async def test_a_topic_is_given_by_name_or_id_and_not_by_both(node: ServedNode) -> None:
    topic_id = await node.create("orders")
    request = DeleteTopicsRequest(
        timeout_ms=1000, topics=[DeleteTopicsRequestTopic(name="orders", topic_id=topic_id)]
    )
    (answer,) = (await node.call(request, 6)).responses
    assert answer.error_code == ErrorCode.INVALID_REQUEST
    assert "orders" in node.node._controller.image.topics


async def test_a_topic_named_twice_is_deleted_once(node: ServedNode) -> None:
    await node.create("orders")
    answers = await deleted(node, "orders", "orders")
    codes = [each.error_code for each in answers]
    assert codes == [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]


async def test_a_topic_created_again_is_empty_and_another(node: ServedNode) -> None:
    first_id = await node.create("orders")
    await node.produce("orders", batch_of(producer=(1, 0, 0)))
    await deleted(node, "orders")
    assert await node.create("orders") != first_id
    assert await node.records("orders") == []
    answer = await node.produce("orders", batch_of(producer=(1, 0, 7)))
    assert (answer.error_code, answer.base_offset) == (ErrorCode.NONE, 0)


@pytest.mark.parametrize("end", ["clean stop", "kill"])
async def test_a_topic_created_again_outlives_a_restart(tmp_path: Path, end: str) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        await node.create("orders")
        for _ in range(10):
            await node.produce("orders", batch_of())
    async with serving(data_dir) as node:  # checkpoints now say that ten records are safe
        await deleted(node, "orders")
        await node.create("orders")
        await node.produce("orders", batch_of(b"only"))
        if end == "kill":
            data_dir = as_after_kill(data_dir)
    async with serving(data_dir) as node:
        assert [each.value for each in await node.records("orders")] == [b"only"]


async def test_a_topic_with_the_longest_name_can_be_deleted(node: ServedNode) -> None:
    name = "x" * 249
    await node.create(name)
    (answer,) = await deleted(node, name)
    assert answer.error_code == ErrorCode.NONE
    await node.create(name)


@pytest.mark.parametrize(
    ("version", "error_code"),
    [(2, ErrorCode.INVALID_REQUEST), (3, ErrorCode.TOPIC_DELETION_DISABLED)],
)
async def test_a_broker_can_be_told_to_delete_no_topics(
    tmp_path: Path, version: int, error_code: ErrorCode
) -> None:
    async with serving(tmp_path, delete_topic_enable=False) as node:
        await node.create("orders")
        (answer,) = await deleted(node, "orders", version=version)
        assert (answer.name, answer.error_code) == ("orders", error_code)
        assert "orders" in node.node._controller.image.topics
