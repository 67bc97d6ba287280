"""Whole nodes of a cluster in the test's own event loop, wherever their directories are.

nodes = Cluster(tmp_path)
await nodes.start(1, 2, 3)
await nodes.stop()
"""

import asyncio
from pathlib import Path
from typing import Any

from minikafka.broker.config import BrokerConfig
from minikafka.broker.node import Node

from ..nodes import free_ports
from .in_process import RawClient

DEADLINE_S = 60.0


class Cluster:
    """Nodes 1 to 3 vote, and others join; each has its ports for the test's time."""

    def __init__(self, directory: Path, **options: Any) -> None:
        ports = free_ports(12)
        self._ports = {1 + each: (ports[2 * each], ports[2 * each + 1]) for each in range(6)}
        self._directory = directory
        self._options: dict[str, Any] = {
            "broker_heartbeat_interval_ms": 50,
            "broker_session_timeout_ms": 3000,
            **options,
        }
        self.nodes: dict[int, Node] = {}

    def data_dir(self, node_id: int) -> Path:
        """Where it is, unless told otherwise."""
        return self._directory / f"node-{node_id}"

    def control(self, node_id: int) -> str:
        """HOST:PORT of a control plane."""
        return f"127.0.0.1:{self._ports[node_id][1]}"

    def voters(self, *node_ids: int) -> str:
        """These, as --voters has them."""
        return ",".join(f"{each}@{self.control(each)}" for each in node_ids)

    def config(self, node_id: int, **options: Any) -> BrokerConfig:
        """Of a node, with what is told; a voter unless it is to `join`, or to be alone."""
        client_port, control_port = self._ports[node_id]
        own: dict[str, Any] = {
            "node_id": node_id,
            "listen": f"127.0.0.1:{client_port}",
            "controller_listen": f"127.0.0.1:{control_port}",
            "data_dir": str(self.data_dir(node_id)),
        }
        if "join" not in options:
            own["voters"] = self.voters(1, 2, 3)
        return BrokerConfig(**self._options | own | options)

    async def start(self, *node_ids: int, **options: Any) -> None:
        """Start these at the same time, and return when all are ready."""
        nodes = {each: Node(self.config(each, **options)) for each in node_ids}
        async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as starting:
            for node in nodes.values():
                starting.create_task(node.start())
        self.nodes |= nodes

    async def stop(self, *node_ids: int) -> None:
        """Stop these, or all, at the same time."""
        async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as stopping:
            for each in node_ids or [*self.nodes]:
                stopping.create_task(self.nodes.pop(each).stop())

    async def call(self, node_id: int, request: Any, version: int | None = None) -> Any:
        """A client's request to this node, and the answer."""
        client = await RawClient.connect(self.nodes[node_id].client_address)
        try:
            return await client.call(request, version)
        finally:
            await client.close()

    @property
    def leader(self) -> Node:
        """The active controller's node."""
        return next(each for each in self.nodes.values() if each._controller.is_active)
