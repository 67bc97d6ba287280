"""`minikafka cluster`: several nodes on this machine, as child processes, until Ctrl-C.

    node 1 | 12:30:01.123 warning minikafka.server: ...        log lines, each with its node
    3 nodes ready after 1,214 ms: 127.0.0.1:9092,127.0.0.1:9093,127.0.0.1:9094

stdout has the ready line alone; log lines, and what becomes of the nodes, go to stderr.
"""

import asyncio
import signal
from pathlib import Path
from typing import Final

import click

from .child_cluster import ChildCluster, free_ports, ports_from
from .child_node import ChildNode
from .failure import DONE, FAILED, Failure
from .node_options import build_config, read_pairs

COLOURS: Final = ("green", "yellow", "blue", "magenta", "cyan", "red")
RESTART_AFTER_S: Final = 1.0


@click.command()
@click.option(
    "--nodes", "count", type=click.IntRange(1, 100), default=3, show_default=True, help="How many."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9092,
    show_default=True,
    help="Of the first node; the next has the next. 0: free ones.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=Path("minikafka-data"),
    show_default=True,
    help="Where each node has a directory node-N.",
)
@click.option("-c", "pairs", metavar="KEY=VALUE", multiple=True, help="An option of every node.")
@click.option("--restart", is_flag=True, help="Start a node again that has died.")
def cluster(count: int, port: int, data_dir: Path, pairs: tuple[str, ...], restart: bool) -> int:
    """Run a cluster of nodes on this machine, for a look at replication and for tests.

    A node that dies is told, and the others go on without it. Ctrl-C stops all of them cleanly.

    \b
    Examples:
      minikafka cluster
      minikafka cluster --nodes 4 --port 19092 --data-dir /tmp/cluster -c num.partitions=8
    """
    build_config(read_pairs(pairs), {}, None)  # A wrong option is one sentence, not one a node.
    ports = ports_from(port, count) if port else free_ports(count)
    options = [part for pair in pairs for part in ("-c", pair)]
    data_dir.mkdir(parents=True, exist_ok=True)
    nodes = ChildCluster(data_dir, ports, *options, on_line=_show_line)
    return asyncio.run(_run(nodes, restart))


async def _run(cluster: ChildCluster, is_restarting: bool) -> int:
    """Start, watch, and stop when told; 1 if a node does not end as it should."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    told = asyncio.create_task(stopping.wait())
    life = asyncio.create_task(_live(cluster, is_restarting))
    await asyncio.wait([told, life], return_when=asyncio.FIRST_COMPLETED)
    life.cancel()
    ended = await asyncio.gather(life, return_exceptions=True)
    statuses = await cluster.stop()
    told.cancel()
    match ended:
        case [Failure() as failure]:
            raise failure
        case [asyncio.CancelledError()]:
            return FAILED if any(statuses) else DONE
        case _:
            return FAILED


async def _live(cluster: ChildCluster, is_restarting: bool) -> None:
    """Start the nodes, and watch them until none is left."""
    took_s = await cluster.start()
    count = len(cluster.nodes)
    nodes = "1 node" if count == 1 else f"{count} nodes"
    click.echo(f"{nodes} ready after {took_s * 1000:,.0f} ms: {cluster.bootstrap}")
    await asyncio.gather(*(_watch(node, is_restarting) for node in cluster.nodes))


async def _watch(node: ChildNode, is_restarting: bool) -> None:
    """Say when a node dies, and start it again if it is to be."""
    while True:
        status = await node.wait()
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        _show_line(node.node_id, f"the node {how}")
        if not is_restarting:
            return
        await _start_again(node)


async def _start_again(node: ChildNode) -> None:
    """Until it is ready, however often that takes."""
    while True:
        await asyncio.sleep(RESTART_AFTER_S)
        try:
            took_s = await node.start()
        except Failure as failure:
            _show_line(node.node_id, str(failure))
        else:
            _show_line(node.node_id, f"the node is ready again after {took_s * 1000:,.0f} ms")
            return


def _show_line(node_id: int, line: str) -> None:
    colour = COLOURS[(node_id - 1) % len(COLOURS)]
    click.echo(f"{click.style(f'node {node_id} |', fg=colour)} {line}", err=True)
