"""DescribeCluster (key 60): who belongs to this cluster?

An admin client asks any broker; unlike Metadata the answer has no topics and is cheap.

    v0   brokers, cluster id, controller, authorized operations (KIP-700)
    v1   `endpoint_type`: the same question to the controllers (KIP-919)
    v2   `include_fenced_brokers` and `is_fenced`: brokers that are known and not alive (KIP-1073)
"""

from ..codec import array, field, message, struct
from ..primitives import BOOLEAN, INT8, INT16, INT32, STRING

BROKER_ENDPOINT = 1
CONTROLLER_ENDPOINT = 2
OPERATIONS_NOT_REQUESTED = -(2**31)
"""The bit field of authorized operations when nobody asked for it (KIP-430)."""


@message(key=60, versions="0-2", flexible="0+")
class DescribeClusterRequest:
    """Who is there? An admin client to any node."""

    include_cluster_authorized_operations: bool = field(BOOLEAN, default=False)
    endpoint_type: int = field(INT8, "1+", default=BROKER_ENDPOINT)
    include_fenced_brokers: bool = field(BOOLEAN, "2+", default=False)


@struct
class DescribeClusterBroker:
    """One node and its address."""

    broker_id: int = field(INT32)
    host: str = field(STRING)
    port: int = field(INT32)
    rack: str | None = field(STRING, nullable="0+", default=None)
    is_fenced: bool = field(BOOLEAN, "2+", default=False, ignorable=True)


@message(key=60, versions="0-2", flexible="0+")
class DescribeClusterResponse:
    """The nodes, and which of them is the active controller."""

    throttle_time_ms: int = field(INT32, default=0)
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable="0+", default=None)
    endpoint_type: int = field(INT8, "1+", default=BROKER_ENDPOINT)
    cluster_id: str = field(STRING)
    controller_id: int = field(INT32, default=-1)
    brokers: list[DescribeClusterBroker] = field(array(DescribeClusterBroker))
    cluster_authorized_operations: int = field(INT32, default=OPERATIONS_NOT_REQUESTED)
