"""What a consumer reads: topics of its group, all partitions of topics, or what it was told."""

import asyncio
from typing import Any

import pytest

from minikafka import AdminClient, Consumer, KafkaError, NewTopic, Producer, TopicPartition
from minikafka.client.errors import ClientNotRunning
from minikafka.client.rebalance_listener import RebalanceListener

from ..nodes import NodeProcess
from .scripted_group import DEADLINE_MS, take


async def create(broker: NodeProcess, *names: str, partitions: int = 2, count: int = 10) -> None:
    """Topics with so many numbers each, dealt out."""
    async with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
        await admin.create_topics([NewTopic(name, partitions, 1) for name in names])
    async with Producer(bootstrap_servers=broker.bootstrap, partitioner="round_robin") as producer:
        for name in names:
            for number in range(count):
                await producer.send(name, b"%d" % number)


def consumer_of(broker: NodeProcess, *topics: str, **options: Any) -> Consumer:
    """A consumer from the beginning on, in no group unless it is given one."""
    defaults: dict[str, Any] = {
        "auto_offset_reset": "earliest",
        "fetch_max_wait_ms": 20,
        "metadata_max_age_ms": 50,
        "heartbeat_interval_ms": 50,
    }
    return Consumer(*topics, bootstrap_servers=broker.bootstrap, **defaults | options)


def partitions(name: str, count: int) -> set[TopicPartition]:
    """All partitions of a topic."""
    return {TopicPartition(name, index) for index in range(count)}


async def until_assigned(consumer: Consumer, wanted: set[TopicPartition]) -> int:
    """Read until this is assigned; how many records came meanwhile."""
    count = 0
    async with asyncio.timeout(DEADLINE_MS / 1000):
        while consumer.assignment() != wanted:
            batches = await consumer.getmany(timeout_ms=20)
            count += sum(map(len, batches.values()))
    return count


async def test_who_unsubscribes_goes_on_later_where_it_was(shared_broker: NodeProcess):
    await create(shared_broker, "again")
    async with consumer_of(shared_broker, "again", group_id="again") as consumer:
        numbers = await take(consumer, 6)
        await consumer.unsubscribe()
        assert consumer.assignment() == consumer.subscription() == set()
        assert await consumer.getmany(timeout_ms=20) == {}
        consumer.subscribe(["again"])
        numbers += await take(consumer, 4)
        assert sorted(numbers) == list(range(10))
        await consumer.unsubscribe()
        consumer.assign([("again", 1)])
        assert consumer.assignment() == {("again", 1)}


async def test_a_listener_that_fails_at_the_end_leaves_nothing_that_is_read(
    shared_broker: NodeProcess,
):
    class Failing(RebalanceListener):
        def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
            raise ZeroDivisionError

    await create(shared_broker, "failing")
    consumer = consumer_of(shared_broker, group_id="failing")
    consumer.subscribe(["failing"], listener=Failing())
    async with consumer:
        numbers = await take(consumer, 2)
        with pytest.raises(ZeroDivisionError):
            await consumer.unsubscribe()
        assert consumer.assignment() == set()
        assert await consumer.getmany(timeout_ms=20) == {}
        consumer.subscribe(["failing"])
        assert sorted(numbers + await take(consumer, 8)) == list(range(10))


@pytest.mark.parametrize("group_id", [None, "patterns"])
async def test_a_pattern_selects_topics_that_come_later(
    shared_broker: NodeProcess, group_id: str | None
):
    prefix = f"pattern-{group_id}"
    await create(shared_broker, f"{prefix}-a")
    consumer = consumer_of(shared_broker, group_id=group_id)
    consumer.subscribe(pattern=f"{prefix}-.*")
    async with consumer:
        assert len(await take(consumer, 10)) == 10
        await create(shared_broker, f"{prefix}-b")
        assert sorted(await take(consumer, 10)) == list(range(10))
        assert consumer.subscription() == {f"{prefix}-a", f"{prefix}-b"}
        assert len(consumer.assignment()) == 4


