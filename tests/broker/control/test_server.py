"""The control port: who is let in, who is told no, and who is closed."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgpack
import pytest

from minikafka.broker.config import BrokerConfig
from minikafka.broker.control import conversation as conversation_module
from minikafka.broker.control import server as server_module
from minikafka.broker.control.context import ControlContext
from minikafka.broker.control.conversation import (
    ANSWER_TIMEOUT_S,
    FRAME_TIMEOUT_S,
    IDLE_TIMEOUT_S,
)
from minikafka.broker.control.door import Door
from minikafka.broker.node import Node, NodeError
from minikafka.broker.options import ConfigError
from minikafka.protocol.control import (
    DescribeSegments,
    Events,
    ReadEvents,
    Refused,
    Segments,
    Voters,
    WhoVotes,
)
from minikafka.protocol.control_frame import MAX_REQUEST_BYTES, SIZE

from ..in_process import (
    ServedNode,
    SteppedLoop,
    batch_of,
    busy_port,
    run_stepped,
    serving,
    until,
)
from .peer import Peer, happen


def frame(payload: bytes) -> bytes:
    return SIZE.pack(len(payload)) + payload


async def test_questions_are_answered_in_order(node: ServedNode, peer: Peer) -> None:
    await node.create("orders")
    for _ in range(20):
        peer.send(ReadEvents())
        peer.send(DescribeSegments("orders", 0))
        peer.send(DescribeSegments("nobody", 0))
    for _ in range(20):
        assert isinstance(await peer.receive(), Events)
        assert isinstance(await peer.receive(), Segments)
        assert isinstance(await peer.receive(), Refused)


@pytest.mark.parametrize("is_refused", [False, True])
async def test_clients_are_served_between_the_questions(
    node: ServedNode, peer: Peer, monkeypatch: pytest.MonkeyPatch, is_refused: bool
) -> None:
    if is_refused:
        peer.cluster_id = "another"
    count = 1000
    answered = 0
    real = conversation_module.answer_to

    async def answer_to(
        question: bytes, context: ControlContext, door: Door, connection: Any
    ) -> Any:
        nonlocal answered
        answered += 1
        return await real(question, context, door, connection)

    monkeypatch.setattr(conversation_module, "answer_to", answer_to)
    await node.create("orders")
    for _ in range(count):
        peer.send(ReadEvents())
    await until(lambda: answered)
    await node.produce("orders", batch_of())
    assert answered < count
    for _ in range(count):
        await peer.receive()


async def test_a_frame_of_another_cluster_is_refused(node: ServedNode, peer: Peer) -> None:
    own, peer.cluster_id = peer.cluster_id, "another"
    answer = await peer.ask(ReadEvents())
    assert isinstance(answer, Refused)
    assert answer.error == "INCONSISTENT_CLUSTER_ID"
    assert repr(own) in answer.message
    peer.cluster_id = own
    assert isinstance(await peer.ask(ReadEvents()), Events)


async def test_a_message_of_a_later_version_is_an_answer(node: ServedNode, peer: Peer) -> None:
    peer.send_bytes(frame(msgpack.packb({"type": "Vote", "cluster_id": peer.cluster_id})))
    answer = await peer.receive()
    assert isinstance(answer, Refused)
    assert answer.error == "UNSUPPORTED_VERSION"
    assert "'Vote'" in answer.message


@pytest.mark.parametrize(
    "data",
    [
        SIZE.pack(MAX_REQUEST_BYTES + 1),
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
        frame(b""),
        frame(b"\xc1"),
        frame(b"\x91" * 3000),
        frame(msgpack.packb([1, 2])),
        frame(msgpack.packb({"type": "ReadEvents"})),
        frame(msgpack.packb({"type": "ReadEvents", "cluster_id": "c", "from_offset": "x"})),
    ],
)
async def test_hostile_bytes_close_their_connection_with_one_line(
    node: ServedNode, peer: Peer, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    other = await Peer.connect(node)
    peer.send_bytes(data)
    assert await peer.closed_by_node() == b""
    (line,) = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert peer.name in line
    assert isinstance(await other.ask(ReadEvents()), Events)
    await other.close()


async def test_who_goes_in_the_middle_of_a_frame_leaves_nothing_behind(
    node: ServedNode, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    peer.send_bytes(SIZE.pack(100) + b"half")
    await until(lambda: node.node._control._conversations)
    await peer.close()
    await until(lambda: not node.node._control._conversations)
    assert [each for each in caplog.records if each.levelname != "DEBUG"] == []


@pytest.mark.parametrize(
    ("sent", "patience_s"),
    [(b"", IDLE_TIMEOUT_S), (b"\0\0", IDLE_TIMEOUT_S), (SIZE.pack(9) + b"drop", FRAME_TIMEOUT_S)],
)
def test_a_peer_that_is_silent_is_closed(tmp_path: Path, sent: bytes, patience_s: float) -> None:
    async def test(loop: SteppedLoop) -> None:
        async with serving(tmp_path) as node:
            peer = await Peer.connect(node)
            assert isinstance(await peer.ask(ReadEvents()), Events)
            peer.send_bytes(sent)
            (conversation,) = node.node._control._conversations
            await node.connect()  # and what was sent has arrived
            loop.advance(patience_s - 2)
            await node.connect()
            assert not conversation.done()
            loop.advance(3)
            assert await peer.closed_by_node() == b""
            await peer.close()

    run_stepped(test)


def test_a_peer_that_takes_no_answers_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: list[asyncio.StreamWriter] = []

    def converse(
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ControlContext,
        door: Door,
    ) -> Coroutine[Any, Any, None]:
        writers.append(writer)
        return real(reader, writer, context, door)

    real = conversation_module.converse
    monkeypatch.setattr(conversation_module, "converse", converse)

    async def test(loop: SteppedLoop) -> None:
        async with serving(tmp_path) as node:
            await happen(node, 1000)
            peer = await Peer.connect(node)
            peer.stop_reading()
            for _ in range(300):
                peer.send(ReadEvents())
            await until(lambda: writers and writers[0].transport.get_write_buffer_size())
            loop.advance(ANSWER_TIMEOUT_S + 1)
            await until(lambda: not node.node._control._conversations)
            peer.abort()

    run_stepped(test)


async def test_one_connection_too_many_takes_the_place_of_the_oldest(
    node: ServedNode,
    peer: Peer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 2)
    await peer.ask(ReadEvents())
    second = await Peer.connect(node)
    await second.ask(ReadEvents())
    third = await Peer.connect(node)
    assert isinstance(await third.ask(ReadEvents()), Events)
    assert await peer.closed_by_node() == b""
    assert "the oldest stranger's is closed" in caplog.text
    assert isinstance(await second.ask(ReadEvents()), Events)
    await second.close()
    await third.close()
    await until(lambda: not node.node._control._conversations)


async def test_nodes_are_not_driven_out(
    node: ServedNode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 3)
    nodes = [await Peer.connect(node) for _ in range(2)]
    for each in nodes:
        assert isinstance(await each.ask(WhoVotes()), Voters)
    strangers = [await Peer.connect(node) for _ in range(20)]
    for each in strangers[:-1]:
        assert await each.closed_by_node() == b""
    assert isinstance(await strangers[-1].ask(WhoVotes()), Voters)
    too_late = await Peer.connect(node)
    assert await too_late.closed_by_node() == b""
    assert "3 nodes are here" in caplog.text
    for each in (*nodes, strangers[-1]):
        assert isinstance(await each.ask(WhoVotes()), Voters)
    for each in (*nodes, *strangers, too_late):
        each.abort()


async def test_a_stop_ends_the_conversations(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        peer = await Peer.connect(node)
        await peer.ask(ReadEvents())
        await node.stop()
        assert await peer.closed_by_node() == b""
        with pytest.raises(ConnectionRefusedError):
            await Peer.connect(node)
        await peer.close()


async def test_a_busy_control_port_is_one_sentence_and_leaves_no_directory(
    tmp_path: Path,
) -> None:
    listener, port = busy_port()
    config = BrokerConfig(
        listen="127.0.0.1:0",
        controller_listen=f"127.0.0.1:{port}",
        data_dir=str(tmp_path / "node"),
    )
    node = Node(config)
    with listener, pytest.raises(NodeError) as error:
        await node.start()
    assert f"cannot listen on 127.0.0.1:{port}" in str(error.value)
    assert "--controller-listen" in str(error.value)
    assert not (tmp_path / "node").exists()
    host, port = node.client_address
    async with serving(tmp_path / "node", listen=f"{host}:{port}"):
        pass  # The clients' port was let go.


async def test_off_loopback_it_must_be_meant(tmp_path: Path) -> None:
    config = BrokerConfig(
        listen="127.0.0.1:0", controller_listen="0.0.0.0:0", data_dir=str(tmp_path / "node")
    )
    with pytest.raises(ConfigError, match=r"0\.0\.0\.0.*--insecure-listen"):
        await Node(config).start()
    assert not (tmp_path / "node").exists()
