"""DescribeQuorum: the leader tells how far everybody is, and nobody else does."""

from dataclasses import replace

import pytest

from minikafka.broker.controller.quorum_report import QuorumReport, ReplicaProgress
from minikafka.broker.handlers import forwarding
from minikafka.protocol.api.describe_quorum import (
    METADATA_TOPIC,
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    RequestPartitionData,
    RequestTopicData,
)
from minikafka.protocol.control import VoterAddress
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode
from .following import follow


async def quorum_of(
    node: ServedNode, topic: str = METADATA_TOPIC, *indexes: int, version: int = 2
) -> DescribeQuorumResponse:
    """The answer for these partitions, or for partition 0."""
    partitions = [RequestPartitionData(partition_index=index) for index in indexes or (0,)]
    request = DescribeQuorumRequest(
        topics=[RequestTopicData(topic_name=topic, partitions=partitions)]
    )
    answer: DescribeQuorumResponse = await node.call(request, version)
    assert answer.error_code == ErrorCode.NONE
    return answer


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_a_lone_node_is_a_quorum_of_one(node: ServedNode, version: int) -> None:
    (partition,) = (await quorum_of(node, version=version)).topics[0].partitions
    controller = node.node._controller
    assert (partition.error_code, partition.leader_id) == (ErrorCode.NONE, 1)
    assert partition.leader_epoch == controller.epoch
    assert partition.high_watermark == controller.committed_offset
    (voter,) = partition.current_voters
    assert (voter.replica_id, voter.log_end_offset) == (1, controller.end_offset)
    assert (voter.last_fetch_timestamp > 0) == (version > 0)
    assert partition.observers == []


class Reporting:
    """A controller that says this of its quorum, and is what it stands for in all else."""

    def __init__(self, controller: object, report: QuorumReport) -> None:
        self._controller = controller
        self._report = report

    def __getattr__(self, name: str) -> object:
        return getattr(self._controller, name)

    def quorum_state(self) -> QuorumReport:
        return self._report


async def test_voters_and_observers_are_told_with_what_is_known_of_them(node: ServedNode) -> None:
    report = QuorumReport(
        leader_id=1,
        epoch=7,
        high_watermark=40,
        voters=(ReplicaProgress(1, "AAAAAAAAAAAAAAAAAAAAAQ", 42, 9, 9), ReplicaProgress(2)),
        observers=(ReplicaProgress(4, "", 41, 8, 6),),
        addresses=(VoterAddress(1, "a.example", 19092), VoterAddress(2, "b.example", 65535)),
    )
    server = node.node._server
    controller = Reporting(server.context.controller, report)
    server.context = replace(server.context, controller=controller)
    answer = await quorum_of(node)
    (partition,) = answer.topics[0].partitions
    assert (partition.leader_id, partition.leader_epoch, partition.high_watermark) == (1, 7, 40)
    told = [
        (
            each.replica_id,
            each.replica_directory_id,
            each.log_end_offset,
            each.last_fetch_timestamp,
            each.last_caught_up_timestamp,
        )
        for each in [*partition.current_voters, *partition.observers]
    ]
    nothing = bytes(16)
    assert told == [
        (1, bytes(15) + b"\1", 42, 9, 9),
        (2, nothing, -1, -1, -1),
        (4, nothing, 41, 8, 6),
    ]
    nodes = [
        (each.node_id, [(one.name, one.host, one.port) for one in each.listeners])
        for each in answer.nodes
    ]
    assert nodes == [
        (1, [("CONTROLLER", "a.example", 19092)]),
        (2, [("CONTROLLER", "b.example", 65535)]),
    ]


@pytest.mark.parametrize(
    ("topic", "indexes"), [("orders", (0,)), (METADATA_TOPIC, (1,)), (METADATA_TOPIC, (0, 0))]
)
async def test_there_is_one_quorum_to_ask_for(
    node: ServedNode, topic: str, indexes: tuple[int, ...]
) -> None:
    answer = await quorum_of(node, topic, *indexes)
    errors = [each.error_code for each in answer.topics[0].partitions]
    assert errors == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION] * len(indexes)


async def test_while_nobody_leads_nobody_knows(
    node: ServedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "FORWARD_TIMEOUT_S", 0.0)
    follow(node, None)
    (partition,) = (await quorum_of(node)).topics[0].partitions
    assert partition.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
