"""Who owned what in a group: a judgement from what its members said and what was done to them.

Events of all members, in order of the one clock of the machine, are those of `group_worker` and

    "killed"    the process is gone
    "paused"    it stands still, perhaps for longer than its session
    "resumed"   it goes on

A member owns a partition from "assigned" to "revoked", "lost", "leaving", "failed" or "killed".
From "paused" on it owns nothing either, whatever it believes: it counts again when it is assigned
something after having given up what it had, which is how it learns of its absence. (So pause only
members that own something.) What is wrong:

    two owners     a partition was assigned to a member while another one owned it
    read again     the first record read of a share lies below what had been committed before
    read beyond    a record was read by a member that did not own its partition
    gap            a member did not read the records of a partition in order, or left some out
    late commit    a commit was asked for after the partition had been assigned to somebody else,
                   and was taken

What no event tells is not judged: a commit that was taken from a member whose last words are lost.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Event(NamedTuple):
    """Something that a member said, or that was done to it, and when."""

    time_s: float
    what: str
    detail: Any = None


class Finding(NamedTuple):
    """Something that is wrong."""

    what: str
    member: str
    partition: int
    time_s: float


@dataclass(slots=True)
class Share:
    """A partition as one member has it."""

    floor: int
    """What had been committed when it was assigned."""
    position: int | None = None


@dataclass(slots=True, eq=False)
class Holder:
    """What one member owns."""

    name: str
    shares: dict[int, Share] = field(default_factory=dict[int, Share])
    beliefs: set[int] = field(default_factory=set[int])
    """What it was told that it owns, which a paused member may believe for too long."""
    is_trusted: bool = True
    is_gone: bool = False


class Ownership:
    """The state of a group, event by event."""

    def __init__(self, names: Iterable[str]) -> None:
        self.findings: list[Finding] = []
        self._holders = {name: Holder(name) for name in names}
        self._committed: dict[int, int] = {}
        self._given: dict[int, tuple[Holder, float]] = {}
        """Of each partition, who was assigned it last, and when."""

    def take(self, name: str, event: Event) -> None:
        """Take notice of what was said by, or done to, a member."""
        holder = self._holders[name]
        match event.what:
            case "assigned":
                self._assign(holder, event)
            case "revoked" | "lost":
                self._give_up(holder, event.detail)
            case "leaving" | "failed":
                # Its client may still be assigned something, but it reads nothing any more.
                self._give_up(holder, tuple(holder.beliefs))
                holder.is_gone = True
            case "killed" | "paused":
                holder.shares.clear()
                holder.is_trusted = False
            case "consumed":
                self._read(holder, event)
            case "committed":
                self._commit(holder, event)
            case _:
                pass  # What else is told changes nothing that is not said otherwise.

    def _assign(self, holder: Holder, event: Event) -> None:
        if not holder.is_trusted and not holder.beliefs:
            holder.is_trusted = True
        holder.beliefs.update(event.detail)
        if holder.is_gone or not holder.is_trusted:
            return
        for partition in event.detail:
            others = [each for each in self._holders.values() if each is not holder]
            if any(partition in each.shares for each in others):
                self._find("two owners", holder, partition, event)
            holder.shares[partition] = Share(self._committed.get(partition, 0))
            self._given[partition] = holder, event.time_s

    def _give_up(self, holder: Holder, partitions: Iterable[int]) -> None:
        for partition in partitions:
            holder.shares.pop(partition, None)
            holder.beliefs.discard(partition)

    def _read(self, holder: Holder, event: Event) -> None:
        if not holder.is_trusted:
            return
        for partition, offset, _ in event.detail:
            share = holder.shares.get(partition)
            if share is None:
                self._find("read beyond", holder, partition, event)
                continue
            if share.position is None and offset < share.floor:
                self._find("read again", holder, partition, event)
            elif share.position is not None and offset != share.position:
                self._find("gap", holder, partition, event)
            share.position = offset + 1

    def _commit(self, holder: Holder, event: Event) -> None:
        asked_s, offsets = event.detail
        for name, offset in offsets.items():
            partition = int(name)  # JSON has no other keys than text.
            owner, since_s = self._given.get(partition, (holder, 0.0))
            if owner is not holder and since_s < asked_s:
                self._find("late commit", holder, partition, event)
            self._committed[partition] = max(self._committed.get(partition, 0), offset)

    def _find(self, what: str, holder: Holder, partition: int, event: Event) -> None:
        self.findings.append(Finding(what, holder.name, partition, event.time_s))


def judge(histories: Mapping[str, Sequence[Event]]) -> list[Finding]:
    """All that is wrong with these members' histories, each in the order in which it was told."""
    ownership = Ownership(histories)
    told = [(event.time_s, name, event) for name, events in histories.items() for event in events]
    for _, name, event in sorted(told, key=lambda each: each[0]):
        ownership.take(name, event)
    return ownership.findings
