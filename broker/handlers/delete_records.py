"""DeleteRecords: a partition starts at a later offset from now on (KIP-107).

The new start is on disk before the answer; the segments below it go with the next search for old
ones. Followers learn the new start from their next fetch, a moment later: the low watermark in the
answer is the leader's start, where Kafka waits for the smallest of all replicas.

    topic is internal                          INVALID_TOPIC_EXCEPTION
    not led here                               NOT_LEADER_OR_FOLLOWER
    no such partition                          UNKNOWN_TOPIC_OR_PARTITION
    topic is only compacted                    POLICY_VIOLATION
    offset above the high watermark, or < -1   OFFSET_OUT_OF_RANGE
    offset below the start                     no error: nothing to do

Left out: the time-out, since nothing is waited for.
"""

import logging

from ...protocol.api.delete_records import (
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsResponsePartition,
    DeleteRecordsResponseTopic,
)
from ...protocol.errors import ErrorCode
from ..controller.decide import INTERNAL_TOPICS
from ..log.files import StorageError, StorageFailed
from ..replica.manager import Unserved
from ..replica.partition import Partition
from .context import Context, Exchange
from .topics import look_up

NO_LOW_WATERMARK = -1
NO_EPOCH = -1

log = logging.getLogger("minikafka.delete_records")


def handle(
    exchange: Exchange, request: DeleteRecordsRequest, context: Context
) -> DeleteRecordsResponse:
    """One answer per partition named."""
    del exchange
    response = DeleteRecordsResponse(topics=[])
    wanted: list[tuple[Partition, int]] = []
    answers: list[DeleteRecordsResponsePartition] = []
    for topic in request.topics:
        topic_answer = DeleteRecordsResponseTopic(name=topic.name, partitions=[])
        response.topics.append(topic_answer)
        for each in topic.partitions:
            found = _find(topic.name, each.partition_index, context)
            answer = DeleteRecordsResponsePartition(
                partition_index=each.partition_index,
                low_watermark=NO_LOW_WATERMARK,
                error_code=found if isinstance(found, ErrorCode) else ErrorCode.NONE,
            )
            topic_answer.partitions.append(answer)
            if isinstance(found, Partition):
                wanted.append((found, each.offset))
                answers.append(answer)
    for (partition, _), answer, code in zip(wanted, answers, _delete(wanted, context), strict=True):
        answer.error_code = code
        if not code:
            answer.low_watermark = partition.log.log_start_offset
    return response


def _find(topic: str, index: int, context: Context) -> Partition | ErrorCode:
    if topic in INTERNAL_TOPICS:
        return ErrorCode.INVALID_TOPIC_EXCEPTION
    found = look_up(topic, index, context)
    if isinstance(found, Unserved):
        return found.error_code
    return found.refuse_as_leader(NO_EPOCH) or found


def _delete(wanted: list[tuple[Partition, int]], context: Context) -> list[ErrorCode]:
    try:
        return context.housekeeping.delete_records(wanted)
    except StorageError as error:
        log.error("the new log starts could not be saved: %s", error)
        if isinstance(error, StorageFailed):
            context.replicas.on_failure(error)
        return [ErrorCode.KAFKA_STORAGE_ERROR] * len(wanted)
