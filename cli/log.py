"""`minikafka log`: what lies in a data directory, looked at from outside of a node.

repair  log_repair.py
"""

import click

from .log_repair import repair


@click.group()
def log() -> None:
    """Look at the files of a data directory.

    \b
    Example:
      minikafka log repair --dry-run minikafka-data/node-1/orders-0
    """


log.add_command(repair)
