"""The sender against scripted brokers: what each kind of answer does to a batch."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from minikafka.client.errors import KafkaTimeout, UnsupportedByCluster
from minikafka.client.producer import Producer
from minikafka.protocol.api.api_versions import ApiVersion
from minikafka.protocol.errors import ErrorCode, KafkaError
from minikafka.protocol.records import iterate, read_header

from ..transport.scripted_broker import (
    HANG_UP,
    INIT_PRODUCER_ID,
    METADATA,
    PRODUCE,
    SILENCE,
    ScriptedBroker,
)
from .cluster import Cluster, batches_of, produce_with

DEADLINE_S = 10.0


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not is_so():
            await asyncio.sleep(0.005)


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    """A broker that leads t-0 and takes everything."""
    async with ScriptedBroker({PRODUCE: produce_with()}) as broker:
        Cluster(broker)
        yield broker


def producer_of(broker: ScriptedBroker, **options: object) -> Producer:
    """A producer that does not linger."""
    defaults: dict[str, object] = {"linger_ms": 0, "retry_backoff_ms": 1}
    return Producer(bootstrap_servers=broker.bootstrap, **defaults | options)


async def test_a_record_gets_its_place(broker: ScriptedBroker):
    async with producer_of(broker) as producer:
        first = await producer.send("t", b"1", timestamp_ms=5)
        second = await producer.send("t", b"2", timestamp_ms=6)
        assert await first == ("t", 0, 50, 5)
        assert await second == ("t", 0, 51, 6)
    assert len(broker.requests_of(INIT_PRODUCER_ID)) == 1


@pytest.mark.parametrize(
    "accident",
    [
        HANG_UP,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.UNKNOWN_TOPIC_ID,
    ],
)
async def test_a_retry_has_the_same_bytes(broker: ScriptedBroker, accident: ErrorCode | object):
    broker.handlers[PRODUCE] = produce_with(accident, accident)
    async with producer_of(broker) as producer:
        assert (await producer.send_and_wait("t", b"1")).offset == 50
    batches = batches_of(broker)
    assert len(batches) == 3
    assert len(set(batches)) == 1


async def test_an_unanswered_request_is_tried_again_on_a_new_connection(broker: ScriptedBroker):
    broker.handlers[PRODUCE] = produce_with(SILENCE)
    async with producer_of(broker, request_timeout_ms=1_000) as producer:
        await producer.send_and_wait("t", b"1")
    assert len(set(batches_of(broker))) == 1


async def test_records_follow_a_leader_that_moves():
    # For good: the producer may ask the old one again before it hears of the new one.
    moved = [ErrorCode.NOT_LEADER_OR_FOLLOWER] * 1_000
    async with (
        ScriptedBroker({PRODUCE: produce_with(*moved)}) as old,
        ScriptedBroker({PRODUCE: produce_with()}) as new,
    ):
        cluster = Cluster(old, new)
        async with producer_of(old) as producer:
            future = await producer.send("t", b"1")
            cluster.leaders, cluster.epoch = {0: 2}, 1
            await future
        assert batches_of(new)[-1] == batches_of(old)[0]


async def test_a_new_leader_ends_the_wait_before_another_try(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("minikafka.client.sender.MAX_BACKOFF_MS", 60_000)
    refused = [ErrorCode.NOT_LEADER_OR_FOLLOWER] * 10
    async with (
        ScriptedBroker({PRODUCE: produce_with(*refused)}) as old,
        ScriptedBroker({PRODUCE: produce_with()}) as new,
    ):
        cluster = Cluster(old, new)
        async with producer_of(old, retry_backoff_ms=60_000) as producer:
            future = await producer.send("t", b"1")
            await until(lambda: len(batches_of(old)) == 1)
            cluster.leaders, cluster.epoch = {0: 2}, 1
            network = producer._running.network
            network.metadata._tried_ms = None  # It would wait as long as the batch.
            network.request_refresh()
            async with asyncio.timeout(DEADLINE_S):
                await future


async def test_while_a_leader_is_out_of_reach_others_are_asked_for_its_successor():
    async with (
        ScriptedBroker({PRODUCE: produce_with()}) as old,
        ScriptedBroker({PRODUCE: produce_with()}) as new,
    ):
        cluster = Cluster(old, new)
        async with producer_of(new, retry_backoff_ms=20) as producer:
            await producer.send_and_wait("t", b"1")
            await old.stop()
            future = await producer.send("t", b"2")
            # So many tries to connect would take 24 s, for each waits longer than the last.
            asked = len(new.requests_of(METADATA))
            await until(lambda: len(new.requests_of(METADATA)) >= asked + 30)
            cluster.leaders, cluster.epoch = {0: 2}, 1
            async with asyncio.timeout(DEADLINE_S):
                await future


async def test_a_duplicate_is_a_success_without_a_place(broker: ScriptedBroker):
    broker.handlers[PRODUCE] = produce_with(ErrorCode.DUPLICATE_SEQUENCE_NUMBER)
    async with producer_of(broker) as producer:
        assert (await producer.send_and_wait("t", b"1")).topic == "t"


@pytest.mark.parametrize(
    "code", [ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode.UNKNOWN_PRODUCER_ID]
)
async def test_a_broker_that_forgot_the_producer_makes_it_start_anew(
    broker: ScriptedBroker, code: ErrorCode
):
    broker.handlers[PRODUCE] = produce_with(ErrorCode.NONE, code)
    async with producer_of(broker) as producer:
        await producer.send_and_wait("t", b"1")
        await producer.send_and_wait("t", b"2")
    headers = [read_header(batch) for batch in batches_of(broker)]
    assert [(each.producer_id, each.base_sequence) for each in headers] == [
        (100, 0),
        (100, 1),
        (101, 0),
    ]


async def test_a_refused_batch_fails_and_the_next_goes_on_under_a_new_id(broker: ScriptedBroker):
    broker.handlers[PRODUCE] = produce_with(ErrorCode.MESSAGE_TOO_LARGE)
    async with producer_of(broker) as producer:
        with pytest.raises(KafkaError, match="t-0: ") as caught:
            await producer.send_and_wait("t", b"1")
        assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE
        await producer.send_and_wait("t", b"2")
    assert [record.value for record in iterate(batches_of(broker)[-1])] == [b"2"]
    assert read_header(batches_of(broker)[-1]).base_sequence == 0


async def test_a_failure_of_which_nobody_asks_is_logged(
    broker: ScriptedBroker, caplog: pytest.LogCaptureFixture
):
    broker.handlers[PRODUCE] = produce_with(*[ErrorCode.MESSAGE_TOO_LARGE] * 2)
    async with producer_of(broker) as producer:
        await producer.send_many("t", [b"1", b"2"])
        await producer.flush()
        (line,) = [record.getMessage() for record in caplog.records]
        assert line.startswith("2 records of t-0 failed, and nobody asked: t-0: ")
        caplog.clear()
        with pytest.raises(KafkaError):
            await producer.send_and_wait("t", b"3")
    assert caplog.records == []


async def test_a_batch_that_cannot_be_delivered_times_out_with_a_sentence(broker: ScriptedBroker):
    broker.handlers[PRODUCE] = produce_with(*[ErrorCode.NOT_ENOUGH_REPLICAS] * 1000)
    options = {"request_timeout_ms": 50, "delivery_timeout_ms": 60}
    async with producer_of(broker, **options) as producer:
        with pytest.raises(KafkaTimeout, match="1 records for t-0 were not delivered"):
            await producer.send_and_wait("t", b"1")


async def test_a_broker_that_is_gone_for_good_is_a_timeout_and_not_a_hang():
    async with ScriptedBroker() as broker:
        Cluster(broker)
        options = {"request_timeout_ms": 50, "delivery_timeout_ms": 60}
        producer = await producer_of(broker, **options).start()
        await producer.partitions_for("t")
        await broker.stop()
        with pytest.raises(KafkaTimeout):
            await producer.send_and_wait("t", b"1")
        await producer.close()


async def test_acks_0_waits_for_no_answer(broker: ScriptedBroker):
    arrived = asyncio.get_running_loop().create_future()
    broker.handlers[PRODUCE] = lambda request: arrived.set_result(request.acks) or SILENCE
    async with producer_of(broker, acks=0) as producer:
        assert (await producer.send_and_wait("t", b"1")).offset == -1
        assert await arrived == 0
    assert broker.requests_of(INIT_PRODUCER_ID) == []


async def test_topics_are_named_where_the_broker_knows_no_ids(broker: ScriptedBroker):
    for served in broker.versions:
        if served.api_key == METADATA:
            served.max_version = 9
    async with producer_of(broker) as producer:
        await producer.send_and_wait("t", b"1")
    key, version, request = broker.requests[-1]
    assert (key, version, request.topic_data[0].name) == (PRODUCE, 12, "t")


async def test_zstd_is_refused_where_the_broker_is_too_old(broker: ScriptedBroker):
    for served in broker.versions:
        if served.api_key == PRODUCE:
            served.max_version = 6
    async with producer_of(broker, compression_type="zstd") as producer:
        with pytest.raises(KafkaError, match="too old for zstd"):
            await producer.send_and_wait("t", b"1")


async def test_a_cluster_without_producer_ids_says_so(broker: ScriptedBroker):
    broker.versions = [each for each in broker.versions if each.api_key != INIT_PRODUCER_ID]
    producer = await producer_of(broker).start()
    with pytest.raises(UnsupportedByCluster, match="InitProducerId"):
        await producer.send_and_wait("t", b"1")
    with pytest.raises(UnsupportedByCluster):
        await producer.close()


async def test_without_idempotence_no_id_is_needed(broker: ScriptedBroker):
    broker.versions = [
        ApiVersion(api_key=key, min_version=3, max_version=8) for key in (METADATA, PRODUCE)
    ]
    async with producer_of(broker, enable_idempotence=False, acks=1) as producer:
        await producer.send_and_wait("t", b"1")
    assert read_header(batches_of(broker)[0]).producer_id == -1
