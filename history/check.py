"""Whether a queue may behave as a history says: all checks, and the report. PURE.

    report = check(events)                       from Event to Event
    report = check(parse_events(file))           from a file's lines
    report.is_valid, report.verdicts["lost-write"].violations, print(report.text())

Each check takes O(N log N) for N records and operations.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from . import (
    commits,
    copies,
    cycles,
    losses,
    orders,
    positions,
    reads,
    replicas,
    sending,
    stability,
)
from .event import Event
from .evidence import Evidence, Promises
from .finding import Finding
from .lag import Lag, lags
from .operation import Operation, operations_of
from .timeline import timeline

MAX_FINDINGS_KEPT: Final = 5
"""Of each check; the others are counted."""

CHECKS: Final[Mapping[str, str]] = {
    "inconsistent-offsets": "one offset, two values",
    "duplicate": "one value, two offsets",
    "phantom": "read, and never sent, or not yet",
    "G1a": "read, and its send failed",
    "lost-write": "written, passed by, and never read",
    "unseen": "acknowledged, and not read to the end",
    "poll-skip": "a reader left records out between two polls",
    "nonmonotonic-poll": "a reader went back between two polls",
    "int-poll-skip": "a reader left records out within an operation",
    "int-nonmonotonic-poll": "a reader went back within an operation",
    "nonmonotonic-send": "a sender's records lie in another order",
    "int-nonmonotonic-send": "the same within an operation",
    "real-time-order": "sent after an acknowledgement, and lies before it",
    "precommitted-read": "a transaction read what itself wrote",
    "G1c": "transactions read of each other in a circle",
    "read-stability": "read once, and later another, or gone",
    "commit-durability": "a group's offset fell back behind an acknowledged one",
    "group-exclusivity": "two owners of a partition, or a commit of an old generation",
    "exactly-once": "a record was copied not at all, or twice",
    "ground-truth": "on the disks: acknowledged and missing, or not the same",
}
"""What each of them finds."""

_FINDERS: Final[Sequence[Callable[[Evidence], Iterator[Finding]]]] = (
    orders.inconsistent_offsets,
    orders.duplicates,
    reads.wrong_reads,
    reads.precommitted_reads,
    losses.lost_writes,
    losses.unseen,
    positions.poll_steps,
    stability.unstable_reads,
    sending.falling_sends,
    sending.overtaken_sends,
    cycles.circular_reads,
    commits.lost_commits,
    commits.shared_partitions,
    copies.miscounted_copies,
    replicas.broken_replicas,
)


@dataclass(slots=True)
class Verdict:
    """What one check found."""

    violations: int = 0
    allowed: int = 0
    """What Kafka may do here; see Promises."""
    findings: list[Finding] = field(default_factory=list[Finding])
    """Some of the violations, those with the fewest operations first."""

    def add(self, finding: Finding) -> None:
        """Count it, and keep it if there is room or it is simpler than one that is kept."""
        if finding.is_allowed:
            self.allowed += 1
            return
        self.violations += 1
        self.findings.append(finding)
        if len(self.findings) > MAX_FINDINGS_KEPT:
            self.findings.sort(key=_size)
            self.findings.pop()


@dataclass(frozen=True, slots=True)
class Report:
    """What a history was, and what is wrong with it."""

    counts: Mapping[str, int]
    """How many operations there were of each outcome."""
    records_sent: int
    records_read: int
    verdicts: Mapping[str, Verdict]
    """By check, in the order of CHECKS."""
    worst_lag: Lag | None

    @property
    def is_valid(self) -> bool:
        """Whether nothing is violated."""
        return not any(each.violations for each in self.verdicts.values())

    @property
    def proves_something(self) -> bool:
        """Whether anything was read, without which there is little to violate."""
        return self.records_read > 0

    @property
    def violated(self) -> list[str]:
        """The checks that found something."""
        return [name for name, each in self.verdicts.items() if each.violations]

    def findings(self) -> Iterator[Finding]:
        """The simplest violations of each check."""
        for verdict in self.verdicts.values():
            yield from verdict.findings

    def text(self) -> str:
        """The counter-examples, one for each check that found something; empty if none did."""
        return "\n".join(
            timeline(self.verdicts[name].findings[0], self.verdicts[name].violations)
            for name in self.violated
        )


def check(events: Iterable[Event], promises: Promises | None = None) -> Report:
    """Judge a history; raises MalformedHistory, which names the line, if that cannot be done."""
    return check_operations(operations_of(events), promises)


def check_operations(operations: Sequence[Operation], promises: Promises | None = None) -> Report:
    """Judge operations, in the order in which they began."""
    evidence = Evidence(operations, promises or Promises())
    verdicts = {name: Verdict() for name in CHECKS}
    for find in _FINDERS:
        for finding in find(evidence):
            verdicts[finding.check].add(finding)
    for verdict in verdicts.values():
        verdict.findings = sorted((_proven(evidence, each) for each in verdict.findings), key=_size)
    counts = {"ok": 0, "fail": 0, "info": 0}
    for operation in operations:
        counts[operation.outcome] += 1
    sent = sum(len(each.sends) for each in operations)
    read = sum(len(records) for each in operations for records in (each.reads or {}).values())
    return Report(counts, sent, read, verdicts, max(lags(operations), default=None))


def _proven(evidence: Evidence, finding: Finding) -> Finding:
    """The finding with its operations; to look for them takes a walk through the history."""
    if finding.operations:
        return finding
    return replace(finding, operations=evidence.witnesses(finding.key, finding.offsets))


def _size(finding: Finding) -> tuple[int, int]:
    """How much there is to look at."""
    return len(finding.operations), len(finding.offsets)
