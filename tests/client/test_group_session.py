"""What a consumer has of its group: shares, hand-overs, commits, and no record lost."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from minikafka import AdminClient, Consumer, KafkaError, NewTopic, Producer, TopicPartition
from minikafka.client.rebalance_listener import RebalanceListener
from minikafka.protocol.api.leave_group import LeaveGroupRequest
from minikafka.protocol.errors import ErrorCode

from ..broker.in_process import until
from ..nodes import NodeProcess
from ..transport.scripted_broker import SILENCE, ScriptedBroker
from .cluster import Cluster
from .scripted_group import (
    DEADLINE_MS,
    HEARTBEAT,
    JOIN_GROUP,
    LEAVE_GROUP,
    OFFSET_COMMIT,
    ScriptedGroup,
    member_at,
    rejoined,
    take,
)

COUNT = 120
T0 = TopicPartition("t", 0)


@pytest.fixture
async def topic(shared_broker: NodeProcess, request: pytest.FixtureRequest) -> str:
    """A topic of this test, the numbers 0 to 119 dealt out to four partitions."""
    name = request.node.name.replace("[", "-").replace("]", "")
    bootstrap = shared_broker.bootstrap
    async with AdminClient(bootstrap_servers=bootstrap) as admin:
        await admin.create_topics([NewTopic(name, 4, 1)])
    async with Producer(bootstrap_servers=bootstrap, partitioner="round_robin") as producer:
        for number in range(COUNT):
            await producer.send(name, b"%d" % number)
    return name


def reader_of(broker: NodeProcess, topic: str, **options: Any) -> Consumer:
    """A member of a group that is called like the topic."""
    defaults: dict[str, Any] = {
        "group_id": topic,
        "auto_offset_reset": "earliest",
        "heartbeat_interval_ms": 50,
        "fetch_max_wait_ms": 50,
        "auto_commit_interval_ms": 60_000,
    }
    return Consumer(topic, bootstrap_servers=broker.bootstrap, **defaults | options)


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    """A scripted broker that leads t-0 and coordinates `g`."""
    async with ScriptedBroker() as broker:
        Cluster(broker)
        yield broker


@pytest.fixture
def group(broker: ScriptedBroker) -> ScriptedGroup:
    """The scripted group."""
    return ScriptedGroup(broker)


async def read(consumer: Consumer, numbers: list[int], until: Callable[[], bool]) -> None:
    """Read on, a few records at a time, until the condition holds."""
    while not until():
        for records in (await consumer.getmany(timeout_ms=20, max_records=5)).values():
            numbers.extend(int(record.value) for record in records)


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
async def test_members_share_and_hand_over_and_every_record_is_read_once(
    shared_broker: NodeProcess, topic: str, strategy: Any
):
    numbers: list[int] = []
    options = {"partition_assignment_strategy": strategy}
    async with asyncio.timeout(30), reader_of(shared_broker, topic, **options) as first:
        await read(first, numbers, lambda: len(first.assignment()) == 4)
        async with reader_of(shared_broker, topic, **options) as second:

            def share() -> bool:
                return len(first.assignment()) == len(second.assignment()) == 2

            await asyncio.gather(*(read(each, numbers, share) for each in (first, second)))
            assert first.assignment().isdisjoint(second.assignment())
        await read(first, numbers, lambda: len(first.assignment()) == 4 and len(numbers) >= COUNT)
    assert sorted(numbers) == list(range(COUNT))


async def test_a_loop_that_was_left_commits_at_close_what_it_was_handed(
    shared_broker: NodeProcess, topic: str
):
    numbers: list[int] = []
    while len(numbers) < COUNT:
        async with reader_of(shared_broker, topic) as consumer:
            async for record in consumer:
                numbers.append(int(record.value))
                if len(numbers) in (30, COUNT):
                    break
    assert sorted(numbers) == list(range(COUNT))


async def test_after_an_error_nothing_is_committed_and_all_is_read_again(
    shared_broker: NodeProcess, topic: str
):
    async def fail() -> None:
        async with reader_of(shared_broker, topic) as consumer:
            async for record in consumer:
                raise ZeroDivisionError(record.value)

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with reader_of(shared_broker, topic) as consumer:
        assert sorted(await take(consumer, COUNT)) == list(range(COUNT))


async def test_who_is_cancelled_while_it_waits_has_done_what_it_was_handed(
    shared_broker: NodeProcess, topic: str
):
    numbers: list[int] = []

    async def read_on() -> None:
        async with reader_of(shared_broker, topic) as consumer:
            async for record in consumer:
                numbers.append(int(record.value))
                if len(numbers) == COUNT:
                    all_read.set()

    all_read = asyncio.Event()
    reader = asyncio.create_task(read_on())
    await asyncio.wait_for(all_read.wait(), DEADLINE_MS / 1000)
    await asyncio.sleep(0)  # back in the loop's head, where it waits
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    async with reader_of(shared_broker, topic) as consumer:
        assert await consumer.committed((topic, 0)) is not None
        assert await consumer.getmany(timeout_ms=300) == {}


async def test_auto_commit_says_nothing_of_records_that_are_worked_on(
    broker: ScriptedBroker, group: ScriptedGroup
):
    async with member_at(broker, enable_auto_commit=True, auto_commit_interval_ms=5) as consumer:
        for number in range(10):
            assert await take(consumer, 1) == [number]
            broker.requests.clear()
            await until(lambda: broker.requests_of(HEARTBEAT))
            assert group.committed.get(T0, 0) <= number
    assert group.committed == {T0: 10}
    offsets = [commit[T0] for commit in group.commits]
    assert offsets == sorted(offsets)
    assert len(offsets) > 2


class Slow(RebalanceListener):
    """Takes its time when partitions are given up or come."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.may_end = asyncio.Event()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Until the test says so."""
        self.begun += 1
        await self.may_end.wait()
        self.ended += 1


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_who_stops_waiting_leaves_a_change_whole(
    broker: ScriptedBroker, group: ScriptedGroup, is_cancelled: bool
):
    listener = Slow()
    consumer = member_at(broker)
    consumer.subscribe(["t"], listener=listener)
    async with consumer:
        while not listener.begun:
            if is_cancelled:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(consumer.getone(timeout_ms=DEADLINE_MS), 0.1)
            else:
                assert await consumer.getmany(timeout_ms=50) == {}
        assert await consumer.getmany(timeout_ms=0) == {}
        listener.may_end.set()
        assert await take(consumer, 10) == list(range(10))
        assert (listener.begun, listener.ended) == (1, 1)


