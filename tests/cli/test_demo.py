"""The demo: a node killed in the middle, and nothing lost."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minikafka.cli import demo
from minikafka.cli.child_node import ChildNode

from .conftest import DEADLINE_S, Command, run_process

RECORDS = 20_000


def test_a_killed_node_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    outcome = run_process(
        "demo", "--nodes", "1", "--records", str(RECORDS), "--keep", TMPDIR=str(tmp_path)
    )
    assert (outcome.status, outcome.err) == (0, "")
    killed = re.search(r"node is dead. ([\d,]+) records are acknowledged, ([\d,]+)", outcome.out)
    assert killed is not None
    acknowledged, in_flight = (int(number.replace(",", "")) for number in killed.groups())
    assert 0.4 * RECORDS <= acknowledged < RECORDS
    assert 0 < in_flight < RECORDS
    assert "ready again after" in outcome.out
    assert "Of 20,000 acknowledged records: 0 lost, 0 doubled, 0 out of order" in outcome.out
    kept = re.search(r"The data is in (\S+)\.\n", outcome.out)
    assert kept is not None
    assert (Path(kept[1]) / "node-1" / "demo-0").is_dir()


def test_three_nodes_lose_nothing_when_a_leader_and_the_controller_are_killed(
    tmp_path: Path,
) -> None:
    outcome = run_process("demo", "--records", str(RECORDS), TMPDIR=str(tmp_path))
    assert (outcome.status, outcome.err) == (0, "")
    leader = re.search(r"kill -9 of node (\d), which leads (demo-\d)", outcome.out)
    assert leader is not None
    successor = re.search(rf"Node (\d) leads {leader[2]}, ", outcome.out)
    assert successor is not None
    assert successor[1] != leader[1]
    assert re.search(r"kill -9 of node \d, the controller", outcome.out)
    assert re.search(r"Node \d is the controller, ", outcome.out)
    assert outcome.out.count("It is in sync again") == 2
    assert "Of 20,000 acknowledged records: 0 lost, 0 doubled, 0 out of order" in outcome.out
    assert "The three copies of each partition are the same, byte for byte." in outcome.out


class ForgetfulNode(ChildNode):
    """A node whose disk has lost half of what it wrote when it is started again."""

    async def start(self) -> float:
        for log in self.data_dir.glob("demo-*/*.log"):
            os.truncate(log, log.stat().st_size // 2)
        return await super().start()


def test_a_disk_that_forgets_is_found_out(
    minikafka: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "ChildNode", ForgetfulNode)
    outcome = minikafka("demo", "--nodes", "1", "--records", "5000")
    lost = re.search(r"acknowledged records: ([\d,]+) lost", outcome.out)
    assert lost is not None
    assert int(lost[1].replace(",", "")) > 0
    assert "The promise is broken." in outcome.out
    assert outcome.status == 1


@pytest.mark.parametrize("nodes", ["1", "3"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_demo_and_its_nodes(
    tmp_path: Path, number: signal.Signals, nodes: str
) -> None:
    command = [sys.executable, "-m", "minikafka.cli.main", "demo", "--nodes", nodes]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        address = re.search(rb"ready at (\S+) after", process.stdout.readline())
        process.send_signal(number)
        assert process.wait(DEADLINE_S) == 130
    assert address is not None
    assert run_process("topic", "list", "-b", address[1].decode()).status == 3
    assert list(tmp_path.iterdir()) == []
