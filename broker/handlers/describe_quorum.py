"""DescribeQuorum: who leads the controllers, and how far is each? The active controller answers.

As in Kafka, the one partition that can be asked for, alone, is partition 0 of the metadata topic;
who asks another controller than the leader gets NOT_LEADER_OR_FOLLOWER.
"""

from ...protocol.api.describe_quorum import (
    METADATA_TOPIC,
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    Listener,
    Node,
    PartitionData,
    ReplicaState,
    TopicData,
)
from ...protocol.control import VoterAddress
from ...protocol.errors import ErrorCode
from ...protocol.primitives import ZERO_UUID
from ..controller.quorum_report import QuorumReport, ReplicaProgress
from ..log.checkpoints import decode_uuid
from .context import Context, Exchange

CONTROLLER_LISTENER = "CONTROLLER"
"""What Kafka calls the listener of its controllers, as a rule."""
UNKNOWN = -1


def handle(
    exchange: Exchange, request: DescribeQuorumRequest, context: Context
) -> DescribeQuorumResponse:
    """The quorum, or an error for each partition named."""
    del exchange
    named = [
        (topic.topic_name, each.partition_index)
        for topic in request.topics
        for each in topic.partitions
    ]
    report = context.controller.quorum_state()
    if named != [(METADATA_TOPIC, 0)]:
        return _refuse(request, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if report is None:
        return _refuse(request, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    partition = _partition(report)
    return DescribeQuorumResponse(
        error_code=ErrorCode.NONE,
        topics=[TopicData(topic_name=METADATA_TOPIC, partitions=[partition])],
        nodes=[_node(address) for address in report.addresses],
    )


def _partition(report: QuorumReport) -> PartitionData:
    return PartitionData(
        partition_index=0,
        error_code=ErrorCode.NONE,
        leader_id=report.leader_id,
        leader_epoch=report.epoch,
        high_watermark=report.high_watermark,
        current_voters=[_state(each) for each in report.voters],
        observers=[_state(each) for each in report.observers],
    )


def _state(progress: ReplicaProgress) -> ReplicaState:
    directory_id = progress.directory_id
    return ReplicaState(
        replica_id=progress.node_id,
        replica_directory_id=decode_uuid(directory_id) if directory_id else ZERO_UUID,
        log_end_offset=progress.log_end_offset,
        last_fetch_timestamp=progress.fetched_ms,
        last_caught_up_timestamp=progress.caught_up_ms,
    )


def _node(address: VoterAddress) -> Node:
    listener = Listener(name=CONTROLLER_LISTENER, host=address.host, port=address.port)
    return Node(node_id=address.voter_id, listeners=[listener])


def _refuse(request: DescribeQuorumRequest, error: ErrorCode) -> DescribeQuorumResponse:
    return DescribeQuorumResponse(
        error_code=ErrorCode.NONE,
        topics=[
            TopicData(
                topic_name=topic.topic_name,
                partitions=[
                    PartitionData(
                        partition_index=each.partition_index,
                        error_code=error,
                        error_message=error.message,
                        leader_id=UNKNOWN,
                        leader_epoch=UNKNOWN,
                        high_watermark=UNKNOWN,
                        current_voters=[],
                        observers=[],
                    )
                    for each in topic.partitions
                ],
            )
            for topic in request.topics
        ],
        nodes=[],
    )
