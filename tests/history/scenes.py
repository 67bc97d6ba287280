"""Hand-made histories: a line of a test for each operation.

    judge(
        did(0, "send", sends=[("x", "a", 0)]),
        did(1, "poll", reads={"x": [(0, "a")]}),
    )

Operations that overlap are written as begins(...) and ends(...). Time is the line.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from minikafka.history.check import Report, check
from minikafka.history.event import Event
from minikafka.history.evidence import Promises

Row = tuple[int, str, str, Any, tuple[str, ...]]
Sends = Sequence[tuple[str, Any, int | None]]
Reads = Mapping[str, Sequence[tuple[int | None, Any]]]


def begins(process: int, f: str, sends: Sends = (), value: Any = None) -> list[Row]:
    """An operation begins."""
    micro = [["send", key, sent] for key, sent, _ in sends]
    if f in ("poll", "txn"):
        micro.append(["poll"])
    return [(process, "invoke", f, value if value is not None else micro, ())]


def ends(
    process: int,
    f: str,
    outcome: str = "ok",
    sends: Sends = (),
    reads: Reads | Sequence[Reads] = (),
    value: Any = None,
    rebalanced: tuple[str, ...] = (),
) -> list[Row]:
    """It ends; a sequence of reads is what one poll after the other returned."""
    micro: list[Any] = [
        ["send", key, sent if offset is None else [offset, sent]] for key, sent, offset in sends
    ]
    polls = [reads] if isinstance(reads, Mapping) else reads
    micro += [["poll", {key: [*map(list, got)] for key, got in each.items()}] for each in polls]
    return [(process, outcome, f, value if value is not None else micro, rebalanced)]


def did(process: int, f: str, outcome: str = "ok", **what: Any) -> list[Row]:
    """An operation begins and ends, with nothing between."""
    first = {name: each for name, each in what.items() if name in ("sends", "value")}
    return begins(process, f, **first) + ends(process, f, outcome, **what)


def assign(process: int, *keys: str, f: str = "assign", outcome: str = "ok") -> list[Row]:
    """A process reads these partitions."""
    return did(process, f, outcome, value=[*keys])


def history(*scenes: list[Row]) -> list[Event]:
    """The events, with the line as index and time."""
    rows = [row for scene in scenes for row in scene]
    return [
        Event(n, process, kind, f, float(n), value, rebalanced)
        for n, (process, kind, f, value, rebalanced) in enumerate(rows)
    ]


def judge(*scenes: list[Row], **promises: Any) -> Report:
    """What the checker says of it."""
    return check(history(*scenes), Promises(**promises))


def found(report: Report, name: str) -> list[tuple[str, tuple[int, ...]]]:
    """The findings of one check: partition and offsets."""
    return [(each.key, tuple(each.offsets)) for each in report.verdicts[name].findings]
