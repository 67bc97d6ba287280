"""Produce: append batches. Checked and staged here; answered when `acks` is satisfied.

    acks  0   no answer; an error closes the connection, so that the client asks who leads now
          1   after the write
         -1   after the high watermark has passed the batch: all replicas in sync have it, which
              with `--flush fsync` means on disk

Who is not led here is told who leads (`leader_hints`). Leadership that is lost while a batch waits
is NOT_LEADER_OR_FOLLOWER as well, and then the batch may be in the log or not.

Nothing is answered before the write at the end of the readable event, so each request waits in
the manager's hands: usually for microseconds, with acks -1 for the next flush round.
"""

from typing import cast

from ...protocol.api.produce import (
    CurrentLeader,
    NodeEndpoint,
    ProduceRequest,
    ProduceRequestPartition,
    ProduceResponse,
    ProduceResponsePartition,
    ProduceResponseTopic,
    RecordError,
)
from ...protocol.batch import CODEC_MASK, CRC_END
from ...protocol.compression import CompressionType
from ...protocol.errors import ErrorCode
from ...protocol.primitives import Buffer
from ..controller.decide import INTERNAL_TOPICS
from ..replica.appended import Appended
from ..replica.manager import Unserved
from ..replica.partition import Partition
from .context import Context, Exchange
from .leader_hints import LeaderHints
from .topics import find_replica, find_topic

ALL_REPLICAS = -1
LEADER_ONLY = 1
FIRST_VERSION_WITH_ZSTD = 7
ATTRIBUTES_LOW_BYTE = CRC_END + 1  # the lowest three bits of a batch's attributes name the codec

_NOT_LED_HERE = int(ErrorCode.NOT_LEADER_OR_FOLLOWER)

Result = tuple[int, Partition | None, Appended]


class ProduceWait:
    """A produce request on its way to its acks."""

    __slots__ = ("_acks", "_context", "_exchange", "_topics")

    def __init__(self, exchange: Exchange, acks: int, context: Context) -> None:
        self._exchange = exchange
        self._acks = acks
        self._context = context
        self._topics: list[tuple[str, bytes, list[Result]]] = []

    def add_topic(self, name: str, topic_id: bytes) -> list[Result]:
        """The list that takes the results of one topic."""
        results: list[Result] = []
        self._topics.append((name, topic_id, results))
        return results

    def partitions(self) -> list[Partition]:
        """The partitions that something was appended to."""
        return [
            partition
            for _, _, results in self._topics
            for _, partition, _ in results
            if partition is not None
        ]

    def is_ready(self) -> bool:
        """Whether every append has its acks, or an error."""
        if self._acks != ALL_REPLICAS:
            return True
        for _, _, results in self._topics:
            for _, partition, appended in results:
                if partition is not None and not partition.has_all_acks(appended):
                    return False
        return True

    def finish(self) -> None:
        """Answer; an append that still lacks its acks has timed out."""
        if self._acks == ALL_REPLICAS:
            self._fail_unfinished()
        if self._acks:
            self._exchange.answer(self._response())
        elif failed := self._first_failure():
            reason = failed.error_message or failed.error_code.message
            name = failed.error_code.name
            self._exchange.close(f"a produce with acks 0 failed: {name}, {reason}")
        else:
            self._exchange.answer_nothing()

    def _response(self) -> ProduceResponse:
        response = ProduceResponse(
            responses=[
                ProduceResponseTopic(
                    name=name,
                    topic_id=topic_id,
                    partition_responses=[_answer(*result) for result in results],
                )
                for name, topic_id, results in self._topics
            ]
        )
        if self._first_failure() is not None:
            self._hint(response)
        return response

    def _hint(self, response: ProduceResponse) -> None:
        """Say who leads what is not led here."""
        hints = LeaderHints(self._exchange, self._context)
        for topic in response.responses:
            for answer in topic.partition_responses:
                if answer.error_code == _NOT_LED_HERE:
                    leader_id, epoch = hints.leader_of(topic.name, topic.topic_id, answer.index)
                    answer.current_leader = CurrentLeader(leader_id=leader_id, leader_epoch=epoch)
        response.node_endpoints = [
            NodeEndpoint(node_id=each.node_id, host=each.host, port=each.port)
            for each in hints.endpoints()
        ]

    def _fail_unfinished(self) -> None:
        for _, _, results in self._topics:
            for _, partition, appended in results:
                if partition is not None:
                    fail_unacknowledged(partition, appended)

    def _first_failure(self) -> Appended | None:
        appends = (appended for _, _, results in self._topics for _, _, appended in results)
        return next((appended for appended in appends if appended.error_code), None)


