"""DescribeConfigs: every option of topics and of this broker, with where its value comes from.

    TOPIC           all options of a topic
    BROKER          all options of this broker, and where its control plane listens; with an empty
                    name those set for all brokers
    BROKER_LOGGER   the loggers' levels, CLIENT_METRICS and GROUP: none of them here, refused

One topic takes half a millisecond and a few KiB, and a request may name thousands, so others get
their turn in between, and a resource that is named again is not described again.
"""

import asyncio
from typing import NamedTuple

from ...protocol.api.describe_configs import (
    ConfigResourceType,
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
)
from ...protocol.errors import ErrorCode
from ..config import format_address
from ..controller.decide import refuse_topic_name
from ..controller.live_config import ALL_BROKERS
from ..options import shown
from .config_entries import ConfigEntry, all_brokers_entries, broker_entries, topic_entries
from .context import Context, Exchange


class Refusal(NamedTuple):
    """Why a resource is not described."""

    error_code: ErrorCode
    message: str | None


async def handle(
    exchange: Exchange, request: DescribeConfigsRequest, context: Context
) -> DescribeConfigsResponse:
    """One answer per resource, in the order asked."""
    control_listener = format_address(*context.control_address_for(exchange))
    resources = {(each.resource_type, each.resource_name): each for each in request.resources}
    results: list[DescribeConfigsResult] = []
    for resource in resources.values():
        results.append(_describe(resource, request, context, control_listener))
        await asyncio.sleep(0)
    return DescribeConfigsResponse(results=results)


def _describe(
    resource: DescribeConfigsResource,
    request: DescribeConfigsRequest,
    context: Context,
    control_listener: str,
) -> DescribeConfigsResult:
    found = _find(resource, context, control_listener)
    refused = found if isinstance(found, Refusal) else Refusal(ErrorCode.NONE, None)
    entries = [] if isinstance(found, Refusal) else found
    keys = frozenset(resource.configuration_keys or ())
    return DescribeConfigsResult(
        error_code=refused.error_code,
        error_message=refused.message,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
        configs=[_answer(entry, request) for entry in entries if not keys or entry.name in keys],
    )


def _find(
    resource: DescribeConfigsResource, context: Context, control_listener: str
) -> list[ConfigEntry] | Refusal:
    name = resource.resource_name
    match resource.resource_type:
        case ConfigResourceType.TOPIC:
            return _find_topic(name, context)
        case ConfigResourceType.BROKER:
            return _find_broker(name, context, control_listener)
        case other:
            message = f"resources of type {other} have no options here"
            return Refusal(ErrorCode.INVALID_REQUEST, message)


def _find_topic(name: str, context: Context) -> list[ConfigEntry] | Refusal:
    topic = context.controller.image.topics.get(name)
    if topic is not None:
        return topic_entries(context.live, topic)
    reason = refuse_topic_name(name)
    if reason is not None:
        return Refusal(ErrorCode.INVALID_TOPIC_EXCEPTION, reason)
    return Refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, None)


def _find_broker(name: str, context: Context, control_listener: str) -> list[ConfigEntry] | Refusal:
    if name == ALL_BROKERS:
        return all_brokers_entries(context.live)
    if name == str(context.config.node_id):
        return broker_entries(context.live, control_listener)
    message = f"this is broker {context.config.node_id}, not {shown(name)}"
    return Refusal(ErrorCode.INVALID_REQUEST, message)


def _answer(entry: ConfigEntry, request: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    return DescribeConfigsResourceResult(
        name=entry.name,
        value=entry.value,
        read_only=entry.is_read_only,
        config_source=entry.source,
        is_sensitive=False,
        synonyms=entry.synonyms if request.include_synonyms else [],
        config_type=entry.type,
        documentation=entry.rule.meaning if request.include_documentation else None,
    )
