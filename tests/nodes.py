"""Real nodes for tests: `minikafka serve` as a child process on a free port of 127.0.0.1.

NodeProcess is one node, NodeCluster some that know each other. Log lines are in a file beside each
data directory, from the first start to the last.
"""

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

START_DEADLINE_S = 20.0
STOP_DEADLINE_S = 20.0
_READY = re.compile(r"minikafka node \d+ ready: clients 127\.0\.0\.1:(\d+)")


class NodeProcess:
    """One node; after the first start it keeps its port, so that clients find it again."""

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        node_id: int = 1,
        port: int = 0,
        control_port: int = 0,
        file_limit: int = 0,
    ) -> None:
        self.data_dir = data_dir
        self.log_file = data_dir.with_name(f"{data_dir.name}.log")
        self.options = options
        self.node_id = node_id
        self.port = port
        self.control_port = control_port
        self._file_limit = file_limit
        self._process: subprocess.Popen[str] | None = None

    @property
    def bootstrap(self) -> str:
        """HOST:PORT for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the running node."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """All log lines so far."""
        return self.log_file.read_text() if self.log_file.exists() else ""

    @property
    def is_running(self) -> bool:
        """Whether it was started, and has not ended."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> subprocess.Popen[str]:
        """Begin to start, and return without waiting."""
        command = [sys.executable, "-m", "minikafka.cli.main", "serve"]
        command += ["--node-id", str(self.node_id), "--listen", f"127.0.0.1:{self.port}"]
        command += ["--controller-listen", f"127.0.0.1:{self.control_port}"]
        command += ["--data-dir", str(self.data_dir)]
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("a") as log:
            self._process = subprocess.Popen(
                [*command, *self.options],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                process_group=0,  # A session would have a processor share of its own (autogroup).
                env=_environment(),
                preexec_fn=self._limit_files if self._file_limit else None,
            )
        return self._process

    def start(self) -> "NodeProcess":
        """Start, and return when the node says that it is ready."""
        self.launch()
        return self.wait_until_ready()

    def wait_until_ready(self) -> "NodeProcess":
        """Return when a node that was launched says that it is ready."""
        assert self._process is not None
        assert self._process.stdout is not None
        give_up = threading.Timer(START_DEADLINE_S, self._process.kill)
        give_up.start()
        ready = _READY.search(self._process.stdout.readline())
        give_up.cancel()
        if ready is None:
            self.kill()
            raise AssertionError(f"node {self.node_id} did not start: {self.log}")
        self.port = int(ready[1])
        return self

    def kill(self) -> None:
        """`kill -9`: nothing is flushed, no marker is written."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        return self._end(signal.SIGTERM)

    def pause(self) -> None:
        """SIGSTOP: it is there and does nothing, while its connections stay open."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on, and does not know how long it slept."""
        os.kill(self.pid, signal.SIGCONT)

    def _limit_files(self) -> None:
        """In the child: so many descriptors and no more."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._file_limit, self._file_limit))

    def wait(self) -> int:
        """The exit status of a node that ends by itself."""
        return self._end(None)

    def _end(self, number: signal.Signals | None) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if number is not None:
            process.send_signal(number)
        status = process.wait(STOP_DEADLINE_S)
        if process.stdout is not None:
            process.stdout.close()
        return status


Address = tuple[str, int]
Wiring = Callable[[int, int, Address], Address]
"""Where a node (by its id) finds another one (its id, and where that is)."""


def directly(source: int, destination: int, address: Address) -> Address:
    """Every node finds every other one where it is."""
    del source, destination
    return address


class NodeCluster:
    """Nodes 1, 2, ... that vote; `control` and `data` say how each finds the others."""

    def __init__(
        self,
        directory: Path,
        *options: str,
        count: int = 3,
        control: Wiring = directly,
        data: Wiring = directly,
    ) -> None:
        self._directory = directory
        self._options = options
        self._control = control
        self._data = data
        ports = free_ports(2 * count)
        self._ports = {
            1 + index: (ports[2 * index], ports[2 * index + 1]) for index in range(count)
        }
        self._voters = list(self._ports)
        self.nodes = {node_id: self._node(node_id) for node_id in self._ports}

    @property
    def bootstrap(self) -> str:
        """HOST:PORT of every node, for clients."""
        return ",".join(node.bootstrap for node in self.nodes.values())

    def __getitem__(self, node_id: int) -> NodeProcess:
        """The node of this id."""
        return self.nodes[node_id]

    def start(self, node_ids: Sequence[int] = ()) -> "NodeCluster":
        """Start these nodes, or all, at the same time; return when they are ready."""
        nodes = [self.nodes[node_id] for node_id in node_ids or self.nodes]
        for node in nodes:
            node.launch()
        for node in nodes:
            node.wait_until_ready()
        return self

    def join(self) -> NodeProcess:
        """One more node, without a vote, started."""
        node_id = max(self.nodes) + 1
        client_port, control_port = free_ports(2)
        self._ports[node_id] = (client_port, control_port)
        self.nodes[node_id] = self._node(node_id)
        return self.nodes[node_id].start()

    def stop(self) -> list[int]:
        """SIGTERM to all at the same time, and their exit statuses."""
        self._signal(signal.SIGTERM)
        return [node.wait() for node in self.nodes.values()]

    def kill(self) -> None:
        """`kill -9` of all at the same time."""
        self._signal(signal.SIGKILL)
        for node in self.nodes.values():
            node.kill()

    def log(self) -> str:
        """All log lines, node by node."""
        return "".join(f"--- node {each.node_id}\n{each.log}" for each in self.nodes.values())

    def _signal(self, number: signal.Signals) -> None:
        for node in self.nodes.values():
            if node.is_running:
                os.kill(node.pid, number)

    def _node(self, node_id: int) -> NodeProcess:
        port, control_port = self._ports[node_id]
        controls = {
            voter: self._control(node_id, voter, ("127.0.0.1", self._ports[voter][1]))
            for voter in self._voters
            if voter != node_id
        }
        if node_id in self._voters:
            addresses = controls | {node_id: ("127.0.0.1", control_port)}
            membership = ["--voters", _listed(addresses, "@")]
        else:
            membership = ["--join", ",".join(f"{host}:{port}" for host, port in controls.values())]
        others = {
            other: self._data(node_id, other, ("127.0.0.1", other_port))
            for other, (other_port, _) in self._ports.items()
            if other != node_id
        }
        routes = ["--route", _listed(others, "=")] if self._data is not directly else []
        return NodeProcess(
            self._directory / f"node-{node_id}",
            *membership,
            *routes,
            *self._options,
            node_id=node_id,
            port=port,
            control_port=control_port,
        )


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has at this moment."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in taken]


def _listed(addresses: dict[int, Address], sign: str) -> str:
    return ",".join(f"{each}{sign}{host}:{port}" for each, (host, port) in addresses.items())


def _environment() -> dict[str, str]:
    """Ours, without what the node would take for its options."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MINIKAFKA_")}
    return ours | {"PYTHONUNBUFFERED": "1"}
