"""The client half of a connection against a scripted server on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from minikafka.protocol.api.api_versions import ApiVersion, ApiVersionsResponse
from minikafka.protocol.api.create_topics import CreateTopicsRequest
from minikafka.protocol.api.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
)
from minikafka.protocol.api.produce import ProduceRequest
from minikafka.protocol.errors import ErrorCode, KafkaError
from minikafka.transport.connection import (
    MAX_RESPONSE_BYTES,
    CannotConnect,
    Connection,
    KafkaTimeout,
    NetworkException,
    UnsupportedByCluster,
)

from .scripted_broker import (
    API_VERSIONS,
    HANG_UP,
    METADATA,
    PRODUCE,
    SILENCE,
    SIZE,
    ScriptedBroker,
    frame_of,
)

LONG_MS = 10_000


def metadata_of(request: MetadataRequest) -> MetadataResponse:
    """An answer that tells which question it belongs to."""
    names = [topic.name or "" for topic in request.topics or []]
    brokers = [MetadataResponseBroker(node_id=1, host=name, port=1) for name in names]
    return MetadataResponse(brokers=brokers, topics=[])


def question(name: str) -> MetadataRequest:
    """A question whose answer tells `name`."""
    return MetadataRequest(topics=[MetadataRequestTopic(name=name)])


async def connect(broker: ScriptedBroker, timeout_ms: int = LONG_MS) -> Connection:
    """Open a connection to the scripted broker."""
    loop = asyncio.get_running_loop()
    return await Connection.open(loop, "127.0.0.1", broker.port, timeout_ms=timeout_ms)


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    """A broker that answers Metadata truthfully."""
    async with ScriptedBroker({METADATA: metadata_of}) as broker:
        yield broker


async def test_handshake_names_the_client_and_learns_the_versions(broker: ScriptedBroker):
    broker.versions = [ApiVersion(api_key=METADATA, min_version=1, max_version=7)]
    connection = await connect(broker)
    assert broker.requests[0][1] == 3
    assert broker.requests[0][2].client_software_name == "minikafka"
    assert connection.version_of(MetadataRequest) == 7
    assert connection.version_of(MetadataRequest, max_version=4) == 4
    connection.close()


@pytest.mark.parametrize(("listed", "expected"), [([(0, 2)], 2), ([(0, 0)], 0), ([], 0)])
async def test_handshake_falls_back_to_a_version_that_the_broker_lists(
    listed: list[tuple[int, int]], expected: int
):
    seen: list[int] = []

    def versions(_: Any) -> Any:
        seen.append(broker.requests[-1][1])
        if len(seen) == 1:
            keys = [ApiVersion(api_key=18, min_version=a, max_version=b) for a, b in listed]
            code = int(ErrorCode.UNSUPPORTED_VERSION)
            return 0, ApiVersionsResponse(error_code=code, api_keys=keys)
        return ApiVersionsResponse(error_code=0, api_keys=broker.versions)

    async with ScriptedBroker({API_VERSIONS: versions, METADATA: metadata_of}) as broker:
        connection = await connect(broker)
        assert seen == [3, expected]
        assert connection.serves(MetadataRequest)
        connection.close()


async def test_handshake_falls_back_to_the_first_version_after_a_refusal_in_any_form():
    """So that of librdkafka's mock brokers, which write its list in the form of version 3."""
    refusal = bytes.fromhex("00000011 00000000 0023 01 0012 0000 0002 00000000")
    seen: list[int] = []

    def versions(_: Any) -> Any:
        seen.append(broker.requests[-1][1])
        if len(seen) == 1:
            return refusal
        return ApiVersionsResponse(error_code=0, api_keys=broker.versions)

    async with ScriptedBroker({API_VERSIONS: versions}) as broker:
        connection = await connect(broker)
        assert seen == [3, 0]
        assert connection.serves(MetadataRequest)
        connection.close()


