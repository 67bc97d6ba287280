"""What a chapter needs around its lesson: a broker, a bare connection, colours for pictures.

    broker = Broker()         a node as a child process, on a free port, in a directory of its own
    broker.bootstrap          HOST:PORT for clients
    broker.data_dir           where its files are
    broker.kill()             SIGKILL, as if the process had crashed
    broker.start()            and up again, at the same address, with the same files

    cluster = BrokerCluster()       three of them: cluster.brokers[1].kill()

    wire = Wire(broker.address)
    wire.call(request, version)     the answer to one request, as chapter 4 does it by hand

When the notebook's kernel ends, its brokers end too, and their directories go.
"""

import atexit
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from ..protocol.api import response_class
from ..protocol.codec import decode, encode
from ..protocol.header import (
    RequestStart,
    encode_request,
    has_flexible_request_header,
    has_flexible_response_header,
)
from ..protocol.schema import schema_of

READY_LINE: Final = re.compile(r"minikafka node \d+ ready: clients (\S+:\d+)")
STOP_TIMEOUT_S: Final = 20.0

BLUE: Final = "#1f77b4"
GREEN: Final = "#2ca02c"
ORANGE: Final = "#e08e45"
RED: Final = "#c0392b"
GREY: Final = "#8a8a8a"


class Broker:
    """One node, as a child process of the notebook."""

    def __init__(self, *options: str, starts: bool = True) -> None:
        """Start it; `options` are those of `minikafka serve`, and may name other addresses."""
        self._home = Path(tempfile.mkdtemp(prefix="minikafka-tutorial-"))
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self.data_dir = self._home / "data"
        self.bootstrap = "127.0.0.1:0"
        atexit.register(self.remove)
        if starts:
            self.start()

    @property
    def is_running(self) -> bool:
        """Whether it was started, and neither stopped nor killed since."""
        return self._process is not None

    def start(self) -> None:
        """Start it (again), and wait until it is ready."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Begin to start it."""
        command = [sys.executable, "-m", "minikafka.cli.main", "serve"]
        command += ["--listen", self.bootstrap, "--controller-listen", "127.0.0.1:0"]
        command += ["--data-dir", str(self.data_dir), *self._options]
        with (self._home / "log").open("a") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
            )

    def wait_until_ready(self) -> None:
        """Wait until it says on which address it is to be reached."""
        ready = READY_LINE.match(self._first_line())
        if ready is None:
            raise RuntimeError(f"the broker did not start: {(self._home / 'log').read_text()}")
        self.bootstrap = ready[1]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.bootstrap.rpartition(":")
        return host, int(port)

    def kill(self) -> None:
        """End it with SIGKILL: it has no moment left in which to put anything in order."""
        self._end(subprocess.Popen[str].kill)

    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        self._end(subprocess.Popen[str].terminate)

    def remove(self) -> None:
        """End it, and remove its files."""
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def files(self, partition: str) -> list[Path]:
        """The files of a partition, such as "orders-0", in order."""
        return sorted((self.data_dir / partition).iterdir())

    def _first_line(self) -> str:
        output = self._process.stdout if self._process else None
        return output.readline() if output else ""

    def _end(self, how: Callable[[subprocess.Popen[str]], None]) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        how(process)
        process.wait(STOP_TIMEOUT_S)
        if process.stdout:
            process.stdout.close()


class BrokerCluster:
    """Nodes that know each other: the first ones vote, and more may join."""

    def __init__(self, count: int = 3, *options: str) -> None:
        """Start so many at once, and wait until all are ready."""
        self._options = options
        self._control = [f"127.0.0.1:{port}" for port in _free_ports(count)]
        voters = ",".join(f"{n}@{address}" for n, address in enumerate(self._control, 1))
        self.brokers: dict[int, Broker] = {}
        for node_id, control in enumerate(self._control, 1):
            self._add(node_id, "--voters", voters, "--controller-listen", control)
        for broker in self.brokers.values():
            broker.launch()
        for broker in self.brokers.values():
            broker.wait_until_ready()

    @property
    def bootstrap(self) -> str:
        """The addresses of those that run."""
        return ",".join(each.bootstrap for each in self.brokers.values() if each.is_running)

    def join(self) -> Broker:
        """Start one more, which has no vote."""
        broker = self._add(max(self.brokers) + 1, "--join", ",".join(self._control))
        broker.start()
        return broker

    def _add(self, node_id: int, *membership: str) -> Broker:
        (port,) = _free_ports(1)
        listen = ("--node-id", str(node_id), "--listen", f"127.0.0.1:{port}")
        broker = Broker(*listen, *membership, *self._options, starts=False)
        broker.bootstrap = f"127.0.0.1:{port}"
        self.brokers[node_id] = broker
        return broker


def _free_ports(count: int) -> list[int]:
    """Ports that nobody has at this moment."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Wire:
    """A connection that carries one request at a time, in whichever version it is told."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address)
        self._reader = self._socket.makefile("rb")

    def call(self, request: Any, version: int) -> Any:
        """Send a message of protocol/api, and return the answer to it."""
        cls = request.__class__
        key = schema_of(cls).key
        response = response_class(key)
        if response is None:
            raise ValueError(f"{cls.__name__} is no request")
        start = RequestStart(key, version, 1)
        is_flexible = has_flexible_request_header(cls, version)
        message = encode(request, version)
        self._socket.sendall(b"".join(encode_request(message, start, "classroom", is_flexible)))
        frame = self._reader.read(int.from_bytes(self._reader.read(4), "big"))
        position = 5 if has_flexible_response_header(response, version) else 4
        return decode(response, memoryview(frame), version, position)[0]

    def close(self) -> None:
        """End the connection."""
        self._reader.close()
        self._socket.close()
