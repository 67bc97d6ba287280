"""What the operations of consumers, groups and disks carry, beside records. PURE.

assign      [partition, ...], or {"keys": [...], "group", "generation", "member", "seek"}
subscribe   [topic or partition, ...]
commit      {"group", "generation", "offsets": {partition: offset}}
committed   {"group", "offsets": {partition: offset or null}}
replica     {"node", "logs": {partition: {"high_watermark", "records": [[offset, value], ...]}}}
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from .event import ASSIGN, COMMIT, COMMITTED, REPLICA, SUBSCRIBE

NO_OFFSET: Final = -1
"""Of a partition for which nothing is committed."""


def fields_of(value: Any) -> Mapping[str, Any]:
    """The fields of a value that has some."""
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def assigned_keys(value: Any) -> list[str]:
    """What an assign or subscribe names: partitions, or topics."""
    named = fields_of(value)["keys"] if isinstance(value, Mapping) else value
    return [str(each) for each in cast(Sequence[Any], named or ())]


def offsets_of(value: Any) -> dict[str, int]:
    """The offsets of a commit, or of an answer."""
    offsets = cast(Mapping[str, int | None], fields_of(value).get("offsets") or {})
    return {key: NO_OFFSET if each is None else each for key, each in offsets.items()}


def check_value(f: str, value: Any) -> None:
    """Raise LookupError, TypeError or ValueError for a value of another shape."""
    if f in (ASSIGN, SUBSCRIBE):
        assigned_keys(value)
    elif f in (COMMIT, COMMITTED):
        if "group" not in fields_of(value):
            raise ValueError(f"a {f} names no group")
        _check_numbers(offsets_of(value).values())
    elif f == REPLICA:
        for log in value["logs"].values():
            _check_numbers([log["high_watermark"], *(offset for offset, _ in log["records"])])
        _ = value["node"]
    generation = fields_of(value).get("generation")
    _check_numbers([] if generation is None else [generation])


def _check_numbers(values: Any) -> None:
    for value in values:
        if not isinstance(value, int):
            raise TypeError(f"{value!r} is no number")
