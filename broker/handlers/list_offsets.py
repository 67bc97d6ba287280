"""ListOffsets: the offset at a time, or at the start or end of a partition.

By time the log opens the one batch that matters, since the answer is a record, not a batch. No
record at or after the time is no error: offset and timestamp are -1.

A new leader does not know the true high watermark before its own has come to where its leader epoch
began: until then it answers OFFSET_NOT_AVAILABLE to who asks for the end, or for a time at which
nothing below is found. Our followers do not ask this, so everybody is taken for a consumer.
"""

import logging
from collections import Counter

from ...protocol.api.list_offsets import (
    EARLIEST_LOCAL_TIMESTAMP,
    EARLIEST_PENDING_UPLOAD_TIMESTAMP,
    EARLIEST_TIMESTAMP,
    LATEST_TIERED_TIMESTAMP,
    LATEST_TIMESTAMP,
    MAX_TIMESTAMP,
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsResponse,
    ListOffsetsResponsePartition,
    ListOffsetsResponseTopic,
)
from ...protocol.errors import ErrorCode
from ...protocol.primitives import ProtocolError
from ..log.files import StorageError
from ..log.scan import CorruptLog
from ..replica.manager import Unserved
from ..replica.partition import Partition
from .context import Context, Exchange
from .topics import look_up, unreadable

log = logging.getLogger("minikafka.list_offsets")

FIRST_VERSION_WITH_NOT_AVAILABLE = 5
_NOTHING_TIERED = (LATEST_TIERED_TIMESTAMP, EARLIEST_PENDING_UPLOAD_TIMESTAMP)
_FIRST_VERSION_OF = {
    MAX_TIMESTAMP: 7,
    EARLIEST_LOCAL_TIMESTAMP: 8,
    LATEST_TIERED_TIMESTAMP: 9,
    EARLIEST_PENDING_UPLOAD_TIMESTAMP: 11,
}


def handle(
    exchange: Exchange, request: ListOffsetsRequest, context: Context
) -> ListOffsetsResponse:
    """One answer per partition named; who names one twice has made a mistake (as in Kafka)."""
    named = Counter(
        (topic.name, wanted.partition_index)
        for topic in request.topics
        for wanted in topic.partitions
    )
    return ListOffsetsResponse(
        topics=[
            ListOffsetsResponseTopic(
                name=topic.name,
                partitions=[
                    _answer(
                        look_up(topic.name, wanted.partition_index, context),
                        wanted,
                        exchange.version,
                    )
                    if named[topic.name, wanted.partition_index] == 1
                    else ListOffsetsResponsePartition(
                        partition_index=wanted.partition_index,
                        error_code=ErrorCode.INVALID_REQUEST,
                    )
                    for wanted in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def _answer(
    partition: Partition | Unserved, wanted: ListOffsetsRequestPartition, version: int
) -> ListOffsetsResponsePartition:
    answer = ListOffsetsResponsePartition(partition_index=wanted.partition_index, error_code=0)
    if isinstance(partition, Unserved):
        answer.error_code = partition.error_code
        return answer
    answer.error_code = partition.refuse_as_leader(wanted.current_leader_epoch)
    if wanted.timestamp < 0 and not _is_known_in(version, wanted.timestamp):
        answer.error_code = ErrorCode.UNSUPPORTED_VERSION
    if not answer.error_code:
        try:
            if not _find(partition, wanted.timestamp, answer):
                answer.error_code = (
                    ErrorCode.OFFSET_NOT_AVAILABLE
                    if version >= FIRST_VERSION_WITH_NOT_AVAILABLE
                    else ErrorCode.LEADER_NOT_AVAILABLE
                )
        except ProtocolError:
            # The batch that the time leads to cannot be opened: its producer sent it so.
            answer.error_code = ErrorCode.CORRUPT_MESSAGE
        except (CorruptLog, StorageError) as error:
            log.error("%s cannot be read by time: %s", partition, error)
            answer.error_code = unreadable(error)
    return answer


def _is_known_in(version: int, timestamp: int) -> bool:
    known = timestamp in (LATEST_TIMESTAMP, EARLIEST_TIMESTAMP)
    return known or version >= _FIRST_VERSION_OF.get(timestamp, version + 1)


def _find(partition: Partition, timestamp: int, answer: ListOffsetsResponsePartition) -> bool:
    """Put the offset into the answer; False if a leader that knew more might find another."""
    log = partition.log
    if timestamp in _NOTHING_TIERED:
        return True
    end_offset = partition.last_stable_offset
    if timestamp == LATEST_TIMESTAMP:
        if not partition.is_high_watermark_known:
            return False
        answer.offset = end_offset
        answer.leader_epoch = partition.leader_epoch
        return True
    if timestamp in (EARLIEST_TIMESTAMP, EARLIEST_LOCAL_TIMESTAMP):
        answer.offset = log.log_start_offset
        answer.leader_epoch = partition.epochs.epoch_at(log.log_start_offset)
        return True
    if timestamp == MAX_TIMESTAMP:
        found = log.max_timestamp(end_offset)
    else:
        found = log.offset_for_time(timestamp, end_offset)
    if found is not None:
        answer.offset, answer.timestamp, answer.leader_epoch = found
    return found is not None or partition.is_high_watermark_known
