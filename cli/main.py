"""The `minikafka` command: finds the command's module, runs it, and turns errors into sentences.

    minikafka serve ...   ->  COMMANDS["serve"]  ->  import cli/serve.py  ->  its command `serve`

A command's module is imported when it runs, because start-up is imports: a node must not load the
client, and this file loads click and nothing else. `minikafka --help` is the exception: it loads
every module to print a line of each.

Data goes to stdout, everything else to stderr. Exit statuses are in failure.py.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from .failure import DONE, INTERRUPTED, Failure

COMMANDS: Final = {
    "serve": "serve",
    "cluster": "cluster",
    "demo": "demo",
    "topic": "topic",
    "produce": "produce",
    "consume": "consume",
    "group": "group",
    "cluster-info": "cluster_info",
    "log": "log",
    "api": "api",
    "config": "config",
    "doctor": "doctor",
    "check": "check",
    "bench": "bench",
    "lab": "lab",
}
"""A command's name, and its module here, which holds it under the module's own name."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, or None."""
        module_name = COMMANDS.get(cmd_name)
        if module_name is None:
            return None
        module = importlib.import_module(f".{module_name}", __package__)
        return getattr(module, module_name)

    def invoke(self, ctx: click.Context) -> int:
        """Run the command; its exit status. Click has other answers to Ctrl-C and a closed pipe."""
        try:
            status = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _forget_stdout()
            return DONE
        except KeyboardInterrupt:
            return INTERRUPTED
        return status if isinstance(status, int) else DONE


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="minikafka", message="minikafka %(version)s")
def cli() -> None:
    """A message broker that speaks Apache Kafka's protocol, and the tools to use one.

    \b
    Example:
      minikafka serve &
      echo hello | minikafka produce greetings
      minikafka consume greetings --exit-at-end
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status, after a sentence on stderr if it is not 0."""
    try:
        return cli.main(arguments, prog_name="minikafka", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        click.echo(f"minikafka: {_sentence(error)}", err=True)
        return error.exit_code
    except click.Abort:
        return INTERRUPTED


def _sentence(error: click.ClickException) -> str:
    """The error on one line; wrong usage also says where the right usage is to be read."""
    message = " ".join(error.format_message().split())
    if isinstance(error, Failure) or not isinstance(error, click.UsageError):
        return message
    command = error.ctx.command_path if error.ctx is not None else "minikafka"
    return f"{message.rstrip('.')} (see {command} --help)"


def _forget_stdout() -> None:
    """Who read our output has left (`| head`): let the interpreter's last flush go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    main()
