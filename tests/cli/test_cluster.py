"""`minikafka cluster`: ready in one line, deaths told, all stopped by Ctrl-C."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import DEADLINE_S, Command, run_process

NODES = 3
READY = re.compile(r"3 nodes ready after [\d,]+ ms: (\S+)\n")


class Cluster:
    """The command as a process; its log lines are those of its nodes."""

    def __init__(self, directory: Path, *options: str) -> None:
        command = [sys.executable, "-m", "minikafka.cli.main", "cluster", "--port", "0"]
        command += ["--nodes", str(NODES), "--data-dir", str(directory), *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        ready = READY.fullmatch(self.process.stdout.readline())
        assert ready is not None, self.end()
        self.bootstrap = ready[1]

    def line(self, pattern: str) -> str:
        """The next log line in which the pattern is."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if re.search(pattern, line):
                return line
        raise AssertionError(f"no line has {pattern}")

    def end(self) -> int:
        """Ctrl-C, once: the exit status."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
            self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode


@contextmanager
def running(directory: Path, *options: str) -> Iterator[Cluster]:
    cluster = Cluster(directory, *options)
    try:
        yield cluster
    finally:
        cluster.end()


def pid_of(directory: Path, node_id: int) -> int:
    """The process that serves this node's directory."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                words = (folder / "cmdline").read_text().split("\0")
            except OSError:
                continue
            if "serve" in words and str(directory / f"node-{node_id}") in words:
                return int(folder.name)
    raise AssertionError(f"node {node_id} does not run")


def test_ctrl_c_stops_every_node_cleanly(tmp_path: Path) -> None:
    with running(tmp_path) as cluster:
        info = json.loads(run_process("cluster-info", "-b", cluster.bootstrap, "-o", "json").out)
        assert [each["broker"] for each in info["brokers"]] == [1, 2, 3]
        assert cluster.end() == 0
    for node_id in range(1, NODES + 1):
        assert (tmp_path / f"node-{node_id}" / ".kafka_cleanshutdown").exists()


def test_a_node_that_dies_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    with running(tmp_path) as cluster:
        os.kill(pid_of(tmp_path, 2), signal.SIGKILL)
        assert cluster.line("killed").startswith("node 2 | the node was killed by signal 9")
        assert run_process("topic", "list", "-b", cluster.bootstrap).status == 0


def test_a_node_that_dies_is_started_again_on_request(tmp_path: Path) -> None:
    with running(tmp_path, "--restart") as cluster:
        os.kill(pid_of(tmp_path, 2), signal.SIGKILL)
        assert cluster.line("ready again").startswith("node 2 | ")


def test_a_port_in_use_is_one_sentence(minikafka: Command, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = minikafka("cluster", "--port", str(port), "--data-dir", str(tmp_path / "data"))
    assert outcome.status == 1
    if port + 10_002 <= 65_535:
        assert f"cannot listen on 127.0.0.1:{port}: " in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-c", "num.partition=3"), "did you mean 'num.partitions'?"),
        (("--nodes", "0"), "0 is not in the range"),
    ],
)
def test_wrong_usage_starts_nothing(
    minikafka: Command, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    outcome = minikafka("cluster", "--data-dir", str(tmp_path / "data"), *arguments)
    assert outcome.status == 2
    assert sentence in outcome.err
    assert list(tmp_path.iterdir()) == []
