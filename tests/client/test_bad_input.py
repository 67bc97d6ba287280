"""Whatever comes wrong, from users and from brokers: a typed error in time, with what and where.

Each test has a limit that is far above every timeout which it sets: to reach it is to hang.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from minikafka import (
    AdminClient,
    ConfigResource,
    Consumer,
    KafkaError,
    NewPartitions,
    NewTopic,
    Producer,
    TopicPartition,
)
from minikafka.client.errors import CannotConnect, ClientNotRunning, KafkaTimeout
from minikafka.client.sender import Sender
from minikafka.protocol.api.list_offsets import (
    ListOffsetsResponse,
    ListOffsetsResponsePartition,
    ListOffsetsResponseTopic,
)
from minikafka.protocol.errors import ErrorCode
from minikafka.serializers import json_deserializer, json_serializer, utf8_serializer

from ..nodes import NodeProcess
from ..transport.scripted_broker import (
    FETCH,
    LIST_OFFSETS,
    METADATA,
    PRODUCE,
    SILENCE,
    ScriptedBroker,
)
from .cluster import Cluster, produce_with

HANG_S = 30.0
TIMEOUT_MS = 300
DELIVERY_MS = 700
TWO_GIB = b"\x7f\xff\xff\xff"

Client = Producer | Consumer | AdminClient


def clients_of(bootstrap: str, *topics: str) -> list[Client]:
    """One of each kind, impatient."""
    return [
        producer_of(bootstrap),
        Consumer(*topics, bootstrap_servers=bootstrap, request_timeout_ms=TIMEOUT_MS),
        AdminClient(bootstrap_servers=bootstrap, request_timeout_ms=TIMEOUT_MS),
    ]


def producer_of(bootstrap: str, **options: Any) -> Producer:
    """An impatient producer."""
    impatient: dict[str, Any] = {
        "linger_ms": 0,
        "request_timeout_ms": TIMEOUT_MS,
        "delivery_timeout_ms": DELIVERY_MS,
        "max_block_ms": TIMEOUT_MS,
        "retry_backoff_ms": 10,
    }
    return Producer(bootstrap_servers=bootstrap, **impatient | options)


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(talk: Talk) -> AsyncIterator[str]:
    """A server that does as it likes with each connection; its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def says(data: bytes) -> Talk:
    """Answers the first request with these bytes, and then waits."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(data)
        await reader.read()

    return talk


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Promises a frame and sends it a byte at a time, for longer than anybody waits."""
    writer.write(b"\0\0\4\0")
    for _ in range(1000):
        writer.write(b"\0")
        await asyncio.sleep(0.01)


