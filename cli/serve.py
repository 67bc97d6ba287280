"""`minikafka serve`: one node, in this process, until SIGTERM or Ctrl-C.

It builds the options and runs broker/node.py, which prints the ready line. Imports of this file
are the node's start-up time: the broker and click, never the client or rich.
"""

import os
from typing import Any

import click

from ..broker.options import ConfigError
from . import log_lines
from .failure import Failure
from .node_options import build_config, read_pairs


@click.command()
@click.option("--node-id", metavar="N", help="This node's number in the cluster; default 1.")
@click.option(
    "--listen", metavar="HOST:PORT", help="Where clients connect; default 127.0.0.1:9092. 0: free."
)
@click.option(
    "--advertise", metavar="HOST:PORT", help="Told to clients; default: the address they reached."
)
@click.option(
    "--insecure-listen",
    flag_value="true",
    default=None,
    help="Allow an address off loopback, without a password.",
)
@click.option(
    "--controller-listen",
    metavar="HOST:PORT",
    help="Where the control plane listens; default: the client host, client port + 10000.",
)
@click.option(
    "--voters",
    metavar="ID@HOST:PORT,…",
    help="The control planes of all voters, the same list on each; default: this node alone.",
)
@click.option(
    "--join", metavar="HOST:PORT,…", help="Voters of a running cluster, to join it without a vote."
)
@click.option(
    "--cluster-secret-file", metavar="FILE", help="The secret of the cluster's nodes, off loopback."
)
@click.option("--route", "routes", metavar="ID=HOST:PORT", multiple=True, hidden=True)
@click.option("--data-dir", metavar="DIR", help="Default: minikafka-data/node-N.")
@click.option(
    "--flush",
    type=click.Choice(["fsync", "os"]),
    help="fsync (default): acks=all means on disk; os: in the page cache.",
)
@click.option("--chapter", metavar="N", help="Only what the tutorials have built until chapter N.")
@click.option("--config", "file", metavar="FILE", help="A TOML file of options.")
@click.option("-c", "pairs", metavar="KEY=VALUE", multiple=True, help="Any option, by its name.")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="Default: text.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Default: info.",
)
def serve(file: str | None, pairs: tuple[str, ...], routes: tuple[str, ...], **named: Any) -> int:
    """Run one node; alone it needs no option at all.

    Every option is also an environment variable (MINIKAFKA_DATA_DIR) and a key of the file. The
    command line wins, then the environment, then the file.

    \b
    Examples:
      minikafka serve
      minikafka serve --listen 127.0.0.1:0 --data-dir /var/lib/minikafka -c num.partitions=3
      minikafka serve --node-id 4 --listen 127.0.0.1:9095 --join 127.0.0.1:19092
    """
    command_line = read_pairs(pairs)
    command_line |= {
        name.replace("_", "."): value for name, value in named.items() if value is not None
    }
    if routes:
        command_line["route"] = ",".join(routes)
    config = build_config(command_line, os.environ, file)
    log_lines.set_up(config.log_format, config.log_level)
    from ..broker import node  # Not before here: a wrong option needs no broker to be refused.

    try:
        return node.run(config)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    except node.NodeError as error:
        raise Failure(str(error)) from error
