"""Options by their Java names: each has one, and none is ignored."""

import inspect
from typing import Any

import pytest

from minikafka import AdminClient, Cluster, Consumer, Producer, sync
from minikafka.client.java_names import AS_WE_DO, LACKING, OPTIONS, options_of
from minikafka.serializers import json_serializer, utf8_deserializer, utf8_serializer

CLIENTS = (AdminClient, Cluster, Consumer, Producer)
BLOCKING_CLIENTS = (sync.AdminClient, sync.Cluster, sync.Consumer, sync.Producer)
OURS = {"random", "wall_clock"}
"""Options for tests, which Kafka does not have."""

JAVA_NAMES = """
    acks allow.auto.create.topics auto.commit.interval.ms auto.offset.reset batch.size
    bootstrap.servers buffer.memory check.crcs client.dns.lookup client.id client.rack
    compression.gzip.level compression.lz4.level compression.type compression.zstd.level
    connections.max.idle.ms default.api.timeout.ms delivery.timeout.ms enable.auto.commit
    enable.idempotence enable.metrics.push exclude.internal.topics fetch.max.bytes
    fetch.max.wait.ms fetch.min.bytes group.id group.instance.id group.protocol
    group.remote.assignor heartbeat.interval.ms interceptor.classes isolation.level
    key.deserializer key.serializer linger.ms max.block.ms
    max.in.flight.requests.per.connection max.partition.fetch.bytes max.poll.interval.ms
    max.poll.records max.request.size metadata.max.age.ms metadata.max.idle.ms
    metadata.recovery.rebootstrap.trigger.ms metadata.recovery.strategy metric.reporters
    metrics.num.samples metrics.recording.level metrics.sample.window.ms
    partition.assignment.strategy partitioner.adaptive.partitioning.enable
    partitioner.availability.timeout.ms partitioner.class partitioner.ignore.keys
    receive.buffer.bytes reconnect.backoff.max.ms reconnect.backoff.ms request.timeout.ms
    retries retry.backoff.max.ms retry.backoff.ms sasl.jaas.config sasl.mechanism
    security.protocol security.providers send.buffer.bytes session.timeout.ms
    socket.connection.setup.timeout.max.ms socket.connection.setup.timeout.ms
    ssl.keystore.location ssl.truststore.location transaction.timeout.ms
    transaction.two.phase.commit.enable transactional.id value.deserializer value.serializer
"""


def known(name: str) -> bool:
    """Whether an option of Java's leads somewhere, even if to a sentence."""
    return name in OPTIONS or any(
        name == each or (each.endswith(".") and name.startswith(each)) for each in LACKING
    )


@pytest.mark.parametrize("client", CLIENTS, ids=lambda each: each.__name__)
def test_every_option_has_a_java_name(client: Any):
    named = {name for name, _ in OPTIONS.values()}
    parameters = inspect.signature(client).parameters.values()
    keywords = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    assert keywords - named - OURS == set()


def test_every_option_of_java_leads_somewhere():
    assert [name for name in JAVA_NAMES.split() if not known(name)] == []
    assert [name for name in AS_WE_DO if not known(name)] == []


@pytest.mark.parametrize(
    ("config", "options"),
    [
        ({"acks": "all", "linger.ms": "5"}, {"acks": "all", "linger_ms": 5}),
        ({"acks": 1}, {"acks": 1}),
        ({"acks": "-1"}, {"acks": "all"}),
        ({"enable.idempotence": "False"}, {"enable_idempotence": False}),
        ({"enable.idempotence": True}, {"enable_idempotence": True}),
        ({"batch.size": 16384}, {"batch_size_bytes": 16384}),
        ({"request.required.acks": "0"}, {"acks": 0}),
        (
            {"key.serializer": "org.apache.kafka.common.serialization.StringSerializer"},
            {"key_serializer": utf8_serializer},
        ),
        (
            {"value.serializer": "org.apache.kafka.common.serialization.ByteArraySerializer"},
            {"value_serializer": None},
        ),
        ({"value.serializer": json_serializer}, {"value_serializer": json_serializer}),
        (
            {"partitioner.class": "org.apache.kafka.clients.producer.RoundRobinPartitioner"},
            {"partitioner": "round_robin"},
        ),
        ({"partitioner": "murmur2_random"}, {"partitioner": "murmur2"}),
        ({"security.protocol": "PLAINTEXT", "max.in.flight": 5}, {}),
    ],
)
def test_a_producers_options_are_understood(config: dict[str, Any], options: dict[str, Any]):
    assert options_of(Producer, config) == options
    Producer(**options)


@pytest.mark.parametrize(
    ("config", "options"),
    [
        ({"auto.offset.reset": "smallest"}, {"auto_offset_reset": "earliest"}),
        ({"fetch.wait.max.ms": "100"}, {"fetch_max_wait_ms": 100}),
        ({"key.deserializer": "StringDeserializer"}, {"key_deserializer": utf8_deserializer}),
        ({"check.crcs": "false"}, {"check_crcs": False}),
    ],
)
def test_a_consumers_options_are_understood(config: dict[str, Any], options: dict[str, Any]):
    assert options_of(Consumer, config) == options
    Consumer(**options)


def test_names_of_assignors_are_ours_or_javas():
    def anyone(*, partition_assignment_strategy: list[str]) -> None: ...

    java = "org.apache.kafka.clients.consumer."
    config = {"partition.assignment.strategy": f"{java}RangeAssignor, cooperative-sticky"}
    options = {"partition_assignment_strategy": ["range", "cooperative-sticky"]}
    assert options_of(anyone, config) == options


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"lingr.ms": 5}, "unknown option 'lingr.ms': did you mean linger.ms?"),
        ({"linger_ms": 5}, "unknown option 'linger_ms': did you mean linger.ms?"),
        ({"xyz": 5}, "unknown option 'xyz': it is none of Kafka's options"),
        ({"transactional.id": "a"}, "there is no option 'transactional.id' here: there are no tra"),
        ({"ssl.ca.location": "a"}, "there is no option 'ssl.ca.location' here: connections are pl"),
        ({"security.protocol": "SSL"}, "there is no option 'security.protocol' here: connections"),
        ({"retries": 3}, "there is no option 'retries' here: .*: set that"),
        ({"group.id": "g"}, "'group.id' is no option of a Producer: leave it out"),
        ({"linger.ms": "5s"}, "linger.ms='5s': invalid literal for int"),
        ({"linger.ms": True}, "linger.ms=True: a whole number is needed"),
        ({"enable.idempotence": "yes"}, "enable.idempotence='yes': true or false is needed"),
        ({"key.serializer": "AvroSerializer"}, "key.serializer='AvroSerializer': known are String"),
        ({"acks": "most"}, "acks='most': invalid literal"),
        ({"acks": 1, "request.required.acks": 1}, "'request.required.acks' sets acks, which anoth"),
    ],
)
def test_nothing_is_ignored(config: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        Producer.from_config(config)


@pytest.mark.parametrize("client", [*CLIENTS, *BLOCKING_CLIENTS])
def test_every_client_of_both_faces_takes_a_configuration(client: Any):
    config = {"bootstrap.servers": "localhost:9092", "client.id": "me", "retry.backoff.ms": "50"}
    assert isinstance(client.from_config(config), client)
    with pytest.raises(ValueError, match=r"did you mean bootstrap\.servers"):
        client.from_config({"bootstrap.server": "localhost:9092"})
