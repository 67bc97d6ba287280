"""Counter-examples as a picture: who did what when, a panel for each check that found something.

    process 3                ├── read orders-0 0 'a', 2 'c' ──┤
    process 0    ├── sent orders-0 'b' at 1 ──┤
                 ────────────────────────────────────────────── seconds

Green is ok, red fail, amber info. matplotlib is imported when a picture is drawn.
"""

import textwrap
from pathlib import Path
from typing import Any, Final

from ..history.check import Report
from ..history.finding import Finding
from ..history.timeline import describe
from ..tutorials.labs import pictures
from .failure import Failure

Axes = Any

COLORS: Final = {"ok": "#2ca02c", "fail": "#c0392b", "info": "#e0a03c"}
WIDTH_INCHES: Final = 12.0
LANE_INCHES: Final = 0.7
TITLE_INCHES: Final = 1.3
TEXT_COLUMNS: Final = 90
MIN_SHARE: Final = 0.01
"""Of the width, so that a short operation is seen."""


def require_matplotlib() -> None:
    """Find out first that there is nothing to draw with."""
    if not pictures.can_draw():
        raise Failure("pictures need matplotlib: pip install 'minikafka[labs]'")


def draw_findings(report: Report, file: Path) -> None:
    """Draw the simplest violation of each check that found some."""
    findings = [report.verdicts[name].findings[0] for name in report.violated]
    heights = [TITLE_INCHES + LANE_INCHES * len(each.operations) for each in findings]
    figure = pictures.new_figure(WIDTH_INCHES, sum(heights))
    axes = figure.subplots(len(findings), 1, squeeze=False, height_ratios=heights)
    for row, finding in zip(axes, findings, strict=True):
        _draw(row[0], finding)
    try:
        figure.savefig(file, dpi=pictures.DPI)
    except (OSError, ValueError) as error:
        raise Failure(f"no picture in {file}: {error}") from error


def _draw(axes: Axes, finding: Finding) -> None:
    operations = sorted(finding.operations, key=lambda each: each.began)
    start_s = min((each.began_s for each in operations), default=0.0)
    ends_s = [each.began_s if each.ended_s is None else each.ended_s for each in operations]
    span_s = max(ends_s, default=0.0) - start_s or 1.0
    for lane, (operation, end_s) in enumerate(zip(operations, ends_s, strict=True)):
        left = operation.began_s - start_s
        # What never ended goes on to the edge.
        length = span_s - left if operation.ended_s is None else end_s - operation.began_s
        length = max(length, MIN_SHARE * span_s)
        axes.barh(lane, length, left=left, height=0.35, color=COLORS[operation.outcome])
        told = textwrap.shorten(describe(operation, finding), TEXT_COLUMNS, placeholder=" ...")
        is_late = left > span_s / 2
        axes.annotate(
            f"{operation.f} {operation.outcome}: {told}",
            (left + length if is_late else left, lane + 0.25),
            ha="right" if is_late else "left",
            va="bottom",
            fontsize="small",
            parse_math=False,
        )
    axes.set_yticks(range(len(operations)), [f"process {each.process}" for each in operations])
    axes.set_ylim(-0.5, len(operations) - 0.2)
    axes.set_xlabel("seconds")
    title = f"{finding.check} {finding.key}: {finding.sentence}"
    axes.set_title(
        "\n".join(textwrap.wrap(title, TEXT_COLUMNS)),
        loc="left",
        fontsize="medium",
        parse_math=False,
    )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