async def hangs_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes at once."""
    writer.close()


@pytest.mark.parametrize(
    "talk",
    [
        says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        says(b"\x15\x03\x03\x00\x02\x02\x46"),  # a TLS alert
        says(TWO_GIB),
        says(b"\xff\xff\xff\xff"),
        says(b"\x08\x00\x00\x01"),  # one byte more than a frame may have
        says(b"\0\0\0\0"),
        says(b"\0\0\0\4\0\0\0\0"),  # an answer without a body
        says(b"\0\0\0\x0a\0\0\0\0\0\0\x7f\xff\xff\xff"),  # two billion APIs
        says(b"\0\0\0\x08\0\0\0\7\0\0\0\0"),  # the answer to another question
        says(b"\0\0\0\x10" + bytes(range(16))),
        says(b""),
        drips,
        hangs_up,
    ],
)
async def test_who_speaks_no_kafka_is_told_apart_by_every_client(talk: Talk):
    async with asyncio.timeout(HANG_S), raw_server(talk) as address:
        for client in clients_of(address, "t"):
            with pytest.raises((CannotConnect, KafkaTimeout), match=address):
                await client.start()
            await client.close()


@pytest.mark.parametrize("host", ["127.0.0.1:1", f"{'x' * 70}.example:9092", "no.such.invalid:1"])
async def test_an_address_without_a_broker_is_named(host: str):
    async with asyncio.timeout(HANG_S):
        for client in clients_of(host, "t"):
            with pytest.raises((CannotConnect, KafkaTimeout), match=host):
                await client.start()


async def test_metadata_that_leads_nowhere_hangs_nobody():
    async with asyncio.timeout(HANG_S), ScriptedBroker() as broker:
        cluster = Cluster(broker)
        cluster.leaders = {0: 2}

        def metadata(request: Any) -> Any:
            response = cluster.metadata(request)
            lost = type(response.brokers[0])(node_id=2, host="y" * 70, port=-5)
            response.brokers = [*response.brokers, lost]
            return response

        broker.handlers[METADATA] = metadata
        async with producer_of(broker.bootstrap) as producer:
            future = await producer.send("t", b"v")
            with pytest.raises(KafkaTimeout, match=r"t-0 .*leader is broker 2"):
                await future
        with pytest.raises(KafkaTimeout, match="t-0"):
            await clients_of(broker.bootstrap, "t")[1].start()


NONSENSE = [TWO_GIB, b"\xff\xff\xff\xff", b"\0\0\0\x08garbage!", SILENCE]


@pytest.mark.parametrize("answer", NONSENSE)
async def test_a_nonsensical_answer_fails_the_record_in_its_time(answer: Any):
    async with asyncio.timeout(HANG_S), ScriptedBroker({PRODUCE: lambda _: answer}) as broker:
        Cluster(broker)
        async with producer_of(broker.bootstrap) as producer:
            future = await producer.send("t", b"v")
            with pytest.raises(KafkaTimeout, match=r"t-0 were not delivered.*perhaps written"):
                await future


@pytest.mark.parametrize("answer", NONSENSE)
async def test_a_nonsensical_answer_leaves_the_consumer_waiting_no_longer_than_it_said(answer: Any):
    handlers = {FETCH: lambda _: answer, LIST_OFFSETS: offset_zero}
    async with asyncio.timeout(HANG_S), ScriptedBroker(handlers) as broker:
        Cluster(broker)
        async with Consumer(
            "t", bootstrap_servers=broker.bootstrap, request_timeout_ms=TIMEOUT_MS
        ) as consumer:
            with pytest.raises(KafkaTimeout, match="no record of t within 300 ms"):
                await consumer.getone(timeout_ms=TIMEOUT_MS)


def offset_zero(_: Any) -> ListOffsetsResponse:
    """Every partition begins and ends at 0."""
    partition = ListOffsetsResponsePartition(partition_index=0, error_code=0, offset=0)
    return ListOffsetsResponse(topics=[ListOffsetsResponseTopic(name="t", partitions=[partition])])


@pytest.mark.parametrize("answer", NONSENSE)
async def test_a_nonsensical_answer_fails_the_start_of_a_consumer_in_its_time(answer: Any):
    async with asyncio.timeout(HANG_S), ScriptedBroker({LIST_OFFSETS: lambda _: answer}) as broker:
        Cluster(broker)
        with pytest.raises(KafkaTimeout, match="t-0"):
            await clients_of(broker.bootstrap, "t")[1].start()


CREATE_TOPICS, DESCRIBE_CONFIGS = 19, 32


@pytest.mark.parametrize("answer", NONSENSE)
async def test_a_nonsensical_answer_fails_the_administrators_question_in_its_time(answer: Any):
    handlers = {CREATE_TOPICS: lambda _: answer, DESCRIBE_CONFIGS: lambda _: answer}
    async with asyncio.timeout(HANG_S), ScriptedBroker(handlers) as broker:
        Cluster(broker)
        async with AdminClient(
            bootstrap_servers=broker.bootstrap, request_timeout_ms=TIMEOUT_MS
        ) as admin:
            with pytest.raises(KafkaError, match=broker.bootstrap):
                await admin.create_topics([NewTopic("t")])
            with pytest.raises(KafkaError, match=broker.bootstrap):
                await admin.describe_configs([ConfigResource.topic("t")])


async def test_an_answer_about_something_else_is_no_answer():
    def other_topic(request: Any) -> Any:
        response = produce_with()(request)
        response.responses[0].topic_id = bytes(16)
        response.responses[0].name = "other"
        return response

    async with asyncio.timeout(HANG_S), ScriptedBroker({PRODUCE: other_topic}) as broker:
        Cluster(broker)
        async with producer_of(broker.bootstrap) as producer:
            future = await producer.send("t", b"v")
            with pytest.raises(KafkaTimeout, match="t-0"):
                await future


async def test_a_record_that_was_refused_again_and_again_says_why():
    code = ErrorCode.NOT_ENOUGH_REPLICAS
    refuse = produce_with(*[code] * 1000)
    async with asyncio.timeout(HANG_S), ScriptedBroker({PRODUCE: refuse}) as broker:
        Cluster(broker)
        async with producer_of(broker.bootstrap) as producer:
            future = await producer.send("t", b"v")
            with pytest.raises(KafkaTimeout, match=r"t-0 .* not written .*NOT_ENOUGH_REPLICAS"):
                await future


async def test_an_unknown_topic_is_named_with_what_to_do(tmp_path: Any):
    node = NodeProcess(tmp_path / "node", "-c", "auto.create.topics.enable=false").start()
    sentence = "no topic 'nowhere': create it"
    async with asyncio.timeout(HANG_S):
        async with producer_of(node.bootstrap, max_block_ms=1000) as producer:
            with pytest.raises(KafkaError, match=sentence) as caught:
                await producer.send("nowhere", b"v")
            assert caught.value.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        with pytest.raises(KafkaError, match=sentence):
            await Consumer("nowhere", bootstrap_servers=node.bootstrap).start()
        async with AdminClient(bootstrap_servers=node.bootstrap) as admin:
            for question in (
                admin.describe_topics(["nowhere"]),
                admin.delete_topics(["nowhere"]),
                admin.create_partitions({"nowhere": NewPartitions(3)}),
                admin.describe_configs([ConfigResource.topic("nowhere")]),
                admin.delete_records({TopicPartition("nowhere", 0): 0}),
            ):
                with pytest.raises(KafkaError, match="nowhere") as caught:
                    await question
                assert caught.value.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    node.kill()


@pytest.fixture
async def producer(shared_broker: NodeProcess) -> AsyncIterator[Producer]:
    """A producer that is patient, on a topic `bad` with one partition."""
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        if "bad" not in await admin.list_topics():
            await admin.create_topics([NewTopic("bad", 1, 1)])
    async with asyncio.timeout(HANG_S), Producer(bootstrap_servers=shared_broker.bootstrap) as each:
        yield each


@pytest.mark.parametrize(
    "record",
    [
        {"value": "text"},
        {"value": 5},
        {"value": b"v", "key": "text"},
        {"value": b"v", "key": 5},
        {"value": b"v", "key": [b"k"]},
        {"value": b"v", "headers": 5},
        {"value": b"v", "headers": "ab"},
        {"value": b"v", "headers": {"a": "text"}},
        {"value": b"v", "headers": {5: b"v"}},
        {"value": b"v", "headers": [("a",)]},
        {"value": b"v", "headers": [5]},
    ],
)
async def test_a_wrong_type_is_a_type_error_that_names_the_topic(
    producer: Producer, record: dict[str, Any]
):
    with pytest.raises(TypeError, match=r"bad.*bytes or None.*key_serializer"):
        await producer.send("bad", **record)
    assert (await producer.send_and_wait("bad", b"right")).topic == "bad"


@pytest.mark.parametrize(
    "place", [{"timestamp_ms": "now"}, {"timestamp_ms": 1.5}, {"partition": "0"}]
)
async def test_what_is_no_number_is_a_type_error_that_names_the_topic(
    producer: Producer, place: dict[str, Any]
):
    (name,) = place
    with pytest.raises(TypeError, match=f"(?s)(?=.*{name})(?=.*topic bad)"):
        await producer.send("bad", b"v", **place)
    assert (await producer.send_and_wait("bad", b"right")).topic == "bad"


@pytest.mark.parametrize("timestamp_ms", [2**63, -(2**63) - 1, -2, 10**30])
async def test_a_time_that_no_record_can_carry_is_refused(producer: Producer, timestamp_ms: int):
    with pytest.raises(ValueError, match="timestamp_ms"):
        await producer.send("bad", b"v", timestamp_ms=timestamp_ms)
    assert (await producer.send_and_wait("bad", b"right")).topic == "bad"


@pytest.mark.parametrize("topic", [None, 5, b"bad", ""])
async def test_what_is_no_topic_is_refused(producer: Producer, topic: Any):
    with pytest.raises((TypeError, ValueError), match="topic"):
        await producer.send(topic, b"v")
    assert (await producer.send_and_wait("bad", b"right")).topic == "bad"


async def test_what_a_serializer_refuses_is_refused_at_once(shared_broker: NodeProcess):
    async with Producer(
        bootstrap_servers=shared_broker.bootstrap,
        key_serializer=utf8_serializer,
        value_serializer=json_serializer,
    ) as producer:
        with pytest.raises(TypeError, match="utf8_serializer takes str, not bytes"):
            await producer.send("bad", 1, key=b"k")
        with pytest.raises(TypeError, match="json_serializer takes"):
            await producer.send("bad", b"v")


async def test_what_a_deserializer_refuses_is_named_and_can_be_passed(shared_broker: NodeProcess):
    async with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        for value in (b"1", b"{", b"2"):
            await producer.send_and_wait("bad-json", value)
    async with Consumer(
        "bad-json",
        bootstrap_servers=shared_broker.bootstrap,
        auto_offset_reset="earliest",
        value_deserializer=json_deserializer,
    ) as consumer:
        assert (await consumer.getone(timeout_ms=10_000)).value == 1
        for _ in range(2):
            with pytest.raises(KafkaError, match="bad-json-0 offset 1 cannot be decoded: no JSON"):
                await consumer.getone(timeout_ms=10_000)
        consumer.seek(("bad-json", 0), 2)
        assert (await consumer.getone(timeout_ms=10_000)).value == 2


async def test_a_record_too_large_is_refused_with_its_place_and_the_remedy(producer: Producer):
    with pytest.raises(KafkaError, match=r"bad-0.*max_request_bytes=1048576.*max\.message\.bytes"):
        await producer.send("bad", b"x" * (1 << 20))


async def test_a_record_too_large_for_its_topic_is_named_by_the_broker(shared_broker: NodeProcess):
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        await admin.create_topics([NewTopic("small", 1, 1, {"max.message.bytes": "1000"})])
    async with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        with pytest.raises(KafkaError, match=r"small-0: .*max\.message\.bytes") as caught:
            await producer.send_and_wait("small", b"x" * 2000)
        assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE
        await producer.send_and_wait("small", b"x")


async def test_two_tasks_may_close_at_once():
    async with asyncio.timeout(HANG_S), ScriptedBroker({PRODUCE: lambda _: SILENCE}) as broker:
        Cluster(broker)
        for client in clients_of(broker.bootstrap):
            await client.start()
            if isinstance(client, Producer):
                await client.send("t", b"not delivered when they close")
            await asyncio.gather(client.close(), client.close())
            await client.close()


async def test_a_sender_in_need_of_room_hears_of_the_end():
    async with asyncio.timeout(HANG_S), ScriptedBroker({PRODUCE: lambda _: SILENCE}) as broker:
        Cluster(broker)
        producer = await producer_of(
            broker.bootstrap, buffer_memory_bytes=500, max_block_ms=60_000
        ).start()
        first = await producer.send("t", b"x" * 400)
        second = asyncio.create_task(producer.send("t", b"x" * 400))
        with pytest.raises(KafkaTimeout):
            await producer.close(timeout=0.01)
        with pytest.raises(ClientNotRunning, match="is closed"):
            await second
        assert isinstance(first.exception(), KafkaTimeout)


@pytest.mark.parametrize(
    "call",
    [
        lambda admin: admin.delete_topics("bad"),
        lambda admin: admin.describe_topics("bad"),
        lambda admin: admin.create_topics(["bad"]),
        lambda admin: admin.create_topics(NewTopic("bad")),
        lambda admin: admin.create_topics([NewTopic(5)]),
        lambda admin: admin.create_partitions({"bad": "3"}),
        lambda admin: admin.describe_configs([("topic", "bad")]),
        lambda admin: admin.delete_records({"bad": 5}),
    ],
)
async def test_an_administrators_wrong_type_is_a_type_error(
    shared_broker: NodeProcess, call: Callable[[Any], Any]
):
    async with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        with pytest.raises((TypeError, ValueError)):
            await call(admin)


@pytest.mark.parametrize("client_class", [Producer, Consumer, AdminClient])
@pytest.mark.parametrize(
    "options",
    [{"bootstrap_servers": 5}, {"request_timeout_ms": "5"}, {"retry_backoff_ms": None}],
)
def test_an_option_of_the_wrong_type_is_named(client_class: Any, options: dict[str, Any]):
    (name,) = options
    with pytest.raises((TypeError, ValueError), match=name):
        client_class(**options)


async def test_a_commit_after_the_group_was_lost_is_refused(shared_broker: NodeProcess):
    async with Producer(bootstrap_servers=shared_broker.bootstrap) as producer:
        await producer.send_and_wait("bad-group", b"v")
    async with (
        asyncio.timeout(HANG_S),
        AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin,
        Consumer(
            "bad-group",
            bootstrap_servers=shared_broker.bootstrap,
            group_id="bad-lost",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        ) as consumer,
    ):
        record = await consumer.getone(timeout_ms=10_000)
        group = (await admin.describe_groups(["bad-lost"]))["bad-lost"]
        await admin.remove_group_members(
            "bad-lost", member_ids=[member.member_id for member in group.members]
        )
        with pytest.raises(KafkaError, match="bad-lost") as caught:
            await consumer.commit(record)
        assert caught.value.code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION)
        assert await admin.list_group_offsets("bad-lost") == {}
        # It joins again by itself, and reads again what nobody has committed.
        assert (await consumer.getone(timeout_ms=20_000)).offset == record.offset


async def test_a_commit_without_a_group_says_what_is_missing(shared_broker: NodeProcess):
    async with Consumer(bootstrap_servers=shared_broker.bootstrap) as consumer:
        with pytest.raises(ValueError, match="group_id"):
            await consumer.commit()


async def test_use_before_start_and_after_close_is_refused_at_once(shared_broker: NodeProcess):
    producer, consumer, admin = clients_of(shared_broker.bootstrap)
    assert isinstance(producer, Producer)
    assert isinstance(consumer, Consumer)
    assert isinstance(admin, AdminClient)
    for sentence in ("has not been started: use `async with`", "is closed: make a new one"):
        for use in (
            lambda: producer.send("t", b"v"),
            lambda: producer.send_many("t", [b"v"]),
            lambda: producer.flush(),
            lambda: producer.partitions_for("t"),
            lambda: consumer.getone(),
            lambda: consumer.getmany(),
            lambda: consumer.commit(),
            lambda: anext(aiter(consumer)),
            lambda: consumer.end_offsets([("t", 0)]),
            lambda: admin.list_topics(),
            lambda: admin.create_topics([NewTopic("t")]),
        ):
            with pytest.raises(ClientNotRunning, match=sentence):
                await use()
        for client in (producer, consumer, admin):
            if "closed" not in sentence:
                await client.start()
            await client.close()


async def test_a_fault_in_the_sender_fails_what_waits(monkeypatch: pytest.MonkeyPatch):
    def fault(*_: Any) -> None:
        raise ZeroDivisionError

    async with asyncio.timeout(HANG_S), ScriptedBroker() as broker:
        Cluster(broker)
        monkeypatch.setattr(Sender, "_send_ready", fault)
        producer = await producer_of(broker.bootstrap, linger_ms=50).start()
        future = await producer.send("t", b"v")
        with pytest.raises(KafkaError, match="the sender failed: ZeroDivisionError"):
            await future
        with pytest.raises(KafkaError, match="the sender failed"):
            await producer.send("t", b"v")
        with pytest.raises(KafkaError, match="the sender failed"):
            await producer.close()
        await producer.close()
