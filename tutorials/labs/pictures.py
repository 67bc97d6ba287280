"""Pictures of what a lab has measured, as PNG and SVG, with the lesson in a sentence below.

matplotlib draws; it comes with `pip install 'minikafka[labs]'`, and whoever does without pictures
does without it: it is imported when a picture is drawn.
"""

import importlib.util
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from .cell import LATE_S, Cell
from .load_levelling import Plan
from .report import Report

Axes = Any
Figure = Any
"""matplotlib's own types, half of which are unknown to a type checker."""

OFFERED: Final = "#8a8a8a"
ANSWERED: Final = "#1f77b4"
FINISHED: Final = "#2ca02c"
WARNING: Final = "#c0392b"
DPI: Final = 130
CAPTION_COLUMNS: Final = 125
LATE_PERCENT: Final = 1.0
WAY_COLORS: Final = {
    "single thread": "#8a8a8a",
    "five threads a record": "#e08e45",
    "pool": "#1f77b4",
    "processes": "#2ca02c",
}
ENDINGS: Final = ("png", "svg")


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def draw_load_levelling(
    plan: Plan, reports: Sequence[Report], lesson: str, stem: Path
) -> list[Path]:
    """Draw the runs beside each other: rates, what is inside, latency. The files written."""
    figure = new_figure(width=6.5 * len(reports), height=9.0)
    axes = figure.subplots(3, len(reports), sharex=True, squeeze=False)
    for column, report in enumerate(reports):
        rates, depth, latency = (axes[row][column] for row in range(3))
        title = (
            "Direct: work, then answer" if report.mode == "direct" else "Queued: answer, then work"
        )
        rates.set_title(title + (" (interrupted)" if report.is_interrupted else ""))
        _draw_rates(rates, report, plan)
        _draw_depth(depth, report)
        _draw_latency(latency, report, plan)
        latency.set_xlabel("seconds since the first request")
    warnings = [f"{each.mode}: {each.pace}" for each in reports if not each.pace.is_kept]
    return save(figure, lesson, warnings, stem)


def _draw_rates(axes: Axes, report: Report, plan: Plan) -> None:
    curves = report.curves
    times = [n * curves.interval_s for n in range(len(curves.depth))]
    axes.step(times, curves.offered_per_s, color=OFFERED, where="post", label="offered")
    axes.step(times, curves.answered_per_s, color=ANSWERED, where="post", label="answered in time")
    axes.step(times, curves.finished_per_s, color=FINISHED, where="post", label="finished")
    axes.axhline(plan.capacity, color=FINISHED, linestyle=":", linewidth=1, label="capacity")
    axes.set_ylabel("requests a second")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right", fontsize="small")


def _draw_depth(axes: Axes, report: Report) -> None:
    curves = report.curves
    times = [n * curves.interval_s for n in range(len(curves.depth))]
    axes.fill_between(times, curves.depth, color=ANSWERED, alpha=0.3, linewidth=0)
    axes.plot(times, curves.depth, color=ANSWERED)
    inside = "in the service" if report.mode == "direct" else "in the queue"
    axes.set_ylabel(f"requests {inside}")
    axes.set_ylim(bottom=0)


def _draw_latency(axes: Axes, report: Report, plan: Plan) -> None:
    curves = report.curves
    pairs = zip(curves.latency_p50_ms, curves.latency_p99_ms, strict=True)
    points = [
        (n * curves.interval_s, half, most)
        for n, (half, most) in enumerate(pairs)
        if half is not None and most is not None
    ]
    times = [time for time, _, _ in points]
    axes.plot(times, [half for _, half, _ in points], color=ANSWERED, label="half of them")
    axes.plot(times, [most for _, _, most in points], color=OFFERED, label="99 of 100")
    axes.axhline(plan.timeout_s * 1000, color=WARNING, linestyle=":", label="clients give up")
    axes.set_yscale("log")
    axes.set_ylim(1, plan.timeout_s * 2000)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylabel("ms until answered or given up")
    axes.legend(loc="lower right", fontsize="small")


def draw_workers(cells: Sequence[Cell], lesson: str, stem: Path) -> list[Path]:
    """Draw the matrix: a panel for each load and kind of work, a bar for each way."""
    loads = list(dict.fromkeys(cell.load for cell in cells))
    kinds = list(dict.fromkeys(cell.kind for cell in cells))
    figure = new_figure(width=4.6 * len(kinds), height=3.4 * len(loads))
    axes = figure.subplots(len(loads), len(kinds), squeeze=False)
    for row, load in enumerate(loads):
        for column, kind in enumerate(kinds):
            panel = axes[row][column]
            _draw_bars(panel, [cell for cell in cells if (cell.load, cell.kind) == (load, kind)])
            panel.set_title(f"{kind}, {load} load")
    return save(figure, lesson, _late(cells), stem)


def _draw_bars(axes: Axes, cells: Sequence[Cell]) -> None:
    ways = [cell.way.replace(" ", "\n", 1) for cell in cells]
    colors = [WAY_COLORS.get(cell.way, OFFERED) for cell in cells]
    bars = axes.bar(ways, [cell.latency_ms for cell in cells], color=colors)
    axes.bar_label(bars, fmt="{:,.0f}", fontsize="small")
    axes.plot(ways, [cell.latency_p99_ms for cell in cells], "_", color="black", markersize=18)
    axes.set_ylabel("ms: mean, and 99 of 100 (mark)", fontsize="small")
    axes.tick_params(axis="x", labelsize="small")


def draw_sweep(cells: Sequence[Cell], lesson: str, stem: Path) -> list[Path]:
    """Draw rate and latency over the pool's size, a line for each kind of work."""
    figure = new_figure(width=11.0, height=4.2)
    rates, latencies = figure.subplots(1, 2)
    for kind in dict.fromkeys(cell.kind for cell in cells):
        pools = [cell for cell in cells if cell.kind == kind]
        sizes = [cell.size for cell in pools]
        rates.plot(sizes, [cell.finished_per_s for cell in pools], "o-", label=kind)
        latencies.plot(sizes, [cell.latency_ms for cell in pools], "o-", label=kind)
    rates.set_ylabel("records finished a second")
    rates.set_ylim(bottom=0)
    latencies.set_ylabel("ms from due to finished, mean")
    latencies.set_yscale("log")
    for axes in (rates, latencies):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("threads in the pool")
        axes.legend()
    return save(figure, lesson, _late(cells), stem)


def _late(cells: Sequence[Cell]) -> list[str]:
    """What a reader has to know: some records left late, since the machine was busy."""
    late = [cell for cell in cells if cell.feeder_late_percent > LATE_PERCENT]
    if not late:
        return []
    worst = max(cell.feeder_late_percent for cell in late)
    return [
        f"The feeder did not keep its rate in {len(late)} of {len(cells)} cells: up to "
        f"{worst:.0f} % of a cell's records left more than {LATE_S * 1000:.0f} ms late."
    ]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, lesson: str, warnings: Sequence[str], stem: Path) -> list[Path]:
    """Write the figure with its lesson below, and with warnings on top, in red."""
    if warnings:
        lines = [line for each in warnings for line in textwrap.wrap(each, CAPTION_COLUMNS)]
        figure.suptitle("\n".join(lines), color=WARNING, fontsize="small")
    figure.supxlabel("\n".join(textwrap.wrap(lesson, CAPTION_COLUMNS)), fontsize="medium")
    stem.parent.mkdir(parents=True, exist_ok=True)
    files = [stem.with_suffix(f".{ending}") for ending in ENDINGS]
    for file in files:
        figure.savefig(file, dpi=DPI)
    return files
