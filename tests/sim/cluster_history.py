"""What the clients of a cluster did and saw, and what lies on its disks in the end.

An operation has an outcome. *ok* was acknowledged; *fail* did certainly not happen; *info* is all
else: nobody can know. A value is sent once, so it names its record.
"""

from collections import Counter
from dataclasses import dataclass, field
from math import inf
from typing import Literal

Outcome = Literal["ok", "fail", "info"]
Place = tuple[int, int]
"""Partition and offset."""


@dataclass(slots=True)
class Send:
    """One record; `is_safe` if its producer asked for acks=all and no duplicates."""

    client: str
    partition: int
    value: bytes
    is_safe: bool
    began_s: float
    ended_s: float = inf
    outcome: Outcome = "info"
    offset: int = -1


@dataclass(slots=True)
class Poll:
    """What one call handed out: (offset, value) by partition."""

    client: str
    is_member: bool
    """Of the group: then what comes next depends on others as well."""
    at_s: float
    records: dict[int, list[tuple[int, bytes]]]


@dataclass(slots=True)
class Commit:
    """Offsets that a member of the group committed."""

    client: str
    offsets: dict[int, int]
    began_s: float
    ended_s: float = inf
    outcome: Outcome = "info"


@dataclass(slots=True)
class Owned:
    """What a member was assigned in a generation of its group."""

    client: str
    generation: int
    partitions: tuple[int, ...]
    at_s: float = 0.0


@dataclass(slots=True)
class Replica:
    """One partition on one node, in the end."""

    node: int
    partition: int
    high_watermark: int
    records: list[tuple[int, bytes]]


@dataclass(slots=True)
class ClusterHistory:
    """Everything; the last three are of the end, when all faults are over and all is quiet."""

    sends: list[Send] = field(default_factory=list)
    polls: list[Poll] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    final: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)
    """What a consumer reads that begins at the beginning, by partition."""
    replicas: list[Replica] = field(default_factory=list)
    committed: dict[int, int] = field(default_factory=dict)
    """The offsets of the group."""
    owned: list[Owned] = field(default_factory=list)
    operated: Counter[str] = field(default_factory=Counter[str])
    """What the operator has done."""
    replaced: list[tuple[int, bytes | None, bytes | None]] = field(default_factory=list)
    """Of the operator's own topic: offset, what was acknowledged there, what was read."""

    @property
    def operations(self) -> int:
        """How many there were."""
        return len(self.sends) + len(self.polls) + len(self.commits) + self.operated.total()
