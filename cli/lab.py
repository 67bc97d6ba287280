"""`minikafka lab`: the original experiments, run and measured on this machine.

    load-levelling   a burst of requests, without a queue and with one         (here)
    workers          one thread, many threads, a pool, processes               lab_workers.py
    cluster          three nodes live, lose one, get a fourth                  lab_cluster.py

The labs themselves are in tutorials/labs and know nothing of the command line: here a node is
started for them, progress is shown, and what they measured becomes a table, a JSON file and
pictures. Ctrl-C keeps what was measured until then.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from ..tutorials.labs import lessons, pictures
from ..tutorials.labs.load_levelling import Plan, Run
from ..tutorials.labs.report import Mode, Report
from . import table
from .child_node import ChildNode
from .failure import DONE, FAILED, INTERRUPTED
from .lab_cluster import cluster
from .lab_results import (
    look_at_machine,
    pictures_option,
    require_matplotlib,
    results_option,
    run_lab,
    say_written,
    scale_option,
    scratch_directory,
    write_json,
)
from .lab_workers import workers
from .narration import Narrator, narration

MODES: Final[tuple[Mode, ...]] = ("direct", "queued")


@click.group()
def lab() -> None:
    """Run an experiment: it prints a table, and writes its figures and pictures.

    \b
    Examples:
      minikafka lab load-levelling --scale 0.1
      minikafka lab workers --scale 0.1
      minikafka lab cluster
    """


@lab.command("load-levelling")
@click.option("--rate", type=click.FloatRange(1, 100_000), default=5000.0, show_default=True)
@click.option("--seconds", type=click.FloatRange(0.1, 3600), default=60.0, show_default=True)
@scale_option
@click.option(
    "--timeout",
    type=click.FloatRange(0.01, 60),
    default=2.0,
    show_default=True,
    help="Seconds after which a client gives up.",
)
@click.option(
    "--work-ms",
    type=click.FloatRange(1, 60_000),
    default=20.0,
    show_default=True,
    help="How long the work for a request takes.",
)
@click.option(
    "--slots",
    type=click.IntRange(min=0),
    default=0,
    help="Requests worked on at once; default: as many as do half of the load.",
)
@click.option(
    "--backlog",
    type=click.IntRange(min=0),
    default=20_000,
    show_default=True,
    help="Requests that the direct service lets wait; above that it refuses.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--only", type=click.Choice(MODES), help="Only one of the two runs.")
@results_option
@pictures_option
def load_levelling(
    scale: float, only: Mode | None, results: Path, draws: bool, timeout: float, **options: Any
) -> int:
    """Send the same burst to a service that works at once, and to one that puts it into a queue.

    By default 5,000 requests a second for 60 s, twice what the service can do. Exit status 1 if a
    request that the queue has accepted was not finished.

    \b
    Examples:
      minikafka lab load-levelling
      minikafka lab load-levelling --rate 500 --seconds 10
      minikafka lab load-levelling --only direct --backlog 1000
    """
    require_matplotlib(draws)
    machine = look_at_machine()
    options["seconds"] *= scale
    plan = Plan(timeout_s=timeout, **options)
    reports, is_interrupted = _measure_all(plan, (only,) if only else MODES)
    if reports:
        _show_and_write(plan, reports, machine, results / "load-levelling", draws)
    if is_interrupted:
        return INTERRUPTED
    return FAILED if any(each.account.broken_promises for each in reports) else DONE


def _measure_all(plan: Plan, modes: Sequence[Mode]) -> tuple[list[Report], bool]:
    """One run after the other; what was measured before Ctrl-C, and whether that came."""
    reports: list[Report] = []
    with narration() as narrator:
        for mode in modes:
            try:
                reports.append(_measure(plan, mode, narrator))
            except KeyboardInterrupt:  # before this run had anything to show
                return reports, True
            if reports[-1].is_interrupted:
                return reports, True
    return reports, False


def _show_and_write(
    plan: Plan, reports: Sequence[Report], machine: dict[str, Any], stem: Path, draws: bool
) -> None:
    show_account(reports)
    lesson = lessons.load_levelling(reports)
    click.echo("\n" + "\n".join([lesson, *(f"{each.mode}: {each.pace}" for each in reports)]))
    runs = [asdict(each) for each in reports]
    write_json(stem, {"machine": machine, "lesson": lesson, "plan": asdict(plan), "runs": runs})
    if draws:
        say_written(pictures.draw_load_levelling(plan, reports, lesson, stem))


def _measure(plan: Plan, mode: Mode, narrator: Narrator) -> Report:
    count, slots = plan.count, plan.slot_count
    narrator.say(
        f"{mode}: {count:,} requests, {plan.rate:,.0f} a second, to a service that can do "
        f"{plan.capacity:,.0f} ({slots} at once, {plan.work_ms:g} ms each)."
    )
    with scratch_directory() as directory:
        return run_lab(_measure_there(plan, mode, directory, narrator))


async def _measure_there(plan: Plan, mode: Mode, directory: Path, narrator: Narrator) -> Report:
    """The run, with a node of its own if it needs one."""
    if mode == "direct":
        return await Run(plan, mode, "", directory, narrator.progress).measure()
    node = ChildNode(directory / "node-1")
    try:
        await node.start()
        return await Run(plan, mode, node.bootstrap, directory, narrator.progress).measure()
    finally:
        await node.stop()


def show_account(reports: Sequence[Report]) -> None:
    """What became of the requests, a row for each kind of end."""
    columns = ["requests", *(each.mode for each in reports)]
    accounts = [asdict(each.account) for each in reports]
    rows: list[list[str]] = [
        [name.replace("_", " "), *(f"{account[name]:,}" for account in accounts)]
        for name in accounts[0]
    ]
    rows.append(["latency, half (ms)", *(_number(each.latency_p50_ms) for each in reports)])
    rows.append(["latency, 99 of 100 (ms)", *(_number(each.latency_p99_ms) for each in reports)])
    rows.append(["most inside", *(f"{max(each.curves.depth):,}" for each in reports)])
    rows.append(["last finished after the load (s)", *(f"{each.drain_s:.1f}" for each in reports)])
    click.echo()
    table.show("table", columns, rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


lab.add_command(workers)
lab.add_command(cluster)
