"""The attacks, a coroutine each: `attack(target, tally)` goes on until it is cancelled.

Each holds as many connections as its kind is about, and comes back when the node hangs up. They
run in processes of their own, away from the node and from the good client: see `attacker`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import count
from random import Random

from minikafka.protocol.compression import CompressionType

from ..broker.in_process import batch_of
from . import frames
from .peer import Closed, Peer, Tally
from .session_fuzz import run_session

RETRY_S = 0.05
"""Pause before an attacker that was thrown out comes back."""


@dataclass(frozen=True)
class Target:
    """Where to attack, and what is there."""

    address: tuple[str, int]
    data_topic: str
    """Holds some megabytes that can be fetched."""
    good_topic: str
    """What the good client uses."""
    open_topic: str
    """Takes what attacks produce."""
    compacted_topic: str
    random: Random
    control_address: tuple[str, int]
    """Its second port."""


Attack = Callable[[Target, Tally], Awaitable[None]]


async def slow_loris(target: Target, tally: Tally) -> None:
    """500 connections, each a byte a second of a request."""
    whole = frames.produce(target.open_topic, batch_of(b"x" * 1000))

    async def drip(peer: Peer) -> None:
        for byte in whole:
            await peer.send(bytes((byte,)))
            await asyncio.sleep(1)

    await _crowd(target, tally, 500, drip)


async def half_open(target: Target, tally: Tally) -> None:
    """600 connections: silent from the start, half closed in a frame, or behind a request."""
    waiting = frames.long_poll(target.good_topic)

    async def silent(peer: Peer) -> None:
        await peer.until_closed()

    async def half_closed(peer: Peer) -> None:
        await peer.send(waiting[:-5])
        peer.half_close()
        await peer.until_closed()

    async def half_closed_waiting(peer: Peer) -> None:
        await peer.send(waiting, 1)
        peer.half_close()
        await peer.until_closed()

    await asyncio.gather(
        *(_crowd(target, tally, 200, each) for each in (silent, half_closed, half_closed_waiting))
    )


async def never_reading(target: Target, tally: Tally) -> None:
    """100 connections that ask for data and metadata as long as the node listens."""

    def ask(request: bytes) -> Callable[[Peer], Awaitable[None]]:
        async def asking(peer: Peer) -> None:
            while True:
                await peer.send(request * 50, 50)

        return asking

    requests = (frames.fetch(target.data_topic), frames.ALL_TOPICS)
    await asyncio.gather(
        *(_crowd(target, tally, 50, ask(each), receive_buffer_bytes=4096) for each in requests)
    )


async def lengths(target: Target, tally: Tally) -> None:
    """Frames of 2 GiB, of less than nothing and of nothing, as fast as they are refused."""
    sizes = (2**31 - 1, -1, -(2**31), 0, frames.FRAME_BYTES + 1, 7)

    async def lie(peer: Peer) -> None:
        size = target.random.choice(sizes)
        await peer.send(size.to_bytes(4, "big", signed=True) + bytes(100), 1)
        await peer.until_closed()

    await _crowd(target, tally, 20, lie, retry_s=0)


async def ten_thousand(target: Target, tally: Tally) -> None:
    """11,000 connections, which are more than the node takes."""

    async def hold(peer: Peer) -> None:
        await peer.send(frames.ALL_TOPICS, 1)
        await peer.receive_frame()
        await peer.until_closed()

    await _crowd(target, tally, 11_000, hold, retry_s=1)


async def pipelines(target: Target, tally: Tally) -> None:
    """20 connections with thousands of requests under way, all of them valid."""
    produce = frames.produce(target.open_topic, batch_of(b"x"))
    look_up = frames.offset_for_time(target.data_topic, 1)

    def flood(request: bytes) -> Callable[[Peer], Awaitable[None]]:
        async def flooding(peer: Peer) -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_drain(peer))
                while True:
                    await peer.send(request * 1000, 1000)

        return flooding

    requests = (produce, look_up, frames.ALL_TOPICS, frames.PRODUCER_ID)
    await asyncio.gather(*(_crowd(target, tally, 5, flood(each)) for each in requests))


async def topics_by_name(target: Target, tally: Tally) -> None:
    """Metadata requests that name 100,000 topics."""
    await _ask_again_and_again(target, tally, frames.many_topics(100_000, "missing-"), 2)


async def long_polls(target: Target, tally: Tally) -> None:
    """1,000 connections whose fetches are never satisfied, ten on each; some name much."""
    waiting = frames.long_poll(target.good_topic)
    manifold = frames.long_poll(target.good_topic, entries=50_000)

    async def wait(peer: Peer) -> None:
        await peer.send(waiting * 10, 10)
        await peer.until_closed()

    async def wait_for_much(peer: Peer) -> None:
        await peer.send(manifold, 1)
        await peer.until_closed()

    await asyncio.gather(
        _crowd(target, tally, 1_000, wait), _crowd(target, tally, 4, wait_for_much)
    )


async def producer_ids(target: Target, tally: Tally) -> None:
    """A new producer id with every batch."""
    numbers = count(target.random.randrange(2**40))
    template = batch_of(b"x")

    async def produce(peer: Peer) -> None:
        while True:
            batches = [
                frames.with_header(
                    template, producer_id=next(numbers), producer_epoch=0, base_sequence=0
                )
                for _ in range(100)
            ]
            await peer.send(b"".join(frames.produce(target.open_topic, each) for each in batches))
            tally["requests"] += len(batches)
            for _ in batches:
                await peer.receive_frame()

    await _crowd(target, tally, 4, produce)


async def bombs(target: Target, tally: Tally) -> None:
    """Batches of kilobytes that are megabytes inside, wherever the broker opens batches."""
    zeros = frames.bomb(CompressionType.zstd, bytes(60 << 20))
    gzipped = frames.bomb(CompressionType.gzip, bytes(200 << 20))
    crowded = frames.tiny_records(2_000_000)
    records = frames.bomb(CompressionType.zstd, crowded, 2_000_000)
    topics = (target.open_topic, target.compacted_topic)
    requests = [
        *(frames.produce(topic, each) for each in (zeros, gzipped, records) for topic in topics),
        frames.offset_for_time(target.open_topic, 2),
        frames.offset_for_time(target.open_topic, -3),
        frames.offset_for_time(target.open_topic, 2, entries=1000),
    ]

    async def ask(peer: Peer) -> None:
        while True:
            await peer.send(target.random.choice(requests), 1)
            await peer.receive_frame()

    await _crowd(target, tally, 4, ask)


async def absurd_counts(target: Target, tally: Tally) -> None:
    """Batches whose headers count what is not there."""
    batches = frames.absurd_counts()

    async def produce(peer: Peer) -> None:
        while True:
            for batch in batches:
                await peer.send(frames.produce(target.open_topic, batch), 1)
                await peer.receive_frame()

    await _crowd(target, tally, 4, produce)


async def held_frames(target: Target, tally: Tally) -> None:
    """50 connections that send all of 16 MiB but the last byte, and then hold still."""
    almost = (frames.FRAME_BYTES).to_bytes(4, "big") + bytes(frames.FRAME_BYTES - 1)

    async def hold(peer: Peer) -> None:
        await peer.send(almost, 1)
        await peer.until_closed()

    await _crowd(target, tally, 50, hold)


async def new_topics(target: Target, tally: Tally) -> None:
    """Thousands of topics, created by name, by the hundred and in passing, and deleted again."""
    numbers = count()

    async def create(peer: Peer) -> None:
        prefix = f"new-{next(numbers)}-"
        names = [f"{prefix}{number}" for number in range(50)]
        absurd = [frames.create_topics(["absurd"], partitions) for partitions in (2**31 - 1, -7)]
        while True:
            requests = [
                frames.create_topics(names),
                *absurd,
                frames.many_topics(50, f"auto-{prefix}", creates=True),
                frames.delete_topics([*names, *(f"auto-{name}" for name in names)]),
            ]
            for request in requests:
                await peer.send(request, 1)
                await peer.receive_frame()

    await _crowd(target, tally, 4, create)


async def resets(target: Target, tally: Tally) -> None:
    """Requests cut by a reset, as fast as connections can be made."""
    request = frames.produce(target.open_topic, batch_of(b"x" * 500))

    async def cut(peer: Peer) -> None:
        await peer.send(request[: target.random.randrange(len(request))], 1)

    await _crowd(target, tally, 20, cut, retry_s=0)


async def garbage(target: Target, tally: Tally) -> None:
    """Frames of random bytes, each the end of its connection."""

    async def babble(peer: Peer) -> None:
        size = target.random.randrange(200)
        await peer.send(size.to_bytes(4, "big") + target.random.randbytes(size), 1)
        await peer.until_closed()

    await _crowd(target, tally, 20, babble, retry_s=0)


async def turning_sessions(target: Target, tally: Tally) -> None:
    """Connections that begin well and turn hostile: see `session_fuzz`."""
    for number in count(target.random.randrange(2**32)):
        await run_session(target.address, target.open_topic, number, tally)


async def control_plane(target: Target, tally: Tally) -> None:
    """400 connections to the control port: silent, drop by drop, never reading, lies, garbage."""
    second = replace(target, address=target.control_address)
    sizes = (2**31 - 1, -1, 0, (64 << 10) + 1, 7)

    async def silent(peer: Peer) -> None:
        await peer.until_closed()

    async def half_open(peer: Peer) -> None:
        await peer.send(frames.EVENTS[:-5])
        peer.half_close()
        await peer.until_closed()

    async def drip(peer: Peer) -> None:
        for byte in frames.EVENTS * 10:
            await peer.send(bytes((byte,)))
            await asyncio.sleep(1)

    async def never_reading(peer: Peer) -> None:
        while True:
            await peer.send(frames.EVENTS * 50, 50)

    async def lie(peer: Peer) -> None:
        size = target.random.choice(sizes)
        await peer.send(size.to_bytes(4, "big", signed=True) + target.random.randbytes(100), 1)
        await peer.until_closed()

    async def garbage(peer: Peer) -> None:
        junk = target.random.randbytes(target.random.randrange(1, 60_000))
        await peer.send(len(junk).to_bytes(4, "big") + junk, 1)
        await peer.until_closed()

    acts = (silent, half_open, drip, never_reading, lie, garbage)
    crowds = (
        _crowd(second, tally, 400 // len(acts), each, receive_buffer_bytes=4096) for each in acts
    )
    await asyncio.gather(*crowds)


ATTACKS: dict[str, Attack] = {
    "control plane": control_plane,
    "slow loris": slow_loris,
    "half open": half_open,
    "never reading": never_reading,
    "absurd lengths": lengths,
    "connections": ten_thousand,
    "pipelines": pipelines,
    "topics by name": topics_by_name,
    "long polls": long_polls,
    "producer ids": producer_ids,
    "bombs": bombs,
    "absurd counts": absurd_counts,
    "held frames": held_frames,
    "new topics": new_topics,
    "resets": resets,
    "garbage": garbage,
    "turning sessions": turning_sessions,
}


async def _crowd(
    target: Target,
    tally: Tally,
    size: int,
    act: Callable[[Peer], Awaitable[None]],
    *,
    retry_s: float = RETRY_S,
    receive_buffer_bytes: int = 0,
) -> None:
    """So many connections at one time that act so; each comes back when it has ended."""

    async def again_and_again() -> None:
        while True:
            try:
                async with Peer.open(target.address, tally, receive_buffer_bytes) as peer:
                    await act(peer)
            except* Closed:
                pass
            await asyncio.sleep(retry_s)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(size):
            tasks.create_task(again_and_again())


async def _ask_again_and_again(target: Target, tally: Tally, request: bytes, size: int) -> None:
    async def ask(peer: Peer) -> None:
        while True:
            await peer.send(request, 1)
            await peer.receive_frame()

    await _crowd(target, tally, size, ask)


async def _drain(peer: Peer) -> None:
    while True:
        await peer.receive()
