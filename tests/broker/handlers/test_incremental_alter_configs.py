"""IncrementalAlterConfigs: what is in force with the answer, after a restart and after a deletion.

What is decided, with each error, is tested in tests/broker/controller/test_decide_configs.py.
"""

import logging
from pathlib import Path

import pytest

from minikafka.broker.controller.decide import Decision
from minikafka.protocol.api.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from minikafka.protocol.api.delete_topics import DeleteTopicsRequest
from minikafka.protocol.api.describe_configs import ConfigResourceType
from minikafka.protocol.api.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigOperation,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
)
from minikafka.protocol.api.metadata import MetadataRequest
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode, as_after_kill, batch_of, produce_request, serving
from .other_brokers import OTHER, change, register

TOPIC, BROKER = ConfigResourceType.TOPIC, ConfigResourceType.BROKER


def resource_of(
    kind: int, name: str, option: str, value: str | None, operation: int = AlterConfigOperation.SET
) -> AlterConfigsResource:
    """One change of one resource."""
    change = AlterableConfig(name=option, config_operation=operation, value=value)
    return AlterConfigsResource(resource_type=kind, resource_name=name, configs=[change])


async def altered(
    node: ServedNode,
    *resources: AlterConfigsResource,
    validate_only: bool = False,
    version: int = 1,
) -> list[AlterConfigsResourceResponse]:
    """The answers, one a resource."""
    request = IncrementalAlterConfigsRequest(resources=list(resources), validate_only=validate_only)
    return (await node.call(request, version)).responses


@pytest.mark.parametrize("version", [0, 1])
async def test_a_changed_option_holds_when_the_answer_comes(node: ServedNode, version: int) -> None:
    await node.create("orders", partitions=2)
    change = resource_of(TOPIC, "orders", "max.message.bytes", "100")
    (answer,) = await altered(node, change, version=version)
    assert answer == AlterConfigsResourceResponse(
        error_code=0, error_message=None, resource_type=TOPIC, resource_name="orders"
    )
    for index in (0, 1):
        produced = await node.produce("orders", batch_of(b"x" * 100), index=index)
        assert produced.error_code == ErrorCode.MESSAGE_TOO_LARGE


async def test_the_short_way_of_a_produce_request_sees_the_change(node: ServedNode) -> None:
    await node.create("orders")
    client = await node.connect()
    request = produce_request("orders", batch_of(b"x" * 100))
    codes: list[int] = []
    for limit in ("1000", "100", "1000"):
        await node.configure("orders", max_message_bytes=limit)
        for _ in range(2):
            answer = await client.call(request, 9)
            codes.append(answer.responses[0].partition_responses[0].error_code)
    too_large = ErrorCode.MESSAGE_TOO_LARGE
    assert codes == [0, 0, too_large, too_large, 0, 0]


async def test_the_kind_of_timestamp_changes_from_the_next_batch_on(node: ServedNode) -> None:
    await node.create("orders")
    times: list[int] = []
    for kind in ("CreateTime", "LogAppendTime", "CreateTime"):
        await node.configure("orders", message_timestamp_type=kind)
        times.append((await node.produce("orders", batch_of())).log_append_time_ms)
    assert [each == -1 for each in times] == [True, False, True]


async def test_a_topic_that_becomes_compacted_demands_keys(node: ServedNode) -> None:
    await node.create("orders")
    assert (await node.produce("orders", batch_of(key=None))).error_code == ErrorCode.NONE
    change = resource_of(TOPIC, "orders", "cleanup.policy", "compact", AlterConfigOperation.APPEND)
    assert (await altered(node, change))[0].error_code == ErrorCode.NONE
    assert node.partition("orders").config.cleanup_policy == "delete,compact"
    refused = await node.produce("orders", batch_of(key=None))
    assert refused.error_code == ErrorCode.INVALID_RECORD


async def test_segments_roll_by_the_new_size(node: ServedNode) -> None:
    await node.create("orders")
    for _ in range(3):
        await node.produce("orders", batch_of(b"x" * 100))
    assert len(node.partition("orders").log.segments) == 1
    await node.configure("orders", segment_bytes="200")
    for _ in range(3):
        await node.produce("orders", batch_of(b"x" * 100))
    assert len(node.partition("orders").log.segments) == 4


