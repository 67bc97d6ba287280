"""`python -m benchmarks.cluster`: what a death, a copy and many partitions cost three nodes.

    start        `minikafka cluster --nodes 3`, its processes started at the same time
    failover     kill -9 of a leader; of one that is the controller as well (see failover)
    streams      kill -9 of the controller, and SIGTERM to a node, while records flow (see streams)
    replication  factor 3 beside factor 1 on the same nodes, in turn: latency, throughput
    partitions   1,000 of them: to create, to do nothing, to lose a node

The nodes and the clients share the machine, so nodes that copy have less of it than they would on
machines of their own. Figures are medians over the rounds, beside what was aimed at.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from . import process
from .failover import fail_over
from .replication import compare
from .report import Report
from .streams import stand_still
from .three_nodes import ThreeNodes, three_nodes

MANY = 1_000
IDLE_S = 10.0
TOPIC = "bench-cluster"
PARTITIONS = 6


@dataclass(slots=True)
class Figures:
    """What was measured, row by row, beside what was aimed at."""

    rows: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    goals: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, row: str, value: float | None, goal: str = "") -> None:
        """One value of one round; None where there is none."""
        if value is not None:
            self.rows.setdefault(row, []).append(value)
            self.goals[row] = goal

    def markdown(self) -> str:
        """The table."""
        lines = ["| | median | worst | goal |", "|---|---:|---:|---|"]
        for row, values in self.rows.items():
            median, worst = statistics.median(values), max(values)
            lines.append(f"| {row} | {median:,.4g} | {worst:,.4g} | {self.goals[row]} |")
        return "\n".join(lines)


Part = Callable[[Figures, int], Awaitable[None]]


async def start(figures: Figures, rounds: int) -> None:
    """Fresh nodes until all three are ready."""
    for _ in range(rounds):
        async with three_nodes() as cluster:
            figures.add("start of three nodes, s", cluster.ready_s, "< 3")


async def failover(figures: Figures, rounds: int) -> None:
    """A leader dies; then one that is the controller."""
    async with three_nodes() as cluster:
        await cluster.create(TOPIC, PARTITIONS)
        for _ in range(rounds):
            await _fail_over(cluster, TOPIC, figures, "leader killed")
            await _fail_over(cluster, TOPIC, figures, "leader and controller killed", is_both=True)


async def _fail_over(
    cluster: ThreeNodes, topic: str, figures: Figures, what: str, *, is_both: bool = False
) -> None:
    controller = await cluster.controller()
    victim = controller if is_both else next(each for each in cluster.nodes if each != controller)
    seen = await fail_over(cluster, victim, topic)
    figures.add(f"{what}: a new controller, ms", seen.new_controller_ms)
    figures.add(f"{what}: fenced, others elected, ms", seen.decided_ms)
    figures.add(f"{what}: another broker says so, ms", seen.known_ms)
    goal = "< 5,000" if str(MANY) in topic else "< 3,000, aimed at 1,500"
    figures.add(f"{what}: all accept writes, ms", seen.accepted_ms, goal)


async def streams(figures: Figures, rounds: int) -> None:
    """Records flow while the controller dies, and while a node stops in order."""
    async with three_nodes() as cluster:
        await cluster.create(TOPIC, PARTITIONS)
        for _ in range(rounds):
            victim = await cluster.controller()
            await _stand_still(cluster, figures, "controller killed", cluster.nodes[victim].kill())
            await cluster.mend(victim)
            controller = await cluster.controller()
            victim = next(each for each in cluster.nodes if each != controller)
            await _stand_still(cluster, figures, "node stopped", cluster.nodes[victim].stop())
            await cluster.mend(victim)


async def _stand_still(
    cluster: ThreeNodes, figures: Figures, what: str, event: Awaitable[object]
) -> None:
    seen = await stand_still(cluster, TOPIC, event)
    figures.add(f"{what}: longest without an acknowledgement, ms", seen.acknowledged.worst_ms())
    figures.add(f"{what}: longest without a record, ms", seen.arrived.worst_ms())
    figures.add(f"{what}: errors", len(seen.errors), "0")
    for error in seen.errors[:3]:
        say(f"  {what}: {error}")


async def partitions(figures: Figures, rounds: int) -> None:
    """A thousand partitions, three replicas each."""
    topic = f"bench-{MANY}"
    async with three_nodes() as cluster:
        began_s = time.monotonic()
        await cluster.create(topic, MANY)
        created_s = time.monotonic() - began_s
        figures.add(f"{MANY:,} partitions: created and in sync, s", created_s, "< 10")
        before_s = {each: process.cpu_seconds(node.pid) for each, node in cluster.nodes.items()}
        await asyncio.sleep(IDLE_S)
        for each, node in cluster.nodes.items():
            used = (process.cpu_seconds(node.pid) - before_s[each]) / IDLE_S * 100
            figures.add(f"{MANY:,} partitions: an idle node, % of a core", used, "< 5")
        for _ in range(rounds):
            await _fail_over(cluster, topic, figures, f"{MANY:,} partitions, leader killed")


async def replication(figures: Figures, rounds: int) -> None:
    """Factor 3 beside factor 1."""
    del figures
    for flush in ("os", "fsync"):
        report = Report(["factor 1", "factor 3"])
        async with three_nodes("--flush", flush) as cluster:
            for _ in range(rounds):
                await compare(cluster, report, flush)
        print(report.markdown(), end="\n\n")


PARTS: dict[str, Part] = {
    each.__name__: each for each in (start, failover, streams, partitions, replication)
}


def main() -> int:
    """Measure, print the tables, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    process.end_in_order_when_terminated()
    figures = Figures()
    for name in options.parts or PARTS:
        say(name)
        asyncio.run(PARTS[name](figures, options.rounds))
    print(figures.markdown())
    return 0


def say(line: str) -> None:
    """Tell who waits how far it is."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
