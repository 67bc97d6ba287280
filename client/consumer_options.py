"""Options of a consumer that are words, and what each word stands for."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeVar

from .assignors import ASSIGNORS, Assignor
from .offsets import EARLIEST, LATEST
from .positions import READ_COMMITTED, READ_UNCOMMITTED

T = TypeVar("T")
OffsetReset = Literal["earliest", "latest", "none"]
IsolationLevel = Literal["read_uncommitted", "read_committed"]
AssignorName = Literal["range", "roundrobin", "sticky", "cooperative-sticky"]

STRATEGIES: Final[tuple[AssignorName, ...]] = ("range", "roundrobin")
"""What members of every other client can follow as well."""
RESET_TO: Final[dict[str, int | None]] = {"earliest": EARLIEST, "latest": LATEST, "none": None}
"""The times (see offsets) of auto_offset_reset."""
ISOLATION: Final = {"read_uncommitted": READ_UNCOMMITTED, "read_committed": READ_COMMITTED}


def one_of(values: Mapping[str, T], option: str, name: str) -> T:
    """What the name stands for; raises ValueError that lists the names."""
    if name not in values:
        raise ValueError(f"{option}={name!r} is none of {', '.join(values)}")
    return values[name]


def assignors_of(names: AssignorName | Sequence[AssignorName]) -> tuple[Assignor, ...]:
    """The strategies of partition_assignment_strategy, in order; raises ValueError."""
    names = [names] if isinstance(names, str) else names
    if not names:
        raise ValueError("partition_assignment_strategy names no strategy")
    option = "partition_assignment_strategy"
    return tuple(one_of(ASSIGNORS, option, name) for name in dict.fromkeys(names))
