"""A cluster of child processes on 127.0.0.1: ports and voters; all started and stopped at once.

    node    1       2       3       4          clients on PORT, PORT + 1, ...
    vote    yes     yes     yes     no         controllers 10000 above

Of five nodes or more, five vote; else the first three. A lone node is a cluster of its own, and is
told of no others.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from ..broker.addresses import CONTROL_PORT_DISTANCE, LAST_PORT
from .child_node import ChildNode
from .failure import Failure

HOST: Final = "127.0.0.1"
Ports = tuple[int, int]
"""Of one node: for clients, and of its controller."""


class ChildCluster:
    """So many nodes, each with a directory of its own below `directory`."""

    def __init__(
        self,
        directory: Path,
        ports: Sequence[Ports],
        *options: str,
        on_line: Callable[[int, str], None] | None = None,
        child: type[ChildNode] = ChildNode,
    ) -> None:
        voters = _voters(ports)
        self.nodes = [
            child(
                directory / f"node-{node_id}",
                *_membership(node_id, voters),
                *options,
                node_id=node_id,
                port=client_port,
                control_port=control_port,
                on_line=on_line,
            )
            for node_id, (client_port, control_port) in enumerate(ports, 1)
        ]

    @property
    def bootstrap(self) -> str:
        """HOST:PORT of each node, for clients."""
        return ",".join(node.bootstrap for node in self.nodes)

    async def start(self) -> float:
        """Start all, and return the seconds until all were ready; Failure if one is not."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        starting = [asyncio.create_task(node.start()) for node in self.nodes]
        try:
            await asyncio.gather(*starting)
        finally:
            for each in starting:
                each.cancel()
            await asyncio.gather(*starting, return_exceptions=True)
        return loop.time() - began

    async def stop(self) -> list[int]:
        """SIGTERM to all, and their exit statuses."""
        return await asyncio.gather(*(node.stop() for node in self.nodes))

    async def kill(self) -> None:
        """`kill -9` of all."""
        await asyncio.gather(*(node.kill() for node in self.nodes))


def ports_from(port: int, count: int) -> list[Ports]:
    """The ports of so many nodes, the first one's given; Failure if one of them is in use."""
    ports = [(each, each + CONTROL_PORT_DISTANCE) for each in range(port, port + count)]
    if ports[-1][1] > LAST_PORT:
        raise Failure(f"there is no port {ports[-1][1]} for the last node's controller")
    with ExitStack() as stack:
        for each in (each for pair in ports for each in pair):
            _bind(stack, each)
    return ports


def free_ports(count: int) -> list[Ports]:
    """Ports for so many nodes that nobody has at this moment."""
    with ExitStack() as stack:
        return [(_bind(stack, 0), _bind(stack, 0)) for _ in range(count)]


def _bind(stack: ExitStack, port: int) -> int:
    """Take a port until the end of the stack, as a node would take it."""
    taken = stack.enter_context(socket.socket())
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((HOST, port))
    except OSError as error:
        reason = error.strerror or str(error)
        raise Failure(
            f"cannot listen on {HOST}:{port}: {reason}; choose other ports with --port"
        ) from error
    return taken.getsockname()[1]


def _voters(ports: Sequence[Ports]) -> dict[int, int]:
    """The control ports of those who vote, by node id; none for a lone node."""
    count = 5 if len(ports) >= 5 else 3
    voting = list(enumerate(ports, 1))[:count] if len(ports) > 1 else []
    return {node_id: control_port for node_id, (_, control_port) in voting}


def _membership(node_id: int, voters: dict[int, int]) -> list[str]:
    """How a node is told of the others."""
    if not voters:
        return []
    if node_id in voters:
        addresses = [f"{voter}@{HOST}:{port}" for voter, port in voters.items()]
        return ["--voters", ",".join(addresses)]
    return ["--join", ",".join(f"{HOST}:{port}" for port in voters.values())]
