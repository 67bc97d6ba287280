"""ElectLeaders: give partitions another leader (KIP-183, KIP-460); the active controller answers.

Who asks for some partitions gets an answer for each; who asks for all, for those that could do with
an election.
"""

from collections.abc import Mapping

from ...protocol.api.elect_leaders import (
    ElectionType,
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)
from ...protocol.errors import ErrorCode
from ..controller.decide_elections import Partition, elect_leaders
from ..controller.leadership import Election
from .context import Context, Exchange

_ELECTIONS: Mapping[int, Election] = {
    ElectionType.PREFERRED: Election.PREFERRED,
    ElectionType.UNCLEAN: Election.UNCLEAN,
}


async def handle(
    exchange: Exchange, request: ElectLeadersRequest, context: Context
) -> ElectLeadersResponse:
    """Hold the elections in one decision."""
    del exchange
    partitions = _partitions(request)
    election = _ELECTIONS.get(request.election_type)
    if election is None:
        return _answer(ErrorCode.INVALID_REQUEST, dict.fromkeys(partitions or ()))
    decision = await context.controller.submit(
        lambda image: elect_leaders(image, context.config, partitions, election)
    )
    if decision.error_code:
        return _answer(decision.error_code, dict.fromkeys(partitions or ()))
    return _answer(ErrorCode.NONE, decision.value)


def _partitions(request: ElectLeadersRequest) -> list[Partition] | None:
    if request.topic_partitions is None:
        return None
    return [
        (topic.topic, index) for topic in request.topic_partitions for index in topic.partitions
    ]


def _answer(
    error_code: ErrorCode, outcomes: dict[Partition, ErrorCode | None]
) -> ElectLeadersResponse:
    """The outcomes by topic; None stands for the error of the whole request."""
    results: dict[str, ReplicaElectionResult] = {}
    for (topic, index), outcome in outcomes.items():
        error = error_code if outcome is None else outcome
        result = PartitionResult(
            partition_id=index,
            error_code=error,
            error_message=error.message if error else None,
        )
        results.setdefault(topic, ReplicaElectionResult(topic=topic, partition_result=[]))
        results[topic].partition_result.append(result)
    return ElectLeadersResponse(
        error_code=error_code, replica_election_results=list(results.values())
    )
