"""How far each node of the quorum is, as its leader knows it: what DescribeQuorum tells. PURE."""

from dataclasses import dataclass

from ...protocol.control import VoterAddress

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
