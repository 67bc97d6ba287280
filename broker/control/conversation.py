"""One connection of the control plane: a question is read, answered, and then the next is read.

    |size|question| -> this cluster's? -> may it ask that? -> its turn -> handler -> |size|answer|
        ^                                                                              │
        └──────────────────────────────────────────────────────────────── taken? ──────┘

What anybody may ask is answered or refused in turns, one each time the loop comes round, whatever
the number of conversations. So however much is asked here, a record on the clients' port waits for
one such question at most. What nodes ask each other waits for no turn, and may wait for news.

Where the cluster has a secret, who asks what nodes ask must have proved to know it (see `door`).
Whoever has said WhoVotes, as nodes do first, may send larger frames from then on. While a cluster
is being made, some frames may be without its id.

A peer's bytes end no more than their own connection, with one line in the log. Whoever is silent,
sends a frame drop by drop, or does not take an answer, is closed as well.
"""

import asyncio
import logging
from typing import Any

from ...protocol.control import (
    NODE_REQUESTS,
    REQUESTS,
    DescribeSegments,
    Hello,
    Proof,
    ReadEvents,
    Refused,
    Voters,
    WhoVotes,
)
from ...protocol.control_frame import (
    MAX_NODE_REQUEST_BYTES,
    MAX_REQUEST_BYTES,
    SIZE,
    Known,
    UnknownMessage,
    decode,
    encode,
    payload_size,
)
from ...protocol.primitives import ProtocolError
from ..controller.raft_messages import FetchRequest, VoteRequest
from ..controller.unavailable import ControllerUnavailable
from ..log.files import StorageError
from ..log.scan import CorruptLog
from . import describe_segments, read_events
from .context import ControlContext
from .door import Door

IDLE_TIMEOUT_S = 60.0
"""Silence between two frames after which a connection is closed."""
FRAME_TIMEOUT_S = 10.0
"""How long a frame may take once its size is here."""
ANSWER_TIMEOUT_S = 30.0
"""How long a peer may take to take an answer."""
HANDLING_TIMEOUT_S = 30.0
"""How long a node's question may take to be answered: more than any that may wait for news."""

KNOWN: Known = {
    **REQUESTS,
    **NODE_REQUESTS,
    "VoteRequest": VoteRequest,
    "FetchRequest": FetchRequest,
}
"""All that a node is asked here."""
MAKE_CLUSTERS = (Hello, Proof, WhoVotes, VoteRequest, FetchRequest)
"""What may be asked by a node that does not know its cluster's id yet, and of such a node."""

log = logging.getLogger("minikafka.control")


async def converse(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    context: ControlContext,
    door: Door,
) -> None:
    """Answer until the peer goes, is silent or too slow, or breaks the protocol."""
    transport = writer.transport
    transport.set_write_buffer_limits(high=0)  # drain() waits until the socket has taken all.
    max_bytes = MAX_REQUEST_BYTES
    try:
        while True:
            question = await _read(reader, max_bytes)
            answer = await answer_to(question, context, door, writer)
            if isinstance(answer, Voters):
                door.has_entered = True
                max_bytes = MAX_NODE_REQUEST_BYTES
            if transport.is_closing():
                raise ConnectionResetError
            writer.write(encode(answer, context.cluster_id))
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await writer.drain()
            if door.has_failed:
                raise ProtocolError("its peer does not know the cluster's secret")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()  # The peer has gone.
    except ProtocolError as error:
        log.warning("control connection %s: closing: %s", name_of(writer), error)
        transport.abort()
    except TimeoutError:
        log.info("control connection %s: closing: its peer is silent or too slow", name_of(writer))
        transport.abort()
    finally:
        if not transport.is_closing():  # The node stops, or something is wrong with it.
            transport.abort()
        context.controller.disconnected(writer)


def name_of(writer: asyncio.StreamWriter) -> str:
    """How log lines call a connection: its peer's address."""
    peer = writer.get_extra_info("peername") or ("?", 0)
    return f"{peer[0]}:{peer[1]}"


async def _read(reader: asyncio.StreamReader, max_bytes: int) -> bytes:
    """The next frame, without its size."""
    async with asyncio.timeout(IDLE_TIMEOUT_S):
        head = await reader.readexactly(SIZE.size)
    async with asyncio.timeout(FRAME_TIMEOUT_S):
        return await reader.readexactly(payload_size(head, max_bytes))


async def answer_to(
    question: bytes, context: ControlContext, door: Door, connection: Any = None
) -> Any:
    """The answer to a frame's content, a message of protocol/control; raises ProtocolError."""
    try:
        cluster_id, message = decode(question, KNOWN)
    except UnknownMessage as error:
        await _take_turn(context)
        return Refused("UNSUPPORTED_VERSION", str(error))
    is_of_node = type(message).__name__ not in REQUESTS
    is_new = type(message) in MAKE_CLUSTERS and "" in (cluster_id, context.cluster_id)
    if cluster_id != context.cluster_id and not is_new:
        await _take_turn(context)
        return _refuse_cluster(cluster_id, context, connection if is_of_node else None)
    try:
        if is_of_node:
            return await _answer_node(message, cluster_id, context, door, connection)
        async with context.turn:
            answer = await _handle(message, context)
            await asyncio.sleep(0)
        return answer
    except ControllerUnavailable as error:
        return Refused("NOT_CONTROLLER", str(error))
    except StorageError as error:
        return Refused("KAFKA_STORAGE_ERROR", str(error))
    except (CorruptLog, ProtocolError) as error:  # on our disk
        return Refused("CORRUPT_MESSAGE", str(error))


async def _take_turn(context: ControlContext) -> None:
    """Wait as others do: what is refused at once is asked again at once."""
    async with context.turn:
        await asyncio.sleep(0)


def _refuse_cluster(
    cluster_id: str, context: ControlContext, node: asyncio.StreamWriter | None
) -> Refused:
    """A node of another cluster may mean that there are two where one was meant: it is told of."""
    if node is not None:
        own, peer = context.cluster_id, name_of(node)
        log.warning("%s is a node of cluster %r, and this is one of %r", peer, cluster_id, own)
    reason = f"this is a node of cluster {context.cluster_id!r}, the frame is for another"
    return Refused("INCONSISTENT_CLUSTER_ID", reason)


async def _answer_node(
    message: Any, cluster_id: str, context: ControlContext, door: Door, connection: Any
) -> Any:
    if not door.has_entered:
        await _take_turn(context)
    match message:
        case Hello():
            return door.greet(message, cluster_id, context.cluster_id)
        case Proof():
            return await door.prove(message)
        case _ if not door.is_open:
            return door.refuse()
        case _:
            pass
    try:
        async with asyncio.timeout(HANDLING_TIMEOUT_S):
            return await context.controller.answer(message, connection)
    except TimeoutError:
        name = type(message).__name__
        return Refused("REQUEST_TIMED_OUT", f"{name} took longer than {HANDLING_TIMEOUT_S:.0f} s")


async def _handle(message: Any, context: ControlContext) -> Any:
    match message:
        case DescribeSegments():
            return await describe_segments.handle(message, context)
        case ReadEvents():
            return read_events.handle(message, context)
        case _:
            raise TypeError(f"{type(message).__name__} is known and has no handler")
