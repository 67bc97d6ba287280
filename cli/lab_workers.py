"""`minikafka lab workers`: ways to work beside each other. See lab.py."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from ..tutorials.labs import lessons, pictures
from ..tutorials.labs.cell import Cell
from ..tutorials.labs.work import Kind
from ..tutorials.labs.workers import KINDS, Trial, matrix, measure_all, sweep
from . import table
from .child_node import ChildNode
from .failure import DONE, FAILED, INTERRUPTED
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
from .narration import Narrator, narration

COLUMNS: Final = (
    "load",
    "work",
    "way",
    "size",
    "finished",
    "mean_ms",
    "half_ms",
    "99_of_100_ms",
    "waited_ms",
    "worked_ms",
    "a_second",
)


@click.command()
@scale_option
@click.option("--work", type=click.Choice(KINDS), help="Only this kind of work.")
@click.option("--matrix/--no-matrix", "wants_matrix", default=True, help="Whether to measure it.")
@click.option("--sweep/--no-sweep", "wants_sweep", default=True, help="Whether to measure it.")
@results_option
@pictures_option
def workers(
    scale: float,
    work: Kind | None,
    wants_matrix: bool,
    wants_sweep: bool,
    results: Path,
    draws: bool,
) -> int:
    """Work for the same records with one thread, five threads a record, a pool, and processes.

    At full size it takes 40 minutes: 5,000 records a second for 10 s, and 100 for 50 s, for three
    kinds of work and four ways each; then pools of 1 to 64 threads. Ctrl-C keeps what is measured.
    Exit status 1 if a record was not worked for.

    \b
    Examples:
      minikafka lab workers --scale 0.1
      minikafka lab workers --work waiting --no-sweep
    """
    require_matplotlib(draws)
    statuses: list[int] = []
    if wants_matrix:
        trials = matrix(scale, (work,) if work else KINDS)
        statuses.append(
            _measure("workers", trials, lessons.workers, draws and pictures.draw_workers, results)
        )
    if wants_sweep and INTERRUPTED not in statuses:
        trials = sweep(scale, (work,)) if work else sweep(scale)
        statuses.append(
            _measure("workers-sweep", trials, lessons.sweep, draws and pictures.draw_sweep, results)
        )
    return max(statuses, default=DONE)


def _measure(
    name: str,
    trials: Sequence[Trial],
    lesson_of: Callable[[Sequence[Cell]], str],
    draw: Callable[[Sequence[Cell], str, Path], list[Path]] | bool,
    results: Path,
) -> int:
    """Measure, show and write; the exit status."""
    machine = look_at_machine()
    cells: list[Cell] = []
    is_interrupted = False
    with narration() as narrator, scratch_directory() as directory:
        narrator.say(f"{name}: {len(trials)} cells.")
        try:
            run_lab(_fill(cells, trials, directory, narrator))
        except KeyboardInterrupt:
            is_interrupted = True
    if not cells:
        return INTERRUPTED
    click.echo()
    table.show("table", COLUMNS, map(_row, cells))
    lesson = lesson_of(cells)
    click.echo(f"\n{lesson}")
    written = [asdict(cell) for cell in cells]
    write_json(results / name, {"machine": machine, "lesson": lesson, "cells": written})
    if callable(draw):
        say_written(draw(cells, lesson, results / name))
    if is_interrupted:
        return INTERRUPTED
    return DONE if all(cell.finished == cell.sent for cell in cells) else FAILED


async def _fill(
    cells: list[Cell], trials: Sequence[Trial], directory: Path, narrator: Narrator
) -> None:
    """Measure one cell after the other into `cells`, with a node of their own."""
    node = ChildNode(directory / "node-1")
    try:
        await node.start()
        async for cell in measure_all(trials, node.bootstrap, directory):
            cells.append(cell)
            narrator.say(
                f"  {len(cells)}/{len(trials)}  {trials[len(cells) - 1]}: {cell.latency_ms:,.0f} ms"
            )
    finally:
        await node.stop()


def _row(cell: Cell) -> tuple[object, ...]:
    durations = (
        cell.latency_ms,
        cell.latency_p50_ms,
        cell.latency_p99_ms,
        cell.wait_ms,
        cell.work_ms,
    )
    return (
        cell.load,
        cell.kind,
        cell.way,
        cell.size or None,
        f"{cell.finished:,}",
        *(f"{each:,.1f}" for each in durations),
        f"{cell.finished_per_s:,.0f}",
    )
