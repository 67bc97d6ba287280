"""The producer: records in, a delivery for each, batches out in the background.

    send ──> partitioner ──> accumulator ──> sender ──> broker
      └── a Delivery <──────────────────────────┘ RecordMetadata, or the error

`await producer.send(...)` waits for nothing but room in the buffer (and, once per topic, for the
topic's metadata); await what it returns to know that the record is written. The defaults promise
the most that Kafka can: `acks="all"` and no duplicates from retries (KIP-98).

Invariants:
- Records of one partition are written in the order of their `send` calls.
- Every delivery ends within `delivery_timeout_ms` and the time of one request.
- Every wait has an end, and a sentence that says what was waited for.
- A failed record is told to who asks its delivery, and to the log if nobody ever does.
- Memory: `buffer_memory_bytes` for records as encoded, with what the accumulator says, and per
  broker up to five requests of `max_request_bytes` on their way to the socket.

Left out: transactions; SASL (a later step).
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from types import TracebackType
from typing import Any, Final, Literal

from ..protocol.compression import CompressionType
from ..protocol.errors import ErrorCode, KafkaError
from ..protocol.records import RecordHeader
from .accumulator import (
    ADDED,
    BATCH_FULL,
    TOO_LARGE,
    Accumulator,
    AccumulatorSettings,
)
from .delivery import Delivery
from .errors import ClientNotRunning, KafkaTimeout
from .java_names import options_of
from .keywords import suggest_keywords
from .metadata import TopicInfo
from .network import Network
from .partitioner import PartitionerName, PartitionFunction, make_partitioner
from .producer_batch import ProducerBatch
from .record import RecordMetadata
from .sender import Sender, SenderSettings
from .settings import NetworkSettings, parse_servers

Headers = Mapping[str, bytes | None] | Sequence[RecordHeader]
CompressionName = Literal["none", "gzip", "snappy", "lz4", "zstd"]
Acks = Literal["all", -1, 0, 1]
Serializer = Callable[[Any], bytes | None]
_Record = tuple[str, int, int, bytes | None, bytes | None, Sequence[RecordHeader]]
"""The arguments of Accumulator.append but the last."""

BATCH_SIZE_BYTES: Final = 64 << 10  # Kafka: 16 KiB, which halves the throughput for no latency
BUFFER_MEMORY_BYTES: Final = 32 << 20
MAX_REQUEST_BYTES: Final = 1 << 20  # the largest record too; brokers refuse more by default
CLOSE_AFTER_ERROR_S: Final = 5.0
NO_TIMESTAMP: Final = -1
MAX_TIMESTAMP_MS: Final = 2**63 - 1


class Producer:
    """Writes records; one per program is enough, shared by all its tasks of one event loop."""

    @suggest_keywords
    def __init__(
        self,
        *,
        bootstrap_servers: str | list[str] = "localhost:9092",
        client_id: str = "minikafka",
        acks: Acks = "all",
        enable_idempotence: bool | None = None,
        compression_type: CompressionName | None = None,
        linger_ms: int = 5,
        batch_size_bytes: int = BATCH_SIZE_BYTES,
        buffer_memory_bytes: int = BUFFER_MEMORY_BYTES,
        max_request_bytes: int = MAX_REQUEST_BYTES,
        partitioner: PartitionerName | PartitionFunction = "murmur2",
        key_serializer: Serializer | None = None,
        value_serializer: Serializer | None = None,
        max_block_ms: int = 60_000,
        request_timeout_ms: int = 30_000,
        delivery_timeout_ms: int = 120_000,
        retry_backoff_ms: int = 100,
        metadata_max_age_ms: int = 300_000,
        random: Random | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Check the options; nothing is opened before start(). Raises ValueError or TypeError.

        `enable_idempotence` is on with acks "all" unless switched off; `max_block_ms` bounds the
        wait of send() for room or metadata; `wall_clock` gives seconds since 1970.
        """
        self._acks = _acks(acks)
        is_idempotent = self._acks == -1 if enable_idempotence is None else enable_idempotence
        if is_idempotent and self._acks != -1:
            raise ValueError('enable_idempotence needs acks="all": without it records can be lost')
        if delivery_timeout_ms < linger_ms + request_timeout_ms:
            raise ValueError(
                f"delivery_timeout_ms={delivery_timeout_ms} is less than linger_ms + "
                f"request_timeout_ms = {linger_ms + request_timeout_ms}: raise it or lower those"
            )
        self._random = random or Random()
        self._network_settings = NetworkSettings(
            bootstrap_servers=parse_servers(bootstrap_servers),
            client_id=client_id,
            request_timeout_ms=request_timeout_ms,
            retry_backoff_ms=retry_backoff_ms,
            metadata_max_age_ms=metadata_max_age_ms,
        )
        self._settings = AccumulatorSettings(
            batch_size_bytes=min(batch_size_bytes, max_request_bytes),
            max_record_bytes=max_request_bytes,
            buffer_memory_bytes=buffer_memory_bytes,
            linger_ms=linger_ms,
            delivery_timeout_ms=delivery_timeout_ms,
            compression=_compression(compression_type),
            is_idempotent=is_idempotent,
        )
        self._sender_settings = SenderSettings(
            self._acks, max_request_bytes, request_timeout_ms, retry_backoff_ms
        )
        self._partitioner = make_partitioner(partitioner, self._random)
        self._key_serializer = key_serializer
        self._value_serializer = value_serializer
        self._serializes = key_serializer is not None or value_serializer is not None
        self._max_block_ms = max_block_ms
        self._wall_clock = wall_clock
        self._running: _Running | None = None
        self._not_running = "has not been started: use `async with` or await start()"

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> "Producer":
        """A producer with options by their Java names, as strings or typed; see java_names.

        Raises ValueError for an option that is unknown or not to be had here.
        """
        return cls(**options_of(cls, config))

    async def start(self) -> "Producer":
        """Find the cluster; raises CannotConnect or KafkaTimeout within request_timeout_ms."""
        if self._running is not None:
            return self
        network = Network(self._network_settings, self._random)
        await network.start()
        accumulator = Accumulator(self._settings)
        sender = Sender(network, accumulator, self._sender_settings)
        sender.start()
        self._running = _Running(network, accumulator, sender)
        return self

    async def close(self, timeout: float | None = None) -> None:
        """Deliver what was sent, then close; KafkaTimeout if that takes more than `timeout` s.

        Without a timeout it ends when each record is delivered or too old. In any case the
        producer is closed afterwards.
        """
        if self._running is None:
            return
        try:
            await self.flush(timeout)
        finally:
            await self._stop()

    async def _stop(self) -> None:
        running, self._running = self._running, None
        self._not_running = "is closed: make a new one"
        if running is not None:  # unless another task was quicker
            await running.sender.close()
            await running.network.close()

    async def __aenter__(self) -> "Producer":
        """Start."""
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; after an error, without waiting long for a cluster that may be gone."""
        if error is None:
            await self.close()
            return
        with contextlib.suppress(KafkaTimeout):
            await self.close(CLOSE_AFTER_ERROR_S)

    async def send(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        headers: Headers | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Delivery:
        """Put a record into the buffer and return its delivery, to be awaited for its place.

        Waits for room and for metadata of a new topic, `max_block_ms` at most, then KafkaTimeout.
        Raises at once what cannot be sent: MessageTooLarge, an unknown partition (ValueError).
        """
        running = self._running
        if running is None or running.sender.error is not None:
            running = self._require_running()
        known = running.topics.get(topic)
        if known is None:
            _check_topic(topic)
            known = await running.network.topic(topic, self._max_block_ms)
        if self._serializes:
            key, value = self._serialize(key, value)
        if timestamp_ms is None:
            timestamp_ms = int(self._wall_clock() * 1000)
        else:
            _check_timestamp(topic, timestamp_ms)
        if partition is not None:
            _check_partition(known, partition)
        try:
            if partition is None:
                count = len(known.partitions)
                partition = self._partitioner.partition(topic, key, count, known.available)
            pairs = _pairs(headers) if headers else ()
            result, batch = running.append(
                topic, partition, timestamp_ms, key, value, pairs, running.now_ms
            )
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise _wrong_type(topic, key, value, error) from error
        if batch is None:
            if result == TOO_LARGE:
                name = f"{topic}-{partition}"
                raise _too_large(name, key, value, self._settings.max_record_bytes)
            record = (topic, partition, timestamp_ms, key, value, pairs)
            result, batch = await self._append_when_there_is_room(running, record)
        delivery = Delivery(batch.delivery, batch.builder.record_count - 1)
        if result != ADDED:
            running.sender.wake()
            if result == BATCH_FULL:
                self._partitioner.batch_full(topic)
                # Let the sender run: a loop of sends alone would only fill the buffer.
                await asyncio.sleep(0)
        return delivery

    async def send_and_wait(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        headers: Headers | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> RecordMetadata:
        """Send a record and wait until it is written; the error if it is not."""
        return await (await self.send(topic, value, key, headers, partition, timestamp_ms))

    async def send_many(
        self, topic: str, values: Iterable[Any], key: Any = None, partition: int | None = None
    ) -> list[Delivery]:
        """Send many values in order; their deliveries, in order."""
        return [await self.send(topic, value, key, None, partition) for value in values]

    async def flush(self, timeout: float | None = None) -> None:
        """Wait until every record sent so far is written or has failed.

        Without a `timeout` in seconds that is at most delivery_timeout_ms; KafkaTimeout says how
        many records are left. Failures are told by the records' deliveries, not here.
        """
        running = self._require_running()
        limit_ms = self._settings.delivery_timeout_ms + self._sender_settings.request_timeout_ms
        timeout_ms = limit_ms if timeout is None else int(timeout * 1000)
        deadline_ms = running.network.now_ms() + timeout_ms
        running.accumulator.close_open()
        running.sender.wake()
        sent = list(running.accumulator.batches())
        for batch in sent:
            while not batch.delivery.is_over:
                if not await running.sender.progress.wait(deadline_ms):
                    left = sum(each.record_count for each in sent if not each.delivery.is_over)
                    raise KafkaTimeout(f"{left} records are not delivered after {timeout_ms} ms")

    async def partitions_for(self, topic: str) -> list[int]:
        """The topic's partitions; raises KafkaTimeout or the error that hides the topic."""
        network = self._require_running().network
        return list(range(len((await network.topic(topic, self._max_block_ms)).partitions)))

    def _require_running(self) -> "_Running":
        if self._running is None:
            raise ClientNotRunning(f"this producer {self._not_running}")
        if self._running.sender.error is not None:
            raise self._running.sender.error
        return self._running

    def _serialize(self, key: Any, value: Any) -> tuple[bytes | None, bytes | None]:
        if self._key_serializer is not None and key is not None:
            key = self._key_serializer(key)
        if self._value_serializer is not None and value is not None:
            value = self._value_serializer(value)
        return key, value

    async def _append_when_there_is_room(
        self, running: "_Running", record: _Record
    ) -> tuple[int, ProducerBatch]:
        """Append when batches have left; KafkaTimeout if none does in time."""
        network = running.network
        deadline_ms = network.now_ms() + self._max_block_ms
        while True:
            running.sender.wake()
            if not await running.sender.progress.wait(deadline_ms):
                limit_bytes = self._settings.buffer_memory_bytes
                raise KafkaTimeout(
                    f"the buffer of {limit_bytes} bytes was full for {self._max_block_ms} ms: the "
                    f"brokers are slow or away; see buffer_memory_bytes and max_block_ms"
                )
            self._require_running()
            result, batch = running.append(*record, network.now_ms)
            if batch is not None:
                return result, batch


