"""The consumer against our broker: positions, limits, pauses, restarts, sentences."""

import asyncio
from typing import Any

import pytest

from minikafka import (
    AdminClient,
    Consumer,
    KafkaError,
    NewTopic,
    Producer,
    RebalanceListener,
    TopicPartition,
)
from minikafka.client.errors import ClientNotRunning, KafkaTimeout, NoOffset
from minikafka.protocol.errors import ErrorCode

from ..nodes import NodeProcess

COUNT = 300


async def write(broker: NodeProcess, topic: str, count: int, **options: Any) -> None:
    """Numbers 0, 1, 2... as records, in small batches; the timestamp of n is 1000 + n."""
    defaults: dict[str, Any] = {"batch_size_bytes": 300}
    async with Producer(bootstrap_servers=broker.bootstrap, **defaults | options) as producer:
        for number in range(count):
            await producer.send(topic, b"%d" % number, timestamp_ms=1000 + number)


@pytest.fixture
async def topic(shared_broker: NodeProcess, request: pytest.FixtureRequest) -> str:
    """A topic of this test, one partition with the numbers 0 to 299."""
    name = request.node.name.replace("[", "-").replace("]", "")
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        await admin.create_topics([NewTopic(name, 1, 1)])
    await write(shared_broker, name, COUNT)
    return name


def consumer_of(broker: NodeProcess, *topics: str, **options: Any) -> Consumer:
    """A consumer that begins at the beginning."""
    defaults: dict[str, Any] = {"auto_offset_reset": "earliest", "fetch_max_wait_ms": 50}
    return Consumer(*topics, bootstrap_servers=broker.bootstrap, **defaults | options)


async def take(consumer: Consumer, count: int) -> list[int]:
    """The next `count` numbers, one by one."""
    return [int((await consumer.getone(timeout_ms=10_000)).value) for _ in range(count)]


async def test_async_for_hands_out_every_record_in_order(shared_broker: NodeProcess, topic: str):
    numbers: list[int] = []
    async with consumer_of(shared_broker, topic) as consumer:
        async for record in consumer:
            numbers.append(int(record.value))
            assert record.offset == numbers[-1]
            if len(numbers) == COUNT:
                break
    assert numbers == list(range(COUNT))


async def test_a_loop_that_was_left_goes_on_where_it_was(shared_broker: NodeProcess, topic: str):
    numbers: list[int] = []
    async with consumer_of(shared_broker, topic) as consumer:
        while len(numbers) < COUNT:
            async for record in consumer:
                numbers.append(int(record.value))
                if len(numbers) % 7 == 0 or len(numbers) == COUNT:
                    break
            assert await consumer.position((topic, 0)) == len(numbers)
    assert numbers == list(range(COUNT))


async def test_getmany_keeps_to_its_limits(shared_broker: NodeProcess, topic: str):
    async with consumer_of(shared_broker, topic) as consumer:
        numbers: list[int] = []
        while len(numbers) < COUNT:
            batches = await consumer.getmany(timeout_ms=10_000, max_records=11)
            assert list(batches) == [TopicPartition(topic, 0)]
            records = batches[TopicPartition(topic, 0)]
            assert 0 < len(records) <= 11
            numbers += [int(record.value) for record in records]
        assert numbers == list(range(COUNT))
        assert await consumer.getmany(timeout_ms=10) == {}


async def test_getone_without_a_record_is_a_timeout(shared_broker: NodeProcess, topic: str):
    async with consumer_of(shared_broker, topic, auto_offset_reset="latest") as consumer:
        with pytest.raises(KafkaTimeout, match=f"no record of {topic}.* within 20 ms"):
            await consumer.getone(timeout_ms=20)


async def test_latest_reads_what_comes_after_start(shared_broker: NodeProcess, topic: str):
    async with consumer_of(shared_broker, topic, auto_offset_reset="latest") as consumer:
        assert await consumer.position((topic, 0)) == COUNT
        await write(shared_broker, topic, 3)
        assert await take(consumer, 3) == [0, 1, 2]