async def test_changes_outlive_a_kill(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    async with serving(data_dir) as node:
        await node.create("orders", max_message_bytes="100")
        await node.configure("orders", max_message_bytes="1000", retention_ms="7")
        await node.configure("", max_connections="77")
        killed = as_after_kill(data_dir)
    async with serving(killed) as node:
        config = node.partition("orders").config
        assert (config.max_message_bytes, config.retention_ms) == (1000, 7)
        assert node.node._live.config.max_connections == 77


async def test_partitions_made_later_have_the_changed_options(node: ServedNode) -> None:
    await node.create("orders")
    await node.configure("orders", segment_bytes="200")
    topic = CreatePartitionsTopic(name="orders", count=2, assignments=None)
    await node.call(CreatePartitionsRequest(topics=[topic], timeout_ms=1, validate_only=False))
    assert node.partition("orders", 1).config.segment_bytes == 200


async def test_a_topic_that_is_made_again_starts_without_options(node: ServedNode) -> None:
    await node.create("orders")
    await node.configure("orders", max_message_bytes="100")
    await node.call(DeleteTopicsRequest(topic_names=["orders"], timeout_ms=1000), 4)
    await node.create("orders")
    assert node.node._controller.image.topics["orders"].configs == {}
    assert (await node.produce("orders", batch_of(b"x" * 100))).error_code == ErrorCode.NONE


async def test_topics_follow_a_changed_option_of_the_broker(node: ServedNode) -> None:
    await node.create("follows")
    await node.create("own", segment_bytes="300")

    def sizes() -> tuple[int, int]:
        topics = [node.partition(name) for name in ("follows", "own")]
        assert all(each.log.options.segment_bytes == each.config.segment_bytes for each in topics)
        return topics[0].config.segment_bytes, topics[1].config.segment_bytes

    await altered(node, resource_of(BROKER, "", "log.segment.bytes", "100"))
    assert sizes() == (100, 300)
    await altered(node, resource_of(BROKER, "1", "log.segment.bytes", "200"))
    assert sizes() == (200, 300)
    await node.create("new")
    assert node.partition("new").config.segment_bytes == 200
    for name in ("1", ""):
        change = resource_of(BROKER, name, "log.segment.bytes", None, AlterConfigOperation.DELETE)
        await altered(node, change)
    assert sizes() == (1 << 30, 300)


async def test_the_number_of_connections_changes_at_once(node: ServedNode) -> None:
    await node.create("orders")
    await altered(node, resource_of(BROKER, "1", "max.connections", "1"))
    refused = await node.connect()
    assert await refused.closed_by_peer() == b""
    await altered(node, resource_of(BROKER, "1", "max.connections", "2"))
    welcome = await node.connect()
    assert (await welcome.call(MetadataRequest(topics=[]))).topics == []


async def test_a_change_that_empties_elrs_is_answered(node: ServedNode) -> None:
    await node.create("orders")
    register(node)
    change(node, "orders", replicas=[1, OTHER], isr=[1], elr=[OTHER])
    alteration = resource_of(TOPIC, "orders", "min.insync.replicas", "1")
    assert (await altered(node, alteration))[0].error_code == ErrorCode.NONE
    assert node.node._controller.image.topics["orders"].partitions[0].elr == ()


async def test_validate_only_says_so_and_changes_nothing(node: ServedNode) -> None:
    await node.create("orders")
    before = node.node._controller.end_offset
    answers = await altered(
        node,
        resource_of(TOPIC, "orders", "segment.bytes", "100"),
        resource_of(BROKER, "1", "log.segment.bytes", "1"),
        validate_only=True,
    )
    assert [each.error_code for each in answers] == [0, ErrorCode.INVALID_CONFIG]
    assert node.node._controller.end_offset == before
    assert node.partition("orders").config.segment_bytes == 1 << 30


async def test_each_resource_succeeds_or_fails_alone(node: ServedNode) -> None:
    await node.create("a")
    await node.create("b")
    answers = await altered(
        node,
        resource_of(TOPIC, "a", "segment.bytes", "100"),
        resource_of(TOPIC, "b", "segment.bytes", "tiny"),
        resource_of(TOPIC, "c", "segment.bytes", "100"),
        resource_of(BROKER, "1", "node.id", "2"),
    )
    assert [each.error_code for each in answers] == [
        ErrorCode.NONE,
        ErrorCode.INVALID_CONFIG,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.INVALID_REQUEST,
    ]
    message = answers[1].error_message or ""
    assert "'segment.bytes' is a whole number from 14 to 2147483647, not 'tiny'" in message
    assert node.partition("a").config.segment_bytes == 100


async def test_a_resource_named_twice_is_refused_each_time(node: ServedNode) -> None:
    await node.create("orders")
    change = resource_of(TOPIC, "orders", "segment.bytes", "100")
    answers = await altered(node, change, change)
    assert [each.error_code for each in answers] == [ErrorCode.INVALID_REQUEST] * 2
    assert node.partition("orders").config.segment_bytes == 1 << 30


async def test_who_sets_what_nothing_reads_is_told_in_the_log(
    node: ServedNode, caplog: pytest.LogCaptureFixture
) -> None:
    await node.create("orders")
    with caplog.at_level(logging.WARNING):
        await node.configure("orders", preallocate="true")
    assert "preallocate" in caplog.text


async def test_an_option_that_this_version_refuses_does_not_stop_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as node:
        await node.create("orders", retention_ms="7")
        topic_id = node.node._controller.image.topics["orders"].topic_id
        changes = {"segment.bytes": "1", "colour": "red"}
        newer = {"type": "TopicConfigsChanged", "topic_id": topic_id, "changes": changes}
        await node.node._controller.submit(lambda image: Decision([newer]))
    with caplog.at_level(logging.WARNING):
        async with serving(tmp_path) as node:
            config = node.partition("orders").config
            assert (config.retention_ms, config.segment_bytes) == (7, 1 << 30)
    assert "segment.bytes" in caplog.text
    assert "colour" in caplog.text
