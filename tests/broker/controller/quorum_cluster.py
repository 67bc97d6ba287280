"""Controllers of several nodes in one process, on real sockets and disks, without their brokers.

    async with cluster(tmp_path) as nodes:
        leader = await nodes.leader()
        await leader.controller.submit(reserving(1))

A node that is killed closes its sockets and says nothing more; what its disk has stays there.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, cast

from minikafka.broker.control.context import ControlContext
from minikafka.broker.control.server import ControlServer
from minikafka.broker.controller.decide import Decision, reserve_producer_ids
from minikafka.broker.controller.image import Image
from minikafka.broker.controller.membership import Membership
from minikafka.broker.controller.service import Controller
from minikafka.broker.log.files import Files
from minikafka.broker.log.recovery import Confirmed
from minikafka.broker.replica.manager import ReplicaManager

from ..in_process import SetClock

DEADLINE_S = 30.0
Address = tuple[str, int]


def reserving(broker_id: int) -> Callable[[Image], Decision]:
    """A command that makes one record, and can be told from the others by its value."""
    return lambda image: reserve_producer_ids(image, broker_id)


async def until(is_so: Callable[[], Any]) -> None:
    """Wait until it is."""
    async with asyncio.timeout(DEADLINE_S):
        while not is_so():
            await asyncio.sleep(0.005)


class ControllerNode:
    """A controller and its control plane; `start` again after `kill` is a restart."""

    def __init__(self, node_id: int, data_dir: Path, members: Membership, address: Address) -> None:
        self.id = node_id
        self.data_dir = data_dir
        self.members = members
        self.files = Files()
        self.heard: list[tuple[int, str]] = []
        self.failures: list[Exception] = []
        self.events: list[str] = []
        self.confirmed = Confirmed()
        self.is_up = False
        self.controller: Controller
        self._address = address
        self._server: ControlServer

    async def start(self) -> None:
        """Open what is on the disk, and take part."""
        loop = asyncio.get_running_loop()
        self.controller = controller = Controller.open(
            self.files,
            str(self.data_dir),
            SetClock(),
            Random(self.id),
            self.confirmed,
            self.members,
        )
        self.heard = []
        controller.listeners.append(lambda change, at: self.heard.append((at, change["type"])))
        controller.on_activated.append(lambda: self.events.append("active"))
        controller.on_resigned.append(lambda: self.events.append("resigned"))
        controller.on_failure = self.failures.append
        self._server = ControlServer(loop)
        await self._server.bind(*self._address)
        replicas = cast(ReplicaManager, None)  # No question here is about partitions.
        await self._server.serve(ControlContext(controller, replicas, self.members.secret))
        await controller.start()
        self.is_up = True

    async def kill(self) -> None:
        """The process ends: nothing is said any more, connections break."""
        self.is_up = False
        self.confirmed = self.controller.confirmed
        await self.cut_off()
        await self.controller.close()

    async def cut_off(self) -> None:
        """Nobody reaches it any more, nor does it reach anybody on an old connection."""
        await self._server.stop()
        if self.controller._peers is not None:
            self.controller._peers.close()


class Nodes:
    """All of them, by id."""

    def __init__(self, tmp_path: Path) -> None:
        self._tmp_path = tmp_path
        self._by_id: dict[int, ControllerNode] = {}

    def __getitem__(self, node_id: int) -> ControllerNode:
        return self._by_id[node_id]

    @property
    def up(self) -> list[ControllerNode]:
        """Those that run."""
        return [each for each in self._by_id.values() if each.is_up]

    def add(self, members: Membership, address: Address) -> ControllerNode:
        """One more, not started yet."""
        data_dir = self._tmp_path / f"node-{members.node_id}"
        data_dir.mkdir(exist_ok=True)
        node = ControllerNode(members.node_id, data_dir, members, address)
        self._by_id[members.node_id] = node
        return node

    def observe(self, node_id: int, *voters: int) -> ControllerNode:
        """A node without a vote, that is to ask these for the voters."""
        addresses = self[1].members.voters
        join = tuple(addresses[each] for each in voters)
        return self.add(Membership(node_id, f"disk-{node_id}", join=join), free_address())

    async def leader(self) -> ControllerNode:
        """The active controller, as soon as there is one that all who are up follow."""

        def found() -> list[ControllerNode]:
            active = [each for each in self.up if each.controller.is_active]
            newest = max((each.controller.epoch for each in self.up), default=0)
            return [
                each
                for each in active
                if each.controller.epoch == newest
                and all(other.controller.leader_id == each.id for other in self.up)
            ]

        await until(found)
        return found()[0]

    async def settle(self) -> None:
        """Wait until all who are up have applied the same, and the leader knows their disks."""
        leader = await self.leader()
        voters = {each.id for each in self.up if not each.members.join}
        await until(lambda: voters <= set(leader.controller.image.voters))
        end_offset = leader.controller.end_offset
        for node in self.up:
            async with asyncio.timeout(DEADLINE_S):
                await node.controller.wait_until_applied(end_offset)


def free_address() -> Address:
    """An address of loopback that nobody has at the moment."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return reserved.getsockname()


@asynccontextmanager
async def cluster(tmp_path: Path, count: int = 3, *, started: bool = True) -> AsyncIterator[Nodes]:
    """So many voters, started unless said otherwise, and ended in the end."""
    nodes = Nodes(tmp_path)
    addresses = {each: free_address() for each in range(1, count + 1)}
    for node_id, address in addresses.items():
        nodes.add(Membership(node_id, f"disk-{node_id}", voters=addresses), address)
    try:
        if started:
            for node_id in addresses:
                await nodes[node_id].start()
        yield nodes
    finally:
        for node in nodes.up:
            await node.kill()
