"""`minikafka doctor` on this machine, at a real broker, and where something is wrong."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from minikafka.broker.log import checkpoints
from minikafka.cli import machine_checks

from ..nodes import NodeProcess
from .conftest import Command, Outcome


def findings_of(outcome: Outcome) -> dict[str, tuple[str, str]]:
    """Per check its status and its sentence."""
    rows = [json.loads(line) for line in outcome.out.splitlines()]
    return {row["check"]: (row["status"], row["what"]) for row in rows}


def test_a_sound_machine_and_broker_are_ok(on_broker: Command, shared_broker: NodeProcess) -> None:
    outcome = on_broker("doctor", "-o", "json", "--data-dir", str(shared_broker.data_dir))
    assert (outcome.status, outcome.err) == (0, "")
    findings = findings_of(outcome)
    assert list(findings) == [
        *("versions", "event loop", "checksum", "codecs", "open files"),
        *("data directory", "disk space", "file system", "broker", "advertised"),
    ]
    assert {status for status, _ in findings.values()} <= {"ok", "warn"}
    for check in ("versions", "event loop", "codecs", "data directory", "broker", "advertised"):
        assert findings[check][0] == "ok"
    assert "of node 1 in cluster" in findings["data directory"][1]
    assert shared_broker.bootstrap in findings["advertised"][1]
    table = on_broker("doctor", "--data-dir", str(shared_broker.data_dir)).out.splitlines()
    assert table[0].split() == ["CHECK", "STATUS", "WHAT"]
    assert len(table) == 1 + len(findings)


def test_an_address_that_clients_cannot_reach_is_bad(minikafka: Command, tmp_path: Path) -> None:
    with socket.socket() as taken:  # Bound, and nobody listens: a connection is refused.
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        node = NodeProcess(tmp_path / "node-1", "--advertise", address).start()
        try:
            outcome = minikafka("doctor", "-o", "json", "-b", node.bootstrap)
        finally:
            node.kill()
    assert (outcome.status, outcome.err) == (1, "minikafka: bad: advertised\n")
    status, sentence = findings_of(outcome)["advertised"]
    assert status == "bad"
    assert f"broker 1 says {address}" in sentence
    assert "--advertise" in sentence


def test_no_broker_is_bad_where_one_was_named_and_else_a_warning(
    minikafka: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        named = minikafka("doctor", "-o", "json", "-b", address)
        monkeypatch.setattr("minikafka.cli.doctor.parse_servers", lambda _: (_split(address),))
        unnamed = minikafka("doctor", "-o", "json")
    assert named.status == 1
    assert findings_of(named)["broker"][0] == "bad"
    assert unnamed.status == 0
    assert findings_of(unnamed)["broker"][0] == "warn"
    assert "minikafka serve" in findings_of(unnamed)["broker"][1]


def _split(address: str) -> tuple[str, int]:
    host, port = address.split(":")
    return host, int(port)


def test_who_listens_and_is_no_broker_is_named(
    minikafka: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minikafka.cli.broker_checks.TIMEOUT_MS", 50)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        outcome = minikafka("doctor", "-o", "json", "-b", address)
    assert outcome.status == 1
    assert f"no answer from {address} within 50 ms" in findings_of(outcome)["broker"][1]


def test_a_data_directory_that_cannot_be_used_is_bad(minikafka: Command, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("hello")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / checkpoints.META_PROPERTIES).write_text("version=7")
    for path, reason in ((file, "is no directory"), (foreign, "version '7'")):
        outcome = minikafka("doctor", "-o", "json", "--data-dir", str(path))
        assert outcome.status == 1
        status, sentence = findings_of(outcome)["data directory"]
        assert (status, reason in sentence) == ("bad", True)
        assert str(path) in sentence


def test_a_directory_that_is_not_there_yet_is_not_made(minikafka: Command, tmp_path: Path) -> None:
    path = tmp_path / "not" / "yet"
    outcome = minikafka("doctor", "-o", "json", "--data-dir", str(path))
    assert findings_of(outcome)["data directory"] == ("ok", f"{path} will be made")
    assert not path.parent.exists()


@pytest.mark.parametrize(("limit", "status"), [(400, "bad"), (2000, "warn"), (10_500, "ok")])
def test_a_low_limit_of_open_files_is_seen(limit: int, status: str) -> None:
    doctor = f"{sys.executable} -m minikafka.cli.main doctor -o json"
    ended = subprocess.run(
        ["bash", "-c", f"ulimit -n {limit} && {doctor}"],
        capture_output=True,
        text=True,
        check=False,
    )
    findings = findings_of(Outcome(ended.returncode, ended.stdout, ended.stderr))
    assert findings["open files"][0] == status
    assert ended.returncode == (1 if status == "bad" else 0)


def test_the_file_system_is_that_of_the_innermost_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/a / ext4 rw 0 0\n"
        "server:/b /data nfs4 rw 0 0\n"
        "none /data/node-1 tmpfs rw 0 0\n"
        "/dev/c /data/node-1 xfs rw 0 0\n"
    )
    monkeypatch.setattr(machine_checks, "MOUNTS", str(mounts))
    assert machine_checks.file_system_of("/data/node-1/orders-0") == "xfs"
    assert machine_checks.file_system_of("/data/node-10") == "nfs4"
    assert machine_checks.file_system_of("/database") == "ext4"