def handle(exchange: Exchange, request: ProduceRequest, context: Context) -> None:
    """Stage every batch; the manager finishes the wait after the write or after the flush."""
    wait = ProduceWait(exchange, request.acks, context)
    refused = _refuse_request(request)
    now_ms = context.clock.now_ms()
    replicas = context.replicas
    for topic in request.topic_data:
        found = find_topic(context.controller.image, topic.name, topic.topic_id)
        results = wait.add_topic(topic.name, topic.topic_id)
        for data in topic.partition_data:
            partition = find_replica(found, data.index, replicas)
            if isinstance(partition, Unserved):
                results.append((data.index, None, refused or Appended(*partition)))
                continue
            problem = refused or _refuse_partition(exchange.version, data, partition)
            if problem is not None:
                results.append((data.index, None, problem))
                continue
            batch = cast(memoryview, data.records)
            appended = replicas.append(partition, batch, now_ms, request.acks)
            results.append((data.index, partition, appended))
    replicas.finish_after_write(wait, request.timeout_ms)


def _refuse_request(request: ProduceRequest) -> Appended | None:
    if request.acks not in (-1, 0, 1):
        message = f"acks is -1, 0 or 1, not {request.acks}"
        return Appended(ErrorCode.INVALID_REQUIRED_ACKS, message)
    if request.transactional_id is not None:
        message = "this broker has no transactions"
        return Appended(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, message)
    return None


def fail_unacknowledged(partition: Partition, appended: Appended) -> None:
    """Turn a batch that does not have its acks, and may get them or not, into a failure."""
    if appended.error_code:
        return
    match partition.acks_outcome(appended):
        case ErrorCode.NONE:
            pass
        case None:
            appended.fail(ErrorCode.REQUEST_TIMED_OUT, "it is written, not yet acknowledged")
        case ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            message = "the topic was deleted meanwhile"
            appended.fail(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message)
        case error:
            appended.fail(error, error.message)


def _refuse_partition(
    version: int, data: ProduceRequestPartition, partition: Partition
) -> Appended | None:
    if partition.topic in INTERNAL_TOPICS:
        message = f"clients cannot write to the internal topic {partition.topic!r}"
        return Appended(ErrorCode.INVALID_TOPIC_EXCEPTION, message)
    if not data.records:
        return Appended(ErrorCode.INVALID_RECORD, "a produce without a record batch")
    if version < FIRST_VERSION_WITH_ZSTD and _codec(data.records) == CompressionType.zstd:
        message = f"zstd needs Produce v{FIRST_VERSION_WITH_ZSTD} or newer"
        return Appended(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, message)
    return None


def _codec(batch: Buffer) -> int:
    """The codec of a batch that nobody has checked yet."""
    if len(batch) <= ATTRIBUTES_LOW_BYTE:
        return CompressionType.none
    return batch[ATTRIBUTES_LOW_BYTE] & CODEC_MASK


def _answer(
    index: int, partition: Partition | None, appended: Appended
) -> ProduceResponsePartition:
    answer = ProduceResponsePartition(
        index=index,
        error_code=appended.error_code,
        base_offset=appended.base_offset,
        log_append_time_ms=appended.log_append_time_ms,
        log_start_offset=-1 if partition is None else partition.log.log_start_offset,
    )
    if appended.error_code:
        answer.error_message = appended.error_message
        answer.record_errors = [
            RecordError(batch_index=index, batch_index_error_message=appended.error_message)
            for index in appended.record_errors
        ]
    return answer
