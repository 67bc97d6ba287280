"""DescribeCluster: the brokers and the controller, without any topic (KIP-700, KIP-1073)."""

from ...protocol.api.describe_cluster import (
    BROKER_ENDPOINT,
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from ...protocol.errors import ErrorCode
from ..controller.image import Standing
from . import operations
from .context import Context, Exchange
from .endpoints import controller_of, endpoint_of


def handle(
    exchange: Exchange, request: DescribeClusterRequest, context: Context
) -> DescribeClusterResponse:
    """Brokers only: controllers have no Kafka endpoint of their own here (KIP-919)."""
    image = context.controller.image
    answer = DescribeClusterResponse(
        error_code=ErrorCode.NONE,
        endpoint_type=request.endpoint_type,
        cluster_id=image.cluster_id,
        controller_id=controller_of(context),
        brokers=[],
    )
    if request.endpoint_type != BROKER_ENDPOINT:
        answer.error_code = ErrorCode.MISMATCHED_ENDPOINT_TYPE
        answer.error_message = "this endpoint describes brokers only"
        return answer
    for _, broker in sorted(image.brokers.items()):
        is_fenced = broker.standing is Standing.FENCED
        if is_fenced and not request.include_fenced_brokers:
            continue
        node_id, host, port = endpoint_of(broker, exchange, context)
        answer.brokers.append(
            DescribeClusterBroker(broker_id=node_id, host=host, port=port, is_fenced=is_fenced)
        )
    if request.include_cluster_authorized_operations:
        answer.cluster_authorized_operations = operations.ON_CLUSTER
    return answer
