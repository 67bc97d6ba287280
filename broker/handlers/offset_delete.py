"""OffsetDelete: forget offsets of a group; not those of a topic that it is subscribed to."""

import asyncio

from ...protocol.api.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from ...protocol.errors import ErrorCode
from ..group.group import Group, State
from .context import Context, Exchange


async def handle(
    exchange: Exchange, request: OffsetDeleteRequest, context: Context
) -> OffsetDeleteResponse:
    """Answer when the tombstones are safe."""
    del exchange
    found = context.groups.find(request.group_id)
    if found is None:
        found = ErrorCode.GROUP_ID_NOT_FOUND
    if isinstance(found, ErrorCode):
        return OffsetDeleteResponse(error_code=found, topics=[])
    subscribed = _subscribed(found.group, context)
    if subscribed is None:
        return OffsetDeleteResponse(error_code=ErrorCode.NON_EMPTY_GROUP, topics=[])
    allowed = [
        (topic.name, partition.partition_index)
        for topic in request.topics
        for partition in topic.partitions
        if topic.name not in subscribed
    ]
    done: asyncio.Future[ErrorCode] = asyncio.get_running_loop().create_future()
    context.groups.delete_offsets(request.group_id, allowed, done.set_result)
    error = await done
    if error:
        return OffsetDeleteResponse(error_code=error, topics=[])
    return OffsetDeleteResponse(
        error_code=ErrorCode.NONE,
        topics=[
            OffsetDeleteResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetDeleteResponsePartition(
                        partition_index=partition.partition_index,
                        error_code=(
                            ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
                            if topic.name in subscribed
                            else ErrorCode.NONE
                        ),
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ],
    )


def _subscribed(group: Group, context: Context) -> set[str] | None:
    """The topics that may not be forgotten, or None for a group whose members may want any."""
    if group.state is State.EMPTY:
        return set()
    return context.groups.subscribed_topics(group)