async def test_seek_goes_to_any_record_even_within_a_batch(shared_broker: NodeProcess, topic: str):
    async with consumer_of(shared_broker, topic) as consumer:
        for offset in (250, 3, 4, 299, 0):
            consumer.seek((topic, 0), offset)
            assert await take(consumer, 1) == [offset]
        await consumer.seek_to_end()
        assert await consumer.position((topic, 0)) == COUNT
        await consumer.seek_to_beginning((topic, 0))
        assert await take(consumer, 2) == [0, 1]


async def test_seek_inside_a_loop_takes_effect_at_the_next_record(
    shared_broker: NodeProcess, topic: str
):
    numbers: list[int] = []
    async with consumer_of(shared_broker, topic) as consumer:
        async for record in consumer:
            numbers.append(int(record.value))
            if len(numbers) == 2:
                consumer.seek((topic, 0), 200)
            if len(numbers) == 4:
                break
    assert numbers == [0, 1, 200, 201]


async def test_a_paused_partition_keeps_its_place(shared_broker: NodeProcess, topic: str):
    async with consumer_of(shared_broker, topic) as consumer:
        assert await take(consumer, 5) == [0, 1, 2, 3, 4]
        consumer.pause((topic, 0))
        assert consumer.paused() == {TopicPartition(topic, 0)}
        assert await consumer.getmany(timeout_ms=20) == {}
        consumer.resume((topic, 0))
        assert await take(consumer, 2) == [5, 6]


async def test_assign_reads_the_partitions_named(shared_broker: NodeProcess):
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        await admin.create_topics([NewTopic("assigned", 3, 1)])
    async with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        for partition in range(3):
            await producer.send_and_wait("assigned", b"%d" % partition, partition=partition)
    consumer = consumer_of(shared_broker)
    consumer.assign([("assigned", 2)])
    async with consumer:
        assert await take(consumer, 1) == [2]
        consumer.assign([("assigned", 1), ("assigned", 2)])
        assert await take(consumer, 1) == [1]
        assert consumer.assignment() == {("assigned", 1), ("assigned", 2)}


async def test_every_partition_of_several_topics_has_its_turn(shared_broker: NodeProcess):
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        await admin.create_topics([NewTopic("left", 2, 1), NewTopic("right", 3, 1)])
    await write(shared_broker, "left", 100, partitioner="round_robin")
    await write(shared_broker, "right", 100, partitioner="round_robin")
    async with consumer_of(shared_broker, "left", "right") as consumer:
        assert len(consumer.assignment()) == 5
        assert sorted(await take(consumer, 200)) == sorted([*range(100), *range(100)])


async def test_a_full_buffer_stops_fetching_and_loses_nothing(
    shared_broker: NodeProcess, topic: str
):
    async with consumer_of(
        shared_broker, topic, max_partition_fetch_bytes=1000, fetch_max_bytes=1000
    ) as consumer:
        assert await take(consumer, COUNT) == list(range(COUNT))


async def test_offsets_are_found_by_time(shared_broker: NodeProcess, topic: str):
    partition = TopicPartition(topic, 0)
    async with consumer_of(shared_broker, topic) as consumer:
        assert await consumer.beginning_offsets([partition]) == {partition: 0}
        assert await consumer.end_offsets([partition]) == {partition: COUNT}
        found = (await consumer.offsets_for_times({partition: 1123}))[partition]
        assert found is not None
        assert (found.offset, found.timestamp) == (123, 1123)
        assert await consumer.offsets_for_times({partition: 10**12}) == {partition: None}


async def test_lag_and_highwater_follow_the_position(shared_broker: NodeProcess, topic: str):
    async with consumer_of(shared_broker, topic) as consumer:
        assert consumer.lag((topic, 0)) is None
        await take(consumer, 10)
        assert (consumer.highwater((topic, 0)), consumer.lag((topic, 0))) == (COUNT, COUNT - 10)


async def test_an_offset_out_of_range_goes_where_the_option_says(
    shared_broker: NodeProcess, topic: str
):
    async with consumer_of(shared_broker, topic) as consumer:
        consumer.seek((topic, 0), 10_000)
        assert await take(consumer, 1) == [0]
    async with consumer_of(shared_broker, topic, auto_offset_reset="none") as consumer:
        with pytest.raises(NoOffset, match="has no position"):
            await consumer.getone(timeout_ms=5000)
        consumer.seek((topic, 0), 10_000)
        with pytest.raises(NoOffset, match="has no offset 10000"):
            await consumer.getone(timeout_ms=5000)
        consumer.seek((topic, 0), 7)
        assert await take(consumer, 1) == [7]


