"""`minikafka log repair`: make a damaged partition of a lone node servable again.

It says what is wrong with the partition in DIR, then sets aside what is damaged and shortens the
log (broker/log/repair.py). The node must not be running: its lock is taken.
"""

import os
import re

import click

from ..broker.controller.metadata_log import METADATA_DIRECTORY
from ..broker.log.checkpoints import META_PROPERTIES, CorruptCheckpoint
from ..broker.log.files import Files, StorageError
from ..broker.log.repair import LogRepair
from ..broker.node import LOCK_FILE
from .failure import Failure

_PARTITION_NAME = re.compile(r"(.+)-(\d{1,10})")


@click.command()
@click.argument("directory", metavar="DIR")
@click.option("--dry-run", is_flag=True, help="Say what is wrong, and change nothing.")
def repair(directory: str, dry_run: bool) -> None:
    """Set aside what is damaged in the partition directory DIR, so that a node serves the rest.

    Records from the first damage on are kept beside the log as .cut files and are not served.
    Nothing is deleted. A log that is sound is left as it is.

    \b
    Example:
      minikafka log repair --dry-run minikafka-data/node-1/orders-0
    """
    data_dir, name = os.path.split(os.path.abspath(directory))
    match = _PARTITION_NAME.fullmatch(name)
    if match is None or not os.path.isfile(f"{data_dir}/{META_PROPERTIES}"):
        raise click.UsageError(
            f"{directory} is no partition's directory in a node's data directory"
        )
    if name == METADATA_DIRECTORY:
        raise Failure(f"{directory} is the metadata log: restore it, with all of {data_dir}")
    files = Files()
    try:
        lock = files.lock(f"{data_dir}/{LOCK_FILE}")
        _repair(LogRepair(files, data_dir, (match[1], int(match[2]))), directory, dry_run)
        lock.close()
    except (StorageError, CorruptCheckpoint) as error:
        raise Failure(f"not repaired: {error}") from error


def _repair(log: LogRepair, directory: str, dry_run: bool) -> None:
    findings = log.findings()
    if not findings:
        click.echo(f"{directory} is sound up to offset {log.end_offset}; nothing was changed")
        return
    for finding in findings:
        click.echo(f"{finding.path}\n  wrong   {finding.problem}\n  repair  {finding.remedy}")
    if dry_run:
        click.echo("Nothing was changed: without --dry-run, it is.")
        return
    for path in log.mend():
        click.echo(f"kept {path}")
    click.echo(f"Repaired: {directory} is served up to offset {log.end_offset} again.")
