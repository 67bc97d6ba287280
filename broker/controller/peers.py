"""The other nodes, as this one asks them: a link for each node and purpose.

votes, fetches    Raft's, so that neither waits for the other
session           registration and heartbeats: when it closes, the broker is missed
in sync           changes of in-sync replicas
requests          everything else, which may take longer
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ...protocol.control import AlterPartition, Heartbeat, RegisterBroker, Voters
from ...protocol.primitives import ProtocolError
from ..config import Address
from .link import Link
from .membership import Membership
from .metadata_log import check_fetched
from .raft import FETCH_TIMEOUT_MS
from .raft_messages import FetchRequest, FetchResponse, Request, Response, VoteRequest
from .unavailable import ControllerUnavailable, NoAnswerInTime

PURPOSES: Final[dict[type, str]] = {
    VoteRequest: "votes",
    FetchRequest: "fetches",
    RegisterBroker: "session",
    Heartbeat: "session",
    AlterPartition: "in sync",
}
"""See the module; of a question that is not here, the purpose is "requests"."""
VOTE_TIMEOUT_MS = 1000


class Peers:
    """Whom this node may ask; `voters` is filled in by `find_voters` for who has no vote."""

    def __init__(self, me: Membership, cluster_id: Callable[[], str]) -> None:
        """No connection is made before there is a question."""
        self.voters: dict[int, Address] = dict(me.voters)
        self._me = me
        self._cluster_id = cluster_id
        self._links: dict[tuple[int, str], Link] = {}

    async def ask(self, node_id: int, question: Any, timeout_ms: int) -> Any:
        """A voter's answer; raises ControllerUnavailable."""
        purpose = PURPOSES.get(question.__class__, "requests")
        link = self._links.get((node_id, purpose))
        if link is None:
            link = Link(self.voters[node_id], self._cluster_id, partial(self._complaint, node_id))
            self._links[node_id, purpose] = link
        return await link.ask(question, timeout_ms)

    async def ask_for_raft(self, node_id: int, request: Request) -> Response | None:
        """A voter's answer to Raft, with batches that are what they seem; None if it is lost.

        Raises ControllerUnavailable if nobody is there.
        """
        is_vote = isinstance(request, VoteRequest)
        try:
            answer = await self.ask(
                node_id, request, VOTE_TIMEOUT_MS if is_vote else FETCH_TIMEOUT_MS
            )
            if isinstance(answer, FetchResponse):
                check_fetched(answer.batches)
        except (NoAnswerInTime, ProtocolError):
            return None
        return answer if isinstance(answer, Response) else None

    async def find_voters(self, timeout_ms: int) -> None:
        """Learn of the voters from the nodes to join; ControllerUnavailable if none tells."""
        complaints: list[str] = []
        for address in self._me.join:
            link = Link(address, self._cluster_id, lambda _: None)
            try:
                answer = await link.who_votes(timeout_ms)
            except ControllerUnavailable as error:
                complaints.append(str(error))
                continue
            finally:
                link.close()
            self.voters = {each.voter_id: (each.host, each.port) for each in answer.voters}
            return
        raise ControllerUnavailable("; ".join(complaints))

    def close(self) -> None:
        """Ask nothing more."""
        for link in self._links.values():
            link.close()

    def _complaint(self, node_id: int, answer: Voters) -> str | None:
        """Why who answers in place of a voter is not to be talked to."""
        if answer.node_id != node_id:
            return f"node {answer.node_id} answers there, and not node {node_id}"
        theirs = sorted(each.voter_id for each in answer.voters)
        if theirs != sorted(self.voters):
            ours = sorted(self.voters)
            return f"node {node_id} was started with voters {theirs}, and this node with {ours}"
        return None
