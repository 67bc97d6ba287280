"""ListConfigResources: topics and brokers; there are no loggers, metrics or groups with options."""

from ...protocol.api.describe_configs import ConfigResourceType
from ...protocol.api.list_config_resources import (
    CLIENT_METRICS,
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)
from ...protocol.errors import ErrorCode
from ..controller.image import Image
from .context import Context, Exchange

FIRST_VERSION_WITH_TYPES = 1


def handle(
    exchange: Exchange, request: ListConfigResourcesRequest, context: Context
) -> ListConfigResourcesResponse:
    """The resources of the types asked for; a type that nobody knows refuses the request."""
    wanted = set(request.resource_types or ConfigResourceType)
    if exchange.version < FIRST_VERSION_WITH_TYPES:
        wanted = {CLIENT_METRICS}
    if not wanted <= set(ConfigResourceType):
        error_code = ErrorCode.UNSUPPORTED_VERSION
        return ListConfigResourcesResponse(error_code=error_code, config_resources=[])
    resources = [
        ConfigResource(resource_name=name, resource_type=type_)
        for type_, names in _names(context.controller.image).items()
        if type_ in wanted
        for name in names
    ]
    return ListConfigResourcesResponse(error_code=ErrorCode.NONE, config_resources=resources)


def _names(image: Image) -> dict[ConfigResourceType, list[str]]:
    return {
        ConfigResourceType.BROKER: [str(broker_id) for broker_id in sorted(image.brokers)],
        ConfigResourceType.TOPIC: sorted(image.topics),
    }
