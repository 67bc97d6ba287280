"""One connection: hostile bytes end it and no other, answers keep their order, limits hold."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
import pytest_asyncio

from minikafka.broker.connection import (
    HELD_TIMEOUT_S,
    MAX_EXCHANGES,
    MAX_UNSENT_BYTES,
    Connection,
)
from minikafka.broker.controller import service
from minikafka.broker.handlers.table import SERVED_VERSIONS
from minikafka.broker.server import FRAME_TIMEOUT_S, SHORT_FRAME_TIMEOUT_S, SWEEP_INTERVAL_S
from minikafka.protocol.api import api_name
from minikafka.protocol.api.api_versions import ApiVersionsRequest
from minikafka.protocol.api.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestConfig,
    CreateTopicsRequestTopic,
)
from minikafka.protocol.api.delete_topics import DeleteTopicsRequest, DeleteTopicsRequestTopic
from minikafka.protocol.api.describe_cluster import DescribeClusterRequest
from minikafka.protocol.api.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsRequestTopic,
)
from minikafka.protocol.api.fetch import FetchRequest
from minikafka.protocol.api.init_producer_id import InitProducerIdRequest
from minikafka.protocol.api.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
)
from minikafka.protocol.api.metadata import MetadataRequest, MetadataRequestTopic
from minikafka.protocol.api.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochRequestPartition,
    OffsetForLeaderEpochRequestTopic,
)
from minikafka.protocol.api.produce import ProduceRequest
from minikafka.protocol.schema import schema_of
from minikafka.transport.framing import SHARED_BUFFER_BYTES

from .in_process import (
    RawClient,
    ServedNode,
    SteppedLoop,
    batch_of,
    correlation_id_of,
    decode_answer,
    fetch_request,
    frame_of,
    produce_request,
    records_of,
    run_stepped,
    serving,
    until,
)

PING = ApiVersionsRequest(client_software_name="raw", client_software_version="1")
HEADER_BYTES = 8

SAMPLES: list[Any] = [
    produce_request("orders", batch_of()),
    fetch_request("orders", 0, max_wait_ms=0),
    ListOffsetsRequest(
        topics=[
            ListOffsetsRequestTopic(
                name="orders",
                partitions=[ListOffsetsRequestPartition(partition_index=0, timestamp=-1)],
            )
        ]
    ),
    MetadataRequest(topics=[MetadataRequestTopic(name="orders")], allow_auto_topic_creation=True),
    PING,
    CreateTopicsRequest(
        topics=[
            CreateTopicsRequestTopic(
                name="new",
                num_partitions=1,
                replication_factor=1,
                configs=[CreateTopicsRequestConfig(name="retention.ms", value="1")],
            )
        ],
        validate_only=True,
    ),
    DeleteTopicsRequest(topic_names=["gone"], timeout_ms=1),
    InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1),
    OffsetForLeaderEpochRequest(
        topics=[
            OffsetForLeaderEpochRequestTopic(
                topic="orders",
                partitions=[OffsetForLeaderEpochRequestPartition(partition=0, leader_epoch=0)],
            )
        ]
    ),
    DescribeClusterRequest(),
    DescribeTopicPartitionsRequest(
        topics=[DescribeTopicPartitionsRequestTopic(name="orders")],
        cursor=Cursor(topic_name="orders", partition_index=0),
    ),
]
EVERY_FIRST_AND_LAST = [
    (request, version)
    for request in SAMPLES
    for version in sorted(set(SERVED_VERSIONS[schema_of(type(request)).key]))
]


def name_of(case: Any) -> str:
    """How a parametrized case is called."""
    return type(case).__name__ if not isinstance(case, int | str | bytes) else str(case)[:20]


def for_version(request: Any, version: int) -> Any:
    """The sample in the form of this version."""
    if isinstance(request, DeleteTopicsRequest) and version == 6:
        return DeleteTopicsRequest(topics=[DeleteTopicsRequestTopic(name="gone")], timeout_ms=1)
    if isinstance(request, MetadataRequest) and version < 4:
        return MetadataRequest(topics=request.topics)
    return request


def framed(payload: bytes) -> bytes:
    """A frame around any bytes."""
    return len(payload).to_bytes(4, "big") + payload


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Everything that was logged, at the level that a user sees."""
    return [each.getMessage() for each in caplog.records if each.levelname != "DEBUG"]


