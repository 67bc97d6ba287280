"""A connection to the control plane of another node, on which this node asks.

    nothing ──> connect ──> Hello, Proof ──> WhoVotes ──> right node and voters? ──> question,
       ^        50 ms to 1 s  if there is                          │ no              answer,
       │        after the     a secret                             │                 question …
       │        last failure                                       v                     │
       └────────────────────────────────── closed <── lost, too slow, no message <───────┘

One question is under way at a time, and the others wait for it. What goes wrong meanwhile, a
cancellation too, closes the connection: the next answer on it would be that of another question.
Whether a question that failed was answered, and what it changed, nobody knows.
"""

import asyncio
import logging
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from ...protocol.control import NODE_ANSWERS, Challenge, Hello, Proof, Refused, Voters, WhoVotes
from ...protocol.control_frame import MAX_ANSWER_BYTES, SIZE, Known, decode, encode, payload_size
from ...protocol.primitives import ProtocolError
from ..config import Address, format_address
from .raft_messages import FetchResponse, VoteResponse
from .unavailable import ControllerUnavailable, ForeignCluster, NoAnswerInTime, WrongPeer

if TYPE_CHECKING:
    from .greeting import ClusterSecret

FIRST_BACKOFF_S = 0.05
LONGEST_BACKOFF_S = 1.0
MAX_IDLE_S = 30.0
"""A connection that was silent for longer is not used again: its node may be about to close it."""

ANSWERS: Known = {**NODE_ANSWERS, "VoteResponse": VoteResponse, "FetchResponse": FetchResponse}

log = logging.getLogger("minikafka.controller")

Message = TypeVar("Message")


class Link:
    """See the module. `complaint` says what is wrong with who answers there, or nothing."""

    def __init__(
        self,
        address: Address,
        cluster_id: Callable[[], str],
        complaint: Callable[[Voters], str | None],
        secret: "ClusterSecret | None",
        random: Random,
    ) -> None:
        """Nothing is sent before the first question."""
        self._address = address
        self._cluster_id = cluster_id
        self._complaint = complaint
        self._secret = secret
        self._random = random
        self._their_cluster_id = ""
        """Of the last frame that came."""
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._voters = Voters(0, ())
        self._used_s = 0.0
        self._failures = 0
        self._next_attempt_s = 0.0
        self._told: str | None = None

    async def ask(self, question: Any, timeout_ms: int) -> Any:
        """The answer, which may be Refused; raises ControllerUnavailable."""
        try:
            async with asyncio.timeout(timeout_ms / 1000), self._turn:
                await self._connect()
                return await self._exchange(question)
        except TimeoutError:
            name = type(question).__name__
            message = f"{self} did not answer {name} within {timeout_ms} ms"
            raise NoAnswerInTime(message) from None

    async def who_votes(self, timeout_ms: int) -> Voters:
        """What the node there knows of the voters; raises ControllerUnavailable."""
        try:
            async with asyncio.timeout(timeout_ms / 1000), self._turn:
                await self._connect()
                return self._voters
        except TimeoutError:
            raise NoAnswerInTime(f"{self} did not answer within {timeout_ms} ms") from None

    def close(self) -> None:
        """Close at once: nothing is on its way that anybody waits for."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    def __str__(self) -> str:
        """How sentences call it."""
        return f"the control plane at {format_address(*self._address)}"

    async def _connect(self) -> None:
        """Make sure that there is a connection, to whom it should be."""
        loop = asyncio.get_running_loop()
        if self._streams is not None:
            reader, writer = self._streams
            is_old = loop.time() > self._used_s + MAX_IDLE_S
            if not (reader.at_eof() or writer.is_closing() or is_old):
                return
            self.close()
        if (wait_s := self._next_attempt_s - loop.time()) > 0:
            await asyncio.sleep(wait_s)
        self._failures += 1
        backoff_s = min(FIRST_BACKOFF_S * 2 ** min(self._failures - 1, 10), LONGEST_BACKOFF_S)
        self._next_attempt_s = loop.time() + backoff_s
        try:
            self._streams = await asyncio.open_connection(*self._address)
        except OSError as error:
            raise ControllerUnavailable(f"cannot connect to {self}: {error}") from error
        try:
            if self._secret is not None:
                await self._greet(self._secret)
            self._told_voters(await self._exchange(WhoVotes()))
        except WrongPeer as error:
            self.close()
            if str(error) != self._told:
                log.error("%s", error)
            self._told = str(error)
            raise
        self._failures = 0
        self._told = None

    async def _greet(self, secret: "ClusterSecret") -> None:
        """Prove to know the secret, and have it proved."""
        from .greeting import ANSWERS as ANSWERS_ROLE  # Few clusters have one.
        from .greeting import ASKS, NONCE_BYTES, Greeting

        nonce, cluster_id = self._random.randbytes(NONCE_BYTES), self._cluster_id()
        challenge = self._expected(Challenge, await self._exchange(Hello(nonce)))
        greeting = Greeting(nonce, challenge.nonce, cluster_id, self._their_cluster_id)
        own = Proof(secret.prove(ASKS, greeting))
        proof = self._expected(Proof, await self._exchange(own)).proof
        if not secret.is_proof(proof, ANSWERS_ROLE, greeting):
            raise WrongPeer(f"{self} does not know the cluster's secret")

    def _told_voters(self, answer: Any) -> None:
        self._voters = self._expected(Voters, answer)
        complaint = self._complaint(self._voters)
        if complaint is not None:
            raise WrongPeer(f"{self}: {complaint}")

    def _expected(self, message_class: type[Message], answer: Any) -> Message:
        """The answer, which has to be of this class; raises WrongPeer."""
        if isinstance(answer, message_class):
            return answer
        if isinstance(answer, Refused):
            if answer.error == "INCONSISTENT_CLUSTER_ID":
                raise ForeignCluster(self._their_cluster_id, str(self))
            raise WrongPeer(f"{self}: {answer.message}")
        raise WrongPeer(f"{self} says {type(answer).__name__}")

    async def _exchange(self, question: Any) -> Any:
        if self._streams is None:
            raise ControllerUnavailable(f"{self} was closed")
        reader, writer = self._streams
        try:
            writer.write(encode(question, self._cluster_id()))
            head = await reader.readexactly(SIZE.size)
            payload = await reader.readexactly(payload_size(head, MAX_ANSWER_BYTES))
            self._their_cluster_id, answer = decode(payload, ANSWERS)
            self._refuse_other_cluster(answer)
        except (OSError, EOFError, ProtocolError) as error:
            self.close()
            raise ControllerUnavailable(f"{self}: {error}") from error
        except BaseException:
            self.close()
            raise
        self._used_s = asyncio.get_running_loop().time()
        return answer

    def _refuse_other_cluster(self, answer: Any) -> None:
        own, theirs = self._cluster_id(), self._their_cluster_id
        if own and theirs and own != theirs and not isinstance(answer, Refused):
            self.close()
            raise ForeignCluster(theirs, str(self))
