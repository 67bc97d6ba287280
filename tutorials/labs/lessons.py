"""What a lab has shown, in a sentence or two that are made of what was measured. PURE."""

from collections.abc import Sequence
from typing import Final

from .cell import Cell
from .report import Report

ENOUGH: Final = 0.9
"""A pool is large enough if it finishes so much of what the best one does, in the same time."""


def load_levelling(reports: Sequence[Report]) -> str:
    """What the two runs say."""
    return " ".join(_direct(each) if each.mode == "direct" else _queued(each) for each in reports)


def _direct(report: Report) -> str:
    account = report.account
    return (
        f"Without a queue, {account.answered:,} of {account.sent:,} requests were answered in "
        f"time, and {account.lost:,} were lost."
    )


def _queued(report: Report) -> str:
    account = report.account
    if account.broken_promises:
        return f"With a queue, {account.broken_promises:,} accepted requests were lost."
    return (
        f"With a queue, {account.answered:,} of {account.sent:,} were accepted in time, "
        f"{account.finished:,} were finished and {account.lost:,} were lost; the work went on for "
        f"{report.drain_s:.0f} s after the burst. "
        f"A queue makes nothing faster: it makes the waiting safe."
    )


def workers(cells: Sequence[Cell]) -> str:
    """Who was the quickest at each kind of work, and what the light load makes of it."""
    heavy = [cell for cell in cells if cell.load == "heavy"]
    sentences = [
        f"{kind.capitalize()}: {_quickest([cell for cell in heavy if cell.kind == kind])}."
        for kind in dict.fromkeys(cell.kind for cell in heavy)
    ]
    light = [cell.latency_ms for cell in cells if cell.load == "light"]
    if light:
        sentences.append(
            f"Under the light load the quickest cell takes {min(light):,.0f} ms and the slowest "
            f"{max(light):,.0f}."
        )
    return "Under the heavy load, on average. " + " ".join(sentences)


def _quickest(cells: Sequence[Cell]) -> str:
    ordered = sorted(cells, key=lambda cell: cell.latency_ms)
    return ", ".join(f"{cell.way} {cell.latency_ms:,.0f} ms" for cell in ordered)


def sweep(cells: Sequence[Cell]) -> str:
    """From which size on a pool gains little."""
    sentences: list[str] = []
    for kind in dict.fromkeys(cell.kind for cell in cells):
        pools = [cell for cell in cells if cell.kind == kind]
        best = max(pool.finished_per_s for pool in pools)
        enough = min(pool.size for pool in pools if pool.finished_per_s >= ENOUGH * best)
        sentences.append(
            f"{kind.capitalize()}: {enough} thread{'s' if enough > 1 else ''} finish nine tenths "
            f"of what any pool did ({best:,.0f} a second)."
        )
    return " ".join(sentences) + " More are waste, fewer are delay."
