"""What a node is told of the quorum when it starts. PURE."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..config import Address

if TYPE_CHECKING:
    from .greeting import ClusterSecret


class CannotTakePart(Exception):
    """The node cannot be part of the cluster that it was told of; the message is one sentence."""


class ForeignDirectory(Exception):
    """The directory is another node's, or of another cluster; what is wrong with it, a sentence."""


@dataclass(frozen=True, slots=True)
class Membership:
    """Who this node is, and whom it knows.

    directory_id  names its disk, and may be empty for a lone node
    cluster_id    of which cluster it was in its last life; empty if there was none
    voters        the control planes of all voters, this node's own address among them if it is one
    join          control planes to ask for the voters, for a node that has no vote
    secret        what the nodes of the cluster prove to each other that they know
    """

    node_id: int
    directory_id: str = ""
    cluster_id: str = ""
    voters: Mapping[int, Address] = field(default_factory=dict[int, Address])
    join: tuple[Address, ...] = ()
    secret: "ClusterSecret | None" = None

    @property
    def is_alone(self) -> bool:
        """Whether it is the only voter there is: nobody else is asked."""
        return not self.join and set(self.voters) <= {self.node_id}

    @property
    def takes_nobody(self) -> bool:
        """Whether it was told of nobody, itself included: no other node can be part of it."""
        return not self.join and not self.voters

    def refuse_founders(self, founders: Collection[int]) -> None:
        """Raise ForeignDirectory if its log was begun by other voters than it was told of now.

        The voters are the same for a cluster's life. A node that is told of fewer of them, or of
        none, could agree with itself on another history than theirs.
        """
        told = set(self.voters) or {self.node_id}
        is_wrong = self.node_id in founders if self.join else set(founders) != told
        if not founders or not is_wrong:
            return
        if self.join:
            how = "to join others, without a vote"
        elif self.voters:
            how = f"with {named(told)}"
        else:
            how = "as a lone node"
        raise ForeignDirectory(
            f"its cluster has {named(founders)} for life, and this node was started {how}: "
            f"correct --voters and --join, or give it another --data-dir"
        )


def named(voter_ids: Collection[int]) -> str:
    """Voters in a sentence."""
    ids = ", ".join(map(str, sorted(voter_ids)))
    return f"the voter {ids}" if len(voter_ids) == 1 else f"the voters {ids}"
