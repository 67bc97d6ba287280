"""A group of our members on a cluster that is not ours: the mock brokers inside librdkafka.

Their coordinator waits 3 s for an empty group to grow, and for others a session less a second; it
does not ask for an id before the first join, and while a generation is being told it answers
heartbeats with REBALANCE_IN_PROGRESS, which Kafka does not. It announces JoinGroup, SyncGroup and
LeaveGroup in versions that it cannot read, so they are asked for here in those that it can.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from minikafka import Consumer, Producer
from minikafka.client.consumer import AssignorName
from minikafka.transport.connection import Connection

PARTITIONS = 4
DEADLINE_S = 60.0
SESSION_MS = 4_000
READABLE_VERSIONS = {"JoinGroupRequest": 5, "SyncGroupRequest": 3, "LeaveGroupRequest": 1}


@pytest.fixture(autouse=True)
def readable_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask nothing in a version that these brokers announce and cannot read."""
    version_of = Connection.version_of

    def readable_version_of(
        self: Connection, request_class: type, max_version: int | None = None
    ) -> int:
        known = READABLE_VERSIONS.get(request_class.__name__, max_version)
        return version_of(self, request_class, known)

    monkeypatch.setattr(Connection, "version_of", readable_version_of)


class Reader:
    """A member, and the values that it has read and committed."""

    def __init__(self, bootstrap: str, topic: str, strategy: AssignorName) -> None:
        self.values: list[int] = []
        self.consumer = Consumer(
            topic,
            bootstrap_servers=bootstrap,
            group_id=topic,
            partition_assignment_strategy=strategy,
            session_timeout_ms=SESSION_MS,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )

    @property
    def share(self) -> int:
        """How many partitions it owns."""
        return len(self.consumer.assignment())

    async def read(self) -> None:
        """Read a little, and commit what was read."""
        polled = await self.consumer.getmany(timeout_ms=100)
        if polled:
            self.values += [int(each.value) for records in polled.values() for each in records]
            await self.consumer.commit()


async def read_until(readers: Sequence[Reader], condition: Callable[[], Any]) -> None:
    """All of them read until it holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.gather(*(each.read() for each in readers))


async def write(bootstrap: str, topic: str, values: range) -> None:
    """Records that are their own number, dealt to the partitions in turn."""
    async with Producer(bootstrap_servers=bootstrap) as producer:
        for value in values:
            await producer.send(topic, b"%d" % value, partition=value % PARTITIONS)


async def test_members_come_and_go_and_read_on_eagerly_and_cooperatively(mock_cluster: str):
    # Most of this is waiting, so both groups live at the same time.
    await asyncio.gather(live(mock_cluster, "range"), live(mock_cluster, "cooperative-sticky"))


async def live(mock_cluster: str, strategy: AssignorName) -> None:
    """The life of a group: one member, a second, the first gone, another, and more to read."""
    topic = f"group-{strategy}"
    await write(mock_cluster, topic, range(100))
    first, second, again = (Reader(mock_cluster, topic, strategy) for _ in range(3))
    async with AsyncExitStack() as stack:
        async with first.consumer:
            await read_until([first], lambda: len(first.values) == 100)
            assert await first.consumer.committed((topic, 3)) == 25
            await stack.enter_async_context(second.consumer)
            await read_until([first, second], lambda: first.share == second.share == 2)
        await stack.enter_async_context(again.consumer)
        await read_until([second, again], lambda: second.share == again.share == 2)
        await write(mock_cluster, topic, range(100, 200))
        await read_until([second, again], lambda: len(second.values + again.values) == 100)
    assert sorted(first.values) == list(range(100))
    assert sorted(second.values + again.values) == list(range(100, 200))
