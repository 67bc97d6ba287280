"""ListConfigResources (key 74): the names of the resources that have options.

An admin client asks, before DescribeConfigs. In version 0 the API was ListClientMetricsResources
and knew that one type.

    v0   the names of all client metrics resources (KIP-1000)
    v1   `resource_types`, and the type beside each name (KIP-1142)
"""

from ..codec import array, field, message, struct
from ..primitives import INT8, INT16, INT32, STRING
from ..schema import ZERO

CLIENT_METRICS = 16
"""The one resource type of version 0."""


@message(key=74, versions="0-1", flexible="0+")
class ListConfigResourcesRequest:
    """Which resources of these types are there? An empty list asks for all types."""

    resource_types: list[int] = field(array(INT8), "1+", default=ZERO)


@struct
class ConfigResource:
    """One resource."""

    resource_name: str = field(STRING)
    resource_type: int = field(INT8, "1+", default=CLIENT_METRICS, ignorable=True)


@message(key=74, versions="0-1", flexible="0+")
class ListConfigResourcesResponse:
    """The resources found."""

    throttle_time_ms: int = field(INT32, default=0)
    error_code: int = field(INT16)
    config_resources: list[ConfigResource] = field(array(ConfigResource))