class _Running:
    """The parts of a started producer, and what send() needs of them at hand."""

    __slots__ = ("accumulator", "append", "network", "now_ms", "sender", "topics")

    def __init__(self, network: Network, accumulator: Accumulator, sender: Sender) -> None:
        self.network = network
        self.accumulator = accumulator
        self.sender = sender
        self.topics: dict[str, TopicInfo] = network.metadata.topics
        self.append = accumulator.append
        self.now_ms = network.now_ms


def _acks(acks: Acks) -> int:
    """The number on the wire: -1 for "all"."""
    if acks not in ("all", -1, 0, 1):
        raise ValueError(f'acks={acks!r} is none of "all", 1 and 0')
    return -1 if acks == "all" else acks


def _compression(name: CompressionName | None) -> int:
    """The codec's number."""
    try:
        return int(CompressionType[name or "none"])
    except KeyError:
        names = ", ".join(each.name for each in CompressionType)
        raise ValueError(f"compression_type={name!r} is none of {names}") from None


def _pairs(headers: Headers) -> Sequence[RecordHeader]:
    """Headers as (name, value) pairs."""
    return tuple(headers.items()) if isinstance(headers, Mapping) else tuple(headers)


def _check_topic(topic: Any) -> None:
    """A name is a string, and not an empty one; what else it may not be, the broker says."""
    if not isinstance(topic, str):
        raise TypeError(f"a topic's name is a str; this is {topic!r}")
    if not topic:
        raise ValueError("a topic's name is not empty")


