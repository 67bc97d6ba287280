"""IncrementalAlterConfigs: set, delete, append to or subtract from some options of a resource."""

from ...protocol.api.incremental_alter_configs import (
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from ..controller.decide_configs import Alteration, OptionChange
from .config_alterations import alter_all
from .context import Context, Exchange


async def handle(
    exchange: Exchange, request: IncrementalAlterConfigsRequest, context: Context
) -> IncrementalAlterConfigsResponse:
    """One answer per resource, in the order asked."""
    del exchange
    alterations = [_alteration(resource) for resource in request.resources]
    decisions = await alter_all(alterations, request.validate_only, context)
    return IncrementalAlterConfigsResponse(
        responses=[
            AlterConfigsResourceResponse(
                error_code=decision.error_code,
                error_message=decision.message,
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
            )
            for resource, decision in zip(request.resources, decisions, strict=True)
        ]
    )


def _alteration(resource: AlterConfigsResource) -> Alteration:
    changes = [
        OptionChange(config.name, config.config_operation, config.value)
        for config in resource.configs
    ]
    return Alteration(resource.resource_type, resource.resource_name, changes)
