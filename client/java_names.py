"""Options by the names that Kafka's Java clients and librdkafka give them. PURE.

    Producer.from_config({"bootstrap.servers": "localhost:9092", "acks": "all", "linger.ms": "5"})

Values are typed, or strings as they stand in a properties file. A few well-known names of Java
classes are understood where ours are functions or short names. Nothing is ignored: a name that
nobody knows, one of another client, and one that has no counterpart here is a ValueError which says
what to do. Where we do the one thing that an option asks for, the option is taken: see AS_WE_DO.
"""

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from .serializers import utf8_deserializer, utf8_serializer

Reader = Callable[[Any], Any]


def _as_it_is(value: Any) -> Any:
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("a whole number is needed")
    return int(value)


def _boolean(value: Any) -> bool:
    known = {"true": True, "false": False}
    if str(value).lower() not in known:
        raise ValueError("true or false is needed")
    return known[str(value).lower()]


def _acks(value: Any) -> Any:
    return "all" if str(value) in ("all", "-1") else _integer(value)


def _one_of(known: Mapping[str, Any]) -> Reader:
    """A reader of names, Java's and others'; what is no string is passed on."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        name = value.rpartition(".")[2]
        if name not in known:
            raise ValueError(f"known are {', '.join(known)}")
        return known[name]

    return read


def _list_of(read: Reader) -> Reader:
    """A reader of names with commas between them."""

    def read_all(value: Any) -> Any:
        names = value.split(",") if isinstance(value, str) else value
        return [read(name.strip() if isinstance(name, str) else name) for name in names]

    return read_all


def _names(*names: str, **others: str) -> dict[str, str]:
    """Names that mean themselves, and others for them."""
    return {name: name for name in names} | others


_serializer = _one_of({"StringSerializer": utf8_serializer, "ByteArraySerializer": None})
_deserializer = _one_of({"StringDeserializer": utf8_deserializer, "ByteArrayDeserializer": None})
_partitioner = _one_of(
    _names(
        "murmur2",
        "consistent_random",
        "round_robin",
        murmur2_random="murmur2",
        DefaultPartitioner="murmur2",
        RoundRobinPartitioner="round_robin",
    )
)
_offset_reset = _one_of(
    _names(
        "earliest",
        "latest",
        "none",
        smallest="earliest",
        beginning="earliest",
        largest="latest",
        end="latest",
        error="none",
    )
)
_assignors = _list_of(
    _one_of(
        _names(
            "range",
            "roundrobin",
            "sticky",
            "cooperative-sticky",
            RangeAssignor="range",
            RoundRobinAssignor="roundrobin",
            StickyAssignor="sticky",
            CooperativeStickyAssignor="cooperative-sticky",
        )
    )
)

OPTIONS: Final[dict[str, tuple[str, Reader]]] = {
    "bootstrap.servers": ("bootstrap_servers", _as_it_is),
    "metadata.broker.list": ("bootstrap_servers", _as_it_is),
    "client.id": ("client_id", _as_it_is),
    "request.timeout.ms": ("request_timeout_ms", _integer),
    "socket.timeout.ms": ("request_timeout_ms", _integer),
    "default.api.timeout.ms": ("default_api_timeout_ms", _integer),
    "retry.backoff.ms": ("retry_backoff_ms", _integer),
    "metadata.max.age.ms": ("metadata_max_age_ms", _integer),
    "topic.metadata.refresh.interval.ms": ("metadata_max_age_ms", _integer),
    "acks": ("acks", _acks),
    "request.required.acks": ("acks", _acks),
    "enable.idempotence": ("enable_idempotence", _boolean),
    "compression.type": ("compression_type", _as_it_is),
    "compression.codec": ("compression_type", _as_it_is),
    "linger.ms": ("linger_ms", _integer),
    "queue.buffering.max.ms": ("linger_ms", _integer),
    "batch.size": ("batch_size_bytes", _integer),
    "buffer.memory": ("buffer_memory_bytes", _integer),
    "max.request.size": ("max_request_bytes", _integer),
    "message.max.bytes": ("max_request_bytes", _integer),
    "partitioner.class": ("partitioner", _partitioner),
    "partitioner": ("partitioner", _partitioner),
    "key.serializer": ("key_serializer", _serializer),
    "value.serializer": ("value_serializer", _serializer),
    "max.block.ms": ("max_block_ms", _integer),
    "delivery.timeout.ms": ("delivery_timeout_ms", _integer),
    "message.timeout.ms": ("delivery_timeout_ms", _integer),
    "group.id": ("group_id", _as_it_is),
    "group.instance.id": ("group_instance_id", _as_it_is),
    "session.timeout.ms": ("session_timeout_ms", _integer),
    "heartbeat.interval.ms": ("heartbeat_interval_ms", _integer),
    "max.poll.interval.ms": ("max_poll_interval_ms", _integer),
    "enable.auto.commit": ("enable_auto_commit", _boolean),
    "auto.commit.interval.ms": ("auto_commit_interval_ms", _integer),
    "partition.assignment.strategy": ("partition_assignment_strategy", _assignors),
    "isolation.level": ("isolation_level", _as_it_is),
    "auto.offset.reset": ("auto_offset_reset", _offset_reset),
    "fetch.min.bytes": ("fetch_min_bytes", _integer),
    "fetch.max.bytes": ("fetch_max_bytes", _integer),
    "fetch.max.wait.ms": ("fetch_max_wait_ms", _integer),
    "fetch.wait.max.ms": ("fetch_max_wait_ms", _integer),
    "max.partition.fetch.bytes": ("max_partition_fetch_bytes", _integer),
    "fetch.message.max.bytes": ("max_partition_fetch_bytes", _integer),
    "max.poll.records": ("max_poll_records", _integer),
    "check.crcs": ("check_crcs", _boolean),
    "key.deserializer": ("key_deserializer", _deserializer),
    "value.deserializer": ("value_deserializer", _deserializer),
    "allow.auto.create.topics": ("allow_auto_create_topics", _boolean),
}
"""Java's name, or librdkafka's: our name, and how a value is read."""

AS_WE_DO: Final[dict[str, str]] = {
    "security.protocol": "plaintext",
    "max.in.flight.requests.per.connection": "5",
    "max.in.flight": "5",
    "retries": "2147483647",
    "exclude.internal.topics": "true",
    "group.protocol": "classic",
    "api.version.request": "true",
    "enable.partition.eof": "false",
    "partitioner.adaptive.partitioning.enable": "false",
}
"""Options that we don't have, and the one value of each that says what we do anyway."""

