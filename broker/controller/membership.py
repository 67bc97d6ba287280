"""What a node is told of the quorum when it starts. PURE."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..config import Address


@dataclass(frozen=True, slots=True)
class Membership:
    """Who this node is, and whom it knows.

    directory_id  names its disk, and may be empty for a lone node
    cluster_id    of which cluster it was in its last life; empty if there was none
    voters        the control planes of all voters, this node's own address among them if it is one
    join          control planes to ask for the voters, for a node that has no vote
    """

    node_id: int
    directory_id: str = ""
    cluster_id: str = ""
    voters: Mapping[int, Address] = field(default_factory=dict[int, Address])
    join: tuple[Address, ...] = ()

    @property
    def is_alone(self) -> bool:
        """Whether it was told of nobody: a cluster of its own."""
        return not self.join and set(self.voters) <= {self.node_id}