@pytest.mark.parametrize("group_id", [None, "growing"])
async def test_partitions_added_later_are_read_from_their_beginning(
    shared_broker: NodeProcess, group_id: str | None
):
    name = f"growing-{group_id}"
    await create(shared_broker, name, partitions=1)
    options = {"auto_offset_reset": "latest"} if group_id is None else {}
    async with consumer_of(shared_broker, name, group_id=group_id, **options) as consumer:
        count = await until_assigned(consumer, partitions(name, 1))
        async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
            await admin.create_partitions({name: 3})
        async with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
            await producer.send_and_wait(name, b"77", partition=2)
        while (await take(consumer, 1)) != [77]:
            count += 1
        assert count == (0 if group_id is None else 10)
        await until_assigned(consumer, partitions(name, 3))


@pytest.mark.parametrize("group_id", [None, "swap"])
async def test_another_subscription_takes_the_place_of_the_one_before(
    shared_broker: NodeProcess, group_id: str | None
):
    left, right = f"swap-left-{group_id}", f"swap-right-{group_id}"
    await create(shared_broker, left, right)
    async with consumer_of(shared_broker, left, group_id=group_id) as consumer:
        await take(consumer, 10)
        consumer.subscribe([right])
        assert sorted(await take(consumer, 10)) == list(range(10))
        assert consumer.assignment() == partitions(right, 2)
        assert consumer.subscription() == {right}


async def test_what_is_assigned_before_the_start_is_read_from_what_is_committed(
    shared_broker: NodeProcess,
):
    await create(shared_broker, "assigned-early", partitions=1)
    for numbers in (range(4), range(4, 10)):
        consumer = consumer_of(shared_broker, group_id="assigned-early")
        consumer.assign([("assigned-early", 0)])
        async with consumer:
            assert await take(consumer, len(numbers)) == list(numbers)


async def test_what_was_read_before_another_assignment_is_committed(shared_broker: NodeProcess):
    await create(shared_broker, "assigned-anew", partitions=2)
    async with consumer_of(shared_broker, group_id="assigned-anew") as consumer:
        consumer.assign([("assigned-anew", 0)])
        await take(consumer, 3)
        consumer.assign([("assigned-anew", 1)])
        await take(consumer, 1)
        await consumer.commit()
        assert await consumer.committed(("assigned-anew", 0)) == 3


async def test_a_topic_that_is_not_there_at_the_start_is_an_error_and_later_is_not(
    shared_broker: NodeProcess,
):
    options: dict[str, Any] = {"group_id": "later", "allow_auto_create_topics": False}
    with pytest.raises(KafkaError, match="no topic 'not-yet'"):
        await consumer_of(shared_broker, "not-yet", default_api_timeout_ms=200, **options).start()
    async with consumer_of(shared_broker, **options) as consumer:
        consumer.subscribe(["not-yet"])
        assert await consumer.getmany(timeout_ms=50) == {}
        await create(shared_broker, "not-yet")
        assert sorted(await take(consumer, 10)) == list(range(10))


async def test_use_after_close_is_refused_also_for_who_is_waiting(shared_broker: NodeProcess):
    await create(shared_broker, "closed", count=0)
    consumer = await consumer_of(shared_broker, "closed", group_id="closed").start()
    waiting = asyncio.create_task(consumer.getone(timeout_ms=DEADLINE_MS))
    await until_assigned_by(waiting, consumer)
    await asyncio.gather(consumer.close(), consumer.close())
    with pytest.raises(ClientNotRunning):
        await asyncio.wait_for(waiting, 5)
    for use in (consumer.getone(), consumer.getmany(), consumer.commit()):
        with pytest.raises(ClientNotRunning, match="closed: make a new one"):
            await use


async def until_assigned_by(waiting: "asyncio.Task[object]", consumer: Consumer) -> None:
    """Let the one who waits for records join."""
    async with asyncio.timeout(DEADLINE_MS / 1000):
        while not consumer.assignment():
            await asyncio.sleep(0)
            assert not waiting.done()
