"""A whole node: what stops it from starting, and what a stop leaves behind."""

import socket
from pathlib import Path

import pytest

from minikafka.broker.config import BrokerConfig
from minikafka.broker.log.checkpoints import CLEAN_SHUTDOWN, META_PROPERTIES
from minikafka.broker.log.last_run import LAST_RUN
from minikafka.broker.node import LOCK_FILE, Node, NodeError
from minikafka.broker.options import ConfigError
from minikafka.protocol.api.metadata import MetadataRequest, MetadataResponse

from .in_process import serving

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
