"""What `minikafka log dump` finds in a file, one line each, for people and for programs. PURE.

    heading          names the columns; for people alone
    batch, record, entry, producer, ...    one thing that the file holds
    damage           what is wrong, and at which position
    sum              how much there was, and whether it is sound

Bytes that people see are escaped and cut, since a record may hold anything; programs get all.
"""

import codecs
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

MAX_SHOWN_BYTES: Final = 120
NOTHING: Final = "-"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class DumpLine(NamedTuple):
    """One line: what kind of thing it is, its fields for programs, its text for people."""

    kind: str
    fields: dict[str, Any]
    text: str


def heading(columns: Sequence[tuple[str, int]]) -> DumpLine:
    """The line above the others; `columns` are the names and the widths that row() takes."""
    names = [name.upper().replace("_", " ") for name, _ in columns]
    return DumpLine("heading", {}, row(columns, names))


def row(columns: Sequence[tuple[str, int]], values: Sequence[Any]) -> str:
    """The values below their heading. Widths are fixed: nobody has seen all lines beforehand."""
    cells = (f"{value!s:<{width}}" for (_, width), value in zip(columns, values, strict=True))
    return "  ".join(cells).rstrip()


def damage(position: int, reason: str, more: str = "", **fields: Any) -> DumpLine:
    """What is wrong at a position of the file; `more` is for people, who get no fields."""
    text = f"{position:<12}DAMAGED: {reason}{more}"
    return DumpLine("damage", {"position": position, "reason": reason, **fields}, text)


def total(damaged: int, **counts: int) -> DumpLine:
    """The last line: how much of what, as `batches=12` says, and whether it is sound."""
    amount = ", ".join(f"{count} {_plural(name, count)}" for name, count in counts.items())
    places = f"{damaged} {_plural('places', damaged)}"
    verdict = f"DAMAGED in {places}" if damaged else "sound"
    fields = counts | {"damaged": damaged}
    return DumpLine("sum", fields, f"{amount}: {verdict}")


def shown_bytes(data: bytes | None) -> str:
    """Bytes as a person reads them: 'text', b'\\x00' where they are none, cut if they are many."""
    if data is None:
        return "null"
    head = data[:MAX_SHOWN_BYTES]
    try:
        # Not final: a character that was cut in half does not make the text bytes.
        text = repr(codecs.getincrementaldecoder("utf-8")().decode(head, len(head) == len(data)))
    except UnicodeDecodeError:
        text = repr(head)
    return text if len(head) == len(data) else f"{text}... ({len(data)} bytes)"


def shown_field(name: str, value: Any) -> str:
    """A named value as a person reads it, in JSON, cut if it is long."""
    text = json.dumps(value)
    short = text if len(text) <= MAX_SHOWN_BYTES else f"{text[:MAX_SHOWN_BYTES]}..."
    return f"{name} {short}"


def shown_time(timestamp_ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC; a number that is no time stays a number."""
    if timestamp_ms == -1:
        return NOTHING
    try:
        time = _EPOCH + timedelta(milliseconds=timestamp_ms)
    except OverflowError:
        return str(timestamp_ms)
    return f"{time.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _plural(name: str, count: int) -> str:
    return name if count != 1 else name.removesuffix("es" if name.endswith("ches") else "s")
