"""A connection to the control plane of another node, on which this node asks.

    nothing ──> connect ──> WhoVotes ──> right node, cluster, voters? ──> question, answer,
       ^        50 ms to 1 s after                │ no                    question, answer …
       │        the last failure                  v                           │
       └───────────────────── closed <── lost, too slow, no message <─────────┘

One question is under way at a time, and the others wait for it. What goes wrong meanwhile, a
cancellation too, closes the connection: the next answer on it would be that of another question.
Whether a question that failed was answered, and what it changed, nobody knows.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ...protocol.control import NODE_ANSWERS, Refused, Voters, WhoVotes
from ...protocol.control_frame import MAX_ANSWER_BYTES, SIZE, Known, decode, encode, payload_size
from ...protocol.primitives import ProtocolError
from ..config import Address, format_address
from .raft_messages import FetchResponse, VoteResponse
from .unavailable import ControllerUnavailable, NoAnswerInTime

FIRST_BACKOFF_S = 0.05
LONGEST_BACKOFF_S = 1.0
MAX_IDLE_S = 30.0
"""A connection that was silent for longer is not used again: its node may be about to close it."""

ANSWERS: Known = {**NODE_ANSWERS, "VoteResponse": VoteResponse, "FetchResponse": FetchResponse}

log = logging.getLogger("minikafka.controller")


class Link:
    """See the module. `complaint` says what is wrong with who answers there, or nothing."""

    def __init__(
        self,
        address: Address,
        cluster_id: Callable[[], str],
        complaint: Callable[[Voters], str | None],
    ) -> None:
        """Nothing is sent before the first question."""
        self._address = address
        self._cluster_id = cluster_id
        self._complaint = complaint
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
        self._greeted(await self._exchange(WhoVotes()))
        self._failures = 0

    def _greeted(self, answer: Any) -> None:
        match answer:
            case Voters():
                complaint = self._complaint(answer)
                self._voters = answer
            case Refused(_, message):
                complaint = message
            case _:
                complaint = f"it says {type(answer).__name__}"
        if complaint is not None:
            self.close()
            if complaint != self._told:
                log.error("%s: %s", self, complaint)
            self._told = complaint
            raise ControllerUnavailable(f"{self}: {complaint}")
        self._told = None

    async def _exchange(self, question: Any) -> Any:
        if self._streams is None:
            raise ControllerUnavailable(f"{self} was closed")
        reader, writer = self._streams
        try:
            writer.write(encode(question, self._cluster_id()))
            head = await reader.readexactly(SIZE.size)
            payload = await reader.readexactly(payload_size(head, MAX_ANSWER_BYTES))
            cluster_id, answer = decode(payload, ANSWERS)
            self._refuse_other_cluster(cluster_id, answer)
        except (OSError, EOFError, ProtocolError) as error:
            self.close()
            raise ControllerUnavailable(f"{self}: {error}") from error
        except BaseException:
            self.close()
            raise
        self._used_s = asyncio.get_running_loop().time()
        return answer

    def _refuse_other_cluster(self, cluster_id: str, answer: Any) -> None:
        own = self._cluster_id()
        is_other = own and cluster_id and own != cluster_id
        if is_other and not isinstance(answer, Refused):
            raise ProtocolError(f"it is of cluster {cluster_id!r}, and this node of {own!r}")
