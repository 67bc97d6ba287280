"""All that one run of the first lab has shown. PURE."""

from dataclasses import dataclass
from typing import Literal

from .accounts import (
    Account,
    Curves,
    Finished,
    Pace,
    account_of,
    curves_of,
    pace_of,
    percentile,
)
from .outcomes import Outcomes

Mode = Literal["direct", "queued"]


@dataclass(frozen=True, slots=True)
class Report:
    """One run, measured."""

    mode: Mode
    account: Account
    pace: Pace
    curves: Curves
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    load_s: float
    drain_s: float
    is_interrupted: bool


def report_of(mode: Mode, outcomes: Outcomes, finished: Finished, is_interrupted: bool) -> Report:
    """What both records say."""
    answered = sorted(outcomes.answered_latencies_s())
    load_s = max(outcomes.started_s, default=0.0)
    last_s = max((at for at, _ in finished.values()), default=outcomes.began) - outcomes.began
    return Report(
        mode=mode,
        account=account_of(outcomes, finished),
        pace=pace_of(outcomes),
        curves=curves_of(outcomes, finished, mode == "queued"),
        latency_p50_ms=percentile(answered, 50) * 1000 if answered else None,
        latency_p99_ms=percentile(answered, 99) * 1000 if answered else None,
        load_s=load_s,
        drain_s=max(0.0, last_s - load_s),
        is_interrupted=is_interrupted,
    )
