"""A link to another node: who answers there, what breaks it, and how it comes back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from minikafka.broker.controller.link import (
    FIRST_BACKOFF_S,
    LONGEST_BACKOFF_S,
    MAX_IDLE_S,
    Link,
)
from minikafka.broker.controller.membership import CannotTakePart, Membership
from minikafka.broker.controller.peers import Peers
from minikafka.broker.controller.unavailable import ControllerUnavailable, ForeignCluster
from minikafka.protocol.control import (
    NODE_REQUESTS,
    CreateOffsetsTopic,
    Done,
    VoterAddress,
    Voters,
    WhoVotes,
)
from minikafka.protocol.control_frame import MAX_ANSWER_BYTES, SIZE, decode, encode

from ..in_process import SteppedLoop, run_stepped

TIMEOUT_MS = 10_000
VOTERS = Voters(2, (VoterAddress(1, "h", 1), VoterAddress(2, "h", 2)))
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Answer = Callable[[Any, asyncio.StreamWriter], Awaitable[None]]


class Far:
    """A node of this test's making: it answers WhoVotes, and the rest as it is told."""

    def __init__(self, answer: Answer) -> None:
        self.cluster_id = "c"
        self.voters = VOTERS
        self.answer = answer
        self.connected = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connected += 1
        self.writers.append(writer)
        try:
            while True:
                (size,) = SIZE.unpack(await reader.readexactly(SIZE.size))
                _, question = decode(await reader.readexactly(size), NODE_REQUESTS)
                if isinstance(question, WhoVotes):
                    writer.write(encode(self.voters, self.cluster_id))
                else:
                    await self.answer(question, writer)
        except (EOFError, ConnectionError):
            writer.close()


@asynccontextmanager
async def linked(answer: Answer) -> AsyncIterator[tuple[Link, Far]]:
    """A node, and a link to it."""
    far = Far(answer)
    server = await asyncio.start_server(far.serve, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()[:2]
    link = Link(address, lambda: "c", lambda _: None, None, Random(1))
    try:
        yield link, far
    finally:
        link.close()
        server.close()
        for writer in far.writers:
            writer.transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)  # Their tasks end.


async def done(question: Any, writer: asyncio.StreamWriter) -> None:
    """The answer to everything."""
    del question
    writer.write(encode(Done(5), "c"))


async def test_questions_share_a_connection_and_wait_for_their_turn() -> None:
    async with linked(done) as (link, far):
        asked = [link.ask(CreateOffsetsTopic(), TIMEOUT_MS) for _ in range(20)]
        assert await asyncio.gather(*asked) == [Done(5)] * 20
        assert far.connected == 1


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (SIZE.pack(MAX_ANSWER_BYTES + 1), "a frame of 2097153 bytes, 2097152 at most"),
        (SIZE.pack(100) + b"half", "4 bytes read on a total of 100"),
        (b"\0\0", "2 bytes read on a total of 4"),
        (SIZE.pack(1) + b"\xc1", "a frame that is no msgpack"),
    ],
)
async def test_an_answer_that_is_none_breaks_the_connection_and_the_next_one_is_made(
    sent: bytes, sentence: str
) -> None:
    async def break_off(question: Any, writer: asyncio.StreamWriter) -> None:
        del question
        writer.write(sent)
        writer.close()

    async with linked(break_off) as (link, far):
        with pytest.raises(ControllerUnavailable, match=sentence):
            await link.ask(CreateOffsetsTopic(), TIMEOUT_MS)
        far.answer = done
        assert await link.ask(CreateOffsetsTopic(), TIMEOUT_MS) == Done(5)
        assert far.connected == 2


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next() -> None:
    async def late(question: Any, writer: asyncio.StreamWriter) -> None:
        del question, writer  # It never comes.

    async with linked(late) as (link, far):
        with pytest.raises(ControllerUnavailable, match="did not answer CreateOffsetsTopic within"):
            await link.ask(CreateOffsetsTopic(), 200)
        far.answer = done
        assert await link.ask(CreateOffsetsTopic(), TIMEOUT_MS) == Done(5)
        assert far.connected == 2


