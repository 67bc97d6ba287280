"""The fetcher against scripted brokers: what each kind of answer does to a partition."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from minikafka import Consumer, KafkaError
from minikafka.client import fetcher
from minikafka.client.errors import UnsupportedByCluster
from minikafka.protocol.api.fetch import (
    FetchRequest,
    FetchResponse,
    FetchResponsePartition,
    FetchResponseTopic,
)
from minikafka.protocol.api.list_offsets import (
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsResponsePartition,
    ListOffsetsResponseTopic,
)
from minikafka.protocol.batch import CONTROL_BIT
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import BatchBuilder, Record, build_batch

from ..transport.scripted_broker import (
    FETCH,
    HANG_UP,
    LIST_OFFSETS,
    METADATA,
    SILENCE,
    ScriptedBroker,
)
from .cluster import Cluster


def batch_at(offset: int, *values: bytes) -> bytes:
    """A batch of these values from this offset on."""
    return bytes(build_batch([Record(0, 5, None, value) for value in values], 0, offset, 3))


def fetch_with(*answers: Any) -> Callable[[FetchRequest], Any]:
    """A Fetch handler: the n-th request gets the n-th answer, later ones no answer at all."""
    left = list(answers)

    def handle(request: FetchRequest) -> Any:
        answer = left.pop(0) if left else SILENCE
        if answer is SILENCE or answer is HANG_UP:
            return answer
        code, records = (int(answer), b"") if isinstance(answer, ErrorCode) else (0, answer)
        return FetchResponse(
            responses=[
                FetchResponseTopic(
                    topic=topic.topic,
                    topic_id=topic.topic_id,
                    partitions=[
                        FetchResponsePartition(
                            partition_index=each.partition,
                            error_code=code,
                            high_watermark=99,
                            records=records,
                        )
                        for each in topic.partitions
                    ],
                )
                for topic in request.topics
            ]
        )

    return handle


def offsets_from(request: ListOffsetsRequest) -> ListOffsetsResponse:
    """Every partition begins at 7."""
    return ListOffsetsResponse(
        topics=[
            ListOffsetsResponseTopic(
                name=topic.name,
                partitions=[
                    ListOffsetsResponsePartition(
                        partition_index=each.partition_index, error_code=0, offset=7
                    )
                    for each in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    """A broker that leads t-0, whose log begins at 7."""
    async with ScriptedBroker({LIST_OFFSETS: offsets_from}) as broker:
        Cluster(broker)
        yield broker


def consumer_of(broker: ScriptedBroker, **options: Any) -> Consumer:
    """A consumer of t from the beginning."""
    defaults: dict[str, Any] = {"auto_offset_reset": "earliest", "retry_backoff_ms": 1}
    return Consumer("t", bootstrap_servers=broker.bootstrap, **defaults | options)


async def values(consumer: Consumer, count: int) -> list[bytes]:
    """The next values."""
    return [(await consumer.getone(timeout_ms=10_000)).value for _ in range(count)]


def asked_offsets(broker: ScriptedBroker) -> list[int]:
    """From which offsets the consumer has fetched."""
    return [each.topics[0].partitions[0].fetch_offset for each in broker.requests_of(FETCH)]


async def test_records_below_the_wanted_offset_are_dropped(broker: ScriptedBroker):
    broker.handlers[FETCH] = fetch_with(batch_at(3, b"3", b"4") + batch_at(5, *b"5 6 7 8".split()))
    async with consumer_of(broker) as consumer:
        record = await consumer.getone(timeout_ms=10_000)
        assert (record.offset, record.value, record.leader_epoch) == (7, b"7", 3)
        assert await values(consumer, 1) == [b"8"]


async def test_the_next_fetch_begins_behind_what_lies_ready(broker: ScriptedBroker):
    broker.handlers[FETCH] = fetch_with(batch_at(7, b"7", b"8"), batch_at(9, b"9"))
    async with consumer_of(broker) as consumer:
        assert await values(consumer, 3) == [b"7", b"8", b"9"]
        assert asked_offsets(broker)[:2] == [7, 9]


@pytest.mark.parametrize(
    "accident",
    [
        HANG_UP,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.OFFSET_NOT_AVAILABLE,
    ],
)
async def test_what_may_pass_is_tried_again(broker: ScriptedBroker, accident: Any):
    broker.handlers[FETCH] = fetch_with(accident, accident, batch_at(7, b"7"))
    async with consumer_of(broker) as consumer:
        assert await values(consumer, 1) == [b"7"]
        assert asked_offsets(broker)[:3] == [7, 7, 7]


async def test_a_leader_that_moves_is_followed():
    async with ScriptedBroker() as old, ScriptedBroker() as new:
        cluster = Cluster(old, new)
        for each in (old, new):
            each.handlers[LIST_OFFSETS] = offsets_from

        def moved(request: FetchRequest) -> Any:
            cluster.leaders, cluster.epoch = {0: 2}, 1
            return fetch_with(ErrorCode.NOT_LEADER_OR_FOLLOWER)(request)

        old.handlers[FETCH] = moved
        new.handlers[FETCH] = fetch_with(batch_at(7, b"7"))
        async with consumer_of(old) as consumer:
            assert await values(consumer, 1) == [b"7"]


async def test_what_cannot_pass_is_an_error_until_a_seek(broker: ScriptedBroker):
    broker.handlers[FETCH] = fetch_with(ErrorCode.TOPIC_AUTHORIZATION_FAILED, batch_at(9, b"9"))
    async with consumer_of(broker) as consumer:
        for _ in range(2):
            with pytest.raises(KafkaError, match="t-0: ") as caught:
                await consumer.getone(timeout_ms=10_000)
            assert caught.value.code is ErrorCode.TOPIC_AUTHORIZATION_FAILED
        consumer.seek(("t", 0), 9)
        assert await values(consumer, 1) == [b"9"]


async def test_a_damaged_batch_is_an_error_after_the_records_before_it(broker: ScriptedBroker):
    damaged = bytearray(batch_at(9, b"9"))
    damaged[-1] ^= 1
    broker.handlers[FETCH] = fetch_with(batch_at(7, b"7", b"8") + damaged, batch_at(10, b"10"))
    async with consumer_of(broker) as consumer:
        assert await values(consumer, 2) == [b"7", b"8"]
        with pytest.raises(KafkaError, match="batch at offset 9 is damaged") as caught:
            await consumer.getone(timeout_ms=10_000)
        assert caught.value.code is ErrorCode.CORRUPT_MESSAGE
        consumer.seek(("t", 0), 10)
        assert await values(consumer, 1) == [b"10"]


async def test_records_that_cannot_be_decoded_are_an_error(broker: ScriptedBroker):
    damaged = bytearray(batch_at(7, b"7"))
    damaged[-3] ^= 0x7F
    broker.handlers[FETCH] = fetch_with(bytes(damaged))
    async with consumer_of(broker, check_crcs=False) as consumer:
        with pytest.raises(KafkaError, match="t-0 offset 7 cannot be decoded"):
            await consumer.getone(timeout_ms=10_000)


async def test_a_transaction_marker_is_passed_in_silence(broker: ScriptedBroker):
    builder = BatchBuilder(transactional=True, control=True)
    builder.append(5, b"\0\0\0\1", b"\0\0\0\0\0\0")
    marker = bytes(builder.build(base_offset=7))
    assert marker[22] & CONTROL_BIT
    broker.handlers[FETCH] = fetch_with(marker + batch_at(8, b"8"))
    async with consumer_of(broker) as consumer:
        assert await values(consumer, 1) == [b"8"]


async def test_a_batch_cut_at_the_end_is_asked_for_again(broker: ScriptedBroker):
    whole, cut = batch_at(7, b"7"), batch_at(8, b"8")[:-1]
    broker.handlers[FETCH] = fetch_with(whole + cut, batch_at(8, b"8"))
    async with consumer_of(broker) as consumer:
        assert await values(consumer, 2) == [b"7", b"8"]


async def test_a_batch_larger_than_the_limit_of_an_old_broker_is_an_error(broker: ScriptedBroker):
    broker.handlers[FETCH] = fetch_with(batch_at(7, b"x" * 100)[:-50])
    async with consumer_of(broker) as consumer:
        with pytest.raises(KafkaError, match="raise max_partition_fetch_bytes"):
            await consumer.getone(timeout_ms=10_000)


async def test_an_answer_to_a_position_that_was_left_does_not_count(broker: ScriptedBroker):
    consumer = consumer_of(broker)

    def seek_meanwhile(request: FetchRequest) -> Any:
        broker.handlers[FETCH] = fetch_with(batch_at(20, b"20"))
        consumer.seek(("t", 0), 20)
        return fetch_with(batch_at(7, *[b"old"] * 90))(request)

    broker.handlers[FETCH] = seek_meanwhile
    async with consumer:
        assert await values(consumer, 1) == [b"20"]


async def test_a_partition_without_news_does_not_keep_the_broker_from_one_that_is_full():
    alone = asyncio.get_running_loop().create_future()

    def handle(request: FetchRequest) -> FetchResponse:
        """Partition 0 has ever more, partition 1 nothing."""
        asked = request.topics[0].partitions
        if [each.partition for each in asked] == [1] and not alone.done():
            alone.set_result(request.max_wait_ms)
        records = batch_at(asked[0].fetch_offset, b"x" * 100)
        partitions = [
            FetchResponsePartition(
                partition_index=each.partition,
                error_code=0,
                high_watermark=99,
                records=b"" if each.partition else records,
            )
            for each in asked
        ]
        topic = FetchResponseTopic(topic_id=request.topics[0].topic_id, partitions=partitions)
        return FetchResponse(responses=[topic])

    async with ScriptedBroker({LIST_OFFSETS: offsets_from, FETCH: handle}) as broker:
        Cluster(broker).leaders = {0: 1, 1: 1}
        async with consumer_of(broker, max_partition_fetch_bytes=100) as consumer:
            assert await asyncio.wait_for(alone, 10) == 0
            assert broker.requests_of(FETCH)[0].max_wait_ms == 500
            assert await values(consumer, 3) == [b"x" * 100] * 3


async def test_nothing_is_fetched_while_the_buffer_is_full(
    broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetcher, "MAX_BUFFERED_BYTES", 1_000)
    offsets = iter(range(7, 10_000))
    broker.handlers[FETCH] = lambda request: fetch_with(batch_at(next(offsets), b"x" * 100))(
        request
    )
    async with consumer_of(broker) as consumer:
        batch_bytes = len(batch_at(0, b"x" * 100))
        enough = 1_000 // batch_bytes + 1
        while len(broker.requests_of(FETCH)) < enough:
            await consumer.end_offsets([("t", 0)])
        for _ in range(10):  # enough turns of the loop for many more
            await consumer.end_offsets([("t", 0)])
        assert len(broker.requests_of(FETCH)) == enough
        assert await values(consumer, 50) == [b"x" * 100] * 50


async def test_topics_are_named_where_the_broker_knows_no_ids(broker: ScriptedBroker):
    for served in broker.versions:
        if served.api_key == METADATA:
            served.max_version = 9
    broker.handlers[FETCH] = fetch_with(batch_at(7, b"7"))
    async with consumer_of(broker) as consumer:
        assert await values(consumer, 1) == [b"7"]
    fetches = [each for each in broker.requests if each[0] == FETCH]
    assert (fetches[0][1], fetches[0][2].topics[0].topic) == (12, "t")


async def test_a_cluster_without_fetch_says_so(broker: ScriptedBroker):
    broker.versions = [each for each in broker.versions if each.api_key != FETCH]
    async with consumer_of(broker) as consumer:
        with pytest.raises(UnsupportedByCluster, match="Fetch"):
            await consumer.getone(timeout_ms=10_000)


async def test_partitions_added_to_a_topic_are_read_from_their_beginning():
    async with ScriptedBroker({LIST_OFFSETS: offsets_from}) as broker:
        cluster = Cluster(broker)
        cluster.leaders = {0: 1}

        def grow(request: FetchRequest) -> Any:
            cluster.leaders = {0: 1, 1: 1}
            broker.handlers[FETCH] = fetch_with(batch_at(7, b"7"))
            return fetch_with(ErrorCode.NOT_LEADER_OR_FOLLOWER)(request)

        broker.handlers[FETCH] = grow
        async with consumer_of(broker, auto_offset_reset="latest") as consumer:
            record = await consumer.getone(timeout_ms=10_000)
            assert record.value == b"7"
            assert len(consumer.assignment()) == 2
