"""A line of a history: an operation begins, or ends. PURE.

    {"i": 0, "proc": 1, "type": "invoke", "f": "send", "ts_mono": 0.1,
        "value": [["send", "orders-0", "1-7"]]}
    {"i": 1, "proc": 1, "type": "ok", "f": "send", "ts_mono": 0.2,
        "value": [["send", "orders-0", [0, "1-7"]]]}                     each on one line

Here is what one line may be; what lines have to be to each other is in operation.py.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, cast

INVOKE: Final = "invoke"
OK: Final = "ok"
FAIL: Final = "fail"
INFO: Final = "info"
TYPES: Final = frozenset({INVOKE, OK, FAIL, INFO})

SEND: Final = "send"
POLL: Final = "poll"
TXN: Final = "txn"
ASSIGN: Final = "assign"
SUBSCRIBE: Final = "subscribe"
COMMIT: Final = "commit"
COMMITTED: Final = "committed"
REPLICA: Final = "replica"
CRASH: Final = "crash"
FUNCTIONS: Final = frozenset(
    {SEND, POLL, TXN, ASSIGN, SUBSCRIBE, COMMIT, COMMITTED, REPLICA, CRASH}
)

_REQUIRED: Final = ("i", "proc", "type", "f", "ts_mono")
_KNOWN: Final = frozenset({*_REQUIRED, "value", "rebalanced_keys", "error"})

Process = int | str


class MalformedHistory(ValueError):
    """A history that cannot be judged; `line` counts from 1."""

    def __init__(self, line: int, why: str) -> None:
        """Keep both."""
        super().__init__(f"line {line}: {why}")
        self.line = line


class Event(NamedTuple):
    """One line; the fields are those of the format, in its order."""

    i: int
    process: Process
    type: str
    f: str
    time_s: float
    """Of a monotonic clock which all processes share."""
    value: Any = None
    rebalanced_keys: tuple[str, ...] = ()
    """Partitions that came or went while the operation ran."""
    error: str | None = None
    """Why it was not ok, for people."""


def format_event(event: Event) -> str:
    """The event as a line of JSON, without its end of line."""
    fields: dict[str, Any] = {
        "i": event.i,
        "proc": event.process,
        "type": event.type,
        "f": event.f,
        "ts_mono": event.time_s,
    }
    if event.value is not None:
        fields["value"] = event.value
    if event.rebalanced_keys:
        fields["rebalanced_keys"] = event.rebalanced_keys
    if event.error is not None:
        fields["error"] = event.error
    return json.dumps(fields)


def parse_events(lines: Iterable[str | bytes]) -> Iterator[Event]:
    """The events of a history's lines; raises MalformedHistory at the first that is none."""
    for number, line in enumerate(lines, 1):
        try:
            fields = json.loads(line)
        except ValueError as error:
            raise MalformedHistory(number, f"no JSON: {error}") from None
        yield _event(number, fields)


def _event(number: int, fields: Any) -> Event:
    if not isinstance(fields, dict):
        raise MalformedHistory(number, "no JSON object")
    known = cast(dict[str, Any], fields)
    missing = [name for name in _REQUIRED if name not in known]
    if missing:
        raise MalformedHistory(number, f"there is no {missing[0]}")
    if not _KNOWN.issuperset(known):
        raise MalformedHistory(number, f"unknown field {min(known.keys() - _KNOWN)!r}")
    rebalanced_keys: Any = known.get("rebalanced_keys") or []
    if not isinstance(rebalanced_keys, list):
        raise MalformedHistory(number, "rebalanced_keys is no list")
    return Event(
        known["i"],
        known["proc"],
        known["type"],
        known["f"],
        known["ts_mono"],
        known.get("value"),
        tuple(map(str, cast(list[Any], rebalanced_keys))),
        known.get("error"),
    )
