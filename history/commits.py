"""A group's offsets are kept, and nobody owns what is another's. PURE.

    commit-durability     a commit was acknowledged, and the group's offset is an older one
    group-exclusivity     two owners of a partition in one generation, or a commit of an old one

An offset is a register: what is fetched must be what some commit wrote which was not surely
overwritten before the fetch. A commit is surely overwritten by one that was acknowledged and began
after it had ended. A commit in doubt may come true at any later time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from .event import ASSIGN, COMMIT, COMMITTED, FAIL
from .evidence import Evidence
from .finding import Finding
from .group_value import NO_OFFSET, assigned_keys, fields_of, offsets_of
from .operation import NEVER, Key, Operation, Process

_Newest = tuple[Operation, int]
"""A commit and its offset."""


@dataclass(slots=True)
class _Register:
    """The commits of one group for one partition, up to some moment."""

    newest: _Newest | None = None
    """Of those acknowledged, the one that began last: what ended before that is overwritten."""
    last_end: dict[int, int] = field(default_factory=dict[int, int])
    """When the last commit of an offset ended."""


def lost_commits(evidence: Evidence) -> Iterator[Finding]:
    """`commit-durability`, by a sweep over time."""
    registers: dict[tuple[str, Key], _Register] = {}
    expected: dict[int, dict[Key, _Newest]] = {}
    for is_end, operation in _moments(evidence, (COMMIT, COMMITTED)):
        group = str(fields_of(operation.value)["group"])
        offsets = offsets_of(operation.value)
        if operation.f == COMMIT:
            for key, offset in offsets.items():
                register = registers.setdefault((group, key), _Register())
                _note_commit(register, operation, offset, is_end=is_end)
        elif not is_end:
            known = {key: registers.get((group, key)) for key in offsets}
            expected[id(operation)] = {
                key: each.newest for key, each in known.items() if each and each.newest
            }
        elif operation.is_ok:
            for key, (newest, offset) in expected[id(operation)].items():
                found = offsets[key]
                if registers[group, key].last_end.get(found, NO_OFFSET) < newest.began:
                    yield Finding(
                        "commit-durability",
                        key,
                        f"group {group} had committed {offset}, and has {_said(found)}",
                        [newest, operation],
                        [offset],
                    )


def _note_commit(register: _Register, operation: Operation, offset: int, *, is_end: bool) -> None:
    if not is_end and operation.outcome != FAIL:
        end = operation.ended if operation.is_ok else NEVER
        register.last_end[offset] = max(register.last_end.get(offset, NO_OFFSET), end)
    elif is_end and operation.is_ok:
        newest = register.newest
        if newest is None or newest[0].began < operation.began:
            register.newest = operation, offset


def _said(offset: int) -> str:
    return "none" if offset == NO_OFFSET else str(offset)


def shared_partitions(evidence: Evidence) -> Iterator[Finding]:
    """`group-exclusivity`: of assignments within a generation, and of commits after it."""
    owners: dict[tuple[str, int, Key], tuple[Process, Operation]] = {}
    newest: dict[str, tuple[int, Operation]] = {}
    at_begin: dict[int, tuple[int, Operation]] = {}
    for is_end, operation in _moments(evidence, (ASSIGN, COMMIT)):
        fields = fields_of(operation.value)
        group, generation = str(fields.get("group")), fields.get("generation")
        if generation is None or generation < 0:
            continue
        if operation.f == ASSIGN and is_end and operation.is_ok:
            for key in assigned_keys(fields):
                owner = fields.get("member", operation.process)
                other, its = owners.setdefault((group, generation, key), (owner, operation))
                if other != owner:
                    sentence = (
                        f"in generation {generation} of group {group}, {other} and {owner} own it"
                    )
                    yield Finding("group-exclusivity", key, sentence, [its, operation])
        elif operation.f == COMMIT and not is_end:
            if group in newest:
                at_begin[id(operation)] = newest[group]
        elif operation.f == COMMIT and operation.is_ok:
            before, by = at_begin.get(id(operation), (generation, operation))
            if before > generation:
                sentence = (
                    f"a commit of generation {generation} was taken "
                    f"after one of generation {before} of group {group}"
                )
                yield Finding("group-exclusivity", group, sentence, [by, operation])
            if group not in newest or newest[group][0] < generation:
                newest[group] = generation, operation


def _moments(evidence: Evidence, functions: tuple[str, ...]) -> list[tuple[bool, Operation]]:
    """When operations begin (False) and end (True), in order."""
    chosen = [each for each in evidence.operations if each.f in functions]
    moments = [(each.began, False, each) for each in chosen]
    moments += [(each.ended, True, each) for each in chosen if each.ended != NEVER]
    moments.sort(key=lambda moment: moment[0])
    return [(is_end, operation) for _, is_end, operation in moments]
