"""Deleting whole logs, so that a half removed one is never taken for a log.

    orders-0  ->  orders-0-delete  ->  gone

The name is cut where the ending would make it longer than file systems take. Who lists logs removes
what has the ending: a crash came between the two steps.
"""

import os
from collections.abc import Sequence

from .files import Files

DELETED_ENDING = "-delete"
MAX_NAME_BYTES = 255


def delete_logs(files: Files, directories: Sequence[str]) -> None:
    """Remove logs with their directories; one flush makes all the new names durable."""
    doomed: list[str] = []
    for directory in directories:
        parent, name = os.path.split(directory)
        kept_name = name[: MAX_NAME_BYTES - len(DELETED_ENDING)]
        doomed.append(os.path.join(parent, kept_name + DELETED_ENDING))
        if files.exists(directory):
            files.rename(directory, doomed[-1])
    files.flush_now(sorted({os.path.dirname(directory) for directory in directories}))
    for directory in doomed:
        files.remove_directory(directory)
