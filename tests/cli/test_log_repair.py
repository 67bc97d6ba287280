"""`minikafka log repair` on the data directory of a real node."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..nodes import NodeProcess
from .conftest import Command, run_process

LOG = "00000000000000000000.log"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node with three records in the one partition of `orders`, produced one by one."""
    process = NodeProcess(tmp_path / "node").start()
    for value in (b"a", b"b", b"c"):
        outcome = run_process("produce", "orders", "-b", process.bootstrap, stdin=value)
        assert outcome.status == 0, outcome.err
    yield process
    process.kill()


def damage(node: NodeProcess) -> Path:
    """Flip a bit in the second batch of the stopped node; the partition's directory."""
    directory = node.data_dir / "orders-0"
    data = bytearray((directory / LOG).read_bytes())
    data[len(data) // 2] ^= 1
    (directory / LOG).write_bytes(data)
    (node.data_dir / ".kafka_cleanshutdown").unlink()
    return directory


def consume(node: NodeProcess) -> str:
    """All that is served of orders."""
    return run_process("consume", "orders", "--exit-at-end", "-b", node.bootstrap).out


def test_a_damaged_partition_is_served_again_without_what_was_damaged(
    node: NodeProcess, minikafka: Command
) -> None:
    node.stop()
    directory = damage(node)
    node.start()
    node.stop()
    assert f"minikafka log repair --dry-run {directory}" in node.log

    before = (directory / LOG).read_bytes()
    looked = minikafka("log", "repair", "--dry-run", str(directory))
    assert looked.status == 0
    assert str(directory / LOG) in looked.out
    assert "Nothing was changed" in looked.out
    assert (directory / LOG).read_bytes() == before

    mended = minikafka("log", "repair", str(directory))
    assert mended.status == 0
    kept = directory / "00000000000000000000.cut"
    assert f"kept {kept}" in mended.out
    assert (directory / LOG).read_bytes() + kept.read_bytes() == before
    node.start()
    assert consume(node) == "a\n"
    assert run_process("produce", "orders", "-b", node.bootstrap, stdin=b"d").status == 0
    assert consume(node) == "a\nd\n"


def test_a_sound_log_is_left_alone(node: NodeProcess, minikafka: Command) -> None:
    node.stop()
    outcome = minikafka("log", "repair", str(node.data_dir / "orders-0"))
    assert outcome.status == 0
    assert "is sound up to offset 3; nothing was changed" in outcome.out
    assert (node.data_dir / ".kafka_cleanshutdown").exists()


def test_a_running_node_is_not_repaired(node: NodeProcess, minikafka: Command) -> None:
    outcome = minikafka("log", "repair", str(node.data_dir / "orders-0"))
    assert outcome.status == 1
    assert "another process uses this directory" in outcome.err
    assert outcome.err.count("\n") == 1


def test_only_a_partition_is_repaired(
    node: NodeProcess, minikafka: Command, tmp_path: Path
) -> None:
    node.stop()
    for directory in (tmp_path, node.data_dir):
        assert minikafka("log", "repair", str(directory)).status == 2
    outcome = minikafka("log", "repair", str(node.data_dir / "__cluster_metadata-0"))
    assert outcome.status == 1
    assert "restore it" in outcome.err
