"""`minikafka log`: what lies in a data directory, looked at from outside of a node.

dump    log_dump.py
"""

import click

from .log_dump import dump


@click.group()
def log() -> None:
    """Look at the files of a data directory.

    \b
    Example:
      minikafka log dump minikafka-data/node-1/orders-0/00000000000000000000.log
    """


log.add_command(dump)
