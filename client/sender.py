"""The background task that takes batches from the accumulator to the leaders of their partitions.

    accumulator ──ready──> by leader ──one Produce each──> connection
         ↑                                                      │
         └── acknowledge, retry, out_of_order, fail <── answer ─┘

What an answer means for a batch:

    no error, DUPLICATE_SEQUENCE_NUMBER    delivered
    connection lost, request timed out,    nobody knows whether it was written: again, with the
      too few replicas *after* append...     same bytes, so that the broker can tell
    any other retriable error              surely not written: again, with fresh metadata
    out of order, producer id unknown...   surely not written: see the accumulator
    everything else                        fails, and says so to whoever awaits the records

A batch that is not delivered within `delivery_timeout_ms` fails with KafkaTimeout; it may then have
been written nevertheless. At most MAX_REQUESTS requests are on the way to one broker. There is no
task per request: the answer's future calls back.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from ..protocol.api.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ..protocol.api.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
    ProduceResponse,
    ProduceResponsePartition,
)
from ..protocol.compression import CompressionType
from ..protocol.errors import ErrorCode, KafkaError
from ..transport.connection import Connection, KafkaTimeout, NetworkException
from .accumulator import Accumulator
from .batch_delivery import NO_OFFSET
from .metadata import TopicPartition, error_code_of
from .network import Network
from .producer_batch import ProducerBatch
from .wakeup import Signal, Wakeup

MAX_REQUESTS: Final = 5
MAX_BACKOFF_MS: Final = 1000

_LAST_VERSION_BY_NAME: Final = 12
_FIRST_VERSION_WITH_ZSTD: Final = 7
_DELIVERED: Final = frozenset({ErrorCode.NONE, ErrorCode.DUPLICATE_SEQUENCE_NUMBER})
_IN_DOUBT: Final = frozenset(
    {
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode.KAFKA_STORAGE_ERROR,
    }
)
_OUT_OF_ORDER: Final = frozenset(
    {
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        ErrorCode.UNKNOWN_PRODUCER_ID,
        ErrorCode.INVALID_PRODUCER_EPOCH,
        ErrorCode.INVALID_PRODUCER_ID_MAPPING,
    }
)


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """What a producer's user may say about sending."""

    acks: int
    max_request_bytes: int
    request_timeout_ms: int
    retry_backoff_ms: int


