"""Heartbeat: a member lives, and learns whether it must join again."""

from ...protocol.api.heartbeat import HeartbeatRequest, HeartbeatResponse
from ..group.member import Identity
from .context import Context, Exchange


def handle(exchange: Exchange, request: HeartbeatRequest, context: Context) -> HeartbeatResponse:
    """Answer at once."""
    del exchange
    identity = Identity(request.member_id, request.group_instance_id, request.generation_id)
    return HeartbeatResponse(error_code=context.groups.heartbeat(request.group_id, identity))
