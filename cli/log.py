"""`minikafka log`: what lies in a data directory, looked at from outside of a node.

dump    log_dump.py
repair  log_repair.py
"""

import click

from .log_dump import dump
from .log_repair import repair


@click.group()
def log() -> None:
    """Look at the files of a data directory.

    \b
    Example:
      minikafka log dump minikafka-data/node-1/orders-0/00000000000000000000.log
      minikafka log repair --dry-run minikafka-data/node-1/orders-0
    """


log.add_command(dump)
log.add_command(repair)
