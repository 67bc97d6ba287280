"""What a lab has shown, in a sentence or two that are made of what was measured. PURE."""

from collections.abc import Sequence

from .report import Report


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
        f"With a queue, {account.answered:,} of {account.sent:,} were accepted and "
        f"{account.lost:,} were lost; the work went on for {report.drain_s:.0f} s after the burst. "
        f"A queue makes nothing faster: it makes the waiting safe."
    )
