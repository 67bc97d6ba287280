"""Faults in an order that no dice would find soon: a power cut and a partition at one time.

Jepsen lost records of other systems so: a replica that is cut off from the rest of the cluster
comes back while one that had acknowledged has lost its power.
"""

import asyncio
from random import Random

import pytest

from .crash import Way, crash
from .machine import Machine
from .nemesis import Nemesis
from .setup import Setup
from .world import World

LAG_S = 40.0
"""In that time a follower that is cut off has left the ISR."""


class PartKill(Nemesis):
    """A follower is cut off, then the leader loses its power and all that was not flushed."""

    async def run(self, seconds: float) -> None:
        self.first_s = self._loop.now_s
        leader = self._machines[self._leader() - 1]
        cut_off, other = (each for each in self._machines if each is not leader)
        for host in (leader.host, other.host):
            self._network.cut(cut_off.host, host)
            self._network.cut(host, cut_off.host)
        await asyncio.sleep(LAG_S)
        _pull_the_plug(leader)
        for host in (leader.host, other.host):
            self._network.heal(cut_off.host, host)
            self._network.heal(host, cut_off.host)
        await asyncio.sleep(seconds)
        leader.start()
        await asyncio.sleep(seconds)
        if self._setup.flush == "fsync":  # Else a second disk that lost something is one too many.
            _pull_the_plug(other)
            await asyncio.sleep(1)
        self.fired["part-kill"] += 1

    def _leader(self) -> int:
        node = self._machines[0].node
        return node._controller.image.topics["orders"].partitions[0].leader


def _pull_the_plug(machine: Machine) -> None:
    """Nothing that was not flushed is left."""
    machine._tell("loses its power")
    machine._loop.network.lose_power(machine.host)
    machine._end(is_power_loss=True)
    machine.disk = crash(machine.disk, Way.NOTHING, Random(1))


@pytest.mark.parametrize("flush", ["fsync", "os"])
def test_a_power_cut_and_a_partition_lose_nothing(flush: str) -> None:
    """Without flushes as well: who has lost something leaves the ISR before anybody is elected."""
    setup = Setup(
        1,
        nodes=3,
        partitions=1,
        replication_factor=3,
        min_insync_replicas=2,
        flush=flush,
        safety_s=5.0,
        pace_s=0.4,
    )
    world = World(setup)
    world.nemesis = PartKill(
        world.loop, setup, world.machines, world.clients, Random(1), world.watch
    )
    result = world.run()
    assert result.violations == []
    assert result.faults["part-kill"] == 1
    assert result.acknowledged > 50
