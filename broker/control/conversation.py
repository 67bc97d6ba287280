"""One connection of the control plane: a question is read, answered, and then the next is read.

    |size|question| -> its turn -> this cluster's? -> handler -> |size|answer| -> taken? -> again

All conversations of a node take turns, and there is one turn each time the loop comes round. So
however much is asked here, a record on the clients' port waits for one question at most.

A peer's bytes end no more than their own connection, with one line in the log. Whoever is silent,
sends a frame drop by drop, or does not take an answer, is closed as well.
"""

import asyncio
import logging
from typing import Any

from ...protocol.control import REQUESTS, DescribeSegments, ReadEvents, Refused
from ...protocol.control_frame import (
    MAX_REQUEST_BYTES,
    SIZE,
    UnknownMessage,
    decode,
    encode,
    payload_size,
)
from ...protocol.primitives import ProtocolError
from ..log.files import StorageError
from ..log.scan import CorruptLog
from . import describe_segments, read_events
from .context import ControlContext

IDLE_TIMEOUT_S = 60.0
"""Silence between two frames after which a connection is closed."""
FRAME_TIMEOUT_S = 10.0
"""How long a frame may take once its size is here."""
ANSWER_TIMEOUT_S = 30.0
"""How long a peer may take to take an answer."""

log = logging.getLogger("minikafka.control")


async def converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ControlContext
) -> None:
    """Answer until the peer goes, is too slow, or breaks the protocol."""
    transport = writer.transport
    transport.set_write_buffer_limits(high=0)  # drain() waits until the socket has taken all.
    try:
        while True:
            question = await _read(reader)
            async with context.turn:
                answer = await answer_to(question, context)
                await asyncio.sleep(0)
            writer.write(encode(answer, context.cluster_id))
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()  # The peer has gone.
    except ProtocolError as error:
        log.warning("control connection %s: closing: %s", name_of(writer), error)
        transport.abort()
    except TimeoutError:
        log.info("control connection %s: closing: its peer is too slow", name_of(writer))
        transport.abort()
    finally:
        if not transport.is_closing():  # The node stops, or something is wrong with it.
            transport.abort()


def name_of(writer: asyncio.StreamWriter) -> str:
    """How log lines call a connection: its peer's address."""
    peer = writer.get_extra_info("peername") or ("?", 0)
    return f"{peer[0]}:{peer[1]}"


async def _read(reader: asyncio.StreamReader) -> bytes:
    """The next frame, without its size."""
    async with asyncio.timeout(IDLE_TIMEOUT_S):
        head = await reader.readexactly(SIZE.size)
    async with asyncio.timeout(FRAME_TIMEOUT_S):
        return await reader.readexactly(payload_size(head, MAX_REQUEST_BYTES))


async def answer_to(question: bytes, context: ControlContext) -> Any:
    """The answer to a frame's content, a message of protocol/control; raises ProtocolError."""
    try:
        cluster_id, message = decode(question, REQUESTS)
    except UnknownMessage as error:
        return Refused("UNSUPPORTED_VERSION", str(error))
    if cluster_id != context.cluster_id:
        reason = f"this is a node of cluster {context.cluster_id!r}, the frame is for another"
        return Refused("INCONSISTENT_CLUSTER_ID", reason)
    try:
        return await _handle(message, context)
    except StorageError as error:
        return Refused("KAFKA_STORAGE_ERROR", str(error))
    except (CorruptLog, ProtocolError) as error:  # on our disk
        return Refused("CORRUPT_MESSAGE", str(error))


async def _handle(message: Any, context: ControlContext) -> Any:
    match message:
        case DescribeSegments():
            return await describe_segments.handle(message, context)
        case ReadEvents():
            return read_events.handle(message, context)
        case _:
            raise TypeError(f"{type(message).__name__} is known and has no handler")