async def test_an_api_without_a_common_version_is_unsupported(broker: ScriptedBroker):
    broker.versions = [ApiVersion(api_key=19, min_version=90, max_version=99)]
    connection = await connect(broker)
    request = CreateTopicsRequest(topics=[])
    with pytest.raises(UnsupportedByCluster, match="versions 90 to 99 of CreateTopics"):
        connection.submit(request, MetadataResponse, LONG_MS)
    with pytest.raises(UnsupportedByCluster, match="no version of Metadata"):
        connection.submit(question("a"), MetadataResponse, LONG_MS)
    connection.close()


async def test_pipelined_answers_reach_their_requests(broker: ScriptedBroker):
    connection = await connect(broker)
    names = [f"n{number}" for number in range(50)]
    futures = [connection.submit(question(name), MetadataResponse, LONG_MS) for name in names]
    answers = await asyncio.gather(*futures)
    assert [answer.brokers[0].host for answer in answers] == names
    connection.close()


async def test_an_answer_cut_at_any_byte_is_whole():
    response = MetadataResponse(
        brokers=[MetadataResponseBroker(node_id=1, host="somewhere", port=9092)], topics=[]
    )
    frame = frame_of(response, 13, 1)
    script = {"cut": 0}

    async def in_two_pieces(_: Any) -> Any:
        writer = broker._writers[-1]  # pyright: ignore[reportPrivateUsage]
        writer.write(frame[: script["cut"]])
        await writer.drain()
        # Let the client's side of the loop read the first piece alone.
        for _ in range(5):
            await asyncio.sleep(0)
        return frame[script["cut"] :]

    async with ScriptedBroker({METADATA: in_two_pieces}) as broker:
        for cut in range(len(frame) + 1):
            script["cut"] = cut
            connection = await connect(broker)
            answer = await connection.request(question("a"), MetadataResponse, LONG_MS)
            assert answer == response, cut
            connection.close()
            await connection.wait_closed()


async def test_an_answer_larger_than_every_buffer_is_whole(broker: ScriptedBroker):
    connection = await connect(broker)
    brokers = [
        MetadataResponseBroker(node_id=number, host="h" * 200, port=1) for number in range(5000)
    ]
    large = MetadataResponse(brokers=brokers, topics=[])
    broker.handlers[METADATA] = lambda _: large
    first = connection.submit(question("a"), MetadataResponse, LONG_MS)
    second = connection.submit(question("b"), MetadataResponse, LONG_MS)
    assert (await first, await second) == (large, large)
    connection.close()


@pytest.mark.parametrize("size", [-1, -(2**31), MAX_RESPONSE_BYTES + 1, 2**31 - 1])
async def test_a_length_out_of_range_closes_the_connection(broker: ScriptedBroker, size: int):
    broker.handlers[METADATA] = lambda _: SIZE.pack(size) + b"x" * 8
    connection = await connect(broker)
    with pytest.raises(NetworkException, match="bytes"):
        await connection.request(question("a"), MetadataResponse, LONG_MS)
    assert connection.is_closed


@pytest.mark.parametrize(
    "frame",
    [
        frame_of(MetadataResponse(brokers=[], topics=[]), 13, 77),
        frame_of(MetadataResponse(brokers=[], topics=[]), 13, 1)[:-3],
        SIZE.pack(2) + b"\0\0",
        SIZE.pack(4) + SIZE.pack(1),
        SIZE.pack(9) + SIZE.pack(1) + b"\xff" * 5,
    ],
    ids=["unknown id", "cut body", "no id", "no header", "bad tags"],
)
async def test_an_answer_that_breaks_the_protocol_closes_the_connection(
    broker: ScriptedBroker, frame: bytes
):
    size = SIZE.pack(len(frame) - 4)
    broker.handlers[METADATA] = lambda _: size + frame[4:]
    connection = await connect(broker)
    waiting = [connection.submit(question("a"), MetadataResponse, LONG_MS) for _ in range(2)]
    for future in waiting:
        with pytest.raises(NetworkException, match="broke the protocol"):
            await future
    assert connection.is_closed


