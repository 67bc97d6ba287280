"""How a command ends: its exit status, and the one sentence that says why it failed.

    0    done
    1    it failed
    2    wrong usage: an option, a value or a file that cannot be
    3    no broker can be reached
    130  Ctrl-C (128 + SIGINT, as shells have it)

Commands raise `Failure`, or click's own UsageError for 2; main() prints the sentence.
"""

from typing import Final

import click

DONE: Final = 0
FAILED: Final = 1
WRONG_USAGE: Final = 2
CANNOT_CONNECT: Final = 3
INTERRUPTED: Final = 130


class Failure(click.ClickException):
    """The command failed; `message` is one sentence for the user."""

    exit_code = FAILED


class NoBroker(Failure):
    """No broker can be reached."""

    exit_code = CANNOT_CONNECT