def _check_partition(topic: TopicInfo, partition: Any) -> None:
    if not isinstance(partition, int):
        raise TypeError(f"a partition of topic {topic.name} is an int; this is {partition!r}")
    last = len(topic.partitions) - 1
    if not 0 <= partition <= last:
        raise ValueError(f"topic {topic.name} has partitions 0 to {last}, and no {partition}")


def _check_timestamp(topic: str, timestamp_ms: Any) -> None:
    if not isinstance(timestamp_ms, int):
        raise TypeError(f"timestamp_ms={timestamp_ms!r} for topic {topic} is no int")
    if not NO_TIMESTAMP <= timestamp_ms <= MAX_TIMESTAMP_MS:
        limits = f"0 to {MAX_TIMESTAMP_MS}, in ms since 1970"
        raise ValueError(f"timestamp_ms={timestamp_ms} for topic {topic} is not in {limits}")


def _too_large(partition: str, key: Any, value: Any, limit_bytes: int) -> KafkaError:
    size_bytes = len(key or b"") + len(value or b"")
    message = (
        f"a record of {size_bytes} bytes for {partition} exceeds max_request_bytes={limit_bytes}: "
        f"raise it, and max.message.bytes of the topic; or send less at a time"
    )
    return KafkaError.of(ErrorCode.MESSAGE_TOO_LARGE, message)


def _wrong_type(topic: str, key: Any, value: Any, error: Exception) -> TypeError:
    types = f"key {type(key).__name__}, value {type(value).__name__}"
    return TypeError(
        f"a record for {topic} has {types}: key and value must be bytes or None, and headers pairs "
        f"of str and bytes; encode them, or give key_serializer and value_serializer ({error})"
    )