async def test_a_node_of_another_cluster_is_not_asked(caplog: pytest.LogCaptureFixture) -> None:
    async with linked(done) as (link, far):
        far.cluster_id = "d"
        for _ in range(3):
            with pytest.raises(ForeignCluster, match="is of another cluster, 'd'"):
                await link.ask(CreateOffsetsTopic(), TIMEOUT_MS)
        assert len([each for each in caplog.records if "another cluster" in each.message]) == 1
        far.cluster_id = "c"
        assert await link.ask(CreateOffsetsTopic(), TIMEOUT_MS) == Done(5)


def test_a_connection_that_was_silent_for_long_is_not_used_again() -> None:
    async def test(loop: SteppedLoop) -> None:
        async with linked(done) as (link, far):
            for elapsed_s, connected in ((0, 1), (MAX_IDLE_S - 2, 1), (MAX_IDLE_S + 2, 2)):
                loop.advance(elapsed_s)
                assert await link.ask(CreateOffsetsTopic(), TIMEOUT_MS) == Done(5)
                assert far.connected == connected

    run_stepped(test)


def test_attempts_come_ever_more_seldom_and_at_once_after_a_success() -> None:
    async def test(loop: SteppedLoop) -> None:
        async with linked(done) as (link, far):
            far.cluster_id = "d"
            waits_s: list[float] = []
            for _ in range(8):
                with pytest.raises(ForeignCluster):
                    await link.ask(CreateOffsetsTopic(), TIMEOUT_MS)
                waits_s.append(round(link._next_attempt_s - loop.time(), 1))
                loop.advance(2)
            assert waits_s[0] <= FIRST_BACKOFF_S + 0.05
            assert waits_s[-1] == LONGEST_BACKOFF_S
            assert waits_s == sorted(waits_s)
            far.cluster_id = "c"
            await link.ask(CreateOffsetsTopic(), TIMEOUT_MS)
            assert link._failures == 0

    run_stepped(test)


async def test_peers_remember_why_somebody_did_not_answer_until_he_does() -> None:
    async with linked(done) as (link, far):
        voters = {1: ("127.0.0.1", 1), 2: link._address}
        peers = Peers(Membership(1, voters=voters), lambda: "c", Random(1))
        far.cluster_id = "d"
        with pytest.raises(ForeignCluster):
            await peers.ask(2, CreateOffsetsTopic(), TIMEOUT_MS)
        assert "there is no majority of the voters 1, 2: " in peers.obstacle(-1)
        assert not peers.obstacle(2)
        assert peers.foreign_cluster is None  # One of two is no majority.
        far.cluster_id = "c"
        assert await peers.ask(2, CreateOffsetsTopic(), TIMEOUT_MS) == Done(5)
        assert not peers.silent
        far.voters = Voters(3, VOTERS.voters)
        peers.close()
        with pytest.raises(ControllerUnavailable, match="node 3 answers there, and not node 2"):
            await peers.ask(2, CreateOffsetsTopic(), TIMEOUT_MS)
        peers.close()


async def test_who_joins_asks_one_after_the_other_and_is_no_voter() -> None:
    async with linked(done) as (link, far):
        nowhere = ("127.0.0.1", 1)
        peers = Peers(Membership(4, join=(nowhere, link._address)), lambda: "", Random(1))
        await peers.find_voters(TIMEOUT_MS)
        assert peers.voters == {1: ("h", 1), 2: ("h", 2)}
        peers = Peers(Membership(2, join=(link._address,)), lambda: "", Random(1))
        with pytest.raises(CannotTakePart, match="node 2 is a voter of the cluster at"):
            await peers.find_voters(TIMEOUT_MS)
        far.cluster_id = "d"
        peers = Peers(Membership(4, join=(link._address,)), lambda: "c", Random(1))
        with pytest.raises(ControllerUnavailable):
            await peers.find_voters(TIMEOUT_MS)
        foreign = peers.foreign_cluster
        assert foreign is not None
        assert "it is of cluster 'c', and the nodes that it was told of are of 'd'" in foreign
