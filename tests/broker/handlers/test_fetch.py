"""Fetch: whole batches, limits, long polls, and the errors of a partition."""

from pathlib import Path

import pytest

from minikafka.broker.config import BrokerConfig
from minikafka.protocol.api.delete_topics import DeleteTopicsRequest
from minikafka.protocol.api.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
)
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import iterate_batches

from ..in_process import (
    RawClient,
    Rebooted,
    ServedNode,
    as_after_kill,
    batch_of,
    fetch_request,
    produce_request,
    records_of,
    serving,
    until,
)

BATCH_BYTES = len(batch_of())
LONG_WAIT_MS = 60_000


def request_of(
    offsets: dict[str, list[int]], *, max_bytes: int = 1 << 20, partition_max_bytes: int = 1 << 20
) -> FetchRequest:
    """Partitions 0, 1, ... of each topic from these offsets; it does not wait."""
    topics = [
        FetchRequestTopic(
            topic=name,
            partitions=[
                FetchRequestPartition(
                    partition=index, fetch_offset=offset, partition_max_bytes=partition_max_bytes
                )
                for index, offset in enumerate(each)
            ],
        )
        for name, each in offsets.items()
    ]
    return FetchRequest(max_wait_ms=0, min_bytes=1, max_bytes=max_bytes, topics=topics)


async def parked(node: ServedNode, request: FetchRequest, version: int = 12) -> RawClient:
    """A client whose fetch waits."""
    client = await node.connect()
    purgatory = node.node._replicas._purgatory
    before = len(purgatory)
    client.send(request, version)
    await until(lambda: len(purgatory) > before)
    return client


async def test_an_offset_within_a_batch_returns_the_whole_batch(node: ServedNode) -> None:
    await node.create("orders")
    await node.produce("orders", batch_of(b"a", b"b", b"c"))
    await node.produce("orders", batch_of(b"d"))
    for offset in range(3):
        answer = await node.fetch("orders", offset)
        assert [each.offset for each in records_of(answer)] == [0, 1, 2, 3]
    assert [each.offset for each in records_of(await node.fetch("orders", 3))] == [3]


async def test_the_first_batch_comes_whole_whatever_the_limits(node: ServedNode) -> None:
    await node.create("orders")
    await node.produce("orders", batch_of(b"x" * 1000))
    await node.produce("orders", batch_of(b"y"))
    for limits in ({"max_bytes": 1}, {"partition_max_bytes": 1}, {"max_bytes": 0}):
        answer = await node.fetch("orders", 0, **limits)
        assert [each.offset for each in records_of(answer)] == [0]