class Sender:
    """Drains one accumulator over one network."""

    def __init__(
        self, network: Network, accumulator: Accumulator, settings: SenderSettings
    ) -> None:
        """Nothing is sent before `start`; the network has been started."""
        self.progress = Signal(network.loop)
        """Fires when batches were delivered or failed: there is room, or nothing left to flush."""
        self.error: KafkaError | None = None
        """Why nothing can be sent any more."""
        self._network = network
        self._accumulator = accumulator
        self._settings = settings
        self._wakeup = Wakeup(network.loop)
        self._in_flight: dict[int, int] = {}
        self._next_id_try_ms = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def wake(self) -> Callable[[], None]:
        """Call this after an append that opened or filled a batch."""
        return self._wakeup.set

    def start(self) -> None:
        """Start the task."""
        self._network.on_change.append(self._network_changed)
        self._task = self._network.loop.create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Stop the task; what was not delivered fails."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._fail_all(KafkaTimeout("the producer was closed before this record was delivered"))

    async def _run(self) -> None:
        accumulator = self._accumulator
        while True:
            now_ms = self._network.now_ms()
            self._expire(now_ms)
            if accumulator.needs_producer_id and self._next_id_try_ms <= now_ms:
                await self._get_producer_id()
                continue
            self._send_ready(now_ms)
            next_ms = accumulator.next_ms(now_ms)
            if accumulator.needs_producer_id:
                next_ms = min(next_ms or self._next_id_try_ms, self._next_id_try_ms)
            await self._wakeup.wait(next_ms)

    def _network_changed(self) -> None:
        """Who waits before another try need not, if another broker leads by now (KAFKA-15415)."""
        now_ms, metadata = self._network.now_ms(), self._network.metadata
        for batch in self._accumulator.batches():
            if batch.leader is not None and batch.retry_at_ms > now_ms:
                leader = metadata.leader(batch.topic, batch.partition)
                if leader not in (None, batch.leader):
                    batch.retry_at_ms = now_ms
        self._wakeup.set()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """The task ended: on purpose, or by a fault that nobody foresaw, which must not hang."""
        if not task.cancelled() and (error := task.exception()) is not None:
            is_ours = isinstance(error, KafkaError)
            self._stop_for_good(error if is_ours else KafkaError(f"the sender failed: {error!r}"))

    async def _get_producer_id(self) -> None:
        """Ask for a producer id once; on failure say when to try again."""
        settings, network = self._settings, self._network
        now_ms = network.now_ms()
        timeout_ms = min(settings.request_timeout_ms, self._first_deadline_ms() - now_ms)
        request = InitProducerIdRequest(
            transactional_id=None, transaction_timeout_ms=settings.request_timeout_ms
        )
        try:
            response = await network.request(request, InitProducerIdResponse, max(timeout_ms, 1))
            if response.error_code:
                raise KafkaError.of(response.error_code, "no producer id")
        except KafkaError as error:
            if not error.retriable:
                self._stop_for_good(error)
            self._next_id_try_ms = network.now_ms() + settings.retry_backoff_ms
            return
        self._accumulator.set_producer(response.producer_id, response.producer_epoch)

    def _first_deadline_ms(self) -> int:
        """When the first batch is too old; far away if there is none."""
        far_ms = self._network.now_ms() + self._settings.request_timeout_ms
        return min((batch.deadline_ms for batch in self._accumulator.batches()), default=far_ms)

    def _expire(self, now_ms: int) -> None:
        """Fail the batches that are too old."""
        for batch in self._accumulator.expire(now_ms):
            leader = self._network.metadata.leader(batch.topic, batch.partition)
            where = "it has no known leader" if leader is None else f"its leader is broker {leader}"
            waited_ms = now_ms - batch.created_ms
            written = "perhaps written" if batch.is_in_doubt else "not written"
            message = (
                f"{batch.record_count} records for {batch.topic}-{batch.partition} were not "
                f"delivered within {waited_ms} ms, {written} ({where}); "
                f"{batch.last_error or 'is it reachable?'}"
            )
            self._fail(batch, KafkaTimeout(message))

    def _send_ready(self, now_ms: int) -> None:
        """Send one request to each leader that has something to get, until none can be sent."""
        by_leader: dict[int, list[TopicPartition]] = {}
        for partition in self._accumulator.ready(now_ms):
            leader = self._network.metadata.leader(*partition)
            if leader is None:
                self._network.request_refresh()
            else:
                by_leader.setdefault(leader, []).append(partition)
        for leader, partitions in by_leader.items():
            connection = self._network.ready(leader)
            if connection is not None and self._in_flight.get(leader, 0) < MAX_REQUESTS:
                self._send(leader, connection, self._take(partitions))

    def _take(self, partitions: list[TopicPartition]) -> list[ProducerBatch]:
        """A batch of each partition, as many as fit into one request."""
        batches: list[ProducerBatch] = []
        room_bytes = self._settings.max_request_bytes
        for partition in partitions:
            batch = self._accumulator.next_batch(partition)
            if batch is None or (batches and batch.size_bytes > room_bytes):
                # What does not fit goes with the next request, which follows at once.
                self._wakeup.set()
                continue
            room_bytes -= batch.size_bytes
            batches.append(self._accumulator.take(partition))
        return batches

    def _send(self, leader: int, connection: Connection, batches: list[ProducerBatch]) -> None:
        """Send these batches, which are in flight, in one request."""
        settings = self._settings
        for batch in batches:
            batch.leader = leader
        try:
            version = self._version(connection, batches)
            request = self._request(batches)
            if settings.acks == 0:
                connection.post(request, version)
                for batch in batches:
                    self._deliver(batch, NO_OFFSET, -1)
                return
            answer = connection.submit(
                request, ProduceResponse, settings.request_timeout_ms, version
            )
        except NetworkException as error:
            for batch in batches:
                self._retry(batch, error, in_doubt=False)
            return
        except KafkaError as error:
            for batch in batches:
                self._fail_refused(batch, error)
            return
        self._in_flight[leader] = self._in_flight.get(leader, 0) + 1
        answer.add_done_callback(partial(self._answered, leader, batches))
        # A partition may have more to send, up to its limit in flight.
        self._wakeup.set()

    def _version(self, connection: Connection, batches: list[ProducerBatch]) -> int:
        """The version to speak: topics by id only if each has one; zstd asks for a later one."""
        topics = self._network.metadata.topics
        has_ids = all((topic := topics.get(b.topic)) and topic.has_id for b in batches)
        version = connection.version_of(ProduceRequest, None if has_ids else _LAST_VERSION_BY_NAME)
        is_zstd = self._accumulator.settings.compression == CompressionType.zstd
        if is_zstd and version < _FIRST_VERSION_WITH_ZSTD:
            code = ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
            raise KafkaError.of(code, f"{connection.address} is too old for zstd: choose lz4")
        return version

    def _request(self, batches: list[ProducerBatch]) -> ProduceRequest:
        topics: dict[str, ProduceRequestTopic] = {}
        for batch in batches:
            topic = topics.get(batch.topic)
            if topic is None:
                known = self._network.metadata.topics.get(batch.topic)
                topic = ProduceRequestTopic(name=batch.topic, partition_data=[])
                topic.topic_id = known.id if known else topic.topic_id
                topics[batch.topic] = topic
            topic.partition_data.append(
                ProduceRequestPartition(index=batch.partition, records=batch.encoded)
            )
        return ProduceRequest(
            acks=self._settings.acks,
            timeout_ms=self._settings.request_timeout_ms,
            topic_data=list(topics.values()),
        )

    def _answered(
        self, leader: int, batches: list[ProducerBatch], answer: "asyncio.Future[ProduceResponse]"
    ) -> None:
        """Take the answer, or its absence, to each batch."""
        self._in_flight[leader] -= 1
        self._wakeup.set()
        if answer.cancelled() or answer.exception() is not None:
            error = None if answer.cancelled() else answer.exception()
            for batch in batches:
                self._retry(batch, error, in_doubt=True)
            return
        results = self._results(answer.result())
        for batch in batches:
            result = results.get((batch.topic, batch.partition))
            if result is None:
                self._retry(batch, "the answer says nothing of it", in_doubt=True)
            else:
                self._settle(batch, result)

    def _results(
        self, response: ProduceResponse
    ) -> dict[tuple[str, int], ProduceResponsePartition]:
        """The answers by topic's name and partition."""
        topics = self._network.metadata.topics.values()
        names = {topic.id: topic.name for topic in topics if topic.has_id}
        return {
            (topic.name or names.get(topic.topic_id, ""), partition.index): partition
            for topic in response.responses
            for partition in topic.partition_responses
        }

    def _settle(self, batch: ProducerBatch, result: ProduceResponsePartition) -> None:
        """Do as the table above says."""
        code = error_code_of(result.error_code)
        if code in _DELIVERED:
            self._deliver(batch, result.base_offset, result.log_append_time_ms)
        elif code in _OUT_OF_ORDER and batch.has_number:
            self._accumulator.out_of_order(batch, self._retry_at_ms(batch))
        elif code.retriable:
            self._network.request_refresh()
            self._retry(batch, f"{code.name}: {code.message}", in_doubt=code in _IN_DOUBT)
        else:
            sentence = result.error_message or code.message
            if code is ErrorCode.MESSAGE_TOO_LARGE:
                sentence += "; raise the topic's max.message.bytes, or lower batch_size_bytes"
            error = KafkaError.of(code, f"{batch.topic}-{batch.partition}: {sentence}")
            self._fail_refused(batch, error)

    def _retry(self, batch: ProducerBatch, why: object, *, in_doubt: bool) -> None:
        batch.last_error = f"the last error: {why}"
        self._accumulator.retry(batch, self._retry_at_ms(batch), in_doubt=in_doubt)
        self._wakeup.set()

    def _retry_at_ms(self, batch: ProducerBatch) -> int:
        backoff_ms = self._settings.retry_backoff_ms << min(max(batch.attempts - 1, 0), 10)
        return self._network.now_ms() + min(backoff_ms, MAX_BACKOFF_MS)

    def _deliver(self, batch: ProducerBatch, base_offset: int, append_time_ms: int) -> None:
        """Tell everybody who awaits a record of the batch where it lies."""
        self._accumulator.acknowledge(batch)
        batch.delivery.succeed(base_offset, append_time_ms)
        self.progress.fire()

    def _fail_refused(self, batch: ProducerBatch, error: KafkaError) -> None:
        self._accumulator.fail(batch)
        self._fail(batch, error)

    def _fail(self, batch: ProducerBatch, error: KafkaError) -> None:
        """Tell everybody who awaits a record of the batch that it failed."""
        batch.delivery.fail(error)
        self.progress.fire()

    def _fail_all(self, error: KafkaError) -> None:
        for batch in list(self._accumulator.batches()):
            self._fail_refused(batch, error)

    def _stop_for_good(self, error: KafkaError) -> None:
        self.error = error
        self._fail_all(error)
        self.progress.fire()
