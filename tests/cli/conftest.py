"""Running the command line, in this process or as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from minikafka.cli import main

from ..nodes import NodeProcess

DEADLINE_S = 60.0


class Outcome(NamedTuple):
    """How a command ended: its exit status and what it wrote."""

    status: int
    out: str
    err: str


Command = Callable[..., Outcome]


def run_process(*arguments: str, stdin: bytes = b"", **environment: str) -> Outcome:
    """Run `minikafka ARGUMENTS` as a process, to its end."""
    process = subprocess.run(
        [sys.executable, "-m", "minikafka.cli.main", *arguments],
        input=stdin,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
        env=os.environ | environment,
    )
    return Outcome(process.returncode, process.stdout.decode(), process.stderr.decode())


@pytest.fixture
def minikafka(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run `minikafka ARGUMENTS` in this process."""

    def run(*arguments: str) -> Outcome:
        capfd.readouterr()
        status = main.run(arguments)
        return Outcome(status, *capfd.readouterr())

    return run


@pytest.fixture
def on_broker(
    minikafka: Command, shared_broker: NodeProcess, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Run a command in this process against a real broker."""
    monkeypatch.setenv("MINIKAFKA_BOOTSTRAP", shared_broker.bootstrap)
    return minikafka
