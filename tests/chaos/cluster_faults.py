"""What can happen to a cluster of three: each fault is a function that does it and mends it again.

    killed        kill -9, and started again on the same data
    paused        SIGSTOP for longer than the session, SIGCONT
    restarted     SIGTERM to one node after the other, each waited for
    partitioned   nothing goes between some nodes, while clients reach all of them
    links         everything goes, late and slowly; connections break again and again

No bit is flipped, though the network could: TCP has checksums, and neither Kafka's protocol nor the
control plane guards more than record batches. Between the halves of a fault, HOLD_S pass under
load, so that the cluster has to get along with it.
"""

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from ..nodes import NodeCluster
from .proxy import FaultyNetwork

HOLD_S = 8.0
"""Longer than a broker's session, and than an election takes."""
SLOW_DELAY_S, SLOW_JITTER_S, SLOW_BYTES_PER_S = 0.05, 0.05, 2_000_000


class World(Protocol):
    """What a fault can reach."""

    @property
    def cluster(self) -> NodeCluster:
        """The nodes."""
        ...

    @property
    def network(self) -> FaultyNetwork:
        """What is between them."""
        ...

    def leader(self) -> int:
        """The node that leads a partition, and is not the controller if there is such a one."""
        ...

    def controller(self) -> int:
        """The node that is the active controller."""
        ...

    def wait_until_in_sync(self) -> None:
        """Return when every replica of every partition is in sync."""
        ...


Fault: TypeAlias = Callable[[World], None]


def kill_the_leader(world: World) -> None:
    """A leader dies, and comes back after others have led for a while."""
    _kill(world, world.leader())


def kill_the_controller(world: World) -> None:
    """The controller dies, and comes back when there is another one."""
    _kill(world, world.controller())


def kill_each_in_turn(world: World) -> None:
    """One after the other, each when the one before has caught up."""
    for node_id in world.cluster.nodes:
        _kill(world, node_id)
        world.wait_until_in_sync()


def kill_all_at_once(world: World) -> None:
    """The power fails for all of them."""
    world.cluster.kill()
    world.cluster.start()


def pause_the_leader(world: World) -> None:
    """A leader sleeps past its session, wakes up, and must not think that it still leads."""
    _pause(world, world.leader())


def pause_the_controller(world: World) -> None:
    """The controller sleeps until there is another one, and wakes up."""
    _pause(world, world.controller())


def restart_one_after_the_other(world: World) -> None:
    """SIGTERM, as for an upgrade: leaders are moved before their node goes."""
    for node in world.cluster.nodes.values():
        assert node.stop() == 0
        node.start()
        world.wait_until_in_sync()


def cut_a_leader_from_its_followers(world: World) -> None:
    """A leader that reaches nobody but clients."""
    leader = world.leader()
    others = [each for each in world.cluster.nodes if each != leader]
    world.network.cut_off(leader, others)
    _hold_and_heal(world)


def cut_a_leader_from_the_controller(world: World) -> None:
    """A leader with a follower, and without a controller."""
    world.network.cut_off(world.leader(), [world.controller()])
    _hold_and_heal(world)


def cut_one_way(world: World) -> None:
    """What a leader says is not heard, while it hears all."""
    leader = world.leader()
    for other in world.cluster.nodes:
        if other != leader:
            world.network.cut(leader, other)
    _hold_and_heal(world)


def cut_into_a_ring(world: World) -> None:
    """1 is heard by 2, 2 by 3, 3 by 1, and nobody the other way round."""
    nodes = list(world.cluster.nodes)
    for node_id, following in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
        world.network.cut(following, node_id)
    _hold_and_heal(world)


def slow_links(world: World) -> None:
    """Between all nodes: late, unevenly late, and narrow."""
    for source, destination in _pairs(world):
        world.network.delay(source, destination, SLOW_DELAY_S, SLOW_JITTER_S)
        world.network.throttle(source, destination, SLOW_BYTES_PER_S)
    _hold_and_heal(world)


def break_links(world: World) -> None:
    """Connections break in the middle of a frame, or are half closed, every second."""
    for number in range(int(HOLD_S)):
        for source, destination in _pairs(world):
            if number % 2:
                world.network.half_close(source, destination)
            else:
                world.network.reset(source, destination)
        time.sleep(1.0)
    world.network.heal()


FAULTS: Mapping[str, Fault] = {
    each.__name__: each
    for each in (
        kill_the_leader,
        kill_the_controller,
        cut_a_leader_from_its_followers,
        kill_each_in_turn,
        kill_all_at_once,
        pause_the_leader,
        pause_the_controller,
        restart_one_after_the_other,
        cut_a_leader_from_the_controller,
        cut_one_way,
        cut_into_a_ring,
        slow_links,
        break_links,
    )
}
"""By name; the first three are those of every test run."""


def _kill(world: World, node_id: int) -> None:
    world.cluster[node_id].kill()
    time.sleep(HOLD_S)
    world.cluster[node_id].start()


def _pause(world: World, node_id: int) -> None:
    world.cluster[node_id].pause()
    time.sleep(HOLD_S)
    world.cluster[node_id].resume()


def _hold_and_heal(world: World) -> None:
    time.sleep(HOLD_S)
    world.network.heal()


def _pairs(world: World) -> list[tuple[int, int]]:
    """Every two nodes, both ways."""
    return list(itertools.permutations(world.cluster.nodes, 2))
