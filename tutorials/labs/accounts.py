"""Each request accounted for: what its sender was told, and what the sink knows of it. PURE.

                     finished           not finished
    answered         good               broken promise: never in a queued run
    not answered     nobody was told    lost, and the sender may know it

Out of the same two records come the curves: nothing is sampled, so nothing is missed between two
looks. `depth` is what is inside at the end of an interval: of a direct service, requests begun and
not ended; of a queue, answered and not finished.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from .outcomes import ANSWERED, FAILED, REFUSED, TIMED_OUT, UNSENT, Outcomes

Finished = Mapping[str, tuple[float, int]]
"""What Sink.finished gives: id -> (when, in seconds on the monotonic clock; deliveries)."""

LATE_S: Final = 0.05
LATE_SHARE: Final = 0.01
RATE_SHARE: Final = 0.99
"""The rate is kept if it was reached to 99 %, and less than 1 % of the requests were 50 ms late."""

LONG_RUN_S: Final = 20.0
SHORT_INTERVAL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Account:
    """How many requests ended how."""

    sent: int
    answered: int
    refused: int
    timed_out: int
    failed: int
    finished: int
    finished_unanswered: int
    lost: int
    broken_promises: int
    delivered_again: int


@dataclass(frozen=True, slots=True)
class Pace:
    """Whether the generator kept its rate."""

    asked_rate: float
    reached_rate: float
    late_p99_ms: float
    late_max_ms: float
    late_percent: float
    is_kept: bool

    def __str__(self) -> str:
        """One sentence."""
        reached = f"{self.reached_rate:,.0f} of {self.asked_rate:,.0f} requests a second"
        if self.is_kept:
            return f"The generator kept its rate: {reached}."
        return (
            f"The generator fell behind: it started {reached}, {self.late_percent:.0f} % of them "
            f"more than {LATE_S * 1000:.0f} ms late, the worst by {self.late_max_ms:,.0f} ms."
        )


@dataclass(frozen=True, slots=True)
class Curves:
    """The run over time; entry n of each is about the interval from n * interval_s on."""

    interval_s: float
    offered_per_s: list[float]
    answered_per_s: list[float]
    finished_per_s: list[float]
    depth: list[int]
    latency_p50_ms: list[float | None]
    latency_p99_ms: list[float | None]


def account_of(outcomes: Outcomes, finished: Finished) -> Account:
    """Look at each request from both sides."""
    names = id_names(outcomes.count)
    pairs = [
        (status, name in finished) for status, name in zip(outcomes.status, names, strict=True)
    ]
    sent = outcomes.count - outcomes.number_of(UNSENT)
    answered_finished = pairs.count((ANSWERED, True))
    all_finished = sum(1 for _, is_finished in pairs if is_finished)
    return Account(
        sent=sent,
        answered=outcomes.number_of(ANSWERED),
        refused=outcomes.number_of(REFUSED),
        timed_out=outcomes.number_of(TIMED_OUT),
        failed=outcomes.number_of(FAILED),
        finished=all_finished,
        finished_unanswered=all_finished - answered_finished,
        lost=sent - all_finished,
        broken_promises=pairs.count((ANSWERED, False)),
        delivered_again=sum(1 for _, deliveries in finished.values() if deliveries > 1),
    )


def pace_of(outcomes: Outcomes) -> Pace:
    """Compare when requests started with when they should have."""
    sent = [id for id, status in enumerate(outcomes.status) if status != UNSENT]
    late_s = sorted(outcomes.started_s[id] - outcomes.due_s(id) for id in sent) or [0.0]
    took_s = outcomes.started_s[sent[-1]] if sent else 0.0
    reached = min(outcomes.rate, (len(sent) - 1) / took_s) if took_s > 0 else outcomes.rate
    late_share = sum(1 for each in late_s if each > LATE_S) / len(late_s)
    return Pace(
        asked_rate=outcomes.rate,
        reached_rate=reached,
        late_p99_ms=percentile(late_s, 99) * 1000,
        late_max_ms=late_s[-1] * 1000,
        late_percent=late_share * 100,
        is_kept=reached >= RATE_SHARE * outcomes.rate and late_share <= LATE_SHARE,
    )


def curves_of(outcomes: Outcomes, finished: Finished, is_queued: bool) -> Curves:
    """Sort what happened into intervals."""
    sent = [id for id, status in enumerate(outcomes.status) if status != UNSENT]
    started = [outcomes.started_s[id] for id in sent]
    ended = [outcomes.ended_s[id] for id in sent]
    answered = [outcomes.ended_s[id] for id in sent if outcomes.status[id] == ANSWERED]
    done = [at - outcomes.began for at, _ in finished.values()]
    end_s = max((max(times, default=0.0) for times in (started, ended, done)), default=0.0)
    interval_s = 1.0 if end_s > LONG_RUN_S else SHORT_INTERVAL_S
    size = int(end_s / interval_s) + 1
    enters, leaves = (answered, done) if is_queued else (started, ended)
    change = zip(_counts(enters, interval_s, size), _counts(leaves, interval_s, size), strict=True)
    latencies = _latencies(outcomes, sent, interval_s, size)
    return Curves(
        interval_s=interval_s,
        offered_per_s=[n / interval_s for n in _counts(started, interval_s, size)],
        answered_per_s=[n / interval_s for n in _counts(answered, interval_s, size)],
        finished_per_s=[n / interval_s for n in _counts(done, interval_s, size)],
        depth=list(accumulate(came - left for came, left in change)),
        latency_p50_ms=[percentile(each, 50) * 1000 if each else None for each in latencies],
        latency_p99_ms=[percentile(each, 99) * 1000 if each else None for each in latencies],
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """What `percent` of the values do not exceed; they come in order, and there is one."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def id_names(count: int) -> list[str]:
    """The ids as requests carry them and the sink has them."""
    return [f"{id:010d}" for id in range(count)]


def _counts(times: Iterable[float], interval_s: float, size: int) -> list[int]:
    counts = [0] * size
    for time in times:
        counts[max(0, int(time / interval_s))] += 1
    return counts


def _latencies(
    outcomes: Outcomes, sent: Iterable[int], interval_s: float, size: int
) -> list[list[float]]:
    """By when the request was due, in order; one that was given up took at least so long."""
    latencies: list[list[float]] = [[] for _ in range(size)]
    for id in sent:
        index = min(size - 1, int(outcomes.due_s(id) / interval_s))
        latencies[index].append(outcomes.latency_s(id))
    for each in latencies:
        each.sort()
    return latencies
