"""How far each node of the quorum is, as its leader knows it: what DescribeQuorum tells. PURE."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...protocol.control import VoterAddress
from ..config import Address

if TYPE_CHECKING:
    from .quorum import Quorum

UNKNOWN = -1
"""In place of an offset or a time that the leader does not know."""


@dataclass(frozen=True, slots=True)
class ReplicaProgress:
    """One voter or observer (KIP-836); the times are wall times.

    log_end_offset   up to where it has the metadata log on its disk
    fetched_ms       when it asked last
    caught_up_ms     when it last had all that there was
    """

    node_id: int
    directory_id: str = ""
    log_end_offset: int = UNKNOWN
    fetched_ms: int = UNKNOWN
    caught_up_ms: int = UNKNOWN


@dataclass(frozen=True, slots=True)
class QuorumReport:
    """The quorum in one epoch; the leader is among the voters, and has always caught up."""

    leader_id: int
    epoch: int
    high_watermark: int
    voters: tuple[ReplicaProgress, ...]
    observers: tuple[ReplicaProgress, ...] = ()
    addresses: tuple[VoterAddress, ...] = ()
    """Where the voters' control planes are; a lone node tells none."""


def report(quorum: "Quorum", wall_ms: int, voters: Mapping[int, Address]) -> QuorumReport:
    """What a leader can tell; `voters` are those whose addresses it was told."""
    own = ReplicaProgress(quorum.me.node_id, quorum.me.directory_id, quorum.end_offset)
    found = {own.node_id: replace(own, fetched_ms=wall_ms, caught_up_ms=wall_ms)}
    observers: list[ReplicaProgress] = []
    for node, progress in quorum.progress():
        each = ReplicaProgress(
            node.node_id,
            node.directory_id,
            progress.end_offset,
            wall_ms - quorum.age_ms(progress.fetched_ms),
            wall_ms - quorum.age_ms(progress.caught_up_ms) if progress.caught_up_ms else UNKNOWN,
        )
        if quorum.is_voter(node):
            found[node.node_id] = each
        else:
            observers.append(each)
    return QuorumReport(
        quorum.leader_id,
        quorum.epoch,
        quorum.high_watermark,
        tuple(found.get(each) or ReplicaProgress(each) for each in quorum.voter_ids),
        tuple(sorted(observers, key=lambda each: each.node_id)),
        tuple(VoterAddress(each, *voters[each]) for each in sorted(voters)),
    )
