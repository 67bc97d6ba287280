"""The controllers of a cluster: who leads their quorum and how far each is, and brokers forgotten.

QuorumInfo ── voters      who decide: what most of them have is committed
           ── observers   who only follow: the brokers without a vote
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from ..protocol.api.describe_quorum import (
    METADATA_TOPIC,
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    PartitionData,
    ReplicaState,
    RequestPartitionData,
    RequestTopicData,
)
from ..protocol.api.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse
from ..protocol.errors import ErrorCode, KafkaError
from ..transport.connection import Connection
from . import questions
from .network import Network
from .outcome import Outcome

_UNKNOWN: Final = -1
Endpoint = tuple[str, int]


@dataclass(frozen=True, slots=True)
class QuorumReplica:
    """A voter or observer as the leader knows it; None for what it does not know or say.

    Times are the leader's, in ms since 1970. `endpoints` are where a voter listens, where a
    cluster tells it (KIP-853).
    """

    id: int
    log_end_offset: int | None
    lag: int | None
    """How many offsets of the metadata log it is behind the leader."""
    last_fetch_ms: int | None
    last_caught_up_ms: int | None
    endpoints: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class QuorumInfo:
    """The quorum of the metadata log; `leader_id` is None while nobody leads."""

    leader_id: int | None
    leader_epoch: int
    high_watermark: int
    voters: tuple[QuorumReplica, ...]
    observers: tuple[QuorumReplica, ...]


async def describe_quorum(network: Network, timeout_ms: int) -> QuorumInfo:
    """How the controllers' quorum is now."""
    return await questions.repeat(network, partial(_describe_once, network), timeout_ms)


async def _describe_once(network: Network, timeout_ms: int) -> QuorumInfo:
    topic = RequestTopicData(
        topic_name=METADATA_TOPIC, partitions=[RequestPartitionData(partition_index=0)]
    )
    request = DescribeQuorumRequest(topics=[topic])
    response = await network.request(request, DescribeQuorumResponse, timeout_ms)
    _raise(response.error_code, response.error_message)
    for topic in response.topics:
        for each in topic.partitions:
            _raise(each.error_code, each.error_message)
            endpoints = {
                node.node_id: tuple((each.host, each.port) for each in node.listeners)
                for node in response.nodes
            }
            return _quorum(each, endpoints)
    raise KafkaError.of(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "the answer describes no quorum")


async def unregister_broker(network: Network, broker_id: int, timeout_ms: int) -> list[Outcome]:
    """Forget a broker that will not come back; what became of it."""
    request = UnregisterBrokerRequest(broker_id=broker_id)

    async def ask(connection: Connection, left_ms: int) -> list[Outcome]:
        response = await connection.request(request, UnregisterBrokerResponse, left_ms)
        return [Outcome(f"broker {broker_id}", response.error_code, response.error_message)]

    return await questions.change(network, ask, timeout_ms)


def _raise(error_code: int, message: str | None) -> None:
    if error_code:
        raise KafkaError.of(error_code, message)


def _quorum(data: PartitionData, endpoints: Mapping[int, Sequence[Endpoint]]) -> QuorumInfo:
    states = [*data.current_voters, *data.observers]
    ends = {each.replica_id: each.log_end_offset for each in states}
    leader_end = ends.get(data.leader_id, _UNKNOWN)

    def replica(state: ReplicaState) -> QuorumReplica:
        end = _known(state.log_end_offset)
        return QuorumReplica(
            id=state.replica_id,
            log_end_offset=end,
            lag=None if end is None or leader_end == _UNKNOWN else max(leader_end - end, 0),
            last_fetch_ms=_known(state.last_fetch_timestamp),
            last_caught_up_ms=_known(state.last_caught_up_timestamp),
            endpoints=tuple(endpoints.get(state.replica_id, ())),
        )

    return QuorumInfo(
        leader_id=_known(data.leader_id),
        leader_epoch=data.leader_epoch,
        high_watermark=data.high_watermark,
        voters=tuple(map(replica, data.current_voters)),
        observers=tuple(map(replica, data.observers)),
    )


def _known(number: int) -> int | None:
    return None if number == _UNKNOWN else number