async def test_a_limit_never_cuts_a_batch(node: ServedNode) -> None:
    await node.create("orders")
    for _ in range(4):
        await node.produce("orders", batch_of())
    for limit in range(BATCH_BYTES, 4 * BATCH_BYTES + 2, BATCH_BYTES // 2):
        answer = await node.fetch("orders", 0, partition_max_bytes=limit)
        assert len(answer.records) == limit // BATCH_BYTES * BATCH_BYTES


async def test_later_partitions_respect_what_is_left_of_max_bytes(node: ServedNode) -> None:
    await node.create("orders", partitions=3)
    for index in range(3):
        for _ in range(2):
            await node.produce("orders", batch_of(), index=index)
    request = request_of({"orders": [0, 0, 0]}, max_bytes=3 * BATCH_BYTES)
    answers = (await node.call(request, 12)).responses[0].partitions
    counts = [len(list(iterate_batches(each.records))) for each in answers]
    assert counts == [2, 1, 0]
    assert all(each.high_watermark == 2 for each in answers)


async def test_only_the_first_partition_with_data_may_pass_the_limit(node: ServedNode) -> None:
    await node.create("orders", partitions=3)
    for index in (1, 2):
        await node.produce("orders", batch_of(b"x" * 500), index=index)
    answers = (await node.call(request_of({"orders": [0, 0, 0]}, max_bytes=10), 12)).responses
    assert [len(each.records) > 0 for each in answers[0].partitions] == [False, True, False]


async def test_the_brokers_own_limit_bounds_an_answer(tmp_path: Path) -> None:
    async with serving(tmp_path, fetch_max_bytes=1024) as node:
        await node.create("orders")
        for _ in range(30):
            await node.produce("orders", batch_of())
        answer = await node.fetch("orders", 0, max_bytes=2**31 - 1, partition_max_bytes=2**31 - 1)
        assert len(answer.records) == 1024 // BATCH_BYTES * BATCH_BYTES
    assert BrokerConfig().fetch_max_bytes == 55 << 20


@pytest.mark.parametrize("limit", [-1, -(2**31)])
async def test_negative_limits_are_as_small_as_any(node: ServedNode, limit: int) -> None:
    await node.create("orders", partitions=2)
    await node.produce("orders", batch_of())
    await node.produce("orders", batch_of(), index=1)
    request = request_of({"orders": [0, 0]}, max_bytes=limit, partition_max_bytes=limit)
    answers = (await node.call(request, 12)).responses[0].partitions
    assert [len(each.records) for each in answers] == [BATCH_BYTES, 0]


async def test_a_parked_fetch_wakes_on_an_append(node: ServedNode) -> None:
    await node.create("orders")
    client = await parked(node, fetch_request("orders", 0, max_wait_ms=LONG_WAIT_MS))
    await node.produce("orders", batch_of(b"news"))
    answer = (await client.receive(FetchRequest, 12)).responses[0].partitions[0]
    assert [each.value for each in records_of(answer)] == [b"news"]
    assert answer.high_watermark == 1


async def test_a_parked_fetch_sleeps_on_until_min_bytes_are_there(node: ServedNode) -> None:
    await node.create("orders")
    request = fetch_request("orders", 0, max_wait_ms=LONG_WAIT_MS, min_bytes=BATCH_BYTES * 2)
    client = await parked(node, request)
    await node.produce("orders", batch_of())
    assert len(node.node._replicas._purgatory) == 1
    await node.produce("orders", batch_of())
    answer = (await client.receive(FetchRequest, 12)).responses[0].partitions[0]
    assert len(answer.records) == 2 * BATCH_BYTES


async def test_a_partition_that_is_named_twice_is_answered_once(node: ServedNode) -> None:
    await node.create("orders")
    request = fetch_request("orders", 0, max_wait_ms=LONG_WAIT_MS)
    request.topics.append(request.topics[0])
    client = await parked(node, request)
    await node.produce("orders", batch_of(b"news"))
    answers = (await client.receive(FetchRequest, 12)).responses
    assert [records_of(each.partitions[0])[0].value for each in answers] == [b"news"]


async def test_a_parked_fetch_is_answered_with_what_there_is_at_max_wait(
    node: ServedNode,
) -> None:
    await node.create("orders")
    await node.produce("orders", batch_of())
    answer = await node.fetch("orders", 0, max_wait_ms=1, min_bytes=10_000)
    assert len(answer.records) == BATCH_BYTES
    empty = await node.fetch("orders", 1, max_wait_ms=1)
    assert (empty.error_code, bytes(empty.records), empty.high_watermark) == (0, b"", 1)


async def test_a_parked_fetch_is_answered_when_its_topic_goes(node: ServedNode) -> None:
    topic_id = await node.create("orders")
    by_name = await parked(node, fetch_request("orders", 0, max_wait_ms=LONG_WAIT_MS))
    request = fetch_request("", 0, topic_id=topic_id, max_wait_ms=LONG_WAIT_MS)
    by_id = await parked(node, request, 16)
    await node.call(DeleteTopicsRequest(topic_names=["orders"], timeout_ms=1000), 4)
    named = (await by_name.receive(FetchRequest, 12)).responses[0].partitions[0]
    identified = (await by_id.receive(FetchRequest, 16)).responses[0].partitions[0]
    assert named.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert identified.error_code == ErrorCode.UNKNOWN_TOPIC_ID


async def test_min_bytes_beyond_max_bytes_do_not_make_a_full_answer_wait(
    node: ServedNode,
) -> None:
    await node.create("orders")
    for _ in range(3):
        await node.produce("orders", batch_of())
    answer = await node.fetch(
        "orders", 0, max_wait_ms=LONG_WAIT_MS, min_bytes=10 << 20, max_bytes=BATCH_BYTES
    )
    assert len(answer.records) == BATCH_BYTES


async def test_a_reader_of_an_older_segment_does_not_wait_for_more(node: ServedNode) -> None:
    await node.create("orders", segment_bytes=str(2 * BATCH_BYTES))
    for _ in range(5):
        await node.produce("orders", batch_of())
    answer = await node.fetch("orders", 1, max_wait_ms=LONG_WAIT_MS, min_bytes=BATCH_BYTES * 4)
    assert len(answer.records) >= BATCH_BYTES


async def test_an_error_in_one_partition_ends_the_wait_for_all(node: ServedNode) -> None:
    await node.create("orders", partitions=1)
    request = request_of({"orders": [0, 0], "gone": [0]})
    request.max_wait_ms = LONG_WAIT_MS
    answers = (await node.call(request, 12)).responses
    codes = [each.error_code for topic in answers for each in topic.partitions]
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert codes == [ErrorCode.NONE, unknown, unknown]


async def test_a_fetch_of_nothing_is_answered_at_once(node: ServedNode) -> None:
    request = FetchRequest(max_wait_ms=LONG_WAIT_MS, min_bytes=1, topics=[])
    assert (await node.call(request, 12)).responses == []


async def test_offsets_out_of_range_are_answered_with_the_log_start(node: ServedNode) -> None:
    await node.create("orders")
    for _ in range(4):
        await node.produce("orders", batch_of())
    node.partition("orders").log.advance_start(2)
    for offset in (-1, 0, 1, 5, 2**63 - 1):
        answer = await node.fetch("orders", offset, max_wait_ms=LONG_WAIT_MS)
        assert answer.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
        assert answer.log_start_offset == 2
    assert (await node.fetch("orders", 2)).error_code == ErrorCode.NONE


async def test_the_log_end_is_a_place_to_wait_and_no_error(node: ServedNode) -> None:
    await node.create("orders")
    await node.produce("orders", batch_of())
    answer = await node.fetch("orders", 1, max_wait_ms=0)
    assert (answer.error_code, answer.high_watermark, answer.last_stable_offset) == (0, 1, 1)
    assert answer.log_start_offset == 0


@pytest.mark.parametrize(
    ("epoch", "error_code"),
    [
        (-1, ErrorCode.NONE),
        (0, ErrorCode.FENCED_LEADER_EPOCH),
        (1, ErrorCode.NONE),
        (2, ErrorCode.UNKNOWN_LEADER_EPOCH),
    ],
)
async def test_a_reader_in_another_leader_epoch_is_fenced(
    tmp_path: Path, epoch: int, error_code: ErrorCode
) -> None:
    async with serving(tmp_path / "node", flush="os") as node:
        await node.create("orders")
        await node.produce("orders", batch_of())
        killed = as_after_kill(tmp_path / "node")
    async with serving(killed, files=Rebooted()) as node:
        answer = await node.fetch("orders", 0, leader_epoch=epoch)
        assert ErrorCode(answer.error_code) is error_code


@pytest.mark.parametrize("version", range(4, 13))
async def test_every_version_by_name_reads(node: ServedNode, version: int) -> None:
    await node.create("orders")
    await node.produce("orders", batch_of(b"a"))
    answer = await node.fetch("orders", 0, version=version)
    assert [each.value for each in records_of(answer)] == [b"a"]
    assert answer.last_stable_offset == 1


@pytest.mark.parametrize("version", range(13, 19))
async def test_topics_are_named_by_id_from_v13_on(node: ServedNode, version: int) -> None:
    topic_id = await node.create("orders")
    await node.produce("orders", batch_of(b"a"))
    good = (await node.call(fetch_request("", 0, topic_id=topic_id), version)).responses[0]
    assert good.topic_id == topic_id
    assert [each.value for each in records_of(good.partitions[0])] == [b"a"]
    unknown = fetch_request("", 0, topic_id=b"\x07" * 16, max_wait_ms=LONG_WAIT_MS)
    bad = (await node.call(unknown, version)).responses[0]
    assert bad.partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_ID


async def test_a_parked_fetch_holds_up_its_own_connection_alone(node: ServedNode) -> None:
    await node.create("orders", partitions=2)
    client = await parked(node, fetch_request("orders", 0, max_wait_ms=LONG_WAIT_MS))
    client.send(fetch_request("orders", 0, index=1, max_wait_ms=0), 11)
    assert await client.is_silent(await node.connect(), fetch_request("", 0, max_wait_ms=0))
    await node.produce("orders", batch_of(b"news"))
    first = (await client.receive(FetchRequest, 12)).responses[0].partitions[0]
    second = (await client.receive(FetchRequest, 11)).responses[0].partitions[0]
    assert (first.partition_index, second.partition_index) == (0, 1)


async def test_read_committed_sees_the_same_as_read_uncommitted(node: ServedNode) -> None:
    await node.create("orders")
    await node.produce("orders", batch_of(b"a", producer=(1, 0, 0)))
    request = fetch_request("orders", 0)
    request.isolation_level = 1
    answer = (await node.call(request, 12)).responses[0].partitions[0]
    assert [each.value for each in records_of(answer)] == [b"a"]
    assert not answer.aborted_transactions


async def test_a_parked_fetch_of_a_client_that_left_does_no_harm(node: ServedNode) -> None:
    await node.create("orders")
    client = await parked(node, fetch_request("orders", 0, max_wait_ms=LONG_WAIT_MS))
    client.abort()
    await until(lambda: len(node.node._server._connections) == 1)
    assert (await node.produce("orders", batch_of())).base_offset == 0
    assert len(await node.records("orders")) == 1


async def test_what_follows_in_the_same_event_is_seen_by_a_fetch_only_when_it_is_flushed(
    node: ServedNode,
) -> None:
    await node.create("orders")
    client = await node.connect()
    client.send_bytes(
        client.frame(produce_request("orders", batch_of(b"a")), 9)
        + client.frame(fetch_request("orders", 0, max_wait_ms=0), 12)
    )
    await client.receive(type(produce_request("", None)), 9)
    answer = (await client.receive(FetchRequest, 12)).responses[0].partitions[0]
    assert answer.high_watermark * BATCH_BYTES == len(answer.records)


async def test_a_client_that_left_leaves_no_parked_fetch_behind(node: ServedNode) -> None:
    await node.create("orders")
    client = await parked(node, fetch_request("orders", 0, max_wait_ms=3_600_000))
    client.abort()
    await until(lambda: len(node.node._server._connections) == 1)
    assert len(node.node._replicas._purgatory) == 0


@pytest.mark.parametrize("partition_max_bytes", [2 * BATCH_BYTES + 10, 1 << 20])
async def test_an_answer_that_cannot_grow_does_not_wait(
    node: ServedNode, partition_max_bytes: int
) -> None:
    await node.create("orders")
    for _ in range(5):
        await node.produce("orders", batch_of())
    limit = 2 * BATCH_BYTES + 10
    answer = await node.fetch(
        "orders",
        0,
        max_wait_ms=LONG_WAIT_MS,
        min_bytes=limit,
        max_bytes=limit,
        partition_max_bytes=partition_max_bytes,
    )
    assert len(answer.records) == 2 * BATCH_BYTES


async def test_a_batch_that_does_not_fit_any_more_ends_the_wait(node: ServedNode) -> None:
    await node.create("orders", partitions=2)
    await node.produce("orders", batch_of(), index=0)
    await node.produce("orders", batch_of(b"x" * 500), index=1)
    request = request_of({"orders": [0, 0]}, max_bytes=BATCH_BYTES + 100)
    request.min_bytes, request.max_wait_ms = BATCH_BYTES + 50, LONG_WAIT_MS
    answers = (await node.call(request, 12)).responses[0].partitions
    assert [len(each.records) for each in answers] == [BATCH_BYTES, 0]


async def test_who_has_no_lease_any_more_is_not_read_from(node: ServedNode) -> None:
    """Not even by a request that comes before the timer's turn."""
    await node.create("leased")
    await node.produce("leased", batch_of(b"a"))
    replicas = node.node._replicas
    replicas.check_lease = lambda: replicas.is_suspended or replicas.suspend(is_suspended=True)
    try:
        answer = await node.fetch("leased", 0)
        assert answer.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    finally:
        replicas.check_lease = None
        replicas.suspend(is_suspended=False)
