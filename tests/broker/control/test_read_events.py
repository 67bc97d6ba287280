"""ReadEvents on a real node: the metadata log as it was committed."""

import msgpack
import pytest

from minikafka.broker.controller.image import Image
from minikafka.protocol.control import MAX_ELEMENTS, MAX_EVENT_BYTES, Events, ReadEvents, Refused

from ..in_process import ServedNode
from .peer import Peer, happen


async def test_the_events_of_a_node_make_its_image(node: ServedNode, peer: Peer) -> None:
    await node.create("orders", partitions=3, segment_bytes="1000")
    await node.configure("orders", retention_ms="5")
    answer = await peer.ask(ReadEvents())
    assert isinstance(answer, Events)
    assert [event.offset for event in answer.events] == list(range(answer.end_offset))
    types = [event.record["type"] for event in answer.events[:2]]
    assert types == ["ControllerElected", "ClusterCreated"]
    assert {event.epoch for event in answer.events} == {1}
    image = Image()
    for event in answer.events:
        image.apply(event.record)
    assert image == node.node._controller.image


async def test_events_can_be_read_on_from_where_one_has_stopped(
    node: ServedNode, peer: Peer
) -> None:
    first = await peer.ask(ReadEvents())
    assert (await peer.ask(ReadEvents(first.end_offset))).events == ()
    await node.create("orders")
    news = await peer.ask(ReadEvents(first.end_offset))
    assert [event.record["type"] for event in news.events] == ["TopicCreated", "PartitionCreated"]
    assert news.events[0].record["name"] == "orders"


@pytest.mark.parametrize(
    ("count", "size_bytes"), [(MAX_ELEMENTS + 50, 0), (10, MAX_EVENT_BYTES // 3), (3, 1 << 20)]
)
async def test_an_answer_is_bounded_in_the_middle_of_a_command(
    node: ServedNode, peer: Peer, count: int, size_bytes: int
) -> None:
    await happen(node, count, size_bytes)
    seen: list[int] = []
    answer = None
    while answer is None or len(seen) < answer.end_offset:
        answer = await peer.ask(ReadEvents(len(seen)))
        assert 0 < len(answer.events) <= MAX_ELEMENTS
        size = sum(len(msgpack.packb(event.record)) for event in answer.events)
        assert size <= MAX_EVENT_BYTES or len(answer.events) == 1
        seen += [event.offset for event in answer.events]
    assert seen == list(range(answer.end_offset))


async def test_an_offset_that_is_not_there_is_refused(node: ServedNode, peer: Peer) -> None:
    end_offset = (await peer.ask(ReadEvents())).end_offset
    for offset in (-1, end_offset + 1, 1 << 62):
        answer = await peer.ask(ReadEvents(offset))
        assert isinstance(answer, Refused)
        assert answer.error == "OFFSET_OUT_OF_RANGE"
        assert f"0 to {end_offset}" in answer.message
