"""The service's HTTP: what is a request, what is refused, and who is answered in which order."""

import asyncio

import pytest

from minikafka.tutorials.labs.http_service import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    BadRequest,
    Exchange,
    Listener,
    parse,
)

REQUEST = b"POST /requests HTTP/1.1\r\nHost: lab\r\ncontent-length: 3\r\n\r\n042"


def test_a_whole_request_is_read_and_what_follows_is_kept():
    assert parse(REQUEST + b"POST") == (b"042", b"POST")


@pytest.mark.parametrize("length", range(len(REQUEST)))
def test_a_request_that_has_not_all_come_is_waited_for(length: int):
    assert parse(REQUEST[:length]) is None


@pytest.mark.parametrize(
    ("received", "status"),
    [
        (b"\x16\x03\x01\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 405),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), 413),
        (b"POST / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES, 431),
    ],
)
def test_what_is_no_request_is_refused(received: bytes, status: int):
    with pytest.raises(BadRequest) as refusal:
        parse(received)
    assert refusal.value.status == status


async def test_requests_sent_ahead_are_answered_one_after_the_other():
    waiting: list[Exchange] = []
    listener = Listener(waiting.append)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(REQUEST + REQUEST.replace(b"042", b"043"))
    bodies: list[bytes] = []
    for status in (202, 503):
        async with asyncio.timeout(20):
            while len(waiting) == len(bodies):
                await asyncio.sleep(0)
            bodies.append(waiting[-1].body)
            waiting[-1].respond(status)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 %d " % status)
    assert bodies == [b"042", b"043"]
    writer.close()
    listener.close()


async def test_thousands_of_requests_at_once_are_answered_without_recursion():
    listener = Listener(lambda exchange: exchange.respond(202))
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(REQUEST * 5000)
    async with asyncio.timeout(20):
        for _ in range(5000):
            await reader.readuntil(b"\r\n\r\n")
    writer.close()
    listener.close()


async def test_a_client_that_breaks_the_rules_is_told_and_hung_up_on():
    listener = Listener(lambda exchange: exchange.respond(202))
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(20):
        assert (await reader.read()).startswith(b"HTTP/1.1 405 ")
    writer.close()
    listener.close()
