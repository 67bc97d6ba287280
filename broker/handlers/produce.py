"""Produce: append batches. Checked and staged here; answered when `acks` is satisfied.

    acks  0   no answer; an error closes the connection, so that the client asks who leads now
          1   after the write
         -1   after the high watermark has passed the batch, which with `--flush fsync` means
              that it is on disk

Nothing is answered before the write at the end of the readable event, so each request waits in
the manager's hands: usually for microseconds, with acks -1 for the next flush round.
"""

from ...protocol.api.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceResponse,
    ProduceResponsePartition,
    ProduceResponseTopic,
    RecordError,
)
from ...protocol.compression import CompressionType
from ...protocol.errors import ErrorCode
from ..controller.decide import INTERNAL_TOPICS
from ..controller.image import TopicImage
from ..replica.partition import Appended, Partition
from .context import Context, Exchange
from .topics import find_topic

ALL_REPLICAS = -1
FIRST_VERSION_WITH_ZSTD = 7
_ATTRIBUTES_LOW_BYTE = 22  # of a batch: its lowest three bits name the codec
_CODEC_MASK = 0x07


class ProduceWait:
    """A produce request on its way to its acks."""

    __slots__ = ("_acks", "_exchange", "_pending", "_response")

    def __init__(self, exchange: Exchange, acks: int) -> None:
        self._exchange = exchange
        self._acks = acks
        self._response = ProduceResponse(responses=[])
        self._pending: list[tuple[ProduceResponsePartition, Partition | None, Appended]] = []

    @property
    def partitions(self) -> list[Partition]:
        """The partitions that something was appended to."""
        return [partition for _, partition, _ in self._pending if partition is not None]

    def add_topic(self, name: str, topic_id: bytes) -> ProduceResponseTopic:
        """Begin the answer for one topic."""
        topic = ProduceResponseTopic(name=name, topic_id=topic_id, partition_responses=[])
        self._response.responses.append(topic)
        return topic

    def add(
        self,
        topic: ProduceResponseTopic,
        index: int,
        partition: Partition | None,
        appended: Appended,
    ) -> None:
        """Begin the answer for one partition; its error and offset are filled in by `finish`."""
        answer = ProduceResponsePartition(index=index, error_code=0, base_offset=-1)
        topic.partition_responses.append(answer)
        self._pending.append((answer, partition, appended))

    def is_ready(self) -> bool:
        """Whether every append has its acks, or an error."""
        return self._acks != ALL_REPLICAS or all(
            _has_all_acks(partition, appended) for _, partition, appended in self._pending
        )

    def finish(self) -> None:
        """Answer; an append that still lacks its acks has timed out."""
        for answer, partition, appended in self._pending:
            if self._acks == ALL_REPLICAS and not _has_all_acks(partition, appended):
                appended.fail(ErrorCode.REQUEST_TIMED_OUT, "it is written, not yet acknowledged")
            _fill(answer, partition, appended)
        if self._acks:
            self._exchange.answer(self._response)
        elif failed := next((a for _, _, a in self._pending if a.error_code), None):
            self._exchange.close(f"a produce with acks 0 failed: {failed.error_message}")
        else:
            self._exchange.answer_nothing()


def handle(exchange: Exchange, request: ProduceRequest, context: Context) -> None:
    """Stage every batch; the manager finishes the wait after the write or after the flush."""
    wait = ProduceWait(exchange, request.acks)
    refused = _refuse_request(request)
    now_ms = context.clock.now_ms()
    for topic in request.topic_data:
        found = find_topic(context.controller.image, topic.name, topic.topic_id)
        answer = wait.add_topic(topic.name, topic.topic_id)
        for data in topic.partition_data:
            partition = _find_partition(found, data.index, context)
            problem = refused or _refuse_partition(exchange, found, data, partition)
            if problem is not None or partition is None:
                wait.add(answer, data.index, None, problem or _unknown_partition(data.index))
            else:
                batch = memoryview(data.records or b"")
                wait.add(
                    answer, data.index, partition, context.replicas.append(partition, batch, now_ms)
                )
    context.replicas.finish_after_write(wait, wait.partitions, max(request.timeout_ms, 0))


def _refuse_request(request: ProduceRequest) -> Appended | None:
    if request.acks not in (-1, 0, 1):
        message = f"acks is -1, 0 or 1, not {request.acks}"
        return Appended(ErrorCode.INVALID_REQUIRED_ACKS, message)
    if request.transactional_id is not None:
        message = "this broker has no transactions"
        return Appended(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, message)
    return None


def _refuse_partition(
    exchange: Exchange,
    found: TopicImage | ErrorCode,
    data: ProduceRequestPartition,
    partition: Partition | None,
) -> Appended | None:
    if isinstance(found, ErrorCode):
        return Appended(found)
    if found.name in INTERNAL_TOPICS:
        message = f"clients cannot write to the internal topic {found.name!r}"
        return Appended(ErrorCode.INVALID_TOPIC_EXCEPTION, message)
    if partition is None:
        return _unknown_partition(data.index)
    if not data.records:
        return Appended(ErrorCode.INVALID_RECORD, "a produce without a record batch")
    if (
        exchange.version < FIRST_VERSION_WITH_ZSTD
        and len(data.records) > _ATTRIBUTES_LOW_BYTE
        and data.records[_ATTRIBUTES_LOW_BYTE] & _CODEC_MASK == CompressionType.zstd
    ):
        message = f"zstd needs Produce v{FIRST_VERSION_WITH_ZSTD} or newer"
        return Appended(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, message)
    return None


def _find_partition(
    found: TopicImage | ErrorCode, index: int, context: Context
) -> Partition | None:
    return None if isinstance(found, ErrorCode) else context.replicas.find(found.name, index)


def _unknown_partition(index: int) -> Appended:
    return Appended(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"no partition {index}")


def _has_all_acks(partition: Partition | None, appended: Appended) -> bool:
    return (
        partition is None
        or appended.error_code != ErrorCode.NONE
        or partition.high_watermark >= appended.next_offset
        or partition.is_removed
    )


def _fill(
    answer: ProduceResponsePartition, partition: Partition | None, appended: Appended
) -> None:
    if partition is not None and partition.is_removed and not appended.error_code:
        appended.fail(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "the topic was deleted meanwhile")
    answer.error_code = appended.error_code
    answer.error_message = appended.error_message
    answer.base_offset = appended.base_offset
    answer.log_append_time_ms = appended.log_append_time_ms
    if appended.record_errors:
        answer.record_errors = [
            RecordError(batch_index=index, batch_index_error_message=appended.error_message)
            for index in appended.record_errors
        ]
    if partition is not None:
        answer.log_start_offset = partition.log.log_start_offset
