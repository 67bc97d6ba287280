"""`minikafka serve` as a process: ready, refused, told to stop; and what it must not load."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ..nodes import NodeProcess
from .conftest import run_process

FORBIDDEN_AT_START = (
    "minikafka.client",
    "rich",
    "tomllib",
    "hypothesis",
    "importlib.metadata",
    "concurrent.futures.process",
    "multiprocessing",
    "unittest",
)
LIST_MODULES = """
import sys
from minikafka.broker import node
node.run = lambda config: print(*sorted(sys.modules), sep="\\n") or 0
from minikafka.cli import main
main.main(["serve", "--data-dir", "nowhere"])
"""


def test_serve_loads_the_broker_and_nothing_of_the_client() -> None:
    listing = subprocess.run(
        [sys.executable, "-c", LIST_MODULES], capture_output=True, text=True, check=True
    )
    modules = listing.stdout.split()
    assert "minikafka.broker.server" in modules
    loaded = [
        name
        for name in modules
        if any(name == each or name.startswith(f"{each}.") for each in FORBIDDEN_AT_START)
    ]
    assert loaded == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_node_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    node = NodeProcess(tmp_path / "data").start()
    os.kill(node.pid, number)
    assert node.stop() == 0
    assert (tmp_path / "data" / ".kafka_cleanshutdown").exists()


def test_a_taken_port_is_refused_with_nothing_on_disk(
    tmp_path: Path, shared_broker: NodeProcess
) -> None:
    data_dir = tmp_path / "data"
    outcome = run_process("serve", "--listen", shared_broker.bootstrap, "--data-dir", str(data_dir))
    assert outcome.status == 1
    assert f"cannot listen on {shared_broker.bootstrap}" in outcome.err
    assert outcome.err.count("\n") == 1
    assert not data_dir.exists()


def test_a_second_node_on_the_data_dir_is_refused(shared_broker: NodeProcess) -> None:
    data_dir = shared_broker.data_dir
    before = sorted(data_dir.iterdir())
    outcome = run_process("serve", "--listen", "127.0.0.1:0", "--data-dir", str(data_dir))
    assert outcome.status == 1
    assert str(data_dir) in outcome.err
    assert outcome.err.count("\n") == 1
    assert sorted(data_dir.iterdir()) == before


def test_an_unwritable_data_dir_is_refused() -> None:
    outcome = run_process("serve", "--listen", "127.0.0.1:0", "--data-dir", "/proc/minikafka")
    assert outcome.status == 1
    assert "/proc/minikafka" in outcome.err
    assert outcome.err.count("\n") == 1


def test_an_address_off_loopback_needs_to_be_meant(tmp_path: Path) -> None:
    outcome = run_process("serve", "--listen", "0.0.0.0:0", "--data-dir", str(tmp_path / "data"))
    assert outcome.status == 2
    assert "--insecure-listen" in outcome.err
    assert not (tmp_path / "data").exists()


def test_log_lines_are_json_when_asked_for(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path / "data", "--log-format", "json", "--log-level", "debug").start()
    node.stop()
    lines = [json.loads(line) for line in node.log.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
