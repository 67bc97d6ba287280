"""DescribeSegments on a real node: what is told is what lies on the disk."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from minikafka.broker.control.describe_segments import handle
from minikafka.broker.log.files import StorageError
from minikafka.broker.log.scan import CorruptLog
from minikafka.protocol.control import DescribeSegments, Refused

from ..in_process import ServedNode, batch_of, serving
from .peer import Peer

SEGMENT_BYTES = 300


async def fill(node: ServedNode, topic: str = "orders", count: int = 20) -> None:
    """A topic of small segments with some records."""
    await node.create(topic, segment_bytes=str(SEGMENT_BYTES))
    for number in range(count):
        batch = batch_of(*(b"value" for _ in range(1 + number % 3)), timestamps=(number,) * 3)
        assert (await node.produce(topic, batch)).error_code == 0


async def test_an_empty_partition_has_one_empty_segment(node: ServedNode, peer: Peer) -> None:
    await node.create("orders")
    answer = await peer.segments("orders", 0)
    (segment,) = answer.segments
    assert (answer.log_start_offset, answer.high_watermark, answer.log_end_offset) == (0, 0, 0)
    assert (segment.base_offset, segment.next_offset, segment.size_bytes) == (0, 0, 0)
    assert (segment.record_count, segment.max_timestamp_ms) == (0, -1)
    assert not answer.has_more


async def test_segments_are_described_as_they_lie_on_disk(
    node: ServedNode, peer: Peer, tmp_path: Path
) -> None:
    await fill(node)
    answer = await peer.segments("orders", 0)
    files = sorted((tmp_path / "node" / "orders-0").glob("*.log"))
    assert len(files) > 3
    assert [segment.name for segment in answer.segments] == [file.name for file in files]
    assert [each.size_bytes for each in answer.segments] == [file.stat().st_size for file in files]
    next_offset = 0
    for segment in answer.segments:
        assert segment.base_offset == next_offset == int(segment.name.removesuffix(".log"))
        assert segment.record_count == segment.next_offset - segment.base_offset
        next_offset = segment.next_offset
    assert next_offset == answer.log_end_offset == answer.high_watermark
    assert sum(each.record_count for each in answer.segments) == len(await node.records("orders"))
    assert [each.max_timestamp_ms for each in answer.segments] == sorted(
        each.max_timestamp_ms for each in answer.segments
    )
    assert answer.segments[-1].max_timestamp_ms == 19


async def test_a_segment_that_was_just_begun_is_there(node: ServedNode, peer: Peer) -> None:
    await fill(node, count=1)
    for _ in range(10):
        before = await peer.segments("orders", 0)
        await node.produce("orders", batch_of(b"x" * 200))
        after = await peer.segments("orders", 0)
        assert after.log_end_offset == before.log_end_offset + 1
        assert after.segments[-1].base_offset == before.log_end_offset
        assert after.segments[-1].record_count == 1


async def test_segments_after_a_restart_are_those_before(tmp_path: Path) -> None:
    told = []
    for start in range(2):
        async with serving(tmp_path) as node:
            if start == 0:
                await fill(node)
            peer = await Peer.connect(node)
            told.append((await peer.segments("orders", 0)).segments)
            await peer.close()
    assert told[0] == told[1]


async def test_an_answer_is_bounded_and_the_next_goes_on(node: ServedNode, peer: Peer) -> None:
    await fill(node)
    whole = (await peer.segments("orders", 0)).segments
    found = []
    from_offset, has_more = 0, True
    while has_more:
        answer = await peer.segments("orders", 0, from_offset, 2)
        assert len(answer.segments) <= 2
        found += answer.segments
        from_offset, has_more = answer.segments[-1].base_offset + 1, answer.has_more
    assert tuple(found) == whole
    assert (await peer.segments("orders", 0, 0, 0)).segments == ()
    assert (await peer.segments("orders", 0, 0, -5)).segments == ()
    assert (await peer.segments("orders", 0, 10**9)).segments == ()
    assert len((await peer.segments("orders", 0, -1, 10**9)).segments) == len(whole)


async def test_deleted_records_show_in_the_start_offset(node: ServedNode, peer: Peer) -> None:
    await fill(node)
    partition = node.partition("orders")
    partition.log.advance_start(7)
    assert (await peer.segments("orders", 0)).log_start_offset == 7


@pytest.mark.parametrize(
    ("topic", "index"), [("nobody", 0), ("orders", 1), ("orders", -1), ("", 0)]
)
async def test_a_partition_that_is_not_there_is_named(
    node: ServedNode, peer: Peer, topic: str, index: int
) -> None:
    await node.create("orders")
    answer = await peer.ask(DescribeSegments(topic, index))
    assert isinstance(answer, Refused)
    assert answer.error == "UNKNOWN_TOPIC_OR_PARTITION"
    assert f"'{topic}-{index}'" in answer.message


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (StorageError("the disk said no"), "KAFKA_STORAGE_ERROR"),
        (CorruptLog("some.log", 7, "not a batch"), "CORRUPT_MESSAGE"),
        (FileNotFoundError("gone"), "UNKNOWN_TOPIC_OR_PARTITION"),
    ],
)
async def test_a_file_that_cannot_be_looked_at_is_an_answer(
    node: ServedNode,
    peer: Peer,
    error: Exception,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await fill(node)

    def fail(path: str) -> int:
        raise error

    for segment in node.partition("orders").log.segments[:-1]:
        segment.rest()
        segment._size_bytes = None
    monkeypatch.setattr(node.node._files, "file_size", fail)
    answer = await peer.ask(DescribeSegments("orders", 0))
    assert isinstance(answer, Refused)
    assert answer.error == name


async def test_a_topic_that_is_deleted_meanwhile_is_not_described_to_the_end(
    node: ServedNode,
) -> None:
    await fill(node)
    partition, context = node.partition("orders"), node.node._control._context
    describing = asyncio.ensure_future(handle(DescribeSegments("orders", 0), context))
    await asyncio.sleep(0)
    partition.is_removed = True
    answer = await describing
    assert isinstance(answer, Refused)
    assert answer.error == "UNKNOWN_TOPIC_OR_PARTITION"


async def test_segments_come_and_go_while_they_are_described(node: ServedNode, peer: Peer) -> None:
    await fill(node, count=60)
    log, random = node.partition("orders").log, Random(7)
    for _ in range(12):
        peer.send(DescribeSegments("orders", 0))
        answer = None
        if random.random() < 0.5 and len(log.segments) > 2:
            log.delete_oldest()
        else:
            await node.produce("orders", batch_of(b"x" * 200))
        answer = await peer.receive()
        offsets = [each.base_offset for each in answer.segments]
        assert offsets == sorted(set(offsets))
        assert answer.segments[-1].next_offset <= answer.log_end_offset
