"""One link to a control plane, against nodes that answer what a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgpack
import pytest

from minikafka.client.control_link import ControlLink
from minikafka.client.errors import CannotConnect, KafkaError, KafkaTimeout, UnsupportedByCluster
from minikafka.protocol.control import REQUESTS, Events, ReadEvents, Refused, Segments
from minikafka.protocol.control_frame import MAX_ANSWER_BYTES, SIZE, decode, encode
from minikafka.protocol.errors import ErrorCode

Answer = Callable[[Any], Any]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[ControlLink]:
    """A link to a node that answers a question with bytes, a message, or (None) nothing."""

    serving: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.append(task)
        try:
            while True:
                (size,) = SIZE.unpack(await reader.readexactly(4))
                cluster_id, question = decode(await reader.readexactly(size), REQUESTS)
                assert cluster_id == "c"
                told = answer(question)
                if isinstance(told, Awaitable):
                    told = await told
                if told is not None:
                    writer.write(told if isinstance(told, bytes) else encode(told, "c"))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    link = await ControlLink.open(*server.sockets[0].getsockname(), "c", 5000)
    yield link
    link.close()
    server.close()
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)


async def ask(link: ControlLink, timeout_ms: int = 5000) -> Events:
    return await link.ask(ReadEvents(), Events, timeout_ms)


async def test_an_answer_comes_back():
    async with answering(lambda question: Events(question.from_offset, ())) as link:
        assert await link.ask(ReadEvents(7), Events, 5000) == Events(7, ())
        assert not link.is_closed


async def test_nobody_there_is_a_sentence():
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    server.close()
    await server.wait_closed()
    with pytest.raises(CannotConnect, match=f"control plane at {host}:{port}"):
        await ControlLink.open(host, port, "c", 5000)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("OFFSET_OUT_OF_RANGE", ErrorCode.OFFSET_OUT_OF_RANGE),
        ("INVENTED_LATER", ErrorCode.UNKNOWN_SERVER_ERROR),
        ("NONE", ErrorCode.UNKNOWN_SERVER_ERROR),
    ],
)
async def test_a_refusal_is_the_error_of_its_name(error: str, code: ErrorCode):
    async with answering(lambda _: Refused(error, "no, since")) as link:
        with pytest.raises(KafkaError, match="no, since") as caught:
            await ask(link)
        assert caught.value.code is code
        assert not link.is_closed


async def test_what_a_node_does_not_know_is_unsupported():
    async with answering(lambda _: Refused("UNSUPPORTED_VERSION", "unheard of")) as link:
        with pytest.raises(UnsupportedByCluster, match="unheard of"):
            await ask(link)


async def test_silence_ends_in_a_timeout_that_names_the_question():
    async with answering(lambda _: None) as link:
        with pytest.raises(KafkaTimeout, match=r"did not answer ReadEvents within 50 ms"):
            await ask(link, 50)
        assert link.is_closed


@pytest.mark.parametrize(
    "told",
    [
        SIZE.pack(MAX_ANSWER_BYTES + 1),
        b"\xff\xff\xff\xff",
        SIZE.pack(1) + b"\xc1",
        SIZE.pack(3) + msgpack.packb([1, 2]),
        encode(ReadEvents(), "c"),
        encode(Events(0, ()), "c")[:-3] + SIZE.pack(1),
    ],
)
async def test_nonsense_closes_the_link_and_is_an_error(told: bytes):
    async with answering(lambda _: told) as link:
        with pytest.raises(KafkaError) as caught:
            await ask(link)
        assert caught.value.code is ErrorCode.NETWORK_EXCEPTION
        assert link.is_closed


async def test_an_answer_to_another_question_closes_the_link():
    async with answering(lambda _: Segments(0, 0, 0, False, ())) as link:
        with pytest.raises(KafkaError, match="answers Segments instead"):
            await ask(link)
        assert link.is_closed


async def test_a_cancelled_question_leaves_no_answer_for_the_next():
    asked = asyncio.Event()

    async def answer(question: ReadEvents) -> Events:
        asked.set()
        await asyncio.Event().wait()
        return Events(question.from_offset, ())

    async with answering(answer) as link:
        task = asyncio.ensure_future(ask(link))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert link.is_closed


async def test_one_who_stops_waiting_for_a_turn_harms_nobody():
    asked, release = asyncio.Event(), asyncio.Event()

    async def answer(question: ReadEvents) -> Events:
        asked.set()
        await release.wait()
        return Events(question.from_offset, ())

    async with answering(answer) as link:
        first = asyncio.ensure_future(ask(link))
        await asked.wait()
        with pytest.raises(KafkaTimeout):
            await ask(link, 20)
        release.set()
        assert await first == Events(0, ())