async def test_close_lets_a_change_end_first(broker: ScriptedBroker, group: ScriptedGroup):
    listener = Slow()
    consumer = member_at(broker)
    consumer.subscribe(["t"], listener=listener)
    await consumer.start()
    while not listener.begun:
        await consumer.getmany(timeout_ms=20)
    closing = asyncio.create_task(consumer.close())
    await asyncio.sleep(0)
    listener.may_end.set()
    async with asyncio.timeout(DEADLINE_MS / 1000):
        await closing
    assert listener.ended == 1
    assert not group.is_known


async def test_close_does_not_wait_for_ever_for_a_listener(
    broker: ScriptedBroker, group: ScriptedGroup, caplog: pytest.LogCaptureFixture
):
    listener = Slow()
    consumer = member_at(broker, default_api_timeout_ms=500)
    consumer.subscribe(["t"], listener=listener)
    await consumer.start()
    while not listener.begun:
        await consumer.getmany(timeout_ms=20)
    with caplog.at_level(logging.WARNING):
        async with asyncio.timeout(DEADLINE_MS / 1000):
            await consumer.close()
    assert "the rebalance before the end" in caplog.text


async def test_getmany_keeps_to_its_time_while_a_hand_over_waits_for_the_coordinator(
    broker: ScriptedBroker, group: ScriptedGroup
):
    async with member_at(broker, enable_auto_commit=True) as consumer:
        await take(consumer, 1)
        broker.handlers[OFFSET_COMMIT] = lambda _: SILENCE
        consumer.subscribe(["t", "u"])
        async with asyncio.timeout(DEADLINE_MS / 2000):
            assert await consumer.getmany(timeout_ms=50) == {}
        del broker.handlers[OFFSET_COMMIT]
        ScriptedGroup(broker)
        broker.hang_up()