def connection_of(node: ServedNode, client: RawClient) -> Connection:
    """The broker's end of it."""
    return next(one for one in node.node._server._connections if one.name == client.name)


@pytest_asyncio.fixture
async def loop_errors() -> AsyncIterator[list[dict[str, Any]]]:
    """What the event loop was told of; a peer's bytes must never be among it."""
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    yield errors
    assert errors == []


async def hangs_up_on(node: ServedNode, data: bytes, caplog: pytest.LogCaptureFixture) -> str:
    """Send these bytes: the connection must end, others go on; the one line that says why."""
    other = await node.connect()
    await other.call(PING)
    caplog.clear()
    client = await node.connect()
    name = client.name
    client.send_bytes(data)
    assert await client.closed_by_peer() == b""
    (line,) = lines_of(caplog)
    assert name in line
    await other.call(PING)
    await other.close()
    return line


@pytest.mark.parametrize("size", [-1, -(2**31), 2**31 - 1, (16 << 20) + 1])
async def test_a_length_out_of_range_ends_the_connection(
    node: ServedNode, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    line = await hangs_up_on(node, size.to_bytes(4, "big", signed=True) + bytes(20), caplog)
    assert str(size) in line


@pytest.mark.parametrize("payload", [b"", b"\0", bytes(7)])
async def test_a_frame_without_a_header_ends_the_connection(
    node: ServedNode, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    line = await hangs_up_on(node, framed(payload), caplog)
    assert f"(at byte {len(payload)})" in line


@pytest.mark.parametrize(
    ("key", "version", "what"),
    [
        (1, 3, "Fetch v3"),
        (1, 19, "Fetch v19"),
        (0, 0, "Produce v0"),
        (3, -1, "Metadata v-1"),
        (4, 0, "API 4 v0"),
        (71, 0, "API 71 v0"),
        (-1, 0, "API -1 v0"),
        (32767, 32767, "API 32767 v32767"),
    ],
)
async def test_what_is_not_served_ends_the_connection(
    node: ServedNode,
    key: int,
    version: int,
    what: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    head = key.to_bytes(2, "big", signed=True) + version.to_bytes(2, "big", signed=True)
    line = await hangs_up_on(node, framed(head + bytes(4) + b"\0\x03raw"), caplog)
    assert what in line
    assert "'raw'" in line


@pytest.mark.parametrize(("request_", "version"), EVERY_FIRST_AND_LAST, ids=name_of)
async def test_a_request_cut_anywhere_ends_the_connection(
    node: ServedNode,
    request_: Any,
    version: int,
    caplog: pytest.LogCaptureFixture,
    loop_errors: list[dict[str, Any]],
) -> None:
    await node.create("orders")
    whole = frame_of(for_version(request_, version), version, 1)[4:]
    what = f"{api_name(schema_of(type(request_)).key)} v{version}"
    others = await node.connect()
    for end in range(HEADER_BYTES, len(whole)):
        caplog.clear()
        client = await node.connect()
        client.send_bytes(framed(whole[:end]))
        assert await client.closed_by_peer() == b""
        (line,) = lines_of(caplog)
        assert f"{client.name} " in line
        assert what in line
        assert "(at byte " in line
    await others.call(PING)


@pytest.mark.parametrize("number", [b"\x7f\xff\xff\xff", b"\xff\xff\xff\xfe", b"\x80\0\0\0"])
@pytest.mark.parametrize(("request_", "version"), EVERY_FIRST_AND_LAST, ids=name_of)
async def test_absurd_numbers_anywhere_are_answered_or_end_the_connection(
    node: ServedNode,
    request_: Any,
    version: int,
    number: bytes,
    caplog: pytest.LogCaptureFixture,
    loop_errors: list[dict[str, Any]],
) -> None:
    await node.create("orders")
    whole = frame_of(for_version(request_, version), version, 1)[4:]
    caplog.set_level("WARNING")
    for position in range(HEADER_BYTES, len(whole) - 3):
        caplog.clear()
        client = await node.connect()
        client.send_bytes(framed(whole[:position] + number + whole[position + 4 :]))
        client.half_close()
        answer = await client.closed_by_peer()
        mine = [line for line in lines_of(caplog) if client.name in line]
        assert len(mine) <= 1
        assert not (answer and mine)
    await (await node.connect()).call(PING)


async def test_random_frames_do_no_harm(
    node: ServedNode, caplog: pytest.LogCaptureFixture, loop_errors: list[dict[str, Any]]
) -> None:
    random = Random(1)
    await node.create("orders")
    for _ in range(300):
        key = random.choice([*SERVED_VERSIONS, random.randrange(-10, 100)])
        first, last = SERVED_VERSIONS.get(key, (0, 3))
        head = key.to_bytes(2, "big", signed=True) + random.randint(first, last).to_bytes(2, "big")
        client_id = random.choice([b"\xff\xff", b"\0\0", b"\0\x01x"])
        body = random.randbytes(random.randrange(120))
        caplog.clear()
        client = await node.connect()
        client.send_bytes(framed(head + bytes(4) + client_id + body))
        client.half_close()
        await client.closed_by_peer()
        assert len(lines_of(caplog)) <= 1
    assert (await node.produce("orders", batch_of())).error_code == 0


async def test_the_log_escapes_and_shortens_what_a_client_calls_itself(
    node: ServedNode, caplog: pytest.LogCaptureFixture
) -> None:
    name = b"evil\n2026-01-01 all is well " + b"x" * 1000
    payload = b"\0\x01\0\0" + bytes(4) + len(name).to_bytes(2, "big") + name
    line = await hangs_up_on(node, framed(payload), caplog)
    assert "\n" not in line
    assert len(line) < 600


async def test_what_came_before_the_nonsense_is_done(
    node: ServedNode, caplog: pytest.LogCaptureFixture
) -> None:
    await node.create("orders")
    client = await node.connect()
    good = client.frame(produce_request("orders", batch_of(b"kept"), acks=1), 9)
    client.send_bytes(good + b"\xff\xff\xff\xff")
    await client.closed_by_peer()
    assert len(lines_of(caplog)) == 1
    assert (await node.produce("orders", batch_of())).base_offset == 1


async def test_two_failures_in_one_event_are_one_line(
    node: ServedNode, caplog: pytest.LogCaptureFixture
) -> None:
    client = await node.connect()
    frame = client.frame(produce_request("gone", batch_of(), acks=0), 9)
    client.send_bytes(frame * 3)
    await client.closed_by_peer()
    (line,) = lines_of(caplog)
    assert "UNKNOWN_TOPIC_OR_PARTITION" in line


async def test_answers_come_in_the_order_of_the_requests(node: ServedNode) -> None:
    await node.create("orders")
    client = await node.connect()
    requests = [
        for_version(request, SERVED_VERSIONS[schema_of(type(request)).key][1])
        for request in SAMPLES * 5
    ]
    Random(3).shuffle(requests)
    client.send_bytes(b"".join(client.frame(request) for request in requests))
    for number, request in enumerate(requests, 1):
        frame = await client.receive_frame()
        assert correlation_id_of(frame) == number
        decode_answer(frame, type(request))


async def test_a_request_begins_when_the_one_before_it_is_answered(node: ServedNode) -> None:
    await node.create("orders")
    client = await node.connect()
    client.send(fetch_request("orders", 0, max_wait_ms=60_000), 12)
    client.send(produce_request("orders", batch_of(b"second")), 9)
    client.send(MetadataRequest(topics=None), 9)
    connection = connection_of(node, client)
    await until(lambda: connection._receiver.has_held_frames or connection._is_paused)
    await (await node.connect()).call(produce_request("orders", batch_of(b"first")), 9)
    fetched = await client.receive(FetchRequest, 12)
    assert [each.value for each in records_of(fetched.responses[0].partitions[0])] == [b"first"]
    produced = await client.receive(ProduceRequest, 9)
    assert produced.responses[0].partition_responses[0].base_offset == 1
    await client.receive(MetadataRequest, 9)


async def test_who_creates_a_topic_may_write_to_it_in_the_same_breath(node: ServedNode) -> None:
    client = await node.connect()
    topic = CreateTopicsRequestTopic(name="new", num_partitions=1, replication_factor=1)
    create = client.frame(CreateTopicsRequest(topics=[topic]), 5)
    write = client.frame(produce_request("new", batch_of(b"first")), 9)
    client.send_bytes(create + write * 2)
    assert (await client.receive(CreateTopicsRequest, 5)).topics[0].error_code == 0
    for offset in range(2):
        answer = (await client.receive(ProduceRequest, 9)).responses[0].partition_responses[0]
        assert (answer.error_code, answer.base_offset) == (0, offset)


async def test_produce_requests_go_ahead_together(node: ServedNode) -> None:
    await node.create("orders")
    client = await node.connect()
    client.send_bytes(client.frame(produce_request("orders", batch_of()), 9) * 100)
    connection = connection_of(node, client)
    # A hundred of them have no answer, yet all are written before the first of them is flushed.
    await until(lambda: node.partition("orders").log.log_end_offset == 100)
    assert len(connection._exchanges) == 100
    for _ in range(100):
        await client.receive(ProduceRequest, 9)


async def test_others_have_their_turn_between_requests_sent_ahead(node: ServedNode) -> None:
    flood, other = await node.connect(), await node.connect()
    await other.call(PING)
    count = 1000
    flood.send_bytes(flood.frame(MetadataRequest(topics=None), 9) * count)
    connection = connection_of(node, flood)
    await until(lambda: connection._receiver.has_held_frames)
    await other.call(PING)
    assert connection._receiver.has_held_frames  # so it was not served to the end first
    for _ in range(count):
        await flood.receive(MetadataRequest, 9)
    assert not connection._is_paused


async def test_a_connection_with_too_many_open_requests_is_not_read(node: ServedNode) -> None:
    await node.create("orders")
    client = await node.connect()
    frame = client.frame(produce_request("orders", batch_of()), 9)
    count = 6 * MAX_EXCHANGES
    connection = connection_of(node, client)
    unanswered: list[int] = []
    pause = connection._pause
    with patch.object(
        connection, "_pause", lambda: (unanswered.append(len(connection._exchanges)), pause())
    ):
        client.send_bytes(frame * count)
        for _ in range(count):
            await client.receive_frame()
    one_event = SHARED_BUFFER_BYTES // len(frame) + 1
    assert MAX_EXCHANGES < max(unanswered) <= MAX_EXCHANGES + one_event < count
    await until(lambda: not connection._is_paused)


async def test_a_client_that_does_not_read_is_not_read_either(node: ServedNode) -> None:
    await node.create("orders")
    await node.produce("orders", batch_of(b"x" * 1_000_000))
    client = await node.connect()
    client.stop_reading()
    frame = client.frame(fetch_request("orders", 0), 12)
    client.send_bytes(frame * 20)
    connection = connection_of(node, client)
    await until(lambda: connection._outbox.size_bytes > MAX_UNSENT_BYTES)
    assert connection._is_paused
    assert connection._outbox.size_bytes < MAX_UNSENT_BYTES + 2_000_000  # one answer more
    client.resume_reading()
    for _ in range(20):
        assert len(await client.receive_frame()) > 1_000_000
    await until(lambda: not connection._is_paused)
    assert (await client.call(fetch_request("orders", 0), 12)).error_code == 0


async def test_a_frame_waits_until_there_is_memory_for_it(tmp_path: Path) -> None:
    async with serving(tmp_path, queued_max_request_bytes=1 << 20) as node:
        await node.create("orders")
        frames: list[bytes] = []
        clients: list[RawClient] = []
        for letter in b"abc":
            client = await node.connect()
            clients.append(client)
            batch = batch_of(bytes([letter]) * 700_000)
            frames.append(client.frame(produce_request("orders", batch), 9))
        for client, frame in zip(clients, frames, strict=True):
            client.send_bytes(frame[:300_000])
            await until(
                lambda: any(
                    each._receiver.has_started_frame for each in node.node._server._connections
                )
            )
        buffers = node.node._server.buffers
        connections = [connection_of(node, client) for client in clients]
        await until(lambda: sum(each._receiver.is_stalled for each in connections) == 2)
        assert buffers.taken_bytes == 1 << 20
        for client, frame in zip(clients, frames, strict=True):
            client.send_bytes(frame[300_000:])
        answers = [await client.receive(ProduceRequest, 9) for client in clients]
        offsets = [each.responses[0].partition_responses[0].base_offset for each in answers]
        assert sorted(offsets) == [0, 1, 2]
        values = {each.value for each in await node.records("orders")}
        assert values == {bytes([letter]) * 700_000 for letter in b"abc"}
        assert buffers.taken_bytes == 0


async def test_a_connection_that_ends_gives_its_buffer_back(node: ServedNode) -> None:
    client = await node.connect()
    client.send_bytes((1 << 20).to_bytes(4, "big") + bytes(100_000))
    buffers = node.node._server.buffers
    await until(lambda: buffers.taken_bytes)
    client.abort()
    await until(lambda: not buffers.taken_bytes)


def test_a_frame_must_be_complete_in_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(loop: SteppedLoop) -> None:
        async with serving(tmp_path) as node:
            slow, steady = await node.connect(), await node.connect()
            frame = slow.frame(PING)
            for byte in frame[:3]:
                slow.send_bytes(bytes([byte]))  # a byte now and then does not help
                await until(lambda: connection_of(node, slow)._receiver.has_started_frame)
                loop.advance(FRAME_TIMEOUT_S / 3)
                await steady.call(PING)
            loop.advance(6)
            assert await slow.closed_by_peer() == b""
            (line,) = lines_of(caplog)
            assert slow.name in line
            assert "frame" in line
            await steady.call(PING)

    run_stepped(test)


def test_each_frame_has_its_own_time(tmp_path: Path) -> None:
    async def test(loop: SteppedLoop) -> None:
        async with serving(tmp_path) as node:
            client = await node.connect()
            for _ in range(4):
                frame = client.frame(PING)
                client.send_bytes(frame[:7])
                await until(lambda: connection_of(node, client)._receiver.has_started_frame)
                loop.advance(FRAME_TIMEOUT_S - 1)
                client.send_bytes(frame[7:])
                await client.receive(type(PING))

    run_stepped(test)


def test_a_silent_connection_is_closed_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(loop: SteppedLoop) -> None:
        async with serving(tmp_path, connections_max_idle_ms=60_000) as node:
            await node.create("orders")
            waiting, silent = await node.connect(), await node.connect()
            await silent.call(PING)
            waiting.send(fetch_request("orders", 0, max_wait_ms=3_600_000), 12)
            await until(lambda: len(node.node._replicas._purgatory))
            loop.advance(66)
            assert await silent.closed_by_peer() == b""
            await (await node.connect()).call(produce_request("orders", batch_of()), 9)
            await waiting.receive(FetchRequest, 12)
            assert lines_of(caplog) == []

    run_stepped(test)


async def test_a_request_that_cannot_be_answered_ends_the_connection(
    node: ServedNode, caplog: pytest.LogCaptureFixture
) -> None:
    client = await node.connect()
    with patch.object(service, "MAX_QUEUED_COMMANDS", 0):
        client.send(InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1))
        client.send(PING)
        assert await client.closed_by_peer() == b""
    assert sum(client.name in line for line in lines_of(caplog)) == 1
    await (await node.connect()).call(PING)


def test_a_frame_that_we_do_not_read_is_not_late(tmp_path: Path) -> None:
    async def test(loop: SteppedLoop) -> None:
        async with serving(tmp_path, queued_max_request_bytes=1 << 20) as node:
            holder, waiting = await node.connect(), await node.connect()
            head = (700_000).to_bytes(4, "big") + bytes(200_000)
            holder.send_bytes(head)
            await until(lambda: node.node._server.buffers.taken_bytes)
            waiting.send_bytes(head)
            connection = connection_of(node, waiting)
            await until(lambda: connection._receiver.is_stalled)
            loop.advance(SHORT_FRAME_TIMEOUT_S + 2)  # The holder has less time while others wait.
            await holder.closed_by_peer()
            await until(lambda: connection_of(node, waiting) is connection)

    run_stepped(test)


def test_who_takes_no_answers_is_silent(tmp_path: Path) -> None:
    async def test(loop: SteppedLoop) -> None:
        # The records are old, and must not be deleted while time is made to pass.
        options = {"connections_max_idle_ms": 60_000, "log_retention_ms": -1}
        async with serving(tmp_path, **options) as node:
            await node.create("orders")
            await node.produce("orders", batch_of(b"x" * 1_000_000))
            deaf, slow = await node.connect(), await node.connect()
            for client in (deaf, slow):
                client.stop_reading()
                client.send_bytes(client.frame(fetch_request("orders", 0), 12) * 20)
                connection = connection_of(node, client)
                await until(lambda one=connection: one._outbox.size_bytes > MAX_UNSENT_BYTES)
            slow.resume_reading()
            for _ in range(20):
                await slow.receive_frame()
                loop.advance(5)
                await node.call(PING)
            assert len(node.node._server._connections) == 2  # `slow`, and that of `node.call`
            await slow.call(PING)

    run_stepped(test)


def test_requests_do_not_wait_for_ever_behind_one_that_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(loop: SteppedLoop) -> None:
        async with serving(tmp_path) as node:
            await node.create("orders")
            ahead, patient = await node.connect(), await node.connect()
            frame = ahead.frame(fetch_request("orders", 0, max_wait_ms=3_600_000), 12)
            ahead.send_bytes(frame * 2)
            patient.send_bytes(frame)
            await until(lambda: connection_of(node, ahead)._receiver.has_held_frames)
            await until(lambda: len(node.node._replicas._purgatory) == 2)
            loop.advance(HELD_TIMEOUT_S + 2)
            assert await ahead.closed_by_peer() == b""
            (line,) = lines_of(caplog)
            assert ahead.name in line
            await node.produce("orders", batch_of())
            await patient.receive(FetchRequest, 12)

    run_stepped(test)


def test_a_peer_that_hangs_up_behind_a_waiting_request_is_noticed(tmp_path: Path) -> None:
    """Nothing is read of it, so its end is not read either; and what waits for it costs others."""

    async def test(loop: SteppedLoop) -> None:
        async with serving(tmp_path) as node:
            await node.create("orders")
            gone, reset = await node.connect(), await node.connect()
            for client in (gone, reset):
                frame = client.frame(fetch_request("orders", 0, max_wait_ms=3_600_000), 12)
                client.send_bytes(frame * 3)
                connection = connection_of(node, client)
                await until(lambda one=connection: one._receiver.has_held_frames)
            await gone.close()
            reset.abort()
            await sweep(loop, node, 5)
            assert not node.node._replicas._purgatory
            assert len(node.node._server._connections) == 1  # that of `node.call`

    run_stepped(test)


def test_what_was_sent_before_hanging_up_is_carried_out(tmp_path: Path) -> None:
    async def test(loop: SteppedLoop) -> None:
        async with serving(tmp_path) as node:
            await node.create("orders")
            client = await node.connect()
            wait = client.frame(
                fetch_request("orders", 0, max_wait_ms=3_600_000, min_bytes=9999), 12
            )
            client.send_bytes(wait + client.frame(produce_request("orders", batch_of(b"last")), 9))
            await until(lambda: connection_of(node, client)._receiver.has_held_frames)
            await client.close()
            await sweep(loop, node, 2)
            await until(lambda: node.partition("orders").high_watermark == 1)

    run_stepped(test)


async def sweep(loop: SteppedLoop, node: ServedNode, times: int) -> None:
    """Let the server look at its connections so often."""
    for _ in range(times):
        loop.advance(SWEEP_INTERVAL_S)
        await node.call(PING)
