"""Who gets which partition, when everybody is to keep what it has as far as that is fair. PURE.

    1. keep     everybody keeps what it owns and still wants
    2. deal     the rest goes, one by one, to whoever has least of those who want it
    3. level    a partition moves from who has more to who has two fewer, as long as there are such;
                first only what was dealt just now, and then what was owned

Two members often have nothing to give each other, and can still be brought level by way of a third:

    A has 3, wants x      A ──x──▶ B ──y──▶ C      A has 2
    B has 2, wants x, y                            B has 2
    C has 1, wants y                               C has 2

So levelling looks for the shortest such way, and moves one partition at each of its steps. When
there is none any more, no other assignment is more balanced: these are the optimal semi-matchings
of Harvey, Ladner, Lovász and Tamir (2006). If all want the same topics, shares differ by one at
the most, and no more has moved than that takes.

Partitions wanted by the same members are of one *kind*, and any of them will do for a step. A group
has few kinds, so that a search looks at members and kinds, not at partitions.

What was dealt moves first so that a cooperative group settles: what was withheld in one round is
dealt in the next, to the same effect, without taking anything else from anybody.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from heapq import heapify, heapreplace
from itertools import chain
from operator import attrgetter
from typing import Final

from .metadata import TopicPartition

_Hand = dict[int, list[TopicPartition]]
"""Partitions by the number of their kind; the last one of each is given away first."""
_Step = tuple[int, int]
"""From which place, and which kind of partition."""
_BY_INDEX: Final = attrgetter("partition", "topic")
"""The order in which partitions are kept, so that those given away are of many topics."""


def assign_sticky(
    partition_counts: Mapping[str, int],
    wants: Mapping[str, Collection[str]],
    owners: Mapping[TopicPartition, str],
) -> dict[str, list[TopicPartition]]:
    """Each member with its partitions, in order.

    `wants` has the topics of each member; of two that could get a partition, the first named does.
    """
    places = {member: place for place, member in enumerate(wants)}
    table = _Table(len(places), _kinds_of(partition_counts, wants))
    hands, rest = table.keep({each: places.get(owner, -1) for each, owner in owners.items()})
    dealt = table.deal(rest)
    table.level(dealt)
    for hand, more in zip(hands, dealt, strict=True):
        for kind, partitions in more.items():
            hand.setdefault(kind, []).extend(partitions)
    table.level(hands)
    return {member: sorted(chain(*hands[place].values())) for member, place in places.items()}


@dataclass(frozen=True, slots=True)
class _Kind:
    """Partitions that the same members want; those are named by their places, in order."""

    takers: tuple[int, ...]
    partitions: list[TopicPartition]


def _kinds_of(
    partition_counts: Mapping[str, int], wants: Mapping[str, Collection[str]]
) -> list[_Kind]:
    """All partitions that somebody wants, those first that few want.

    Whoever wants others as well is given less of those, and so comes out level.
    """
    takers_of: dict[str, list[int]] = {}
    for place, topics in enumerate(wants.values()):
        for topic in set(topics) & partition_counts.keys():
            takers_of.setdefault(topic, []).append(place)
    kinds: dict[tuple[int, ...], _Kind] = {}
    for topic, places in takers_of.items():
        takers = tuple(places)
        kind = kinds.setdefault(takers, _Kind(takers, []))
        kind.partitions.extend(
            TopicPartition(topic, index) for index in range(partition_counts[topic])
        )
    return sorted(kinds.values(), key=lambda kind: (len(kind.takers), kind.takers))


class _Table:
    """The members around a table, by place, and how many partitions each has."""

    def __init__(self, places: int, kinds: list[_Kind]) -> None:
        self._kinds = kinds
        self._loads = [0] * places

    def keep(self, owners: Mapping[TopicPartition, int]) -> tuple[list[_Hand], _Hand]:
        """What each member keeps, and what is left."""
        hands: list[_Hand] = [{} for _ in self._loads]
        rest: _Hand = {}
        for number, kind in enumerate(self._kinds):
            keepers = frozenset(kind.takers)
            for partition in sorted(kind.partitions, key=_BY_INDEX):
                place = owners.get(partition, -1)
                hand = hands[place] if place in keepers else rest
                hand.setdefault(number, []).append(partition)
        self._loads = [sum(map(len, hand.values())) for hand in hands]
        return hands, rest

    def deal(self, rest: _Hand) -> list[_Hand]:
        """What each member gets of the rest: one after the other to whoever has least."""
        hands: list[_Hand] = [{} for _ in self._loads]
        for number, partitions in rest.items():
            takers = [(self._loads[place], place) for place in self._kinds[number].takers]
            heapify(takers)
            for partition in sorted(partitions):
                load, place = takers[0]
                hands[place].setdefault(number, []).append(partition)
                heapreplace(takers, (load + 1, place))
                self._loads[place] += 1
        return hands

    def level(self, hands: list[_Hand]) -> None:
        """Move partitions of these hands from more to less loaded members, as far as that helps."""
        load_of = self._loads.__getitem__
        unsettled: list[int] = list(range(len(hands)))
        while unsettled:
            giver = max(unsettled, key=load_of)
            lowest = min(map(load_of, unsettled))
            if lowest > self._loads[giver] - 2:
                return
            steps, goal = self._search(giver, lowest, hands)
            if goal is None:
                # What these hold goes to none but these, and nobody else has more to give them.
                unsettled = [place for place in unsettled if place not in steps]
            else:
                self._move(hands, steps, goal)

    def _search(
        self, giver: int, lowest: int, hands: list[_Hand]
    ) -> tuple[dict[int, _Step | None], int | None]:
        """How members are reached from `giver`, and the nearest with two fewer, if there is one."""
        steps: dict[int, _Step | None] = {giver: None}
        tried: set[int] = set()
        last = [giver]
        while last:
            reached: list[int] = []
            for source, number, target in self._steps_from(last, hands, tried):
                if target not in steps:
                    steps[target] = source, number
                    reached.append(target)
                    if self._loads[target] == lowest:
                        return steps, target
            least = min(reached, key=self._loads.__getitem__, default=giver)
            if self._loads[least] <= self._loads[giver] - 2:
                return steps, least
            last = reached
        return steps, None

    def _steps_from(
        self, places: list[int], hands: list[_Hand], tried: set[int]
    ) -> Iterator[tuple[int, int, int]]:
        """From where, by which kind, to where one partition can go, but for kinds tried before."""
        for source in places:
            for number, partitions in hands[source].items():
                if partitions and number not in tried:
                    tried.add(number)
                    for target in self._kinds[number].takers:
                        yield source, number, target

    def _move(self, hands: list[_Hand], steps: dict[int, _Step | None], goal: int) -> None:
        """Move one partition at each step of the way to `goal`."""
        self._loads[goal] += 1
        target = goal
        while step := steps[target]:
            source, number = step
            hands[target].setdefault(number, []).append(hands[source][number].pop())
            target = source
        self._loads[target] -= 1