LACKING: Final[dict[str, str]] = {
    "security.protocol": "connections are plaintext: TLS and SASL are not there yet",
    "security.providers": "connections are plaintext: TLS is not there yet",
    "ssl.": "connections are plaintext: TLS is not there yet",
    "sasl.": "connections are plaintext: SASL is not there yet",
    "transactional.id": "there are no transactions; a producer with acks=all writes nothing twice",
    "transaction.": "there are no transactions",
    "retries": "a record is retried until delivery.timeout.ms is over: set that",
    "message.send.max.retries": "a record is retried until delivery.timeout.ms is over: set that",
    "max.in.flight": "five requests may be on the way to a broker, in order nevertheless",
    "max.in.flight.requests.per.connection": "five may be on the way to a broker, in order",
    "queue.buffering.max.kbytes": "set buffer.memory, which counts bytes",
    "queue.buffering.max.messages": "set buffer.memory, which counts bytes",
    "batch.num.messages": "set batch.size, which counts bytes",
    "interceptor.classes": "wrap the call instead",
    "metric.reporters": "there are no metrics: `lag` tells how a consumer gets on",
    "metrics.": "there are no metrics: `lag` tells how a consumer gets on",
    "statistics.interval.ms": "there are no metrics",
    "enable.metrics.push": "there are no metrics",
    "client.rack": "records are read from leaders alone",
    "client.dns.lookup": "the first address that answers is taken",
    "receive.buffer.bytes": "the operating system sizes the buffers of its sockets",
    "send.buffer.bytes": "the operating system sizes the buffers of its sockets",
    "socket.": "the operating system does as it likes; request.timeout.ms bounds an answer",
    "connections.max.idle.ms": "a connection that the broker closes is opened when needed",
    "reconnect.backoff.": "retry.backoff.ms is the first wait, doubled up to a second",
    "retry.backoff.max.ms": "retry.backoff.ms is doubled up to a second",
    "compression.level": "each codec runs at its usual level",
    "compression.gzip.level": "gzip runs at its usual level",
    "compression.lz4.level": "lz4 runs at its usual level",
    "compression.zstd.level": "zstd runs at its usual level",
    "metadata.max.idle.ms": "topics once asked for are kept",
    "metadata.recovery.": "the bootstrap servers are always tried as well",
    "partitioner.adaptive.partitioning.enable": "a slow partition gets no fewer records",
    "partitioner.availability.timeout.ms": "a slow partition gets no fewer records",
    "partitioner.ignore.keys": "send with partition=, or without a key",
    "sticky.partitioning.linger.ms": "a partition is left when its batch is full",
    "exclude.internal.topics": "a pattern never matches an internal topic",
    "group.protocol": "the classic protocol alone is spoken (KIP-848 is not there)",
    "group.remote.assignor": "the members assign: set partition.assignment.strategy",
    "enable.partition.eof": "compare position() with end_offsets()",
    "enable.auto.offset.store": "set enable.auto.commit=false, and commit(record) what is done",
    "api.version.request": "versions are always asked for: brokers before 0.10 are not served",
    "broker.": "versions are always asked for, and each answer tells its leader",
    "debug": "set the level of the logger `minikafka`",
    "log.": "set the level of the logger `minikafka`",
    "internal.": "it is internal to Java's client",
}
"""Options that we don't have, or the beginnings of their names (with a dot): what to do."""


def options_of(client_class: Callable[..., Any], config: Mapping[str, object]) -> dict[str, Any]:
    """The keyword arguments for a client that a Java-style configuration stands for."""
    known = inspect.signature(client_class).parameters
    class_name = getattr(client_class, "__name__", "this client")
    options: dict[str, Any] = {}
    for java_name, value in config.items():
        if java_name not in OPTIONS:
            _check_agreement(java_name, value)
            continue
        name, read = OPTIONS[java_name]
        if name not in known:
            raise ValueError(f"{java_name!r} is no option of a {class_name}: leave it out")
        if name in options:
            raise ValueError(f"{java_name!r} sets {name}, which another option has set already")
        try:
            options[name] = read(value)
        except ValueError as error:
            raise ValueError(f"{java_name}={value!r}: {error}") from error
    return options


def _check_agreement(java_name: str, value: object) -> None:
    """Take an option that says what we do anyway; ValueError for any other that is not ours."""
    if java_name in AS_WE_DO and str(value).lower() == AS_WE_DO[java_name]:
        return
    for name, remedy in LACKING.items():
        if java_name == name or (name.endswith(".") and java_name.startswith(name)):
            raise ValueError(f"there is no option {java_name!r} here: {remedy}")
    close = get_close_matches(java_name.replace("_", "."), OPTIONS, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else "it is none of Kafka's options"
    raise ValueError(f"unknown option {java_name!r}: {hint}")
