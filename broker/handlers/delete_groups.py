"""DeleteGroups: forget groups without members, with all that they committed."""

import asyncio

from ...protocol.api.delete_groups import (
    DeleteGroupsRequest,
    DeleteGroupsResponse,
    DeleteGroupsResponseResult,
)
from ...protocol.errors import ErrorCode
from .context import Context, Exchange


async def handle(
    exchange: Exchange, request: DeleteGroupsRequest, context: Context
) -> DeleteGroupsResponse:
    """Answer when all tombstones are safe; a group that is named twice is deleted once."""
    del exchange
    loop = asyncio.get_running_loop()
    ends: dict[str, asyncio.Future[ErrorCode]] = {}
    for group_id in request.groups_names:
        if group_id not in ends:
            ends[group_id] = loop.create_future()
            context.groups.delete(group_id, ends[group_id].set_result)
    return DeleteGroupsResponse(
        results=[
            DeleteGroupsResponseResult(group_id=group_id, error_code=await end)
            for group_id, end in ends.items()
        ]
    )
