"""`minikafka doctor`: is everything there that a node and its clients need?

    machine_checks   what a node finds on this machine
    broker_checks    what a client finds at the bootstrap addresses

A line each: ok, warn or bad, and what to do.
"""

import click
from click.core import ParameterSource

from ..client.settings import parse_servers
from . import session
from .broker_checks import broker_findings
from .failure import Failure
from .finding import Finding, Status
from .machine_checks import machine_findings
from .table import show


@click.command()
@click.option(
    "--data-dir",
    metavar="DIR",
    envvar="MINIKAFKA_DATA_DIR",
    default="minikafka-data/node-1",
    show_default=True,
    help="Where a node keeps its data, or would.",
)
@session.output_option
@session.cluster_options
@click.pass_context
def doctor(context: click.Context, data_dir: str, output: str, bootstrap: str) -> None:
    """Check this machine, the data directory, and the brokers at -b.

    Nothing is changed. The exit status is 1 if something is bad. That no broker is at the address
    is bad only if you named one.

    \b
    Examples:
      minikafka doctor
      minikafka doctor -b broker.example:9092 --data-dir /var/lib/minikafka
    """
    is_expected = context.get_parameter_source("bootstrap") is not ParameterSource.DEFAULT
    findings = [*machine_findings(data_dir), *session.run(_ask(bootstrap, is_expected))]
    show(output, Finding._fields, findings)
    bad_checks = [finding.check for finding in findings if finding.status is Status.BAD]
    if bad_checks:
        raise Failure(f"bad: {', '.join(dict.fromkeys(bad_checks))}")


async def _ask(bootstrap: str, is_expected: bool) -> list[Finding]:
    servers = parse_servers(bootstrap)
    return [each async for each in broker_findings(servers, is_expected=is_expected)]