async def test_a_broker_that_restarts_is_read_on_from_the_position(broker: NodeProcess):
    await write(broker, "t", COUNT)
    async with consumer_of(broker, "t", max_partition_fetch_bytes=1000) as consumer:
        numbers = await take(consumer, 100)
        broker.kill()
        await asyncio.to_thread(broker.start)
        numbers += await take(consumer, COUNT - 100)
    assert numbers == list(range(COUNT))


async def test_a_deserializer_that_fails_loses_no_record(shared_broker: NodeProcess, topic: str):
    def odd_only(value: bytes) -> int:
        number = int(value)
        if number == 5:
            raise ValueError("not five")
        return number

    async with consumer_of(shared_broker, topic, value_deserializer=odd_only) as consumer:
        batches = await consumer.getmany(timeout_ms=10_000)
        assert [record.value for record in batches[TopicPartition(topic, 0)]] == [0, 1, 2, 3, 4]
        for _ in range(2):
            with pytest.raises(KafkaError, match=f"{topic}-0 offset 5 cannot be decoded: not five"):
                await consumer.getmany(timeout_ms=10_000)
        consumer.seek((topic, 0), 6)
        assert await take(consumer, 2) == [6, 7]


async def test_a_topic_that_is_not_there_is_an_error(shared_broker: NodeProcess):
    with pytest.raises(KafkaError, match="no topic 'nowhere'") as caught:
        await consumer_of(
            shared_broker, "nowhere", allow_auto_create_topics=False, default_api_timeout_ms=500
        ).start()
    assert caught.value.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_use_outside_start_and_close_is_refused(shared_broker: NodeProcess, topic: str):
    consumer = consumer_of(shared_broker, topic)
    with pytest.raises(ClientNotRunning, match="not been started"):
        await consumer.getone()
    await consumer.start()
    await take(consumer, COUNT)
    waiting = asyncio.create_task(consumer.getone())
    await asyncio.sleep(0)
    await consumer.close()
    with pytest.raises(ClientNotRunning, match="is closed"):
        await waiting
    with pytest.raises(ClientNotRunning, match="is closed"):
        await consumer.getmany()


def test_a_bad_option_is_a_sentence():
    with pytest.raises(ValueError, match="give group_id too"):
        Consumer("t", group_instance_id="i")
    with pytest.raises(ValueError, match="partition_assignment_strategy='fair' is none of range"):
        Consumer("t", partition_assignment_strategy="fair")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="isolation_level='serializable'"):
        Consumer("t", isolation_level="serializable")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="auto_offset_reset='first'"):
        Consumer("t", auto_offset_reset="first")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="did you mean auto_offset_reset"):
        Consumer("t", auto_offset="latest")  # pyright: ignore[reportCallIssue]


async def test_what_is_not_assigned_cannot_be_moved(shared_broker: NodeProcess, topic: str):
    async with consumer_of(shared_broker, topic) as consumer:
        with pytest.raises(ValueError, match="other-3 is not assigned"):
            consumer.seek(("other", 3), 0)
        with pytest.raises(ValueError, match="below 0"):
            consumer.seek((topic, 0), -1)
        with pytest.raises(ValueError, match="has subscribed to topics: unsubscribe, then assign"):
            consumer.assign([("other", 0)])


class CommitsWhenRevoked(RebalanceListener):
    """Commits what was handed out before it goes, as most programs do."""

    consumer: Consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Commit."""
        await self.consumer.commit()


async def test_a_listener_may_commit_when_its_consumer_closes(
    shared_broker: NodeProcess, topic: str
):
    listener = CommitsWhenRevoked()
    options: dict[str, Any] = {"group_id": "closing", "enable_auto_commit": False}
    async with consumer_of(shared_broker, **options) as consumer:
        listener.consumer = consumer
        consumer.subscribe([topic], listener=listener)
        await consumer.getmany(timeout_ms=10_000, max_records=7)
    async with consumer_of(shared_broker, topic, **options) as consumer:
        assert await consumer.committed((topic, 0)) == 7
