"""`minikafka check`: is what clients saw of a cluster what a queue may do?

The judge is the package history/, which knows nothing of this broker; here are its file, its table
and its counter-examples.
"""

import gc
from pathlib import Path
from typing import Final

import click

from ..history.check import CHECKS, Report
from ..history.check import check as judge
from ..history.event import MalformedHistory, parse_events
from ..history.evidence import Promises
from .failure import WRONG_USAGE, Failure
from .history_picture import draw_findings, require_matplotlib
from .session import output_option
from .table import show

COLUMNS: Final = ("check", "violations", "allowed", "verdict", "what_it_finds")


class BadHistory(Failure):
    """The file is no history."""

    exit_code = WRONG_USAGE


@click.command("check")
@click.argument("history", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--drained", is_flag=True, help="In the end all was read: what was not is lost.")
@click.option("--not-idempotent", is_flag=True, help="Duplicates and disorder by retries are fine.")
@click.option("--copies-to", metavar="TOPIC", help="Values of TOPIC name their sources: once each?")
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the counter-examples (.png, .svg; matplotlib).",
)
@output_option
def check(
    history: Path,
    drained: bool,
    not_idempotent: bool,
    copies_to: str | None,
    picture: Path | None,
    output: str,
) -> None:
    """Judge HISTORY, a file of what clients of a Kafka cluster did and saw.

    Each line is an object of JSON: an operation begins, or ends. docs/history.md has the format.
    The exit status is 1 if something is violated or nothing was read, 2 if the file is no history.

    \b
    Examples:
      minikafka check history.jsonl
      minikafka check history.jsonl --drained --picture found.png
    """
    if picture is not None:
        require_matplotlib()
    report = _judge(history, Promises(not not_idempotent, drained, copies_to))
    if output == "table":
        click.echo(_headline(report))
    show(
        output,
        COLUMNS,
        [
            (name, each.violations, each.allowed, "bad" if each.violations else "ok", CHECKS[name])
            for name, each in report.verdicts.items()
        ],
    )
    if report.is_valid:
        if not report.proves_something:
            raise Failure(f"no record was read in {history}: it proves nothing")
        return
    if output == "table":
        click.echo(f"\n{report.text()}", nl=False)
    if picture is not None:
        draw_findings(report, picture)
    raise Failure(f"violated: {', '.join(report.violated)}")


def _judge(history: Path, promises: Promises) -> Report:
    # A million operations are some ten million objects without a cycle among them: to look for
    # cycles again and again takes as long as the checks. The process ends soon.
    gc.disable()
    try:
        with history.open("rb") as lines:
            return judge(parse_events(lines), promises)
    except MalformedHistory as error:
        raise BadHistory(f"{history}, {error}") from error
    finally:
        gc.enable()


def _headline(report: Report) -> str:
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in report.counts.items())
    lag = report.worst_lag
    behind = (
        ""
        if lag is None or not lag.lag_s
        else f"; at worst {lag.lag_s:.3f} s behind, process {lag.process} in {lag.key}"
    )
    return (
        f"operations: {counts}; records: {report.records_sent:,} sent, "
        f"{report.records_read:,} read{behind}\n"
    )
