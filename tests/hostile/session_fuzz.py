"""Stateful fuzz: connections that begin well and turn hostile at some step, from a seed.

A session is a few steps on one connection. Most are honest: a request, and its answer. Then comes
garbage, a version that nobody serves, a correlation id used twice, a frame in pieces, a reset in
the middle of a frame, a half close. Whatever it is, the node answers what was asked in order, or
ends this connection; it never answers what was not asked, and never goes silent.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise
from random import Random
from typing import Any

from minikafka.protocol.api.api_versions import ApiVersionsRequest
from minikafka.protocol.api.init_producer_id import InitProducerIdRequest
from minikafka.protocol.api.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
)
from minikafka.protocol.api.metadata import MetadataRequest, MetadataRequestTopic

from ..broker.in_process import batch_of, decode_answer, fetch_request, frame_of, produce_request
from .peer import Closed, Peer, Tally

ANSWER_DEADLINE_S = 60.0
MAX_STEPS = 8


class Session:
    """One connection and what it is owed."""

    def __init__(self, peer: Peer, topic: str, random: Random) -> None:
        self.peer = peer
        self.random = random
        self._topic = topic
        self._owed: list[tuple[int, Any, int]] = []  # correlation id, class, version
        self._correlation_id = 0

    def request(self) -> tuple[bytes, Any, int]:
        """A valid request's frame, its class and version; now and then an id used before."""
        request, version = self.random.choice(_requests(self._topic))
        if self.random.random() < 0.9:
            self._correlation_id = self.random.randrange(-(2**31), 2**31)
        return frame_of(request, version, self._correlation_id), type(request), version

    async def ask(self, cuts: int = 0) -> None:
        """Send a request, in so many pieces."""
        frame, cls, version = self.request()
        self._owed.append((self._correlation_id, cls, version))
        for piece in _pieces(frame, cuts, self.random):
            await self.peer.send(piece)
            await asyncio.sleep(0)
        self.peer.count("requests")

    async def settle(self) -> None:
        """Take every answer that is owed, in order, and nothing else."""
        while self._owed:
            correlation_id, cls, version = self._owed.pop(0)
            async with asyncio.timeout(ANSWER_DEADLINE_S):
                frame = await self.peer.receive_frame()
            assert int.from_bytes(frame[:4], "big", signed=True) == correlation_id
            decode_answer(frame, cls, version)

    async def settle_until_closed(self) -> None:
        """Take answers until the node ends the connection, which it must do by itself."""
        async with asyncio.timeout(ANSWER_DEADLINE_S):
            await self.peer.until_closed()


async def honest(session: Session) -> None:
    """A request and its answer, whatever stands before it."""
    await session.ask()
    await session.settle()


async def pipelined(session: Session) -> None:
    """Several requests, and no answer taken yet."""
    for _ in range(session.random.randrange(1, 20)):
        await session.ask()


async def split(session: Session) -> None:
    """A request in pieces."""
    await session.ask(cuts=session.random.randrange(1, 10))


async def garbage(session: Session) -> None:
    """Bytes that are no frame, or a frame that is no request."""
    data = session.random.randbytes(session.random.randrange(4, 300))
    if session.random.random() < 0.5:
        data = len(data).to_bytes(4, "big") + data
    else:
        data = b"\x80" + data  # a length below zero, so that nothing waits for the rest of it
    await session.peer.send(data)
    await session.settle_until_closed()


async def damaged(session: Session) -> None:
    """A request with some bytes changed: it is answered, or it ends the connection."""
    frame, _, _ = session.request()
    changed = bytearray(frame)
    for _ in range(session.random.randrange(1, 5)):
        changed[session.random.randrange(4, len(changed))] = session.random.randrange(256)
    await session.peer.send(bytes(changed))
    session.peer.half_close()
    await session.settle_until_closed()


async def wrong_version(session: Session) -> None:
    """A version that nobody serves: only ApiVersions answers that."""
    frame = bytearray(session.request()[0])
    frame[6:8] = session.random.choice((100, 32767, 0xFFFF)).to_bytes(2, "big")
    await session.peer.send(bytes(frame))
    session.peer.half_close()
    await session.settle_until_closed()


async def reset_in_frame(session: Session) -> None:
    """Away, with a reset, in the middle of a frame."""
    frame, _, _ = session.request()
    await session.peer.send(frame[: session.random.randrange(1, len(frame))])
    raise Closed


async def half_close(session: Session) -> None:
    """No more requests, and the node ends the connection."""
    await session.ask()
    session.peer.half_close()
    await session.settle_until_closed()


Step = Callable[[Session], Awaitable[None]]
BEFORE: tuple[Step, ...] = (honest, honest, pipelined, split)
LAST: tuple[Step, ...] = (garbage, damaged, wrong_version, reset_in_frame, half_close)


async def run_session(address: tuple[str, int], topic: str, seed: int, tally: Tally) -> list[str]:
    """One session; the names of its steps. AssertionError when the node misbehaves."""
    random = Random(seed)
    steps = [random.choice(BEFORE) for _ in range(random.randrange(MAX_STEPS))]
    steps.append(random.choice(LAST))
    with suppress(Closed):
        async with Peer.open(address, tally) as peer:
            session = Session(peer, topic, random)
            for step in steps:
                await step(session)
    return [step.__name__ for step in steps]


def _requests(topic: str) -> list[tuple[Any, int]]:
    """What an honest client asks, with a version."""
    wanted = [ListOffsetsRequestPartition(partition_index=0, timestamp=-1)]
    return [
        (ApiVersionsRequest(client_software_name="raw", client_software_version="1"), 3),
        (MetadataRequest(topics=[MetadataRequestTopic(name=topic)]), 9),
        (produce_request(topic, batch_of(b"x")), 9),
        (fetch_request(topic, 0, max_wait_ms=0, max_bytes=100, partition_max_bytes=100), 11),
        (ListOffsetsRequest(topics=[ListOffsetsRequestTopic(name=topic, partitions=wanted)]), 5),
        (InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1), 4),
    ]


def _pieces(frame: bytes, cuts: int, random: Random) -> list[bytes]:
    """The frame, cut at so many places."""
    places = sorted({0, len(frame), *(random.randrange(len(frame)) for _ in range(cuts))})
    return [frame[start:end] for start, end in pairwise(places)]
