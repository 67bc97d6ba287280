"""OffsetForLeaderEpoch: where does this epoch end in your log? (KIP-320)

Consumers ask the leader after it has changed. Our followers learn the same from their fetches.
"""

from ...protocol.api.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochRequestPartition,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderEpochResponseTopic,
)
from ..replica.manager import Unserved
from ..replica.partition import Partition
from .context import Context, Exchange
from .topics import look_up


def handle(
    exchange: Exchange, request: OffsetForLeaderEpochRequest, context: Context
) -> OffsetForLeaderEpochResponse:
    """One answer per partition named; (-1, -1) for an epoch that this log does not know."""
    del exchange
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderEpochResponseTopic(
                topic=topic.topic,
                partitions=[
                    _answer(look_up(topic.topic, wanted.partition, context), wanted)
                    for wanted in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def _answer(
    partition: Partition | Unserved, wanted: OffsetForLeaderEpochRequestPartition
) -> EpochEndOffset:
    answer = EpochEndOffset(error_code=0, partition=wanted.partition)
    if isinstance(partition, Unserved):
        answer.error_code = partition.error_code
        return answer
    answer.error_code = partition.refuse_as_leader(wanted.current_leader_epoch)
    if not answer.error_code:
        answer.leader_epoch, answer.end_offset = partition.epochs.end_offset_for(
            wanted.leader_epoch, partition.log.written_offset
        )
    return answer
