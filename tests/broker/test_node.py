"""A whole node: what stops it from starting, and what a stop leaves behind."""

import asyncio
import socket
from pathlib import Path

import pytest

from minikafka.broker.config import BrokerConfig
from minikafka.broker.controller.decide import Decision
from minikafka.broker.controller.image import UnknownRecord
from minikafka.broker.log.checkpoints import (
    CLEAN_SHUTDOWN,
    HIGH_WATERMARK,
    META_PROPERTIES,
    RECOVERY_POINT,
)
from minikafka.broker.log.last_run import LAST_RUN
from minikafka.broker.node import LOCK_FILE, Node, NodeError
from minikafka.broker.options import ConfigError
from minikafka.protocol.api.init_producer_id import InitProducerIdRequest
from minikafka.protocol.api.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
)
from minikafka.protocol.errors import ErrorCode

from ..nodes import NodeProcess
from .in_process import (
    RawClient,
    as_after_kill,
    batch_of,
    fetch_request,
    produce_request,
    records_of,
    serving,
    until,
)
from .replica.unreliable_files import BROKEN, FULL, UnreliableFiles

IGNORED = {LOCK_FILE}


def listing(directory: Path) -> dict[str, bytes]:
    """Every file below a directory with its content."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name not in IGNORED
    }


async def refused(config: BrokerConfig) -> str:
    with pytest.raises(NodeError) as error:
        await Node(config).start()
    return str(error.value)


async def test_a_busy_port_is_one_sentence_and_leaves_no_directory(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = BrokerConfig(listen=f"127.0.0.1:{port}", data_dir=str(tmp_path / "node"))
        assert f"cannot listen on 127.0.0.1:{port}" in await refused(config)
    assert not (tmp_path / "node").exists()


async def test_a_second_node_on_a_data_directory_changes_nothing(tmp_path: Path) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        await node.create("t")
        before = listing(data_dir)
        config = BrokerConfig(listen="127.0.0.1:0", data_dir=str(data_dir))
        assert str(data_dir) in await refused(config)
        assert listing(data_dir) == before


async def test_the_directory_of_another_node_is_refused_unchanged(tmp_path: Path) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir):
        pass
    before = listing(data_dir)
    config = BrokerConfig(node_id=2, listen="127.0.0.1:0", data_dir=str(data_dir))
    assert "belongs to node 1, this is node 2" in await refused(config)
    assert listing(data_dir) == before


async def test_a_data_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    config = BrokerConfig(listen="127.0.0.1:0", data_dir=str(tmp_path / "file" / "node"))
    assert "\n" not in await refused(config)
    assert listing(tmp_path) == {"file": b"in the way"}


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "example.invalid"])
async def test_off_loopback_it_must_be_meant(tmp_path: Path, host: str) -> None:
    config = BrokerConfig(listen=f"{host}:0", data_dir=str(tmp_path / "node"))
    with pytest.raises(ConfigError, match="--insecure-listen"):
        await Node(config).start()
    assert not (tmp_path / "node").exists()


async def test_a_clean_stop_leaves_the_marker_and_a_start_takes_it_away(tmp_path: Path) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir):
        assert not (data_dir / CLEAN_SHUTDOWN).exists()
    assert (data_dir / CLEAN_SHUTDOWN).exists()
    async with serving(data_dir):
        assert not (data_dir / CLEAN_SHUTDOWN).exists()


async def test_the_cluster_id_stays_and_stands_in_meta_properties(tmp_path: Path) -> None:
    data_dir = tmp_path / "node"
    ids: list[str | None] = []
    for _ in range(2):
        async with serving(data_dir) as node:
            answer: MetadataResponse = await node.call(MetadataRequest(topics=[]), 12)
            ids.append(answer.cluster_id)
    assert ids[0] == ids[1]
    assert f"cluster.id={ids[0]}" in (data_dir / META_PROPERTIES).read_text()
    assert (data_dir / LAST_RUN).exists()


async def test_clients_are_told_the_address_by_which_they_came(tmp_path: Path) -> None:
    async with serving(tmp_path / "node") as node:
        answer: MetadataResponse = await node.call(MetadataRequest(topics=[]), 12)
        [broker] = answer.brokers
        assert (broker.host, broker.port) == node.node.client_address


async def test_a_refused_start_lets_go_of_port_and_lock(tmp_path: Path) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir):
        pass
    stranger = Node(BrokerConfig(node_id=2, listen="127.0.0.1:0", data_dir=str(data_dir)))
    with pytest.raises(NodeError):
        await stranger.start()
    host, port = stranger.client_address
    async with serving(data_dir, listen=f"{host}:{port}") as node:  # while `stranger` is held
        assert node.address == (host, port)


async def test_a_metadata_log_of_a_newer_version_is_one_sentence(tmp_path: Path) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        with pytest.raises(UnknownRecord):
            await node.node._controller.submit(lambda image: Decision([{"type": "VoterAdded"}]))
    message = await refused(BrokerConfig(listen="127.0.0.1:0", data_dir=str(data_dir)))
    assert "VoterAdded" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (META_PROPERTIES, b"version=2\nnode.id=1\n", "says version '2'"),
        (META_PROPERTIES, b"", "says version None"),
        (RECOVERY_POINT, b"1\n0\n", "says version '1'"),
        (RECOVERY_POINT, b"0\n2\norders 0 1\n", "1 lines where '2' are announced"),
        (HIGH_WATERMARK, b"\xff\xfe", "is not text"),
    ],
)
async def test_a_foreign_or_damaged_file_of_the_node_is_one_sentence(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        await node.create("orders")
    (data_dir / name).write_bytes(content)
    message = await refused(BrokerConfig(listen="127.0.0.1:0", data_dir=str(data_dir)))
    assert str(data_dir / name) in message
    assert reason in message
    assert "\n" not in message
    assert (data_dir / name).read_bytes() == content
    assert (data_dir / "orders-0" / "00000000000000000000.log").exists()


async def test_a_disk_that_is_full_at_the_start_is_one_sentence(tmp_path: Path) -> None:
    files = UnreliableFiles()
    files.append_error = FULL
    config = BrokerConfig(listen="127.0.0.1:0", data_dir=str(tmp_path / "node"))
    with pytest.raises(NodeError, match=str(FULL)):
        await Node(config, files=files).start()


async def test_a_disk_that_fills_up_refuses_topics_and_records_and_recovers(
    tmp_path: Path,
) -> None:
    files = UnreliableFiles()
    async with serving(tmp_path / "node", files=files) as node:
        await node.create("orders")
        files.append_error = FULL
        produced = await node.produce("orders", batch_of())
        assert produced.error_code == ErrorCode.KAFKA_STORAGE_ERROR
        looked = await node.call(MetadataRequest(topics=[MetadataRequestTopic(name="new")]), 9)
        assert looked.topics[0].error_code == ErrorCode.LEADER_NOT_AVAILABLE
        asked = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1)
        assert (await node.call(asked)).error_code == ErrorCode.KAFKA_STORAGE_ERROR
        files.append_error = None
        assert (await node.produce("orders", batch_of())).base_offset == 0
        await node.create("new")


async def test_a_failed_fsync_ends_the_node_without_a_marker(tmp_path: Path) -> None:
    files = UnreliableFiles()
    data_dir = tmp_path / "node"
    node = Node(BrokerConfig(listen="127.0.0.1:0", data_dir=str(data_dir)), files=files)
    running = asyncio.ensure_future(node.run())
    await until(lambda: node.client_address[1] and hasattr(node._server, "context"))
    client = await RawClient.connect(node.client_address)
    await client.call(MetadataRequest(topics=[MetadataRequestTopic(name="orders")]), 9)
    files.flush_error = BROKEN
    client.send(produce_request("orders", batch_of()), 9)
    assert await running == 1
    assert not (data_dir / CLEAN_SHUTDOWN).exists()
    assert await client.closed_by_peer() == b""  # it was never acknowledged
    await client.close()
    # What the page cache holds is not to be trusted, although the machine was up all the time.
    assert not (data_dir / LAST_RUN).exists()
    async with serving(as_after_kill(data_dir)) as restarted:
        assert restarted.partition("orders").leader_epoch == 1


@pytest.mark.parametrize("acks", [0, 1, -1])
async def test_nothing_is_acknowledged_after_a_failed_fsync(tmp_path: Path, acks: int) -> None:
    files = UnreliableFiles()
    async with serving(tmp_path / "node", files=files) as node:
        await node.create("orders")
        files.flush_error = BROKEN
        client, late = await node.connect(), await node.connect()
        client.send(produce_request("orders", batch_of()), 9)
        assert await client.closed_by_peer() == b""
        late.send(produce_request("orders", batch_of(), acks=acks), 9)
        assert await late.closed_by_peer() == b""
        files.flush_error = None


async def test_a_clean_restart_keeps_topics_records_and_epochs(tmp_path: Path) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        topic_id = await node.create("orders", partitions=2)
        await node.produce("orders", batch_of(b"a"), index=1)
    async with serving(data_dir) as node:
        topic = node.node._controller.image.topics["orders"]
        assert topic.topic_id == topic_id
        assert [each.leader_epoch for each in topic.partitions.values()] == [0, 0]
        assert [each.value for each in await node.records("orders", index=1)] == [b"a"]


async def test_an_interrupted_start_is_not_taken_for_a_clean_one(tmp_path: Path) -> None:
    data_dir = tmp_path / "node"
    async with serving(data_dir) as node:
        await node.create("orders")
    async with serving(data_dir):
        killed = as_after_kill(data_dir)
    assert not (killed / CLEAN_SHUTDOWN).exists()


def test_kill_9_and_a_restart_keep_every_acknowledged_record(tmp_path: Path) -> None:
    """The real thing: a process, uvloop, SIGKILL, and the same port again."""
    process = NodeProcess(tmp_path / "node").start()

    async def produce(values: range) -> None:
        client = await RawClient.connect(("127.0.0.1", process.port))
        await client.call(MetadataRequest(topics=[MetadataRequestTopic(name="orders")]), 9)
        for value in values:
            batch = batch_of(b"%d" % value, producer=(77, 0, value))
            answer = await client.call(produce_request("orders", batch), 9)
            assert answer.responses[0].partition_responses[0].error_code == ErrorCode.NONE
        await client.close()

    async def count() -> int:
        client = await RawClient.connect(("127.0.0.1", process.port))
        answer = await client.call(fetch_request("orders", 0, max_wait_ms=0), 12)
        await client.close()
        return len(records_of(answer.responses[0].partitions[0]))

    try:
        asyncio.run(produce(range(30)))
        process.kill()
        process.start()
        assert asyncio.run(count()) == 30
        asyncio.run(produce(range(28, 40)))  # two of them are sent again
        assert process.stop() == 0
        assert (tmp_path / "node" / CLEAN_SHUTDOWN).exists()
        process.start()
        assert asyncio.run(count()) == 40
    finally:
        process.kill()