async def test_close_ends_in_time_though_the_coordinator_is_silent(
    broker: ScriptedBroker, group: ScriptedGroup, caplog: pytest.LogCaptureFixture
):
    consumer = member_at(broker, enable_auto_commit=True, default_api_timeout_ms=500)
    await consumer.start()
    await take(consumer, 1)
    broker.handlers[OFFSET_COMMIT] = lambda _: SILENCE
    with caplog.at_level(logging.WARNING):
        async with asyncio.timeout(5):
            await consumer.close()
    assert "auto-commit: t-0 was not committed" in caplog.text


async def test_what_was_lost_and_comes_back_is_read_from_where_the_group_is(
    broker: ScriptedBroker, group: ScriptedGroup
):
    async with member_at(broker, enable_auto_commit=True) as consumer:
        assert await take(consumer, 4) == [0, 1, 2, 3]
        await rejoined(group)
        group.committed = {T0: 8}  # by the one that had it meanwhile
        assert await take(consumer, 1) == [8]
    assert group.commits == [{T0: 9}]


async def test_a_commit_after_the_place_was_lost_is_an_error_and_undoes_nothing(
    broker: ScriptedBroker, group: ScriptedGroup
):
    async with member_at(broker) as consumer:
        record = await consumer.getone(timeout_ms=DEADLINE_MS)
        await rejoined(group)
        group.committed = {T0: 8}
        for offsets in (record, None, {T0: 1}):
            with pytest.raises(
                KafkaError, match=r"t-0 was not .* no place in group 'g' .* poll again"
            ) as caught:
                await consumer.commit(offsets)
            assert caught.value.code is ErrorCode.ILLEGAL_GENERATION
        assert group.committed == {T0: 8}
        assert await take(consumer, 1) == [8]
        await consumer.commit()
        assert group.committed == {T0: 9}


async def test_close_after_the_place_was_lost_commits_nothing(
    broker: ScriptedBroker, group: ScriptedGroup
):
    async with member_at(broker, enable_auto_commit=True) as consumer:
        await take(consumer, 4)
        await rejoined(group)
    assert group.commits == []


async def test_who_works_for_too_long_loses_its_place_and_is_told_at_the_commit(
    broker: ScriptedBroker, group: ScriptedGroup, caplog: pytest.LogCaptureFixture
):
    async with member_at(broker, max_poll_interval_ms=60) as consumer:
        record = await consumer.getone(timeout_ms=DEADLINE_MS)
        with caplog.at_level(logging.WARNING):
            await until(lambda: broker.requests_of(LEAVE_GROUP))
        assert "no poll for 60 ms" in caplog.text
        with pytest.raises(KafkaError, match=r"t-0 was not .*max_poll_interval_ms"):
            await consumer.commit(record)
        assert await take(consumer, 1) == [0]


async def test_who_gave_up_waiting_for_records_is_at_work(
    broker: ScriptedBroker, group: ScriptedGroup
):
    group.values = 0
    async with member_at(broker, max_poll_interval_ms=60) as consumer:
        while not consumer.assignment():
            await consumer.getmany(timeout_ms=20)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(consumer.getone(timeout_ms=DEADLINE_MS), 0.02)
        await until(lambda: broker.requests_of(LEAVE_GROUP))


async def test_who_closes_does_not_join_once_more(broker: ScriptedBroker, group: ScriptedGroup):
    consumer = member_at(broker)

    def leave(request: LeaveGroupRequest) -> Any:
        assert consumer._running is not None  # pyright: ignore[reportPrivateUsage]
        for callback in consumer._running.network.on_change:  # pyright: ignore[reportPrivateUsage]
            callback()  # as news of the cluster does
        return group.leave(request)

    broker.handlers[LEAVE_GROUP] = leave
    async with consumer:
        await take(consumer, 1)
    assert broker.requests_of(LEAVE_GROUP)
    assert len(broker.requests_of(JOIN_GROUP)) == 1


async def test_a_consumer_that_says_itself_what_it_reads_commits_as_nobody(
    broker: ScriptedBroker, group: ScriptedGroup
):
    async with Consumer(
        bootstrap_servers=broker.bootstrap, group_id="g", auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([T0])
        await take(consumer, 3)
    (request,) = broker.requests_of(OFFSET_COMMIT)
    assert (request.generation_id_or_member_epoch, request.member_id) == (-1, "")
    assert group.committed == {T0: 3}
    assert not broker.requests_of(JOIN_GROUP)
