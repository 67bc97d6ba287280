"""AlterConfigs: the options named are set, and all others of the resource go to their defaults."""

from ...protocol.api.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)
from ...protocol.api.incremental_alter_configs import AlterConfigOperation
from ..controller.decide_configs import Alteration, OptionChange
from .config_alterations import alter_all
from .context import Context, Exchange


async def handle(
    exchange: Exchange, request: AlterConfigsRequest, context: Context
) -> AlterConfigsResponse:
    """One answer per resource, in the order asked."""
    del exchange
    alterations = [_alteration(resource) for resource in request.resources]
    decisions = await alter_all(alterations, request.validate_only, context)
    return AlterConfigsResponse(
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
    set_ = AlterConfigOperation.SET
    changes = [OptionChange(config.name, set_, config.value) for config in resource.configs]
    return Alteration(resource.resource_type, resource.resource_name, changes, replaces_all=True)
