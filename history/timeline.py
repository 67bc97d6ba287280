"""A finding as a text: who did what when, and no more than is needed to see it. PURE.

lost-write in orders-0 (1 of 3): 'b' was written at offset 1 and nobody read it, though ...
  line  seconds  process
     3    0.000  0        send... orders-0 'b'
     4    0.012  0        send ok orders-0 'b' at 1
     9    1.200  1        poll ok orders-0 0 'a', 2 'c'
"""

from collections.abc import Iterator, Sequence
from typing import Final

from .finding import Finding
from .operation import NEVER, Operation, Read

AROUND: Final = 2
"""Of what was read, so many records on each side of those that matter are shown."""
MAX_VALUE_COLUMNS: Final = 200


def timeline(finding: Finding, count: int = 1) -> str:
    """The finding's sentence, and below it the begin and end of its operations, in order."""
    where = f" in {finding.key}" if finding.key else ""
    many = f" (1 of {count:,})" if count > 1 else ""
    lines = [f"{finding.check}{where}{many}: {finding.sentence}"]
    moments = sorted(_moments(finding), key=lambda moment: moment[0])
    start_s = min((time_s for _, time_s, _, _ in moments), default=0.0)
    width = max((len(process) for _, _, process, _ in moments), default=0)
    width = max(width, len("process"))
    lines.append(f"  {'line':>8}  {'seconds':>9}  {'process':{width}}")
    for line, time_s, process, what in moments:
        lines.append(f"  {line:>8}  {time_s - start_s:>9.3f}  {process:{width}}  {what}")
    return "\n".join(lines) + "\n"


def _moments(finding: Finding) -> Iterator[tuple[int, float, str, str]]:
    for operation in {id(each): each for each in finding.operations}.values():
        process = str(operation.process)
        told = describe(operation, finding)
        yield operation.began, operation.began_s, process, f"{operation.f} begins"
        if operation.ended != NEVER:
            why = f" ({operation.error})" if operation.error else ""
            ended_s = operation.ended_s or operation.began_s
            what = f"{operation.f} {operation.outcome} {told}{why}"
            yield operation.ended, ended_s, process, what
        else:
            yield NEVER, operation.began_s, process, f"{operation.f} never ended {told}"


def describe(operation: Operation, finding: Finding) -> str:
    """What an operation sent and read, as far as the finding is about it."""
    parts = [
        f"sent {send.key} {send.value!r}" + ("" if send.offset is None else f" at {send.offset}")
        for send in operation.sends
        if not finding.key or (send.key == finding.key and _matters(send.offset, finding))
    ]
    for key, records in (operation.reads or {}).items():
        if not finding.key or key == finding.key:
            parts.append(f"read {key} {_around(records, finding.offsets)}")
    if operation.value is not None:
        parts.append(_shortened(str(operation.value)))
    return "; ".join(parts) or "nothing of it"


def _matters(offset: int | None, finding: Finding) -> bool:
    return offset is None or not finding.offsets or offset in finding.offsets


def _around(records: Sequence[Read], offsets: Sequence[int]) -> str:
    """The records at these offsets and their neighbours; three dots for the others."""
    places = [n for n, (offset, _) in enumerate(records) if offset is None or offset in offsets]
    shown = sorted({n for place in places for n in range(place - AROUND, place + AROUND + 1)})
    chosen = [n for n in shown if 0 <= n < len(records)] or [*range(len(records))][: 2 * AROUND]
    told: list[str] = []
    last = -1
    for n in chosen:
        offset, value = records[n]
        told += ["..."] if n > last + 1 else []
        told.append(f"{'?' if offset is None else offset} {value!r}")
        last = n
    told += ["..."] if last + 1 < len(records) else []
    return ", ".join(told)


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_VALUE_COLUMNS else f"{text[:MAX_VALUE_COLUMNS]}..."
