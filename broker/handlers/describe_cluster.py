"""DescribeCluster: the nodes and the controller, without any topic (KIP-700)."""

from ...protocol.api.describe_cluster import (
    BROKER_ENDPOINT,
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from ...protocol.errors import ErrorCode
from . import operations
from .context import Context, Exchange


def handle(
    exchange: Exchange, request: DescribeClusterRequest, context: Context
) -> DescribeClusterResponse:
    """Brokers only: controllers have no Kafka endpoint of their own here (KIP-919)."""
    image = context.controller.image
    answer = DescribeClusterResponse(
        error_code=ErrorCode.NONE,
        endpoint_type=request.endpoint_type,
        cluster_id=image.cluster_id,
        controller_id=context.config.node_id,
        brokers=[],
    )
    if request.endpoint_type != BROKER_ENDPOINT:
        answer.error_code = ErrorCode.MISMATCHED_ENDPOINT_TYPE
        answer.error_message = "this endpoint describes brokers only"
        return answer
    host, port = context.address_for(exchange)
    answer.brokers = [
        DescribeClusterBroker(broker_id=broker_id, host=host, port=port)
        for broker_id in sorted(image.brokers)
    ]
    if request.include_cluster_authorized_operations:
        answer.cluster_authorized_operations = operations.ON_CLUSTER
    return answer