async def test_a_broker_that_hangs_up_fails_every_waiting_request(broker: ScriptedBroker):
    connection = await connect(broker)
    lost: list[bool] = []
    connection.on_lost = lambda: lost.append(True)
    broker.handlers[METADATA] = lambda _: HANG_UP
    futures = [connection.submit(question("a"), MetadataResponse, LONG_MS) for _ in range(3)]
    for future in futures:
        with pytest.raises(NetworkException) as caught:
            await future
        assert caught.value.retriable
    assert lost == [True]
    with pytest.raises(NetworkException):
        connection.submit(question("a"), MetadataResponse, LONG_MS)


async def test_a_request_without_answer_times_out_and_closes(broker: ScriptedBroker):
    connection = await connect(broker)
    broker.handlers[METADATA] = lambda _: SILENCE
    late = connection.submit(question("a"), MetadataResponse, 20)
    behind = connection.submit(question("b"), MetadataResponse, LONG_MS)
    with pytest.raises(KafkaTimeout, match="did not answer Metadata within 20 ms"):
        await late
    with pytest.raises(NetworkException):
        await behind
    assert connection.is_closed


async def test_a_cancelled_request_leaves_the_next_ones_in_order(broker: ScriptedBroker):
    connection = await connect(broker)
    first = connection.submit(question("a"), MetadataResponse, LONG_MS)
    second = connection.submit(question("b"), MetadataResponse, LONG_MS)
    first.cancel()
    assert (await second).brokers[0].host == "b"
    assert connection.waiting_count == 0
    connection.close()


async def test_a_posted_request_waits_for_no_answer(broker: ScriptedBroker):
    broker.handlers[PRODUCE] = lambda _: SILENCE
    connection = await connect(broker)
    connection.post(ProduceRequest(acks=0, timeout_ms=1, topic_data=[]))
    answer = await connection.request(question("a"), MetadataResponse, LONG_MS)
    assert answer.brokers[0].host == "a"
    assert len(broker.requests_of(PRODUCE)) == 1
    connection.close()


async def test_what_was_posted_before_close_arrives(broker: ScriptedBroker):
    arrived = asyncio.get_running_loop().create_future()
    broker.handlers[PRODUCE] = lambda _: arrived.set_result(True) or SILENCE
    connection = await connect(broker)
    connection.post(ProduceRequest(acks=0, timeout_ms=1, topic_data=[]))
    connection.close()
    await connection.wait_closed()
    assert await asyncio.wait_for(arrived, 10)


async def test_close_fails_what_waits(broker: ScriptedBroker):
    broker.handlers[METADATA] = lambda _: SILENCE
    connection = await connect(broker)
    future = connection.submit(question("a"), MetadataResponse, LONG_MS)
    connection.close()
    with pytest.raises(NetworkException, match="closed by this client"):
        await future
    await connection.wait_closed()


async def test_nobody_listening_is_a_sentence():
    async with ScriptedBroker() as broker:
        port = broker.port
    with pytest.raises(CannotConnect, match=f"cannot connect to 127.0.0.1:{port}"):
        await Connection.open(asyncio.get_running_loop(), "127.0.0.1", port)


async def test_a_silent_handshake_times_out():
    async with ScriptedBroker({API_VERSIONS: lambda _: SILENCE}) as broker:
        with pytest.raises(KafkaTimeout):
            await connect(broker, timeout_ms=20)


async def test_a_refused_handshake_is_a_sentence():
    refusal = ApiVersionsResponse(error_code=int(ErrorCode.INVALID_REQUEST), api_keys=[])
    async with ScriptedBroker({API_VERSIONS: lambda _: refusal}) as broker:
        with pytest.raises(KafkaError, match="refuses the handshake"):
            await connect(broker)


async def test_a_server_that_speaks_something_else_is_a_sentence():
    async with ScriptedBroker({API_VERSIONS: lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n"}) as it:
        with pytest.raises(CannotConnect, match="broke the protocol"):
            await connect(it)
