"""The other nodes, as this one asks them: a link for each node and purpose.

votes, fetches    Raft's, so that neither waits for the other
session           registration and heartbeats: when it closes, the broker is missed
in sync           changes of in-sync replicas
requests          everything else, which may take longer

Of each that was asked, the last reason is kept for which there was no answer: while a node waits
for a quorum, it can say whom it waits for.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any, Final, TypeVar

from ...protocol.control import AlterPartition, Heartbeat, RegisterBroker, Voters
from ...protocol.primitives import ProtocolError
from ..config import Address, format_address
from .link import Link
from .membership import CannotTakePart, Membership, named
from .metadata_log import check_fetched
from .raft import FETCH_TIMEOUT_MS
from .raft_messages import FetchRequest, FetchResponse, Request, Response, VoteRequest
from .unavailable import ControllerUnavailable, ForeignCluster, NoAnswerInTime, WrongPeer

PURPOSES: Final[dict[type, str]] = {
    VoteRequest: "votes",
    FetchRequest: "fetches",
    RegisterBroker: "session",
    Heartbeat: "session",
    AlterPartition: "in sync",
}
"""See the module; of a question that is not here, the purpose is "requests"."""
VOTE_TIMEOUT_MS = 1000
FIND_VOTERS_TIMEOUT_MS = 2000
FIND_VOTERS_BACKOFF_S = 0.2

Answer = TypeVar("Answer")


class Peers:
    """Whom this node may ask; `voters` is filled in by `find_voters` for who has no vote."""

    def __init__(self, me: Membership, cluster_id: Callable[[], str], random: Random) -> None:
        """No connection is made before there is a question."""
        self.voters: dict[int, Address] = dict(me.voters)
        self.silent: dict[str, ControllerUnavailable] = {}
        """Why those that were asked last did not answer, by what sentences call them."""
        self._me = me
        self._cluster_id = cluster_id
        self._random = random
        self._links: dict[tuple[int, str], Link] = {}
        self._joined = [self._link(address, lambda _: None) for address in me.join]

    @property
    def foreign_cluster(self) -> str | None:
        """What is wrong if a majority of the voters, or all to be joined, are of another cluster.

        A node that has not heard of its own cluster never will then.
        """
        ids = [each.cluster_id for each in self.silent.values() if isinstance(each, ForeignCluster)]
        enough = len(self.voters) // 2 + 1 if self.voters else len(self._me.join)
        if len(ids) < enough:
            return None
        return (
            f"it is of cluster {self._cluster_id()!r}, and the nodes that it was told of are of "
            f"{ids[0]!r}: correct --voters or --join, or give it another --data-dir"
        )

    def obstacle(self, leader_id: int) -> str:
        """Why there is no leader to hear of, or "" if nothing is known that is in the way."""
        silent = "; ".join(map(str, self.silent.values()))
        if not silent or leader_id in self.voters:
            return ""
        if not self.voters:
            return f"nobody tells who the voters are: {silent}"
        return f"there is no majority of {named(self.voters)}: {silent}"

    async def ask(self, node_id: int, question: Any, timeout_ms: int) -> Any:
        """A voter's answer; raises ControllerUnavailable."""
        purpose = PURPOSES.get(question.__class__, "requests")
        link = self._links.get((node_id, purpose))
        if link is None:
            link = self._link(self.voters[node_id], partial(self._complaint, node_id))
            self._links[node_id, purpose] = link
        return await self._noted(f"node {node_id}", link.ask(question, timeout_ms))

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

    async def wait_for_voters(self) -> None:
        """Ask the nodes to join who the voters are, until one tells; raises CannotTakePart."""
        while not self.voters:
            try:
                await self.find_voters(FIND_VOTERS_TIMEOUT_MS)
            except ControllerUnavailable:
                await asyncio.sleep(FIND_VOTERS_BACKOFF_S)

    async def find_voters(self, timeout_ms: int) -> None:
        """Learn of the voters from the nodes to join; ControllerUnavailable if none tells.

        Raises CannotTakePart if this node is one of them.
        """
        for link, address in zip(self._joined, self._me.join, strict=True):
            name = format_address(*address)
            try:
                answer = await self._noted(name, self._voters_of(link, timeout_ms))
            except ControllerUnavailable:
                continue
            finally:
                link.close()
            if self._me.node_id in (each.voter_id for each in answer.voters):
                raise CannotTakePart(
                    f"node {self._me.node_id} is a voter of the cluster at {name}: start it with "
                    "--voters, or give this node another --node-id"
                )
            self.voters = {each.voter_id: (each.host, each.port) for each in answer.voters}
            self.silent.clear()
            return
        raise ControllerUnavailable("; ".join(map(str, self.silent.values())))

    def close(self) -> None:
        """Ask nothing more."""
        for link in self._links.values():
            link.close()

    async def _noted(self, name: str, answer: Awaitable[Answer]) -> Answer:
        """The answer, and a note of it if there is none."""
        try:
            found = await answer
        except ControllerUnavailable as error:
            self.silent[name] = error
            raise
        self.silent.pop(name, None)
        return found

    async def _voters_of(self, link: Link, timeout_ms: int) -> Voters:
        answer = await link.who_votes(timeout_ms)
        if not answer.voters:
            raise WrongPeer(
                f"{link} is that of a lone node, which nobody can join: start node "
                f"{answer.node_id} with --voters first, it may be the only one"
            )
        return answer

    def _link(self, address: Address, complaint: Callable[[Voters], str | None]) -> Link:
        return Link(address, self._cluster_id, complaint, self._me.secret, self._random)

    def _complaint(self, node_id: int, answer: Voters) -> str | None:
        """Why who answers in place of a voter is not to be talked to."""
        if answer.node_id != node_id:
            return f"node {answer.node_id} answers there, and not node {node_id}"
        theirs = sorted(each.voter_id for each in answer.voters)
        if theirs != sorted(self.voters):
            ours = sorted(self.voters)
            return (
                f"node {node_id} was started with voters {theirs}, and this node with {ours}: "
                "--voters is the same list on each"
            )
        return None
