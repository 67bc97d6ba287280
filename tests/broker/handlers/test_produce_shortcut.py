"""The short way of Produce gives the bytes of the long way, and is left when it does not fit."""

from pathlib import Path
from unittest.mock import patch

import pytest

from minikafka.broker.handlers.produce_shortcut import MAX_LENGTHS, MAX_REMEMBERED, Shortcuts
from minikafka.protocol.api.delete_topics import DeleteTopicsRequest
from minikafka.protocol.api.produce import ProduceRequest
from minikafka.protocol.errors import ErrorCode

from ..in_process import RawClient, ServedNode, SetClock, batch_of, produce_request, serving

BATCHES = [
    batch_of(b"a"),
    batch_of(b"b" * 300, b"c"),
    batch_of(b"x" * 20_000),
    batch_of(b"d", producer=(7, 0, 0)),
    batch_of(b"e", producer=(7, 0, 5)),  # out of order
    batch_of(b"f")[:-1],  # cut
    batch_of(b"d", producer=(7, 0, 0)),  # a duplicate
    batch_of(b"g") + batch_of(b"h"),
    b"",
    None,
    batch_of(b"i"),
]


async def answers_to(
    data_dir: Path, version: int, acks: int, options: dict[str, str]
) -> list[bytes]:
    """The bytes of every answer to the batches, one request after another."""
    async with serving(data_dir, clock=SetClock()) as node:
        await node.create("orders", **options)
        client = await node.connect()
        topic_id = node.node._controller.image.topics["orders"].topic_id
        answers: list[bytes] = []
        for batch in BATCHES:
            request = produce_request("orders", batch, acks=acks, topic_id=topic_id)
            if version < 13:
                request.topic_data[0].topic_id = bytes(16)
            client.send(request, version)
            answers.append((await client.receive_frame()).replace(topic_id, b"-" * 16))
        await node.produce("orders", batch_of(b"the end"))
        stored = [each.value for each in await node.records("orders")]
        return [*answers, repr(stored).encode()]


@pytest.mark.parametrize("acks", [1, -1])
@pytest.mark.parametrize("version", range(7, 14))
async def test_both_ways_give_the_same_bytes(tmp_path: Path, version: int, acks: int) -> None:
    for options in ({}, {"message_timestamp_type": "LogAppendTime"}):
        name = "-".join(options) or "plain"
        short = await answers_to(tmp_path / f"{name}-short", version, acks, options)
        with patch.object(Shortcuts, "find", lambda self, frame: None):
            long = await answers_to(tmp_path / f"{name}-long", version, acks, options)
        assert short == long


async def test_the_short_way_is_taken_from_the_second_request_on(node: ServedNode) -> None:
    await node.create("orders")
    client = await node.connect()
    await produced(client, "orders", b"a")
    shortcuts = shortcuts_of(node)
    frame = memoryview(client.frame(produce_request("orders", batch_of(b"other")), 9))[4:]
    found = shortcuts.find(frame)
    assert found is not None
    assert bytes(found[1]) == bytes(batch_of(b"other"))


@pytest.mark.parametrize(
    "other",
    [
        produce_request("orders", batch_of(), index=1),
        produce_request("other", batch_of()),
        produce_request("orders", batch_of(), acks=1),
        produce_request("orders", batch_of(), acks=0),
        produce_request("orders", None),
        produce_request("orders", b"short"),
        ProduceRequest(acks=-1, timeout_ms=1, topic_data=[]),
    ],
)
async def test_a_request_that_differs_goes_the_long_way(
    node: ServedNode, other: ProduceRequest
) -> None:
    await node.create("orders", partitions=2)
    client = await node.connect()
    await produced(client, "orders", b"a")
    assert shortcuts_of(node).find(memoryview(client.frame(other, 9))[4:]) is None
    again = produce_request("orders", batch_of())
    assert shortcuts_of(node).find(memoryview(client.frame(again, 10))[4:]) is None


async def test_a_topic_that_was_made_again_is_found_anew(node: ServedNode) -> None:
    await node.create("orders")
    client = await node.connect()
    for _ in range(3):
        await produced(client, "orders", b"old")
    await node.call(DeleteTopicsRequest(topic_names=["orders"], timeout_ms=1000), 4)
    gone = await client.call(produce_request("orders", batch_of(b"lost")), 9)
    code = gone.responses[0].partition_responses[0].error_code
    assert code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    await node.create("orders")
    assert [await produced(client, "orders", b"new") for _ in range(2)] == [0, 1]
    assert [each.value for each in await node.records("orders")] == [b"new", b"new"]


async def test_what_is_remembered_is_bounded(node: ServedNode) -> None:
    names = [f"{'x' * (number % 9)}-{number:03}" for number in range(MAX_REMEMBERED + 30)]
    for name in names:
        await node.create(name)
    client = await node.connect()
    for _ in range(2):
        for name in names:
            await produced(client, name, b"a")
    shortcuts = shortcuts_of(node)
    assert len(shortcuts._by_start) <= MAX_REMEMBERED
    assert len(shortcuts._lengths) <= MAX_LENGTHS
    for name in names:
        assert len(await node.records(name)) == 2


@pytest.mark.parametrize("version", [7, 9])
@pytest.mark.parametrize("garbage", [b"\0", b"\xff" * 5, bytes(100), bytes(batch_of(b"more"))])
async def test_bytes_behind_a_request_do_not_mislead(
    node: ServedNode, version: int, garbage: bytes
) -> None:
    await node.create("orders")
    client = await node.connect()
    for number in range(4):
        frame = bytearray(
            client.frame(produce_request("orders", batch_of(b"%d" % number)), version)
        )
        frame += garbage
        frame[:4] = (len(frame) - 4).to_bytes(4, "big")
        client.send_bytes(frame)
        answer = await client.receive(ProduceRequest, version)
        assert answer.responses[0].partition_responses[0].base_offset == number
    values = [each.value for each in await node.records("orders")]
    assert values == [b"0", b"1", b"2", b"3"]


@pytest.mark.parametrize("length", [b"\xff" * 6, b"\x80" * 10, b"\xff\xff\xff\xff\x0f"])
async def test_a_length_that_lies_is_the_long_ways_error(
    node: ServedNode, length: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    await node.create("orders")
    client = await node.connect()
    await produced(client, "orders", b"a" * 100)
    frame = bytearray(client.frame(produce_request("orders", batch_of(b"a" * 100)), 9))
    position = len(frame) - 3 - len(batch_of(b"a" * 100)) - 2
    frame[position : position + len(length)] = length
    client.send_bytes(frame)
    assert await client.closed_by_peer() == b""
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Produce v9" in caplog.text


async def produced(client: RawClient, topic: str, value: bytes) -> int:
    """Produce one record; its offset."""
    answer = await client.call(produce_request(topic, batch_of(value)), 9)
    partition = answer.responses[0].partition_responses[0]
    assert partition.error_code == ErrorCode.NONE
    return partition.base_offset


def shortcuts_of(node: ServedNode) -> Shortcuts:
    """Those of the one connection that has any."""
    found = [each._shortcuts for each in node.node._server._connections]
    (shortcuts,) = [each for each in found if each is not None]
    return shortcuts
