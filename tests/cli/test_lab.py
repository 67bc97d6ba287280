"""`minikafka lab`: what it prints, what it writes, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minikafka.tutorials.labs import pictures

from .conftest import DEADLINE_S, Command

SMALL = ("--rate", "100", "--seconds", "0.5", "--work-ms", "10")


def test_load_levelling_prints_a_table_and_writes_figures_and_pictures(
    minikafka: Command, tmp_path: Path
) -> None:
    outcome = minikafka(
        "lab", "load-levelling", *SMALL, "--timeout", "30", "--results", str(tmp_path)
    )
    assert outcome.status == 0, outcome.err
    assert "REQUESTS" in outcome.out
    assert "With a queue, 50 of 50 were accepted in time, 50 were finished and" in outcome.out
    written = json.loads((tmp_path / "load-levelling.json").read_text())
    assert [run["account"]["sent"] for run in written["runs"]] == [50, 50]
    assert (tmp_path / "load-levelling.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "load-levelling.svg").read_text()


def test_without_matplotlib_the_command_that_installs_it_is_told_before_the_run(
    minikafka: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pictures, "can_draw", lambda: False)
    outcome = minikafka("lab", "load-levelling", *SMALL, "--results", str(tmp_path))
    assert (outcome.status, outcome.out) == (1, "")
    assert "pip install 'minikafka[labs]'" in outcome.err


def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "minikafka.cli.main", "lab", "load-levelling"]
    command += ["--rate", "100", "--seconds", "30", "--no-pictures", "--results", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # what will be run
        assert b"10 %" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(DEADLINE_S) == 130
    (run,) = json.loads((tmp_path / "load-levelling.json").read_text())["runs"]
    assert run["is_interrupted"]
    assert 0 < run["account"]["answered"] <= run["account"]["sent"] < 3000


def test_the_cluster_lab_draws_each_step_and_loses_nothing(
    minikafka: Command, tmp_path: Path
) -> None:
    outcome = minikafka("lab", "cluster", "--records", "300", "--results", str(tmp_path))
    assert outcome.status == 0, outcome.err
    assert "900 records were acknowledged on the way, 900 read at the end, 0 lost" in outcome.out
    written = json.loads((tmp_path / "cluster.json").read_text())
    steps = written["steps"]
    assert [sum(broker["is_alive"] for broker in step["brokers"]) for step in steps] == [
        3,
        3,
        2,
        3,
        3,
    ]
    leaders = [
        {each["broker_id"] for each in step["replicas"] if each["role"] == "leader"}
        for step in steps
    ]
    (dead,) = [broker["id"] for broker in steps[-1]["brokers"] if not broker["is_alive"]]
    assert dead in leaders[1]
    assert dead not in leaders[2]
    assert {each["broker_id"] for each in steps[-1]["replicas"]} == {1, 2, 3, 4} - {dead}
    assert (tmp_path / "cluster.png").read_bytes().startswith(b"\x89PNG")
