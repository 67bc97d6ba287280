"""Pictures of what a lab has measured, as PNG and SVG, with the lesson in a sentence below.

matplotlib draws; it comes with `pip install 'minikafka[labs]'`, and whoever does without pictures
does without it: it is imported when a picture is drawn.
"""

import importlib.util
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

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
